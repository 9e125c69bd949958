"""A policy from the plain values of a document: everything in it is understood, or refused by name.

The shape is Kubernetes': ``apiVersion``, ``kind``, ``metadata``, ``spec``. An error says which field, what is wrong
with it and what it may be; a field nobody knows is an error too, because a typing mistake must not open a gate.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from budwood.domain.access import Role
from budwood.domain.canon import dumps
from budwood.domain.document import Reader, near
from budwood.domain.fields import FIELDS, is_field
from budwood.domain.limits import (
    EXPRESSION_BYTES,
    NAME_CHARS,
    POLICY_RULES,
    REVIEWERS,
)
from budwood.domain.names import Stage
from budwood.domain.policy.evidence import EvidenceKind
from budwood.domain.policy.policy import (
    Left,
    Operator,
    Policy,
    Requires,
    ReviewRule,
    Threshold,
    Tier,
    Validation,
)
from budwood.errors import BadPolicy

API_VERSION: Final = "budwood.dev/v1"
KIND: Final = "Policy"
GUARDED: Final = (Stage.STAGING, Stage.PRODUCTION, Stage.ARCHIVED)
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_FACT: Final = re.compile(r"[a-z_]+(\.[A-Za-z0-9_.:/@-]+)?")
_COUNTED: Final = ("formats", "parameters")
"""Facts that are read from the files, and that no standard asks for."""
_READ: Final = Reader(BadPolicy, items=POLICY_RULES)


def read_policy(document: object) -> Policy:
    """The policy a document holds, with its digest. Raises BadPolicy, naming the field and the fix."""
    plain = _READ.plain(document)
    top = _READ.head(plain, API_VERSION, KIND, metadata=("name",))
    policy = _spec(_name(top["metadata"]["name"]), top["spec"])
    return replace(policy, digest=hashlib.sha256(dumps(plain)).hexdigest())


def _spec(name: str, value: object) -> Policy:
    spec = _READ.fields(
        value,
        "spec",
        optional=("stages", "aliases", "models", "tiers", "requires", "thresholds", "reviews", "validations"),
    )
    policy = Policy(
        name=name,
        stages=_READ.distinct(spec, "stages", "spec", _stage),
        aliases=_READ.distinct(spec, "aliases", "spec", _READ.pattern),
        models=_READ.distinct(spec, "models", "spec", _READ.pattern) or ("*",),
        tiers=_READ.distinct(spec, "tiers", "spec", _READ.word(Tier)) or tuple(Tier),
        requires=_requires(spec.get("requires", {})),
        thresholds=_READ.distinct(spec, "thresholds", "spec", _threshold),
        reviews=_READ.distinct(spec, "reviews", "spec", _review),
        validations=_READ.distinct(spec, "validations", "spec", _validation),
    )
    if not policy.stages and not policy.aliases:
        _READ.bad("spec", "guards nothing", "Name what it guards: stages: [production], or aliases: [champion].")
    if policy.requires == Requires() and not (policy.thresholds or policy.reviews or policy.validations):
        _READ.bad("spec", "asks for nothing", "Give requires, thresholds, reviews or validations.")
    return policy


def _requires(value: object) -> Requires:
    at = "spec.requires"
    flags = ("signed", "scanned", "cleanTree", "lineage", "evidenceSigned")
    given = _READ.fields(value, at, optional=("formats", *flags, "facts", "evidence"))
    return Requires(
        formats=_READ.distinct(given, "formats", at, _READ.text),
        signed=_flag(given, "signed", at),
        scanned=_flag(given, "scanned", at),
        clean_tree=_flag(given, "cleanTree", at),
        lineage=_flag(given, "lineage", at),
        facts=_READ.distinct(given, "facts", at, _fact),
        evidence=_READ.distinct(given, "evidence", at, _READ.word(EvidenceKind)),
        evidence_signed=_flag(given, "evidenceSigned", at),
    )


def _threshold(value: object, at: str) -> Threshold:
    given = _READ.fields(
        value,
        at,
        required=("metric", "operator"),
        optional=("value", "champion", "evidence", "dataset", "minSamples", "maxAge", "evaluatorRole"),
    )
    if ("value" in given) == ("champion" in given):
        _READ.bad(
            at, "compares with nothing, or with two things", "Give either value: 0.9, or champion: {tolerance: 0.01}."
        )
    champion = _READ.fields(given.get("champion", {}), f"{at}.champion", optional=("tolerance", "first"))
    tolerance = _READ.number(champion["tolerance"], f"{at}.champion.tolerance") if "tolerance" in champion else 0.0
    if tolerance < 0:
        _READ.bad(f"{at}.champion.tolerance", "is negative", "It says how much worse is allowed: 0, 0.01.")
    return Threshold(
        metric=_READ.text(given["metric"], f"{at}.metric"),
        operator=_READ.word(Operator)(given["operator"], f"{at}.operator"),
        value=_READ.number(given["value"], f"{at}.value") if "value" in given else None,
        tolerance=tolerance,
        first=_READ.number(champion["first"], f"{at}.champion.first") if "first" in champion else None,
        kind=_READ.word(EvidenceKind)(given.get("evidence", EvidenceKind.EVALUATION), f"{at}.evidence"),
        dataset=_READ.text(given["dataset"], f"{at}.dataset") if "dataset" in given else "",
        min_samples=_READ.count(given.get("minSamples", 0), f"{at}.minSamples", least=0, most=10**12),
        max_age_ms=_age(given["maxAge"], f"{at}.maxAge") if "maxAge" in given else 0,
        role=_READ.word(Role)(given["evaluatorRole"], f"{at}.evaluatorRole") if "evaluatorRole" in given else None,
    )


def _review(value: object, at: str) -> ReviewRule:
    given = _READ.fields(value, at, required=("role",), optional=("count", "exclude", "validFor"))
    left = frozenset(_READ.distinct(given, "exclude", at, _READ.word(Left))) if "exclude" in given else frozenset(Left)
    return ReviewRule(
        role=_READ.word(Role)(given["role"], f"{at}.role"),
        count=_READ.count(given.get("count", 1), f"{at}.count", least=1, most=REVIEWERS),
        left_out=left,
        valid_ms=_age(given["validFor"], f"{at}.validFor") if "validFor" in given else 0,
    )


def _validation(value: object, at: str) -> Validation:
    given = _READ.fields(value, at, required=("expression", "message"))
    expression = _READ.text(given["expression"], f"{at}.expression", EXPRESSION_BYTES)
    return Validation(expression, _READ.text(given["message"], f"{at}.message"))


# Single values


def _name(value: object) -> str:
    text = _READ.text(value, "metadata.name")
    if len(text) > NAME_CHARS or not _NAME.fullmatch(text):
        _READ.bad("metadata.name", f"is {text[:80]!r}", "Lower-case letters, digits and dashes: production-high.")
    return text


def _stage(value: object, at: str) -> str:
    stage = _READ.word(Stage)(value, at)
    if stage not in GUARDED:
        _READ.bad(at, "is where every version begins", f"What can be guarded is {', '.join(GUARDED)}.")
    return str(stage)


def _fact(value: object, at: str) -> str:
    text = _READ.text(value, at)
    if not _FACT.fullmatch(text) or not (is_field(text) or text in _COUNTED):
        known = (*FIELDS, *_COUNTED)
        close = near(text, known)
        _READ.bad(at, f"is {text[:80]!r}, which is no fact", close or f"Facts are {', '.join(known)}; metrics.NAME.")
    return text


def _age(value: object, at: str) -> int:
    lasts_s = _READ.lasts_s(value, at)
    if not lasts_s:
        # Nothing would be young enough, or everything: whoever writes it may mean either.
        _READ.bad(at, "is 0", "Write seconds, minutes, hours or days: 90m, 12h, 30d; or leave it out for no end.")
    return lasts_s * 1_000


def _flag(given: Mapping[str, Any], name: str, at: str) -> bool:
    return _READ.flag(given.get(name, False), f"{at}.{name}")
