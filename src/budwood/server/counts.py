"""What has gathered for whom, for ``rates.py``: in this process, or in a file that all processes of one port map.

In the file nobody waits for anybody: two processes that take from one bucket at once may take one thing together. That
is what a rate can lose, and a lock would cost each request more than it guards.
"""

import hashlib
import mmap
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from budwood.domain.limits import RATES_KEPT

FILE_NAME: Final = "rates"
_SLOT: Final = struct.Struct("<QdQ")
_TRIED: Final = 8
"""So many slots are looked at for a name; the one that was not used for longest gives way."""
_SLOTS: Final = 1 << 14


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was left at a moment (ms)."""

    left: float
    at_ms: int


class Counts(Protocol):
    """Buckets by name. What is not asked after for long may be forgotten, and is then full."""

    def get(self, name: str) -> Bucket | None: ...
    def put(self, name: str, bucket: Bucket) -> None: ...


class OwnCounts:
    """Of this process alone."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Bucket] = OrderedDict()

    def get(self, name: str) -> Bucket | None:
        return self._kept.get(name)

    def put(self, name: str, bucket: Bucket) -> None:
        self._kept[name] = bucket
        self._kept.move_to_end(name)
        if len(self._kept) > RATES_KEPT:
            self._kept.popitem(last=False)


class SharedCounts:
    """Of all processes that opened the same folder."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE_NAME
        with path.open("a+b") as file:
            file.truncate(_SLOTS * _SLOT.size)
            self._slots = mmap.mmap(file.fileno(), _SLOTS * _SLOT.size)

    def get(self, name: str) -> Bucket | None:
        tag = _tag(name)
        for at in _places(tag):
            found, left, at_ms = _SLOT.unpack_from(self._slots, at)
            if found == tag:
                return Bucket(left, at_ms)
        return None

    def put(self, name: str, bucket: Bucket) -> None:
        tag, oldest, oldest_ms = _tag(name), 0, 1 << 64
        for at in _places(tag):
            found, _, at_ms = _SLOT.unpack_from(self._slots, at)
            if found == tag:
                oldest = at
                break
            if at_ms < oldest_ms:
                oldest, oldest_ms = at, at_ms
        _SLOT.pack_into(self._slots, oldest, tag, bucket.left, bucket.at_ms)


def _tag(name: str) -> int:
    """Never 0, which is what an empty slot says."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "little") | 1


def _places(tag: int) -> range:
    first = (tag >> 8) % (_SLOTS - _TRIED) * _SLOT.size
    return range(first, first + _TRIED * _SLOT.size, _SLOT.size)
