"""Whether two answers to the same request say the same: one comparator for each type of output.

What the baseline said decides what can be compared. Where its answer is none of the type there is nothing to hold the
candidate against (``Unlike``, counted as garbled); where only the candidate's is none, the candidate differs.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.compared.answers import Part, part_of
from budwood.domain.limits import COMPARED_DEPTH

_SAID_CHARS: Final = 60


class Kind(StrEnum):
    """Of an answer."""

    STATUS = "status"
    """Only whether it was answered; bodies are not looked at."""

    CLASS = "class"
    NUMBER = "number"
    VECTOR = "vector"
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Comparison:
    """``field`` says where in the answer the output lies, ``outputs[0].data``; empty is all of it. ``tolerance`` is how
    far numbers may be apart, or which part of a text's words may differ."""

    kind: Kind = Kind.STATUS
    field: str = ""
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Compared:
    """``detail`` says how they differ; empty where they agree."""

    agrees: bool
    detail: str = ""


class Unlike(Exception):
    """What was answered is not of the type that is compared."""


def compare(comparison: Comparison, baseline: str, candidate: str) -> Compared:
    """Two bodies. Raises Unlike when the baseline's is none of the type."""
    if comparison.kind is Kind.STATUS:
        return Compared(True)
    held = _output(comparison, baseline)
    try:
        said = _output(comparison, candidate)
    except Unlike as unlike:
        return Compared(False, f"the candidate's answer: {unlike}")
    detail = _difference(comparison, held, said)
    return Compared(not detail, detail)


def _output(comparison: Comparison, body: str) -> Json:
    if comparison.kind is Kind.TEXT and not comparison.field:
        return body
    part = part_of(body, comparison.field)
    if isinstance(part, str):
        raise Unlike(part)
    return _checked(comparison.kind, part)


def _checked(kind: Kind, part: Part) -> Json:
    value = part.value
    match kind:
        case Kind.CLASS:
            if not all(isinstance(each, str | int | float | bool) for each in _several(value)):
                raise Unlike("it is no class, nor a list of them")
        case Kind.NUMBER | Kind.VECTOR:
            numbers = _flat(value)
            if kind is Kind.NUMBER and len(numbers) != 1:
                raise Unlike(f"it has {len(numbers)} numbers and not one")
        case Kind.TEXT:
            if not all(isinstance(each, str) for each in _several(value)):
                raise Unlike("it is no text")
        case _:
            pass
    return value


def _difference(comparison: Comparison, held: Json, said: Json) -> str:
    """Empty where they agree."""
    match comparison.kind:
        case Kind.CLASS:
            return "" if _several(held) == _several(said) else f"{_brief(held)} became {_brief(said)}"
        case Kind.NUMBER | Kind.VECTOR:
            return _apart(_flat(held), _flat(said), comparison.tolerance)
        case Kind.TEXT:
            return _texts(_several(held), _several(said), comparison.tolerance)
        case _:
            return _unequal(held, said, comparison.tolerance, "")


def _apart(held: Sequence[float], said: Sequence[float], tolerance: float) -> str:
    if len(held) != len(said):
        return f"{len(held)} numbers became {len(said)}"
    most = max((abs(one - other) for one, other in zip(held, said, strict=True)), default=0.0)
    return "" if most <= tolerance else f"{most:.6g} apart, {tolerance:g} may be"


def _texts(held: Sequence[Json], said: Sequence[Json], tolerance: float) -> str:
    if len(held) != len(said):
        return f"{len(held)} texts became {len(said)}"
    most = max((_words_apart(str(one), str(other)) for one, other in zip(held, said, strict=True)), default=0.0)
    return "" if most <= tolerance else f"{most:.0%} of the words differ"


def _words_apart(held: str, said: str) -> float:
    """The part of all words that only one of the two has; the order counts only where all words are the same."""
    one, other = held.split(), said.split()
    if one == other:
        return 0.0
    both = len(one) + len(other)
    common = sum((Counter(one) & Counter(other)).values())
    return max((both - 2 * common) / both, 1 / both)


def _unequal(held: Json, said: Json, tolerance: float, at: str) -> str:
    """The first place where two values differ."""
    if isinstance(held, dict) and isinstance(said, dict):
        if held.keys() != said.keys():
            names = sorted(str(name) for name in held.keys() ^ said.keys())
            return f"{at or 'it'}: only one has {', '.join(names)[:_SAID_CHARS]}"
        every = ((held[name], said[name], f"{at}.{name}" if at else name) for name in sorted(held))
    elif isinstance(held, list) and isinstance(said, list):
        if len(held) != len(said):
            return f"{at or 'it'}: {len(held)} entries became {len(said)}"
        every = ((one, said[number], f"{at}[{number}]") for number, one in enumerate(held))
    elif _is_number(held) and _is_number(said):
        apart = _apart(_flat(held), _flat(said), tolerance)
        return f"{at[:_SAID_CHARS] or 'it'}: {apart}" if apart else ""
    else:
        same = type(held) is type(said) and held == said
        return "" if same else f"{at[:_SAID_CHARS] or 'it'}: {_brief(held)} became {_brief(said)}"
    return next((found for one, other, where in every if (found := _unequal(one, other, tolerance, where))), "")


def _several(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _flat(value: Json, depth: int = 0) -> list[float]:
    """All numbers of nested lists, in order. Raises Unlike for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) < math.inf:
            raise Unlike("it holds a number that is none")
        try:
            return [float(value)]
        except OverflowError:
            raise Unlike("it holds a number that is too large") from None
    if not isinstance(value, list) or depth > COMPARED_DEPTH:
        raise Unlike("it is no number, nor a list of them")
    return [number for each in value for number in _flat(each, depth + 1)]


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _brief(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= _SAID_CHARS else f"{text[: _SAID_CHARS - 1]}…"
