"""Every encoding there is, as a table. A tag is one byte in the index and never changes its meaning."""

from dataclasses import dataclass
from typing import Final, Protocol

from budwood.errors import TooNew
from budwood.store.api import Buffer
from budwood.store.encodings import pco, plain, planes

RAW: Final = 0
ZSTD: Final = 1
SPLIT: Final = 2
PLANES: Final = 3
DELTA_PLANES: Final = 4
PCO: Final = 5
DELTA_PCO: Final = 6


class Encode(Protocol):
    def __call__(self, raw: memoryview, base: memoryview, width: int) -> tuple[Buffer, ...]: ...


class Decode(Protocol):
    def __call__(self, encoded: memoryview, base: memoryview, target: memoryview) -> None: ...


@dataclass(frozen=True, slots=True)
class Encoding:
    """One row. Encoders and decoders without a base are given an empty one and ignore it."""

    tag: int
    name: str
    needs_base: bool
    encode: Encode
    decode: Decode


ENCODINGS: Final[dict[int, Encoding]] = {
    row.tag: row
    for row in (
        Encoding(
            RAW,
            "raw",
            False,
            lambda raw, base, width: plain.encode_raw(raw),
            lambda encoded, base, target: plain.decode_raw(encoded, target),
        ),
        Encoding(
            ZSTD,
            "zstd",
            False,
            lambda raw, base, width: plain.encode_zstd(raw),
            lambda encoded, base, target: plain.decode_zstd(encoded, target),
        ),
        Encoding(
            SPLIT,
            "split",
            False,
            lambda raw, base, width: planes.encode_split(raw, width),
            lambda encoded, base, target: planes.decode_split(encoded, target),
        ),
        Encoding(
            PLANES,
            "planes",
            False,
            lambda raw, base, width: planes.encode_planes(raw, width),
            lambda encoded, base, target: planes.decode_planes(encoded, target),
        ),
        Encoding(DELTA_PLANES, "delta-planes", True, planes.encode_delta, planes.decode_delta),
        Encoding(
            PCO,
            "pco",
            False,
            lambda raw, base, width: pco.encode_pco(raw, width),
            lambda encoded, base, target: pco.decode_pco(encoded, target),
        ),
        Encoding(DELTA_PCO, "delta-pco", True, pco.encode_delta_pco, pco.decode_delta_pco),
    )
}


def encoding(tag: int) -> Encoding:
    """Raises TooNew."""
    try:
        return ENCODINGS[tag]
    except KeyError:
        raise TooNew(f"A block is written in encoding {tag}, which this Budwood does not know.", tag=tag) from None
