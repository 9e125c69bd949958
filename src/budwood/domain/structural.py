"""The difference of two JSON or YAML values by structure: which settings changed, not which lines.

Lists are compared by position between their common beginning and end, so that one insertion is one change.
At most DIFF_CHANGES changes are listed; a last one says how many more there are. What lies deeper than DIFF_DEPTH
is taken for changed, so that no file can exhaust the stack.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.change import ConfigChange, What
from budwood.domain.limits import DIFF_CHANGES, DIFF_DEPTH

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_CHARS_SHOWN: Final = 1_000


def structural(before: Json, after: Json, *, file: str = "") -> tuple[ConfigChange, ...]:
    """In the order of the keys. Values with many items are shown as their size."""
    shown: list[ConfigChange] = []
    left_out = 0
    for change in _walk(file, "", before, after, 0):
        if len(shown) < DIFF_CHANGES:
            shown.append(change)
        else:
            left_out += 1
    if left_out:
        shown.append(ConfigChange(file, "", What.LEFT_OUT, after=left_out))
    return tuple(shown)


def _walk(file: str, key: str, before: Json, after: Json, depth: int) -> Iterator[ConfigChange]:
    if depth < DIFF_DEPTH and isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}, key=str):
            yield from _entry(file, _below(key, name), _get(before, name), _get(after, name), depth)
    elif depth < DIFF_DEPTH and isinstance(before, list | tuple) and isinstance(after, list | tuple):
        yield from _walk_list(file, key, list(before), list(after), depth)
    elif not _same(before, after, depth):
        yield ConfigChange(file, key, What.CHANGED, _plain(before), _plain(after))


def _entry(file: str, key: str, before: list[Json], after: list[Json], depth: int) -> Iterator[ConfigChange]:
    """``before`` and ``after`` hold one value, or none where the key is not there."""
    if not before:
        yield ConfigChange(file, key, What.ADDED, after=_plain(after[0]))
    elif not after:
        yield ConfigChange(file, key, What.REMOVED, before=_plain(before[0]))
    else:
        yield from _walk(file, key, before[0], after[0], depth + 1)


def _walk_list(file: str, key: str, before: list[Json], after: list[Json], depth: int) -> Iterator[ConfigChange]:
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if not _same(before[i], after[i], depth)), shorter)
    rest = shorter - start
    tail = next((i for i in range(rest) if not _same(before[-1 - i], after[-1 - i], depth)), rest)
    for i in range(start, max(len(before), len(after)) - tail):
        old = before[i : i + 1] if i < len(before) - tail else []
        new = after[i : i + 1] if i < len(after) - tail else []
        yield from _entry(file, f"{key}[{i}]", old, new, depth)


def _same(before: Json, after: Json, depth: int) -> bool:
    """Unlike ``==`` it tells true from 1, holds NaN for itself, and takes what is too deep for different."""
    if depth > DIFF_DEPTH:
        return False
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() == after.keys() and all(_same(v, after[k], depth + 1) for k, v in before.items())
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        return len(before) == len(after) and all(_same(a, b, depth + 1) for a, b in zip(before, after, strict=True))
    if isinstance(before, bool) or isinstance(after, bool):
        return before is after
    return before == after or (before != before and after != after)


def _get(values: dict[str, Json], name: str) -> list[Json]:
    return [values[name]] if name in values else []


def _below(key: str, name: str) -> str:
    if not isinstance(name, str) or not _PLAIN_KEY.fullmatch(name):
        return f"{key}[{json.dumps(str(name)[:_CHARS_SHOWN], ensure_ascii=False)}]"
    return f"{key}.{name}" if key else name


def _plain(value: Json) -> Json:
    """Small enough to show, finite enough for JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str) and len(value) > _CHARS_SHOWN:
        return value[:_CHARS_SHOWN] + "…"
    if isinstance(value, dict | list | tuple):
        try:
            if len(json.dumps(value, allow_nan=False)) <= _CHARS_SHOWN:
                return value
        except (ValueError, RecursionError):
            pass
        return f"({len(value)} {'keys' if isinstance(value, dict) else 'items'})"
    return value
