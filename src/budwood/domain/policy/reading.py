"""A policy from the plain values of a document: everything in it is understood, or refused by name.

The shape is Kubernetes': ``apiVersion``, ``kind``, ``metadata``, ``spec``. An error says which field, what is wrong
with it and what it may be; a field nobody knows is an error too, because a typing mistake must not open a gate.
"""

import difflib
import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from budwood.domain.access import Role
from budwood.domain.canon import dumps
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
_PATTERN: Final = re.compile(r"[a-z0-9*?][a-z0-9._*?-]*")
_FACT: Final = re.compile(r"[a-z_]+(\.[A-Za-z0-9_.:/@-]+)?")
_AGE: Final = re.compile(r"([1-9][0-9]{0,4})(m|h|d)")
_AGE_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_COUNTED: Final = ("formats", "parameters")
"""Facts that are read from the files, and that no standard asks for."""
Word = TypeVar("Word", bound=StrEnum)
T = TypeVar("T")
_DEPTH: Final = 32
_LARGEST: Final = 1e300


def read_policy(document: object) -> Policy:
    """The policy a document holds, with its digest. Raises BadPolicy, naming the field and the fix."""
    plain = _plain(document, "")
    top = _fields(plain, "", required=("apiVersion", "kind", "metadata", "spec"))
    _same(top["apiVersion"], API_VERSION, "apiVersion")
    _same(top["kind"], KIND, "kind")
    metadata = _fields(top["metadata"], "metadata", required=("name",), optional=("labels", "annotations"))
    policy = _spec(_name(metadata["name"]), top["spec"])
    return replace(policy, digest=hashlib.sha256(dumps(plain)).hexdigest())


def _spec(name: str, value: object) -> Policy:
    spec = _fields(
        value,
        "spec",
        optional=("stages", "aliases", "models", "tiers", "requires", "thresholds", "reviews", "validations"),
    )
    policy = Policy(
        name=name,
        stages=tuple(_each(spec, "stages", "spec", _stage)),
        aliases=tuple(_each(spec, "aliases", "spec", _pattern)),
        models=tuple(_each(spec, "models", "spec", _pattern)) or ("*",),
        tiers=tuple(_each(spec, "tiers", "spec", _word(Tier))) or tuple(Tier),
        requires=_requires(spec.get("requires", {})),
        thresholds=tuple(_each(spec, "thresholds", "spec", _threshold)),
        reviews=tuple(_each(spec, "reviews", "spec", _review)),
        validations=tuple(_each(spec, "validations", "spec", _validation)),
    )
    if not policy.stages and not policy.aliases:
        _bad("spec", "guards nothing", "Name what it guards: stages: [production], or aliases: [champion].")
    if policy.requires == Requires() and not (policy.thresholds or policy.reviews or policy.validations):
        _bad("spec", "asks for nothing", "Give requires, thresholds, reviews or validations.")
    return policy


def _requires(value: object) -> Requires:
    at = "spec.requires"
    flags = ("signed", "scanned", "cleanTree", "lineage", "evidenceSigned")
    given = _fields(value, at, optional=("formats", *flags, "facts", "evidence"))
    return Requires(
        formats=tuple(_each(given, "formats", at, _text)),
        signed=_flag(given, "signed", at),
        scanned=_flag(given, "scanned", at),
        clean_tree=_flag(given, "cleanTree", at),
        lineage=_flag(given, "lineage", at),
        facts=tuple(_each(given, "facts", at, _fact)),
        evidence=tuple(_each(given, "evidence", at, _word(EvidenceKind))),
        evidence_signed=_flag(given, "evidenceSigned", at),
    )


