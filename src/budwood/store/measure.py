"""How far a tensor moved: the sums a relative L2 is made of, block by block, in bounded memory.

Sums are kept in float64. Blocks that are equal are decoded once; NaN and infinite values are left out of the
sums but count as changed when their bits differ.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from budwood.domain.manifest import Span
from budwood.store.read import BlockReader, Placed, Rows, placed_in_span

Bytes8 = np.ndarray[Any, np.dtype[np.uint8]]
Floats = np.ndarray[Any, np.dtype[np.float32]] | np.ndarray[Any, np.dtype[np.float64]]

_WIDTHS: Final = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i64": 8, "i32": 4, "i16": 2, "i8": 1, "u8": 1, "bool": 1}
_INTEGERS: Final = {"i64": "<i8", "i32": "<i4", "i16": "<i2", "i8": "|i1", "u8": "|u1", "bool": "|u1"}


@dataclass(frozen=True, slots=True)
class Moved:
    """Sums over one tensor: of squared differences, of squared values before; elements changed, and all."""

    difference_squares: float
    before_squares: float
    changed: int
    elements: int


def measure(reader: BlockReader, before: Span, after: Span, pool: ThreadPoolExecutor) -> Moved | None:
    """None for types that are not plain numbers. Both spans have the same dtype and shape. Raises Damaged."""
    width = _WIDTHS.get(before.dtype)
    if width is None or before.dtype != after.dtype or before.length != after.length or before.length % width:
        return None
    rows = reader.rows((*before.blocks, *after.blocks))
    pairs = zip(placed_in_span(before), placed_in_span(after), strict=True)
    parts = list(pool.map(lambda pair: _block(reader, rows, pair[0], pair[1], before.dtype), pairs))
    return Moved(
        sum(part.difference_squares for part in parts),
        sum(part.before_squares for part in parts),
        sum(part.changed for part in parts),
        before.length // width,
    )


def _block(reader: BlockReader, rows: Rows, before: Placed, after: Placed, dtype: str) -> Moved:
    old = _decoded(reader, rows, before)
    numbers = _NUMBERS[dtype](old)
    squares = _squares(numbers)
    if before.id == after.id:
        return Moved(0.0, squares, 0, numbers.size)
    new = _decoded(reader, rows, after)
    width = _WIDTHS[dtype]
    words = f"<u{width}" if width > 1 else "|u1"
    changed = int(np.count_nonzero(old.view(words) != new.view(words)))
    with np.errstate(invalid="ignore", over="ignore"):
        moved = _NUMBERS[dtype](new) - numbers
    return Moved(_squares(moved), squares, changed, numbers.size)


def _decoded(reader: BlockReader, rows: Rows, place: Placed) -> Bytes8:
    raw = np.empty(place.length, np.uint8)
    reader.read(place.id, rows, raw.data)
    return raw


def _squares(values: Floats) -> float:
    flat = np.where(np.isfinite(values), values, 0).astype(np.float64, copy=False)
    # A square beyond all numbers makes the sum infinite, and what is made of it is then not said.
    with np.errstate(over="ignore"):
        return float(np.dot(flat, flat))


def _bf16(raw: Bytes8) -> Floats:
    return (raw.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)


def _as(kind: str) -> Callable[[Bytes8], Floats]:
    def numbers(raw: Bytes8) -> Floats:
        values = raw.view(kind)
        return values.astype(np.float64) if kind[-1] == "8" else values.astype(np.float32, copy=False)

    return numbers


_NUMBERS: Final[dict[str, Callable[[Bytes8], Floats]]] = {
    "bf16": _bf16,
    "f16": _as("<f2"),
    "f32": _as("<f4"),
    "f64": _as("<f8"),
    **{dtype: _as(kind) for dtype, kind in _INTEGERS.items()},
}
