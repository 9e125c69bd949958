"""Kinds of numbers: how each is written, and turning numbers of one kind into another.

Floats are read and written, by way of f32 (``_floats.py``); groups of GGUF are only written (``_quantised.py``). Every
machine gives the same bits. docs/internals/derived.md says it in words for whoever writes a reader.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from budwood.errors import BlockDamaged
from budwood.store.encodings import _floats, _quantised
from budwood.store.encodings._floats import Bytes8, Singles
from budwood.store.encodings._quantised import GROUP, WIDE_GROUP

__all__ = ["BY_NAME", "GROUP", "KINDS", "WIDE_GROUP", "Bytes8", "Kind", "as_bytes", "convert", "kind_of"]

_AT_ONCE: Final = 1 << 18
"""Numbers quantised at a time: what lies between takes a few times their room."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to write numbers: ``group`` of them take ``width`` bytes. ``code`` never changes its meaning."""

    code: int
    name: str
    group: int
    width: int
    write: Callable[[Singles], Bytes8] | None = None
    read: Callable[[Bytes8], Singles] | None = None

    def bytes_of(self, numbers: int) -> int:
        """What so many numbers take; whole groups."""
        return numbers // self.group * self.width


def convert(raw: Bytes8, source: Kind, target: Kind) -> Bytes8:
    """The numbers in another way. Raises BlockDamaged for what cannot be converted."""
    if source == target:
        return raw
    if source.read is None or target.write is None:
        raise BlockDamaged(f"Numbers cannot be turned from {source.name} to {target.name}.")
    # A number beyond all numbers is refused where it would matter.
    with np.errstate(all="ignore"):
        step = _AT_ONCE * source.width
        if target.group == 1 or raw.size <= step:
            return target.write(source.read(raw))
        return np.concatenate([target.write(source.read(raw[at : at + step])) for at in range(0, raw.size, step)])


KINDS: Final = (
    Kind(1, "f32", 1, 4, _floats.write_f32, _floats.read_f32),
    Kind(2, "f16", 1, 2, _floats.write_f16, _floats.read_f16),
    Kind(3, "bf16", 1, 2, _floats.write_bf16, _floats.read_bf16),
    Kind(4, "q8_0", GROUP, 34, _quantised.write_q8_0),
    Kind(5, "q4_0", GROUP, 18, _quantised.write_q4_0),
    Kind(6, "q4_1", GROUP, 20, _quantised.write_q4_1),
    Kind(7, "q5_0", GROUP, 22, _quantised.write_q5_0),
    Kind(8, "q5_1", GROUP, 24, _quantised.write_q5_1),
    Kind(9, "mxfp4", GROUP, 17, _quantised.write_mxfp4),
    Kind(10, "tq1_0", WIDE_GROUP, 54, _quantised.write_tq1_0),
    Kind(11, "tq2_0", WIDE_GROUP, 66, _quantised.write_tq2_0),
    # Words that stay as they are: of other dtypes, moved alone.
    Kind(17, "w1", 1, 1),
    Kind(18, "w2", 1, 2),
    Kind(20, "w4", 1, 4),
    Kind(24, "w8", 1, 8),
)
BY_NAME: Final = {kind.name: kind for kind in KINDS}
_BY_CODE: Final[dict[int, Kind]] = {kind.code: kind for kind in KINDS}


def kind_of(code: int) -> Kind:
    """Raises BlockDamaged."""
    kind = _BY_CODE.get(code)
    if kind is None:
        raise BlockDamaged(f"Numbers of the kind {code} are not known.")
    return kind


def as_bytes(source: Any) -> Bytes8:
    """Any buffer as bytes, not copied."""
    return np.frombuffer(source, np.uint8)
