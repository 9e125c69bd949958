"""Where the bytes of a sparse plane lie, and their order by key: what the writer works out, its check need not again.

Both are pure functions of bytes that the check reads back first. It takes over the writer's answer when those bytes are
equal and the answer is shown to be right, which costs a third of finding it: places must increase and be as many as
the map has bits; an order must sort its keys and increase where they are equal, and only one order does.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from budwood.store.encodings._scratch import Bytes8

Indices = npt.NDArray[np.intp]

THIN: Final = 4
"""A map is thin when at most one in so many of its 64-bit words has a bit set."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """The stable order of keys, and the keys in it."""

    order: Indices
    keys: Bytes8


class _Kept(threading.local):
    def __init__(self) -> None:
        self.keeps = False
        self.places: list[tuple[Bytes8, Indices]] = []
        self.orders: list[tuple[Bytes8, Sorted]] = []


_kept = _Kept()


@contextmanager
def kept_for_the_check() -> Iterator[None]:
    """Until this ends, what is worked out on this thread is kept."""
    _kept.keeps = True
    try:
        yield
    finally:
        _kept.__init__()  # type: ignore[misc]


def places_of(bits: Bytes8) -> Indices:
    """The numbers of the bits that are set, lowest bit first. ``bits`` may not be changed afterwards."""
    for known, places in _kept.places:
        if np.array_equal(known, bits) and _are_places(places, bits):
            return places
    places = _places(bits)
    if _kept.keeps:
        _kept.places.append((bits, places))
    return places


def sort_by(keys: Bytes8) -> Sorted:
    """For the writer. ``keys`` may not be changed afterwards."""
    order = np.argsort(keys, kind="stable")
    found = Sorted(order, np.take(keys, order, mode="wrap"))
    if _kept.keeps:
        _kept.orders.append((keys, found))
    return found


def order_of(keys: Bytes8) -> Indices:
    """For the reader: the stable order of the keys."""
    for known, found in _kept.orders:
        if np.array_equal(known, keys) and _is_order(found):
            return found.order
    return np.argsort(keys, kind="stable")


def _places(bits: Bytes8) -> Indices:
    whole = bits.size // 8 * 8
    words = bits[:whole].view(np.uint64)
    filled = np.flatnonzero(words != 0)
    if filled.size * THIN > words.size:
        return _set_bits(bits)
    # Only the words that have a bit set are unpacked.
    found = _set_bits(words[filled].view(np.uint8))
    return np.concatenate([(filled[found >> 6] << 6) + (found & 63), _set_bits(bits[whole:]) + whole * 8])


def _set_bits(bits: Bytes8) -> Indices:
    return np.flatnonzero(np.unpackbits(bits, bitorder="little").view(np.bool_))


def _are_places(places: Indices, bits: Bytes8) -> bool:
    count = np.count_nonzero(np.unpackbits(bits).view(np.bool_))
    return places.size == count and bool(np.all(places[1:] > places[:-1]))


def _is_order(found: Sorted) -> bool:
    rises = found.keys[1:] > found.keys[:-1]
    equal = found.keys[1:] == found.keys[:-1]
    return bool(np.all(rises | (equal & (found.order[1:] > found.order[:-1]))))
