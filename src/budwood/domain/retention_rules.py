"""A namespace's retention rules from the plain values of a document: understood whole, or refused by name.

The shape is that of policies (``domain/policy/reading.py``). A field nobody knows is an error: a typing mistake must
not let bytes go.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeVar

from budwood.domain.limits import RETENTION_RULES
from budwood.domain.names import Kind, Stage
from budwood.domain.retention import BUILT_IN, YEAR_DAYS, Clock, RetentionClass, RetentionRule, Rules
from budwood.errors import BadPolicy

API_VERSION: Final = "budwood.dev/v1"
KIND: Final = "Retention"
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PATTERN: Final = re.compile(r"[a-z0-9*?][a-z0-9._*?-]{0,127}")
_TIME: Final = re.compile(r"([1-9][0-9]{0,4})(d|y)")
_MOST_DAYS: Final = 100 * YEAR_DAYS
T = TypeVar("T")


def read_rules(document: object) -> Rules:
    """Raises BadPolicy, naming the field and the fix."""
    top = _fields(document, "", required=("apiVersion", "kind", "spec"), optional=("metadata",))
    for name, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if top[name] != wanted:
            _bad(name, f"is {_said(top[name])}", f"Write {name}: {wanted}.")
    spec = _fields(top["spec"], "spec", optional=("classes", "rules", "default"))
    classes = _each(spec, "classes", _class)
    names = [each.name for each in (*BUILT_IN, *classes)]
    for number, each in enumerate(classes):
        if names.count(each.name) > 1:
            _bad(f"spec.classes[{number}].name", f"is {each.name!r} again", "Names differ; ours are never changed.")
    rules = _each(spec, "rules", _rule)
    for number, rule in enumerate(rules):
        _known(rule.name, names, f"spec.rules[{number}].class")
    default = spec.get("default", "")
    if default != "":
        _known(default, names, "spec.default")
    return Rules(tuple(classes), tuple(rules), default)


def _class(value: object, at: str) -> RetentionClass:
    given = _fields(value, at, required=("name", "keep"), optional=("from",))
    name = given["name"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        _bad(f"{at}.name", f"is {_said(name)}", "Use lower-case letters, digits and '-'.")
    return RetentionClass(name, _days(given["keep"], f"{at}.keep"), _word(Clock, given.get("from", "birth"), at))


def _rule(value: object, at: str) -> RetentionRule:
    given = _fields(value, at, required=("class",), optional=("stages", "kinds", "models"))
    return RetentionRule(
        name=given["class"],
        stages=tuple(_each(given, "stages", lambda one, where: _word(Stage, one, where), at)),
        kinds=tuple(_each(given, "kinds", lambda one, where: _word(Kind, one, where), at)),
        models=tuple(_each(given, "models", _pattern, at)),
    )


def _days(value: object, at: str) -> int:
    if value == "forever":
        return 0
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    days = int(match[1]) * (YEAR_DAYS if match[2] == "y" else 1) if match else 0
    if not 0 < days <= _MOST_DAYS:
        _bad(at, f"is {_said(value)}", "Write days or years, up to 100y, or forever: 90d, 10y.")
    return days


def _pattern(value: object, at: str) -> str:
    if not isinstance(value, str) or not _PATTERN.fullmatch(value):
        _bad(at, f"is {_said(value)}", "Write a model's name; * and ? match anything: risk-*.")
    return value


def _word(kind: type[T], value: object, at: str) -> T:
    words = [str(word) for word in kind]  # type: ignore[attr-defined]
    if not isinstance(value, str) or value not in words:
        _bad(at, f"says {_said(value)}", f"It is one of {', '.join(words)}.")
    return kind(value)  # type: ignore[call-arg]


def _known(name: object, names: Sequence[str], at: str) -> None:
    if not isinstance(name, str) or name not in names:
        _bad(at, f"is {_said(name)}, and no such class is known", f"Known are {', '.join(names)}.")


def _fields(value: object, at: str, *, required: Sequence[str] = (), optional: Sequence[str] = ()) -> Mapping[str, Any]:
    known = (*required, *optional)
    if not isinstance(value, Mapping):
        _bad(at or "The document", f"is {_said(value)} and not a mapping", f"Give it {', '.join(known)}.")
    for name in value:
        if name not in known:
            _bad(f"{at}.{name}"[:200].lstrip("."), "is not known here", f"Known are {', '.join(known)}.")
    for name in required:
        if name not in value:
            _bad(f"{at}.{name}".lstrip("."), "is missing", f"Give {name}.")
    return value


def _each(given: Mapping[str, Any], name: str, read: Callable[[object, str], T], at: str = "spec") -> list[T]:
    value, where = given.get(name, []), f"{at}.{name}"
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        _bad(where, f"is {_said(value)} and not a list", f"Write a list: {name}: [...].")
    if len(value) > RETENTION_RULES:
        _bad(where, f"has {len(value)} entries", f"At most {RETENTION_RULES} are allowed.")
    if name in given and not value:
        _bad(where, "is an empty list", "Name at least one, or leave the field out.")
    return [read(each, f"{where}[{number}]") for number, each in enumerate(value)]


def _said(value: object) -> str:
    if value is None:
        return "empty"
    return repr(value)[:80] if isinstance(value, str | int | float | bool) else f"a {type(value).__name__}"


def _bad(at: str, what: str, fix: str) -> NoReturn:
    raise BadPolicy(f"{at} {what}.", hint=fix, field=at)
