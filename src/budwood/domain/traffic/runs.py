"""Who answered what, kept in runs: what came together lies together, so that a thousand requests cost a few pages.

An id is random. In a table by ids every request would be a page of its own, and whoever waits for the disk would wait
for all of them. Here a piece of a log is one run, its requests pressed into slots by what their ids hash to; to find
one is to open one slot of each run. So that there are few, young runs are gathered into one in their place, which at
least doubles what each of them was: a request is written again a dozen times at most. Runs keep their order, and of
two records with one id the first is the one that holds.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from itertools import accumulate
from operator import attrgetter
from typing import Final

from budwood.domain.traffic.records import Served

SLOT_REQUESTS: Final = 128
RUN_REQUESTS: Final = 8_192
"""So many are gathered at most: it takes 15 ms of a core, which a roll-back may want meanwhile."""
RUN_SPAN_MS: Final = 86_400_000
"""A run is forgotten as a whole, so this long after its first requests at the latest."""
GATHERED: Final = 16
"""So few small runs are left alone."""
_HASH_BYTES: Final = 7  # Every database has whole numbers of that size, with a sign.
_ENCODED: Final = json.JSONEncoder(separators=(",", ":")).encode
_FIELDS: Final = attrgetter(*(each.name for each in fields(Served)))


@dataclass(frozen=True, slots=True)
class Pressed:
    """Requests, pressed into slots. Times are those of the first and the last of them."""

    from_ms: int
    until_ms: int
    requests: int
    slots: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a run without opening it."""

    id: int
    from_ms: int
    until_ms: int
    requests: int


def pressed(served: Sequence[Served]) -> Pressed:
    """At least one request."""
    times = [each.at_ms for each in served]
    lines = (_ENCODED(_FIELDS(each)).encode() for each in served)
    return Pressed(min(times), max(times), len(served), _slots(lines, len(served)))


def gathered(runs: Sequence[Run], slots: Iterable[bytes]) -> Pressed:
    """What these runs hold, oldest first, as one."""
    lines = [line for slot in slots for line in _lines(slot)]
    return Pressed(
        min(run.from_ms for run in runs), max(run.until_ms for run in runs), len(lines), _slots(lines, len(lines))
    )


def how_many_to_gather(newest_first: Sequence[Run]) -> int:
    """Of the newest runs; 0 when it is not worth it yet. The largest of them becomes twice what it was, or more."""
    best = total = largest = 0
    earliest = accumulate((run.from_ms for run in newest_first), min)
    latest = accumulate((run.until_ms for run in newest_first), max)
    for count, (run, first, last) in enumerate(zip(newest_first, earliest, latest, strict=True), start=1):
        total, largest = total + run.requests, max(largest, run.requests)
        if total > RUN_REQUESTS or last - first > RUN_SPAN_MS:
            break
        if largest * 2 <= total and (count >= GATHERED or total * 2 >= RUN_REQUESTS):
            best = count
    return best


def hash_of(request: str) -> int:
    """Its slot is the remainder by how many slots a run has."""
    return int.from_bytes(blake2b(request.encode(), digest_size=_HASH_BYTES).digest())


def found(slot: bytes, request: str) -> Served | None:
    """The first record of a request in a slot. Raises ValueError for bytes that are no slot."""
    try:
        opened = zlib.decompress(slot)
    except zlib.error as error:
        raise ValueError(f"no slot of a run: {error}") from error
    begins = opened.find(b'["%s",' % request.encode())
    return Served(*json.loads(opened[begins:].partition(b"\n")[0])) if begins >= 0 else None


def _slots(lines: Iterable[bytes], count: int) -> tuple[bytes, ...]:
    slots: list[list[bytes]] = [[] for _ in range(-(-count // SLOT_REQUESTS))]
    for line in lines:
        request = line[2 : line.index(b'"', 2)].decode()
        slots[hash_of(request) % len(slots)].append(line)
    return tuple(zlib.compress(b"\n".join(each), 1) for each in slots)


def _lines(slot: bytes) -> Iterator[bytes]:
    return (line for line in zlib.decompress(slot).split(b"\n") if line)
