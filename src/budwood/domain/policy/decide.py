"""Whether a policy lets a version through. Pure: everything it looks at is in the case.

What is missing, stale, not a number or could not be worked out is undecided, and undecided blocks like a no.
"""

import math
from collections.abc import Iterator, Sequence

from budwood.domain.canon import Json
from budwood.domain.facts import Facts
from budwood.domain.fields import known_fields
from budwood.domain.policy.case import Case, Check, Said, State, Verdict
from budwood.domain.policy.evidence import SCANNER, Evidence, EvidenceKind, Outcome
from budwood.domain.policy.policy import Policy, Requires, Threshold
from budwood.domain.policy.reviews import assigned, counting, nobody_behind, rejected_by, why_not

_DAY_MS = 86_400_000
_SHOWN = 3
"""Of how many reviews that do not count the reason is told at once."""


def decide(policies: Sequence[Policy], case: Case) -> Verdict:
    """Every check of every policy, in the order they are written."""
    return Verdict(tuple(check for policy in policies for check in _checks(policy, case)))


def _checks(policy: Policy, case: Case) -> Iterator[Check]:
    yield from _required(policy.name, policy.requires, case)
    for number, threshold in enumerate(policy.thresholds):
        name = f"thresholds[{number}] {threshold.metric}"
        yield _reached(policy.name, name, threshold, case, signed=policy.requires.evidence_signed)
    yield from _reviewed(policy, case)
    for number, validation in enumerate(policy.validations):
        said = case.said.get(validation.expression, Said(None, "it was not evaluated"))
        name = f"validations[{number}]"
        inputs: dict[str, Json] = {"expression": validation.expression}
        if said.value is None:
            yield Check(policy.name, name, State.UNDECIDED, said.problem, inputs)
        else:
            state = State.PASSED if said.value else State.FAILED
            yield Check(policy.name, name, state, "" if said.value else validation.message, inputs)


# What must be there


def _required(policy: str, requires: Requires, case: Case) -> Iterator[Check]:
    facts = case.facts
    if requires.formats:
        stray = sorted(set(facts.formats) - set(requires.formats))
        why = f"It holds {', '.join(stray)}." if stray else "" if facts.formats else "No format was recognised."
        state = State.FAILED if stray else State.PASSED if facts.formats else State.UNDECIDED
        yield Check(policy, "requires.formats", state, why, {"formats": list(facts.formats)})
    if requires.signed:
        yield _yes(policy, "requires.signed", case.signed, "No signature that is trusted here.")
    if requires.scanned:
        yield _scanned(policy, case)
    if requires.clean_tree:
        known = facts.code is not None
        clean = facts.code is not None and not facts.code.dirty
        why = "The work tree had changes that are in no commit." if known else "Nobody knows which commit it is from."
        state = State.PASSED if clean else State.FAILED if known else State.UNDECIDED
        yield Check(policy, "requires.cleanTree", state, "" if clean else why)
    if requires.lineage:
        why = f"Missing: {', '.join(case.gaps)}." if case.gaps else ""
        yield Check(policy, "requires.lineage", State.UNDECIDED if case.gaps else State.PASSED, why)
    for name in requires.facts:
        there = has_fact(facts, name)
        yield _yes(policy, f"requires.facts {name}", there, f"{name} is missing.", State.UNDECIDED)
    for kind in requires.evidence:
        yield _of_kind(policy, f"requires.evidence {kind}", kind, case, signed=requires.evidence_signed)


def has_fact(facts: Facts, name: str) -> bool:
    """Whether something is known under this name: one of ``domain/fields.py``, ``formats`` or ``parameters``."""
    match name:
        case "formats":
            return bool(facts.formats)
        case "parameters":
            return bool(facts.parameters)
        case _:
            return name in known_fields(facts)


def _yes(policy: str, name: str, holds: bool, why: str, otherwise: State = State.FAILED) -> Check:
    return Check(policy, name, State.PASSED if holds else otherwise, "" if holds else why)


def _scanned(policy: str, case: Case) -> Check:
    """The registry's own newest scan must say yes, and no newer one of anybody's may say anything else."""
    own = [each for each in case.evidence if each.kind is EvidenceKind.SCAN and SCANNER in each.roles]
    if not own:
        why = "The registry has not scanned it."
        return Check(policy, "requires.scanned", State.UNDECIDED, why)
    newest = max(own, key=_age)
    if newest.outcome is not Outcome.PASSED:
        return _yes_of(policy, "requires.scanned", newest)
    return _of_kind(policy, "requires.scanned", EvidenceKind.SCAN, case)


def _of_kind(policy: str, name: str, kind: EvidenceKind, case: Case, *, signed: bool = False) -> Check:
    """The newest of a kind counts, and it must say yes."""
    newest = max((each for each in case.evidence if each.kind is kind), key=_age, default=None)
    if newest is None or newest.outcome is Outcome.NONE:
        return Check(policy, name, State.UNDECIDED, f"There is no {kind} that says yes or no.")
    if signed and newest.digest not in case.vouched:
        return Check(policy, name, State.UNDECIDED, _unsigned(kind), {"evidence": newest.digest, "by": newest.author})
    return _yes_of(policy, name, newest)


def _yes_of(policy: str, name: str, newest: Evidence) -> Check:
    states = {Outcome.PASSED: State.PASSED, Outcome.FAILED: State.FAILED}
    inputs: dict[str, Json] = {"evidence": newest.digest, "by": newest.author}
    why = "" if newest.outcome is Outcome.PASSED else newest.summary or f"The newest {newest.kind} failed."
    return Check(policy, name, states.get(newest.outcome, State.UNDECIDED), why, inputs)


