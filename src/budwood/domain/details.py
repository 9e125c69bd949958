"""What an author, or a training run, says of a version beside its message, data, metrics and parameters.

``read_details`` takes the plain values of a YAML or JSON document; a field nobody knows is refused, because a typing
mistake would leave a fact out for ever.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, NoReturn

from budwood.domain.canon import Json, unpack
from budwood.domain.facts import Hardware, Training
from budwood.errors import BadValue


@dataclass(frozen=True, slots=True)
class Details:
    """See ``Facts``; ``frameworks`` count where the files do not say a version themselves."""

    frameworks: Mapping[str, str] = field(default_factory=dict)
    training: Training | None = None
    statistics: Mapping[str, Json] = field(default_factory=dict)
    search: Mapping[str, Json] = field(default_factory=dict)
    fairness: Mapping[str, Json] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)

    @property
    def say_something(self) -> bool:
        """Whether anything is said."""
        return any(getattr(self, each.name) for each in fields(self))


NO_DETAILS: Final = Details()


def read_details(document: object) -> Details:
    """Raises BadValue, naming the field and the fix."""
    given = _mapping(document, "", Details)
    training = given.get("training")
    said = {
        name: {str(key): each for key, each in _mapping(given[name], name).items()}
        for name in ("frameworks", "statistics", "search", "fairness", "resources")
        if name in given
    }
    for name, version in said.get("frameworks", {}).items():
        if not isinstance(version, str):
            _bad(f"frameworks.{name}", f"is {version!r}", "Write the version in quotes: '2.9'.")
    for name, amount in said.get("resources", {}).items():
        if isinstance(amount, bool) or not isinstance(amount, int | float) or amount > sys.float_info.max:
            _bad(f"resources.{name}", f"is {str(amount)[:80]}", "Give a number.")
    amounts = {name: float(amount) for name, amount in said.pop("resources", {}).items()}
    return Details(**said, resources=amounts, training=_training(training) if training is not None else None)


def _training(value: object) -> Training:
    given = dict(_mapping(value, "training", Training))
    if "hardware" in given:
        hardware = dict(_mapping(given["hardware"], "training.hardware", Hardware))
        given["hardware"] = _built(Hardware, hardware, "training.hardware")
    built = _built(Training, {name: each for name, each in given.items() if name != "hardware"}, "training")
    return Training(built.seconds, built.began_ms, given.get("hardware"), built.command, built.run_by)


def _built(kind: Any, given: Mapping[str, Any], at: str) -> Any:
    for name, value in given.items():
        try:
            unpack(kind, {name: value})
        except ValueError:
            example = {"accelerators": "[H100, H100]", "seconds": "5400"}.get(name, "as docs/facts.md shows")
            _bad(f"{at}.{name}", f"is {str(value)[:80]!r}", f"Write it {example}.")
    return unpack(kind, given)


def _mapping(value: object, at: str, kind: Any = None) -> Mapping[Any, Any]:
    known: Sequence[str] = [each.name for each in fields(kind)] if kind else ()
    if not isinstance(value, Mapping):
        _bad(
            at or "The document",
            "is not a mapping",
            f"Give it {', '.join(known)}." if known else "Give names and values.",
        )
    for name in value:
        if known and name not in known:
            _bad(f"{at}.{name}"[:200] if at else str(name)[:200], "is not known here", f"Known are {', '.join(known)}.")
    return value


def _bad(at: str, what: str, fix: str) -> NoReturn:
    raise BadValue(f"{at} {what}.", hint=fix, field=at)