def _threshold(value: object, at: str) -> Threshold:
    given = _fields(
        value,
        at,
        required=("metric", "operator"),
        optional=("value", "champion", "evidence", "dataset", "minSamples", "maxAge", "evaluatorRole"),
    )
    if ("value" in given) == ("champion" in given):
        _bad(at, "compares with nothing, or with two things", "Give either value: 0.9, or champion: {tolerance: 0.01}.")
    champion = _fields(given.get("champion", {}), f"{at}.champion", optional=("tolerance", "first"))
    tolerance = _number(champion["tolerance"], f"{at}.champion.tolerance") if "tolerance" in champion else 0.0
    if tolerance < 0:
        _bad(f"{at}.champion.tolerance", "is negative", "It says how much worse is allowed: 0, 0.01.")
    return Threshold(
        metric=_text(given["metric"], f"{at}.metric"),
        operator=_word(Operator)(given["operator"], f"{at}.operator"),
        value=_number(given["value"], f"{at}.value") if "value" in given else None,
        tolerance=tolerance,
        first=_number(champion["first"], f"{at}.champion.first") if "first" in champion else None,
        kind=_word(EvidenceKind)(given.get("evidence", EvidenceKind.EVALUATION), f"{at}.evidence"),
        dataset=_text(given["dataset"], f"{at}.dataset") if "dataset" in given else "",
        min_samples=_count(given.get("minSamples", 0), f"{at}.minSamples", least=0, most=10**12),
        max_age_ms=_age(given["maxAge"], f"{at}.maxAge") if "maxAge" in given else 0,
        role=_word(Role)(given["evaluatorRole"], f"{at}.evaluatorRole") if "evaluatorRole" in given else None,
    )


def _review(value: object, at: str) -> ReviewRule:
    given = _fields(value, at, required=("role",), optional=("count", "exclude", "validFor"))
    left = frozenset(_each(given, "exclude", at, _word(Left))) if "exclude" in given else frozenset(Left)
    return ReviewRule(
        role=_word(Role)(given["role"], f"{at}.role"),
        count=_count(given.get("count", 1), f"{at}.count", least=1, most=REVIEWERS),
        left_out=left,
        valid_ms=_age(given["validFor"], f"{at}.validFor") if "validFor" in given else 0,
    )


def _validation(value: object, at: str) -> Validation:
    given = _fields(value, at, required=("expression", "message"))
    expression = _text(given["expression"], f"{at}.expression", EXPRESSION_BYTES)
    return Validation(expression, _text(given["message"], f"{at}.message"))


# Single values


def _name(value: object) -> str:
    text = _text(value, "metadata.name")
    if len(text) > NAME_CHARS or not _NAME.fullmatch(text):
        _bad("metadata.name", f"is {text[:80]!r}", "Lower-case letters, digits and dashes: production-high.")
    return text


def _stage(value: object, at: str) -> str:
    stage = _word(Stage)(value, at)
    if stage not in GUARDED:
        _bad(at, "is where every version begins", f"What can be guarded is {', '.join(GUARDED)}.")
    return str(stage)


def _pattern(value: object, at: str) -> str:
    text = _text(value, at)
    if len(text) > NAME_CHARS or not _PATTERN.fullmatch(text):
        _bad(at, f"is {text[:80]!r}", "A name, in which * stands for anything: fraud-*.")
    return text


def _fact(value: object, at: str) -> str:
    text = _text(value, at)
    if not _FACT.fullmatch(text) or not (is_field(text) or text in _COUNTED):
        known = (*FIELDS, *_COUNTED)
        near = _near(text, known)
        _bad(at, f"is {text[:80]!r}, which is no fact", near or f"Facts are {', '.join(known)}; metrics.NAME.")
    return text


def _text(value: object, at: str, most: int = 1_000) -> str:
    if not isinstance(value, str) or not value.strip():
        _bad(at, f"is {_said(value)} and not a text", "Write it in quotes.")
    if len(value.encode("utf-8", "surrogatepass")) > most or not value.replace("\n", " ").isprintable():
        _bad(at, f"is longer than {most} bytes, or not printable", "Shorten it.")
    return value