def _unsigned(kind: EvidenceKind) -> str:
    return f"The newest {kind} is not signed by a key that is trusted here."


# What must be reached


def _reached(policy: str, name: str, threshold: Threshold, case: Case, *, signed: bool) -> Check:
    found = _newest(threshold, case.evidence, errors=True)
    if found is None:
        wanted = f" on {threshold.dataset}" if threshold.dataset else ""
        return Check(policy, name, State.UNDECIDED, f"No {threshold.kind} gives {threshold.metric}{wanted}.")
    if threshold.metric not in found.metrics:
        why = f"The newest {threshold.kind} ended in an error: {found.summary}"
        return Check(policy, name, State.UNDECIDED, why, {"evidence": found.digest})
    value = found.metrics[threshold.metric]
    inputs: dict[str, Json] = {"evidence": found.digest, "samples": found.samples, "value": _plain(value)}
    if signed and found.digest not in case.vouched:
        return Check(policy, name, State.UNDECIDED, _unsigned(found.kind), inputs)
    if problem := _unfit(threshold, found, value, case.now_ms):
        return Check(policy, name, State.UNDECIDED, problem, inputs)
    bound, whence = _bound(threshold, case, signed=signed)
    inputs |= {"bound": bound, "of": whence}
    if bound is None:
        return Check(policy, name, State.UNDECIDED, whence, inputs)
    holds = threshold.operator.holds(value, bound)
    why = "" if holds else f"{threshold.metric} is {value:g} and must be {threshold.operator} {bound:g} ({whence})."
    return Check(policy, name, State.PASSED if holds else State.FAILED, why, inputs)


def _unfit(threshold: Threshold, found: Evidence, value: float, now_ms: int) -> str:
    """Why the newest evidence decides nothing; "" when it may."""
    if not math.isfinite(value):
        return f"{threshold.metric} is {value}, which is no number to compare."
    if found.samples < threshold.min_samples:
        return f"It was measured on {found.samples} samples; {threshold.min_samples} are asked for."
    age_ms = now_ms - found.at_ms
    if threshold.max_age_ms and not 0 <= age_ms <= threshold.max_age_ms:
        days, most = age_ms / _DAY_MS, threshold.max_age_ms / _DAY_MS
        return f"It was measured {days:.1f} days ago; {most:.1f} are allowed."
    return ""


def _bound(threshold: Threshold, case: Case, *, signed: bool) -> tuple[float | None, str]:
    """What must be reached and where that comes from; or None and why nobody knows."""
    if threshold.value is not None:
        return threshold.value, "the policy"
    if case.champion is None:
        if threshold.first is None:
            return None, "Nothing is in force to compare with, and the policy gives no 'first'."
        return threshold.first, "the policy, for the first"
    best = _newest(threshold, case.champion)
    if best is None or not math.isfinite(best.metrics[threshold.metric]):
        return None, f"The version in force has no {threshold.metric} to compare with."
    if signed and best.digest not in case.vouched:
        return None, f"The {threshold.metric} of the version in force is not signed by a key that is trusted here."
    less = threshold.tolerance if threshold.operator.more_is_better else -threshold.tolerance
    return best.metrics[threshold.metric] - less, "the version in force"


def _newest(threshold: Threshold, evidence: Sequence[Evidence], *, errors: bool = False) -> Evidence | None:
    """The newest that fits. Never the best: a good result of last month must not hide a bad one of today.

    With ``errors`` one that should have measured it and ended in an error fits as well.
    """
    fitting = (
        each
        for each in evidence
        if each.kind is threshold.kind
        and (threshold.metric in each.metrics or (errors and each.outcome is Outcome.ERROR))
        and threshold.dataset in ("", each.dataset)
        and (threshold.role is None or threshold.role in each.roles)
    )
    return max(fitting, key=_age, default=None)


def _age(evidence: Evidence) -> tuple[int, int]:
    """By when it came, not by what a clock said that may have been set since."""
    return evidence.id, evidence.at_ms


def _plain(value: float) -> Json:
    return value if math.isfinite(value) else str(value)


# Who must have said yes


def _reviewed(policy: Policy, case: Case) -> Iterator[Check]:
    if not policy.reviews:
        return
    noes = rejected_by(case)
    filled = assigned(policy.reviews, [counting(rule, case) for rule in policy.reviews])
    for number, (rule, people) in enumerate(zip(policy.reviews, filled, strict=True)):
        name = f"reviews[{number}] {rule.role}"
        left = [f"{each.person}'s does not count: {why}" for each in case.reviews if (why := why_not(rule, each, case))]
        inputs: dict[str, Json] = {"by": sorted(people), "asked": rule.count, "left_out": left}
        if noes:
            yield Check(policy.name, name, State.FAILED, f"{', '.join(noes)} said no.", inputs)
        elif unknown := nobody_behind(rule, case):
            whose = ", ".join(unknown)
            why = f"Nobody is known to stand behind {whose}: budwood person change {unknown[0]} --owner NAME."
            yield Check(policy.name, name, State.UNDECIDED, why, inputs)
        elif len(people) < rule.count:
            more = rule.count - len(people)
            why = f"{more} more with the role {rule.role} must approve."
            why += "".join(f" {each}." for each in left[:_SHOWN])
            yield Check(policy.name, name, State.FAILED, why, inputs)
        else:
            yield Check(policy.name, name, State.PASSED, "", inputs)
