"""Which encoding suits a block: the candidates of its dtype are tried on a sample of at most 64 KiB.

The rule: the smallest wins, but a slower encoding must be at least 2 % smaller than a faster one
(`TIE`), and nothing that keeps more than 98 % is better than the block itself.
"""

from dataclasses import dataclass
from typing import Final

from budwood.store.encodings.registry import DELTA_PCO, DELTA_PLANES, ENCODINGS, PCO, PLANES, RAW, SPLIT, ZSTD

SAMPLE_BYTES: Final = 64 << 10
RUNS: Final = 8
TIE: Final = 0.98

FLOATS: Final = {"bf16": 2, "f16": 2, "f32": 4, "f64": 8, "c64": 4, "c128": 8}
INTEGERS: Final = {
    "i8": 1, "u8": 1, "bool": 1, "f8_e4m3": 1, "f8_e5m2": 1,
    "i16": 2, "u16": 2, "i32": 4, "u32": 4, "i64": 8, "u64": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """The encoding to use and the share of the block it is expected to keep."""

    tag: int
    width: int = 1
    share: float = 1.0


def word_width(dtype: str) -> int:
    """Bytes of one number; 1 for chunks and what is not known."""
    return FLOATS.get(dtype) or INTEGERS.get(dtype, 1)


def plan_block(raw: memoryview, dtype: str, base: memoryview | None) -> Plan:
    """The plan for this block; pure, and the same for the same bytes."""
    width = word_width(dtype)
    sample = sample_of(raw, width)
    base_sample = memoryview(b"")
    if base is not None:
        base_sample = sample_of(base, width) if len(base) == len(raw) else _matching(raw, base, width)
    best = Plan(RAW, width)
    limit = TIE * len(sample)
    for tag in candidates(dtype, has_base=base is not None):
        size = sum(map(len, ENCODINGS[tag].encode(sample, base_sample, width)))
        if size < limit:
            best = Plan(tag, width, size / len(sample))
            limit = TIE * size
    return best


def candidates(dtype: str, *, has_base: bool) -> tuple[int, ...]:
    """The encodings worth trying for a dtype, the fastest first."""
    if dtype in FLOATS:
        alone: tuple[int, ...] = (SPLIT, PLANES)
    elif INTEGERS.get(dtype, 1) > 1:
        alone = (PLANES, ZSTD, PCO)
    else:
        alone = (ZSTD,)
    return (*alone, DELTA_PLANES, DELTA_PCO) if has_base else alone


def sample_of(raw: memoryview, width: int) -> memoryview:
    """Runs of whole words spread over the block, from its first to its last."""
    if len(raw) <= SAMPLE_BYTES:
        return raw
    run = SAMPLE_BYTES // RUNS
    step = (len(raw) - run) // (RUNS - 1) // width * width
    return memoryview(b"".join(raw[index * step : index * step + run] for index in range(RUNS)))


def _matching(raw: memoryview, base: memoryview, width: int) -> memoryview:
    """The base's words at the sample's places, when the two blocks differ in length."""
    padded = memoryview(bytes(base[: len(raw)]).ljust(len(raw), b"\0"))
    return sample_of(padded, width)
