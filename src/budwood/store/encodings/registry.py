"""Every encoding there is, as a table. A tag is one byte in the index and never changes its meaning.

A new encoding is a new row with a new tag. Its writer may be improved freely as long as its reader still
reads everything written before; docs/internals/encodings.md describes the bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from budwood.errors import TooNew
from budwood.store.api import Buffer
from budwood.store.encodings import derived, pco, plain, planes, rans
from budwood.store.encodings._parts import Written
from budwood.store.encodings._planes import Coder

RAW: Final = 0
ZSTD: Final = 1
SPLIT: Final = 2
PLANES: Final = 3
DELTA_PLANES: Final = 4
PCO: Final = 5
DELTA_PCO: Final = 6
DELTA_RANS: Final = 7
DERIVED: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """The encoding to use, and the share of the block it is expected to keep.

    A plan made for one block of a tensor suits its other blocks: give it as their hint.
    """

    tag: int
    width: int = 1
    share: float = 1.0
    coders: tuple[Coder, ...] = ()
    shift: int = 0
    """Where DELTA_RANS finds the exponent in the base's words; 0 for where it is in most of that width."""


Encode = Callable[[memoryview, memoryview, Plan], tuple[Buffer, ...]]
Decode = Callable[[Written, memoryview, memoryview], None]
Matches = Callable[[tuple[Buffer, ...], memoryview], bool]


@dataclass(frozen=True, slots=True)
class Encoding:
    """One row: ``encode(raw, base, plan)`` and ``decode(encoded, base, target)``. Without a base, it is empty.

    ``matches(parts, raw)`` tells sooner than decoding that what was encoded gives the block back, and never that it
    does not.
    """

    tag: int
    name: str
    needs_base: bool
    encode: Encode
    decode: Decode
    matches: Matches = lambda parts, raw: False


def _refused(raw: memoryview, base: memoryview, plan: Plan) -> tuple[Buffer, ...]:
    """A function is found before a block is encoded (store/derive.py), never weighed by a sample."""
    raise AssertionError("a derived block is written by whoever found its function")


_ROWS: Final = (
    Encoding(
        tag=RAW,
        name="raw",
        needs_base=False,
        encode=lambda raw, base, plan: plain.encode_raw(raw),
        decode=lambda encoded, base, target: plain.decode_raw(encoded, target),
    ),
    Encoding(
        tag=ZSTD,
        name="zstd",
        needs_base=False,
        encode=lambda raw, base, plan: plain.encode_zstd(raw),
        decode=lambda encoded, base, target: plain.decode_zstd(encoded, target),
    ),
    Encoding(
        tag=SPLIT,
        name="split",
        needs_base=False,
        encode=lambda raw, base, plan: planes.encode_split(raw, plan.width, plan.coders),
        decode=lambda encoded, base, target: planes.decode_split(encoded, target),
        matches=planes.split_matches,
    ),
    Encoding(
        tag=PLANES,
        name="planes",
        needs_base=False,
        encode=lambda raw, base, plan: planes.encode_planes(raw, plan.width, plan.coders),
        decode=lambda encoded, base, target: planes.decode_planes(encoded, target),
        matches=planes.plain_matches,
    ),
    Encoding(
        tag=DELTA_PLANES,
        name="delta-planes",
        needs_base=True,
        encode=lambda raw, base, plan: planes.encode_delta(raw, base, plan.width, plan.coders),
        decode=planes.decode_delta,
    ),
    Encoding(
        tag=PCO,
        name="pco",
        needs_base=False,
        encode=lambda raw, base, plan: pco.encode_pco(raw, plan.width),
        decode=lambda encoded, base, target: pco.decode_pco(encoded, target),
    ),
    Encoding(
        tag=DELTA_PCO,
        name="delta-pco",
        needs_base=True,
        encode=lambda raw, base, plan: pco.encode_delta_pco(raw, base, plan.width),
        decode=pco.decode_delta_pco,
    ),
    Encoding(
        tag=DELTA_RANS,
        name="delta-rans",
        needs_base=True,
        encode=lambda raw, base, plan: rans.encode_rans(raw, base, plan.width, plan.shift),
        decode=rans.decode_rans,
    ),
)
ENCODINGS: Final = {row.tag: row for row in _ROWS}
"""Those that a block may be written in for its own sake."""
_DERIVED: Final = Encoding(
    tag=DERIVED,
    name="derived",
    needs_base=True,
    encode=_refused,
    decode=derived.decode_derived,
)
_KNOWN: Final = {**ENCODINGS, DERIVED: _DERIVED}


def encoding(tag: int) -> Encoding:
    """Raises TooNew."""
    try:
        return _KNOWN[tag]
    except KeyError:
        raise TooNew(f"A block is written in encoding {tag}, which this Budwood does not know.", tag=tag) from None
