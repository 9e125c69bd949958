"""Whether a pointer may move: asked inside the transaction that moves it, by the one function that moves pointers.

What a policy guards moves only with a promotion that was applied, or back to where it pointed before: a version that
was let through once, and was not retired since, may always return. Everything a decision looks at is gathered here.
"""

import hashlib
from collections.abc import Mapping, Sequence

from budwood.catalog.api import View
from budwood.domain.canon import dumps
from budwood.domain.facts import Facts
from budwood.domain.names import AliasName, Stage
from budwood.domain.policy.case import Case, Review, Said
from budwood.domain.policy.evidence import Evidence
from budwood.domain.policy.policy import Left, Policy, guarding
from budwood.domain.policy.records import Promotion, PromotionState
from budwood.domain.records import VersionRecord, stage_pointer
from budwood.errors import GateClosed
from budwood.verbs.identity import behind, is_person, roles_since
from budwood.verbs.policy_text import policy_from


def check_gates(view: View, version: VersionRecord, pointer: str) -> None:
    """Raises GateClosed where a policy guards the pointer and this version was never let through to it."""
    policies = policies_guarding(view, version, pointer)
    if not policies or was_let_through(view, version, pointer):
        return
    shown = shown_pointer(pointer)
    names = tuple(policy.name for policy in policies)
    raise GateClosed(
        f"{shown!r} of {version.model} is guarded by {', '.join(names)}.",
        hint=f"Ask for it: budwood promotion request {version.reference} {shown}",
        open_gates=names,
        pointer=shown,
    )


def policies_guarding(view: View, version: VersionRecord, pointer: str) -> tuple[Policy, ...]:
    """Those in force, by name."""
    records = view.policies(version.namespace)
    if not records:
        return ()
    policies = [policy_from(record.text) for record in records]
    return guarding(policies, version.model, pointer, view.tier(version.model_id).tier)


def may_return(view: View, version: VersionRecord, pointer: str) -> bool:
    """Whether the pointer may go back to the version: nothing guards it, or it was let through before."""
    return not policies_guarding(view, version, pointer) or was_let_through(view, version, pointer)


def was_let_through(view: View, version: VersionRecord, pointer: str) -> bool:
    """Whether the pointer was there before, and not past the gates. One that is retired never gets this far."""
    if view.pointed_before(version.model_id, pointer, version.id):
        return True
    promotions = view.promotions_of(version.id, pointer)
    return any(each.state is PromotionState.APPLIED and not each.broke_glass for each in promotions)


def binds_of(version: VersionRecord, pointer: str, policies: Sequence[Policy], evidence: Sequence[Evidence]) -> str:
    """The digest of what is asked for: a review of another one does not count."""
    asked = {
        "manifest": version.digest,
        "pointer": pointer,
        "policies": sorted(policy.digest for policy in policies),
        "evidence": sorted(each.digest for each in evidence),
    }
    return hashlib.sha256(dumps(asked)).hexdigest()


def case_of(
    view: View,
    promotion: Promotion,
    version: VersionRecord,
    facts: Facts,
    *,
    now_ms: int,
    policies: Sequence[Policy],
    said: Mapping[str, Said],
    signed: bool = False,
) -> Case:
    """What is decided on, as it is now. ``facts`` are the version's, which never change."""
    evidence = tuple(view.evidence(version.namespace, version.digest))
    doers = {
        Left.REQUESTER: frozenset({promotion.requester}),
        Left.AUTHOR: frozenset({version.author, facts.author}) - {""},
        Left.EVIDENCE: frozenset(each.author for each in evidence),
        Left.TRAINER: frozenset({facts.training.run_by if facts.training is not None else ""}) - {""},
    }
    people = {name: behind(view, name) for name in frozenset().union(*doers.values())}
    unknown = {left: frozenset(name for name in names if not people[name]) for left, names in doers.items()}
    made = {left: frozenset().union(*(people[name] for name in names)) for left, names in doers.items()}
    return Case(
        now_ms=now_ms,
        requested_ms=promotion.requested_ms,
        binds=binds_of(version, promotion.pointer, policies, evidence),
        facts=facts,
        requesters=made[Left.REQUESTER],
        authors=made[Left.AUTHOR],
        evaluators=made[Left.EVIDENCE] | {each.person for each in evidence},
        trainers=made[Left.TRAINER],
        unknown=unknown,
        evidence=evidence,
        champion=_champion(view, version, promotion.pointer),
        reviews=tuple(_now(view, version.namespace, review) for review in view.reviews(promotion.id)),
        signed=signed,
        gaps=gaps_of(facts),
        said=said,
    )


def gaps_of(facts: Facts) -> tuple[str, ...]:
    """What of a version's origin nobody knows."""
    known = {
        "data": bool(facts.datasets),
        "code": facts.code is not None,
        "environment": facts.environment is not None,
    }
    return tuple(name for name, there in known.items() if not there)


def pointer_named(text: str) -> str:
    """An alias, or a stage as the pointer it is. Raises BadName."""
    return stage_pointer(Stage(text)) if text in frozenset(Stage) else AliasName(text)


def shown_pointer(pointer: str) -> str:
    """As people type it."""
    return pointer.removeprefix("stage:")


def _champion(view: View, version: VersionRecord, pointer: str) -> tuple[Evidence, ...] | None:
    """The evidence about what the pointer points at now; None when that is nothing, or this version."""
    move = view.pointer(version.model_id, pointer)
    current = view.version_by_id(move.version_id) if move and move.version_id else None
    if current is None or current.id == version.id:
        return None
    return tuple(view.evidence(version.namespace, current.digest))


def _now(view: View, namespace: str, review: Review) -> Review:
    """The review with the roles its giver holds now: one who was given a role later, or lost it, does not count."""
    roles = roles_since(view, namespace, review.person) if is_person(view, review.person) else {}
    return Review(review.person, review.approves, review.at_ms, review.binds, roles, review.reason)
