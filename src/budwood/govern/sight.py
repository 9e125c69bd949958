"""What an expression sees of the variables: only what it reaches, and nothing that would be counted with wrongly.

A number that is none, a whole number or list that is too long, text that is no Unicode: where an expression reaches
one of these it is not evaluated at all, because leaving it out could turn a no into a yes.
"""

import difflib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.limits import EXPRESSION_ITEMS, EXPRESSION_SEES_BYTES, JSON_DEPTH

_LARGEST: Final = 1 << 63
_TEXT_CHARS: Final = 500
Path = tuple[str, ...]


class Unfit(Exception):
    """The message names the variable and says what is wrong with it."""


def seen(variables: Mapping[str, Json], reached: Iterable[Path]) -> dict[str, Json]:
    """The variables, cut down to the paths that are reached. Raises Unfit."""
    picked: dict[str, Json] = {}
    for path in sorted(reached, key=len, reverse=True):
        if path[0] in variables:
            picked[path[0]] = _merged(picked.get(path[0]), _picked(variables[path[0]], path[1:], path[:1]), path)
    if len(json.dumps(picked)) > EXPRESSION_SEES_BYTES:
        raise Unfit(f"It reaches variables of more than {EXPRESSION_SEES_BYTES} bytes (EXPRESSION_SEES_BYTES).")
    return picked


def unknown(variables: Mapping[str, Json], reached: Iterable[Path], name: str) -> str:
    """What to say of a name that is not there: where it was looked for, and a name like it."""
    for path in sorted(reached):
        value: Json = dict(variables)
        for at, step in enumerate(path):
            if not isinstance(value, Mapping):
                break
            if step not in value:
                if step == name:
                    return f"There is no {'.'.join(path[: at + 1])}.{near(name, value)}"
                break
            value = value[step]
    return f"There is no {name}.{near(name, sorted(set(_names(variables))))}"


def kinds(variables: Mapping[str, Json], reached: Iterable[Path]) -> str:
    """What the variables are that were reached: ``: facts.code is not known, version.label is text``; or ""."""
    found: list[str] = []
    for path in sorted(reached):
        value: Json = dict(variables)
        for at, step in enumerate(path):
            value = value.get(step) if isinstance(value, Mapping) else value
            if value is None:
                found.append(f"{'.'.join(path[: at + 1])} is not known")
                break
        else:
            found.append(f"{'.'.join(path)} is {_kind(value)}")
    return f": {', '.join(found)}"[:_TEXT_CHARS] if found else ""


def near(name: str, known: Iterable[str]) -> str:
    """A sentence with a name like it, or ""."""
    # Comparing takes longer the more names there are, and more than these nobody has.
    close = difflib.get_close_matches(name[:80], list(known)[:2_000], n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""


def _picked(value: Json, path: Path, at: Path) -> Json:
    if not path:
        return _fit(value, at)
    if not isinstance(value, Mapping):
        return _fit(value, at)
    if path[0] not in value:
        return {}
    return {path[0]: _picked(value[path[0]], path[1:], (*at, path[0]))}


def _merged(one: Json, other: Json, path: Path) -> Json:
    """Both, of one variable: what the shorter path holds includes what the longer does."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: _merged(one.get(key), other.get(key, one.get(key)), path) for key in {**one, **other}}
    return other


def _fit(value: Json, at: Path) -> Json:
    """The value, when all of it can be counted with. Raises Unfit."""
    where = ".".join(at)[:200]
    if len(at) > JSON_DEPTH:
        raise Unfit(f"{where} is nested deeper than {JSON_DEPTH} (JSON_DEPTH).")
    if isinstance(value, float) and not math.isfinite(value):
        raise Unfit(f"{where} is {value}, which is no number to count with.")
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise Unfit(f"{where} is a whole number of more than 64 bits.")
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, Mapping):
        return {_text(key, where): _fit(each, (*at, key)) for key, each in value.items()}
    if isinstance(value, Sequence):
        if len(value) > EXPRESSION_ITEMS:
            raise Unfit(f"{where} has {len(value)} entries; at most {EXPRESSION_ITEMS} can be seen (EXPRESSION_ITEMS).")
        return [_fit(each, (*at, str(number))) for number, each in enumerate(value)]
    return value


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unfit(f"{where} holds text that is no Unicode.") from error
    return value


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def _names(value: Json) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from _names(each)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value[:1]:
            yield from _names(each)