def _number(value: object, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _bad(at, f"is {_said(value)} and not a number", "Write a finite number: 0.9.")
    return float(value)


def _count(value: object, at: str, *, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        _bad(at, f"is {_said(value)}", f"It is a whole number from {least} to {most}.")
    return value


def _age(value: object, at: str) -> int:
    match = _AGE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        _bad(at, f"is {_said(value)}", "Write minutes, hours or days: 90m, 12h, 30d.")
    return int(match[1]) * _AGE_MS[match[2]]


def _flag(given: Mapping[str, Any], name: str, at: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        _bad(f"{at}.{name}", f"is {_said(value)}", "It is true or false.")
    return value


def _word(kind: type[Word]) -> Callable[[object, str], Word]:
    def read(value: object, at: str) -> Word:
        words = [str(word) for word in kind]
        if not isinstance(value, str) or value not in words:
            near = _near(value, words) if isinstance(value, str) else ""
            _bad(at, f"is {_said(value)}", near or f"It is one of {', '.join(words)}.")
        return kind(value)

    return read


def _same(value: object, wanted: str, at: str) -> None:
    if value != wanted:
        _bad(at, f"is {_said(value)}", f"Write {at}: {wanted}.")


# Shapes


def _fields(value: object, at: str, *, required: Sequence[str] = (), optional: Sequence[str] = ()) -> Mapping[str, Any]:
    """A mapping with these fields and no others."""
    if not isinstance(value, Mapping):
        _bad(
            at or "The document", f"is {_said(value)} and not a mapping", f"Give it {', '.join(required or optional)}."
        )
    known = (*required, *optional)
    for name in value:
        if name not in known:
            close = _near(name, known)
            _bad(_below(at, name), "is not known here", close or f"Known are {', '.join(known)}.")
    for name in required:
        if name not in value:
            _bad(_below(at, name), "is missing", f"Give {name}.")
    return value


def _each(given: Mapping[str, Any], name: str, at: str, read: Callable[[object, str], T]) -> list[T]:
    """A list of the field's values; none when it is not given."""
    value, where = given.get(name, []), f"{at}.{name}"
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        _bad(where, f"is {_said(value)} and not a list", f"Write a list: {name}: [...].")
    if len(value) > POLICY_RULES:
        _bad(where, f"has {len(value)} entries", f"At most {POLICY_RULES} are allowed.")
    if name in given and not value:
        _bad(where, "is an empty list", "Name at least one, or leave the field out.")
    found = [read(each, f"{where}[{number}]") for number, each in enumerate(value)]
    if any(found.count(each) > 1 for each in found):
        _bad(where, "names something twice", "Name each once.")
    return found


def _plain(value: object, at: str, depth: int = 0) -> Any:
    """The document in values that JSON has, too: what cannot be written the same everywhere has no digest."""
    where = at or "The document"
    if depth > _DEPTH:
        _bad(where, "is nested too deep", f"At most {_DEPTH} levels are allowed.")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                hint = "Write it in quotes. YAML reads yes, no, on and off as true and false."
                _bad(where, f"has the key {_said(key)}, which is no text", hint)
        return {_text_itself(key, where): _plain(each, _below(at, key), depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, f"{at}[{number}]", depth + 1) for number, each in enumerate(value)]
    if isinstance(value, str):
        return _text_itself(value, where)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) < _LARGEST:
            _bad(where, "is not a number that can be kept", "Write a finite number: 0.9.")
    elif value is not None and not isinstance(value, bool):
        _bad(where, f"is {_said(value)}", "Write dates and such in quotes, and numbers plainly: 0.9.")
    return value


def _text_itself(text: str, at: str) -> str:
    """Raises BadPolicy for what UTF-8 cannot write."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        _bad(at, "holds half a character (a lone surrogate)", "Write the character itself.")
    return text


def _below(at: str, name: str) -> str:
    return (f"{at}.{name}" if at else name)[:200]


def _near(text: str, known: Sequence[str]) -> str:
    same_letters = [word for word in known if sorted(word) == sorted(text)]
    close = same_letters or difflib.get_close_matches(text[:80], known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else ""


def _said(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LARGEST:
        return "a very large number"
    return repr(value)[:80] if isinstance(value, str | int | float | bool) else f"a {type(value).__name__}"


def _bad(at: str, what: str, fix: str) -> NoReturn:
    raise BadPolicy(f"{at} {what}.", hint=fix, field=at)
