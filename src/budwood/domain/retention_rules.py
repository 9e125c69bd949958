"""A namespace's retention rules from the plain values of a document: understood whole, or refused by name.

The shape is that of policies (``domain/policy/reading.py``). A field nobody knows is an error: a typing mistake must
not let bytes go.
"""

import re
from collections.abc import Sequence
from typing import Final

from budwood.domain.document import Reader, said
from budwood.domain.limits import RETENTION_RULES
from budwood.domain.names import Kind, Stage
from budwood.domain.retention import BUILT_IN, YEAR_DAYS, Clock, RetentionClass, RetentionRule, Rules
from budwood.errors import BadPolicy

API_VERSION: Final = "budwood.dev/v1"
KIND: Final = "Retention"
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_TIME: Final = re.compile(r"([1-9][0-9]{0,4})(d|y)")
_MOST_DAYS: Final = 100 * YEAR_DAYS
_READ: Final = Reader(BadPolicy, items=RETENTION_RULES)


def read_rules(document: object) -> Rules:
    """Raises BadPolicy, naming the field and the fix."""
    top = _READ.head(document, API_VERSION, KIND)
    spec = _READ.fields(top["spec"], "spec", optional=("classes", "rules", "default"))
    classes = _READ.each(spec, "classes", "spec", _class)
    names = [each.name for each in (*BUILT_IN, *classes)]
    for number, each in enumerate(classes):
        if names.count(each.name) > 1:
            _READ.bad(f"spec.classes[{number}].name", f"is {each.name!r} again", "Names differ, and ours stay.")
    rules = _READ.each(spec, "rules", "spec", _rule)
    for number, rule in enumerate(rules):
        _known(rule.name, names, f"spec.rules[{number}].class")
    default = spec.get("default", "")
    if default != "":
        _known(default, names, "spec.default")
    return Rules(classes, rules, default)


def _class(value: object, at: str) -> RetentionClass:
    given = _READ.fields(value, at, required=("name", "keep"), optional=("from",))
    name = given["name"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        _READ.bad(f"{at}.name", f"is {said(name)}", "Use lower-case letters, digits and '-'.")
    clock = _READ.word(Clock)(given.get("from", Clock.BIRTH), f"{at}.from")
    return RetentionClass(name, _days(given["keep"], f"{at}.keep"), clock)


def _rule(value: object, at: str) -> RetentionRule:
    given = _READ.fields(value, at, required=("class",), optional=("stages", "kinds", "models"))
    return RetentionRule(
        name=given["class"],
        stages=_READ.each(given, "stages", at, _READ.word(Stage)),
        kinds=_READ.each(given, "kinds", at, _READ.word(Kind)),
        models=_READ.each(given, "models", at, _READ.pattern),
    )


def _days(value: object, at: str) -> int:
    if value == "forever":
        return 0
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    days = int(match[1]) * (YEAR_DAYS if match[2] == "y" else 1) if match else 0
    if not 0 < days <= _MOST_DAYS:
        _READ.bad(at, f"is {said(value)}", "Write days or years, up to 100y, or forever: 90d, 10y.")
    return days


def _known(name: object, names: Sequence[str], at: str) -> None:
    if not isinstance(name, str) or name not in names:
        _READ.bad(at, f"is {said(name)}, and no such class is known", f"Known are {', '.join(names)}.")
