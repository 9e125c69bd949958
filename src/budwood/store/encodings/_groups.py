"""Groups of words that are the base's, left out of a block of differences: rows that no training step has met.

A map has a bit for each group, lowest first, set where the group changed. The last group may be shorter. NumPy and
the native library do the same.
"""

from typing import Final

import numpy as np

from budwood.errors import BlockDamaged
from budwood.store import native
from budwood.store.encodings._scratch import Bytes8, scratch

GROUP: Final = 64
"""Words of a group."""
PROBE: Final = 16
"""Whether a map pays is seen from every sixteenth group: one of so many must be unchanged."""


def find_changed(raw: memoryview, base: memoryview, width: int) -> Bytes8 | None:
    """The map; None where it does not pay. ``base`` is as long as ``raw``, which has whole words."""
    size = GROUP * width
    whole = len(raw) // size * size
    new, old = (np.frombuffer(block[:whole], np.uint8).reshape(-1, size) for block in (raw, base))
    probed = (new[::PROBE] == old[::PROBE]).all(axis=1)
    if np.count_nonzero(probed) * PROBE < probed.size or not whole:
        return None
    bits = scratch("map", map_bytes(len(raw), width))
    if native.library is not None:
        native.library.find_changed(raw, base, size, bits)
        return bits
    rest = [raw[whole:] != base[whole:]] if whole < len(raw) else []
    bits[:] = np.packbits(np.append((new != old).any(axis=1), rest).astype(np.bool_), bitorder="little")
    return bits


def changed_bytes(bits: Bytes8, length: int, width: int) -> int:
    """The bytes in groups that changed. Raises BlockDamaged where the map speaks of more groups than there are."""
    size = GROUP * width
    groups = np.unpackbits(bits, bitorder="little")
    count = -(-length // size)
    if bits.size != map_bytes(length, width) or groups[count:].any():
        raise BlockDamaged("A map of groups does not fit its block.")
    short = int(groups[count - 1]) * (count * size - length) if count else 0
    return int(groups.sum()) * size - short


def take_changed(whole: memoryview, bits: Bytes8, width: int, out: Bytes8) -> memoryview:
    """The groups that changed, which fill ``out``."""
    if native.library is not None:
        native.library.take_changed(whole, GROUP * width, bits, out)
    else:
        out[:] = np.frombuffer(whole, np.uint8)[_mask(bits, len(whole), width)]
    return out.data


def put_changed(changed: memoryview, base: memoryview, bits: Bytes8, width: int, target: memoryview) -> None:
    """The groups that changed, and the others from the base, which is as long as the target."""
    if native.library is not None:
        native.library.put_changed(changed, base, GROUP * width, bits, target)
        return
    out = np.frombuffer(target, np.uint8)
    np.copyto(out, np.frombuffer(base, np.uint8))
    out[_mask(bits, len(target), width)] = np.frombuffer(changed, np.uint8)


def map_bytes(length: int, width: int) -> int:
    """The bytes of the map of so many bytes in whole words."""
    return (-(-length // (GROUP * width)) + 7) // 8


def _mask(bits: Bytes8, length: int, width: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """For each byte whether it changed."""
    return np.repeat(np.unpackbits(bits, bitorder="little").view(np.bool_), GROUP * width)[:length]
