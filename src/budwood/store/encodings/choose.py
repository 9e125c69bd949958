"""Which encoding suits a block: the candidates of its dtype are weighed on a sample of at most 64 KiB.

The rule: the smallest wins, but a slower encoding must be at least 2 % smaller than a faster one (``TIE``),
and one that keeps more than 98 % is not worth its time. Candidates stand in order of decoding speed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from budwood.store import native
from budwood.store.encodings import planes, rans
from budwood.store.encodings.registry import (
    DELTA_PCO,
    DELTA_PLANES,
    DELTA_RANS,
    ENCODINGS,
    PCO,
    PLANES,
    RAW,
    SPLIT,
    ZSTD,
    Plan,
)

SAMPLE_BYTES: Final = 64 << 10
SAMPLE_WORDS: Final = 16 << 10
SAMPLED_SHARE: Final = 16
"""A block is sampled by a sixteenth at most, or planning would cost as much as encoding; small ones by 8 KiB."""
SMALLEST: Final = 512
"""A shorter tensor is stored raw: its row in the index is larger than what could be won."""
SMALLEST_CHUNK: Final = 64
"""So is a shorter chunk. What lies between the tensors of a .pt, 128 bytes of which half are padding, is not."""
RUNS: Final = 8
NOISE_BYTES: Final = 32 << 10
"""Chunks from this size on are looked at before they are compressed."""
NOISE_SAMPLES: Final = 2 << 10
NOISE_MOST: Final = 390.0
"""Of chi-square with 255 degrees of freedom: six deviations above what noise has."""
TIE: Final = 0.98
SETTLED: Final = 0.4
"""Weights alone keep more than this; a difference that keeps less is taken without looking at them alone."""

FLOATS: Final = {"bf16": 2, "f16": 2, "f32": 4, "f64": 8, "c64": 4, "c128": 8}
"""Bytes of one number. Of complex numbers each half is a number."""
INTEGERS: Final = {"i16": 2, "u16": 2, "i32": 4, "u32": 4, "i64": 8, "u64": 8}


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an estimate must know besides the sample: ``length`` is the block's."""

    width: int
    shift: int
    length: int


def word_width(dtype: str) -> int:
    """Bytes of one number; 1 for small ones, chunks, and what is not known."""
    return FLOATS.get(dtype) or INTEGERS.get(dtype, 1)


def candidates(dtype: str, *, has_base: bool) -> tuple[int, ...]:
    """The encodings worth trying for a dtype, the fastest first.

    Without the native library nothing is written as DELTA_RANS: NumPy's planes are several times faster.
    """
    width = word_width(dtype)
    if dtype == "f64":
        # Doubles are seldom weights: the leaves of a forest repeat, and matching finds that.
        alone: tuple[int, ...] = (ZSTD, SPLIT)
    elif dtype in FLOATS:
        alone = (SPLIT,)
    elif width > 1:
        alone = (PLANES, ZSTD, PCO)
    else:
        alone = (PLANES,) if dtype else (ZSTD,)
    if not has_base:
        return alone
    coded = (DELTA_RANS,) if native.library is not None and width in rans.WIDTHS else ()
    if width > 2:
        # pcodec never wins on differences of 16-bit floats; on wider ones it decodes faster than planes.
        return (*alone, *coded, DELTA_PCO, DELTA_PLANES)
    # Planes are neither smaller nor faster then, and to weigh them takes longer than all the rest of the choice.
    return (*alone, *(coded or (DELTA_PLANES,)))


def plan_block(raw: memoryview, dtype: str, base: memoryview | None) -> Plan:
    """The plan for this block; pure, and the same for the same bytes."""
    width = word_width(dtype)
    if len(raw) < (SMALLEST if dtype else SMALLEST_CHUNK):
        return Plan(RAW, width)
    tags = candidates(dtype, has_base=base is not None)
    if tags == (ZSTD,):
        return Plan(RAW, width) if _is_noise(raw) else Plan(ZSTD)
    kind = _Kind(width, rans.F16_SHIFT if dtype == "f16" else 0, len(raw))
    sample = sample_of(raw, width)
    base_sample = memoryview(b"") if base is None else sample_of(_fitted(base, len(raw)), width)
    differences = [_estimate(tag, sample, base_sample, kind) for tag in tags if ENCODINGS[tag].needs_base]
    alone = list[Plan]()
    if not differences or min(plan.share for plan in differences) > SETTLED:
        alone = [_estimate(tag, sample, base_sample, kind) for tag in tags if not ENCODINGS[tag].needs_base]
    return best_of([*alone, *differences], otherwise=Plan(RAW, width))


def _is_noise(raw: memoryview) -> bool:
    """Whether compressing would be in vain, as for what is compressed or encrypted: all bytes are equally frequent, by
    a chi-square test that even weights with 2 % to win fail by far. It costs a tenth of finding out by compressing."""
    if len(raw) < NOISE_BYTES:
        return False
    # An odd step meets every byte of a word.
    sample = np.frombuffer(raw, np.uint8)[:: len(raw) // NOISE_SAMPLES | 1]
    counts = np.bincount(sample, minlength=256)
    return float(counts @ counts) * 256 / sample.size - sample.size < NOISE_MOST


def best_of(plans: Sequence[Plan], *, otherwise: Plan) -> Plan:
    """The plan that keeps least, by the rule above; the fastest stand first."""
    best, limit = otherwise, TIE
    for plan in plans:
        if plan.share < limit:
            best, limit = plan, TIE * plan.share
    return best


def sample_of(raw: memoryview, width: int) -> memoryview:
    """Runs of whole words spread over the block, from its first to its last."""
    length = min(SAMPLE_BYTES, SAMPLE_WORDS * width, max(len(raw) // SAMPLED_SHARE, 8 << 10))
    if len(raw) <= length:
        return raw
    run = length // RUNS // width * width
    step = (len(raw) - run) // (RUNS - 1) // width * width
    return memoryview(b"".join(raw[index * step : index * step + run] for index in range(RUNS)))


def _fitted(base: memoryview, length: int) -> memoryview:
    """A base of another length cut, or continued with zeros, as the encoders see it."""
    return base if len(base) == length else memoryview(bytes(base[:length]).ljust(length, b"\0"))


def _estimate(tag: int, sample: memoryview, base: memoryview, kind: _Kind) -> Plan:
    width = kind.width
    if tag == DELTA_RANS:
        sizes = rans.estimate_rans(sample, base, width, kind.shift)
        return Plan(tag, width, sizes.fixed / kind.length + sizes.words / len(sample), shift=kind.shift)
    if tag == SPLIT:
        estimate = planes.estimate_split(sample, width)
    elif tag == PLANES:
        estimate = planes.estimate_plain(sample, width)
    elif tag == DELTA_PLANES:
        estimate = planes.estimate_delta(sample, base, width)
    else:
        size = sum(map(len, ENCODINGS[tag].encode(sample, base, Plan(tag, width))))
        return Plan(tag, width, size / len(sample))
    return Plan(tag, width, estimate.size / len(sample), estimate.coders)
