"""xxHash64, and the bucket of a user: the same numbers that the gateway computes, so that an arm can be told offline.

The gateway hashes ``salt:user`` with seed 0 and takes the remainder by the sum of the weights, which is always
``BUCKETS``. A salt of its own for each endpoint keeps experiments independent and lets nobody choose their arm who does
not know it.
"""

from typing import Final

BUCKETS: Final = 10_000
"""Basis points: the sum of every split, and the number of buckets."""

_P1: Final = 0x9E3779B185EBCA87
_P2: Final = 0xC2B2AE3D27D4EB4F
_P3: Final = 0x165667B19E3779F9
_P4: Final = 0x85EBCA77C2B2AE63
_P5: Final = 0x27D4EB2F165667C5
_ALL: Final = 0xFFFFFFFFFFFFFFFF


def bucket_of(salt: str, user: str) -> int:
    """From 0 to ``BUCKETS`` - 1, uniform over users for a salt."""
    return xxh64(f"{salt}:{user}".encode()) % BUCKETS


def xxh64(content: bytes) -> int:
    """XXH64 with seed 0, by its public specification (xxHash fast digest algorithm, 0.1.1)."""
    length, at = len(content), 0
    if length >= 32:
        a, b, c, d = (_P1 + _P2) & _ALL, _P2, 0, -_P1 & _ALL
        while at + 32 <= length:
            a = _round(a, _word(content, at))
            b = _round(b, _word(content, at + 8))
            c = _round(c, _word(content, at + 16))
            d = _round(d, _word(content, at + 24))
            at += 32
        total = (_turned(a, 1) + _turned(b, 7) + _turned(c, 12) + _turned(d, 18)) & _ALL
        for lane in (a, b, c, d):
            total = ((total ^ _round(0, lane)) * _P1 + _P4) & _ALL
    else:
        total = _P5
    return _mixed(_rest(content, at, (total + length) & _ALL))


def _rest(content: bytes, at: int, total: int) -> int:
    while at + 8 <= len(content):
        total = (_turned(total ^ _round(0, _word(content, at)), 27) * _P1 + _P4) & _ALL
        at += 8
    if at + 4 <= len(content):
        small = int.from_bytes(content[at : at + 4], "little")
        total = (_turned(total ^ (small * _P1 & _ALL), 23) * _P2 + _P3) & _ALL
        at += 4
    for byte in content[at:]:
        total = _turned(total ^ (byte * _P5 & _ALL), 11) * _P1 & _ALL
    return total


def _mixed(total: int) -> int:
    total = (total ^ total >> 33) * _P2 & _ALL
    total = (total ^ total >> 29) * _P3 & _ALL
    return total ^ total >> 32


def _round(lane: int, word: int) -> int:
    return _turned((lane + word * _P2) & _ALL, 31) * _P1 & _ALL


def _turned(value: int, by: int) -> int:
    return (value << by | value >> 64 - by) & _ALL


def _word(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 8], "little")
