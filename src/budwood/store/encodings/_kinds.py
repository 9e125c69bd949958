"""Numbers as bytes, kind by kind: from floats to floats, and from floats to the blocks of GGUF.

Each step is an operation of IEEE 754 on single numbers, rounded to nearest and to even, so that every machine gives
the same bits; where processors differ (the payload of a NaN) the bits are written here. docs/internals/derived.md says
it in words for whoever writes a reader. Quantising knows finite numbers only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from budwood.errors import BlockDamaged

Bytes8 = npt.NDArray[np.uint8]
Singles = npt.NDArray[np.float32]

GROUP: Final = 32
"""Numbers of one block of GGUF."""
_QUIET_F32: Final = np.uint32(0x7FC00000)
_QUIET_F16: Final = np.uint16(0x7E00)


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
        return target.write(source.read(raw))


# Floats


def _read_f32(raw: Bytes8) -> Singles:
    return raw.view("<f4").astype(np.float32, copy=False)


def _write_f32(values: Singles) -> Bytes8:
    return np.ascontiguousarray(values).view(np.uint8)


def _read_f16(raw: Bytes8) -> Singles:
    halves = raw.view("<f2")
    values = halves.astype(np.float32)
    strange = np.isnan(halves)
    if strange.any():
        bits = halves.view("<u2")[strange].astype(np.uint32)
        values.view(np.uint32)[strange] = (bits & 0x8000) << 16 | _QUIET_F32 | (bits & 0x3FF) << 13
    return values


def _write_f16(values: Singles) -> Bytes8:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        halves = values.astype(np.float16)
    strange = np.isnan(values)
    if strange.any():
        bits = values.view(np.uint32)[strange]
        payload = (bits >> 13 & 0x1FF).astype(np.uint16)
        halves.view(np.uint16)[strange] = (bits >> 16 & 0x8000).astype(np.uint16) | _QUIET_F16 | payload
    return halves.view(np.uint8)


def _read_bf16(raw: Bytes8) -> Singles:
    return (raw.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)


def _write_bf16(values: Singles) -> Bytes8:
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + (bits >> np.uint32(16) & np.uint32(1)) + np.uint32(0x7FFF)) >> np.uint32(16)
    words = rounded.astype(np.uint16)
    strange = np.isnan(values)
    if strange.any():
        words[strange] = (bits[strange] >> np.uint32(16) | np.uint32(0x40)).astype(np.uint16)
    return words.view(np.uint8)


# Blocks of GGUF: 32 numbers share a scale, and some a least value


def _write_q8_0(values: Singles) -> Bytes8:
    groups = _groups(values)
    scale = np.abs(groups).max(axis=1, keepdims=True) / np.float32(127)
    scaled = groups * _inverse(scale)
    size = np.abs(scaled)
    whole = np.floor(size)
    # Halves go away from zero.
    whole += np.floor(np.float32(2) * (size - whole))
    steps = _checked(np.copysign(whole, scaled), 127).astype(np.int8)
    return _joined(_half(scale), steps.view(np.uint8))


def _write_q4_0(values: Singles) -> Bytes8:
    groups = _groups(values)
    scale = _furthest(groups) / np.float32(-8)
    return _joined(_half(scale), _nibbles(_steps(groups * _inverse(scale) + np.float32(8.5), 15)))


def _write_q4_1(values: Singles) -> Bytes8:
    groups = _groups(values)
    least = groups.min(axis=1, keepdims=True)
    scale = (groups.max(axis=1, keepdims=True) - least) / np.float32(15)
    steps = _steps((groups - least) * _inverse(scale) + np.float32(0.5), 15)
    return _joined(_half(scale), _half(least), _nibbles(steps))


def _write_q5_0(values: Singles) -> Bytes8:
    groups = _groups(values)
    scale = _furthest(groups) / np.float32(-16)
    steps = _steps(groups * _inverse(scale) + np.float32(16.5), 31)
    return _joined(_half(scale), _fifth_bits(steps), _nibbles(steps))


def _write_q5_1(values: Singles) -> Bytes8:
    groups = _groups(values)
    least = groups.min(axis=1, keepdims=True)
    scale = (groups.max(axis=1, keepdims=True) - least) / np.float32(31)
    steps = _steps((groups - least) * _inverse(scale) + np.float32(0.5), 31)
    return _joined(_half(scale), _half(least), _fifth_bits(steps), _nibbles(steps))


def _groups(values: Singles) -> Singles:
    if values.size % GROUP:
        raise BlockDamaged(f"{values.size} numbers are no whole groups of {GROUP}.")
    if not np.isfinite(values).all():
        # What a processor makes of an infinite step is its own affair.
        raise BlockDamaged("Only finite numbers are quantised.")
    return values.reshape(-1, GROUP)


def _furthest(groups: Singles) -> Singles:
    """Of each group the number furthest from zero, with its sign; the first of those."""
    at = np.abs(groups).argmax(axis=1)[:, None]
    return np.take_along_axis(groups, at, axis=1)


def _inverse(scale: Singles) -> Singles:
    with np.errstate(divide="ignore", over="ignore"):
        return np.where(scale == 0, np.float32(0), np.float32(1) / scale)


def _steps(scaled: Singles, most: int) -> Bytes8:
    return np.minimum(np.trunc(_checked(scaled, 255)), np.float32(most)).astype(np.uint8)


def _checked(scaled: Singles, most: int) -> Singles:
    """Raises BlockDamaged for scales so small that their inverse is none."""
    if not (np.abs(scaled) <= most).all():
        raise BlockDamaged("A group's numbers are too small to be quantised.")
    return scaled


def _half(values: Singles) -> Bytes8:
    return _write_f16(np.ascontiguousarray(values)).reshape(-1, 2)


def _nibbles(steps: Bytes8) -> Bytes8:
    halves = steps.reshape(-1, 2, GROUP // 2)
    return (halves[:, 0] & np.uint8(15)) | (halves[:, 1] << np.uint8(4))


def _fifth_bits(steps: Bytes8) -> Bytes8:
    return np.packbits(steps >> np.uint8(4), axis=1, bitorder="little")


def _joined(*parts: Bytes8) -> Bytes8:
    return np.concatenate(parts, axis=1).reshape(-1)


KINDS: Final = (
    Kind(1, "f32", 1, 4, _write_f32, _read_f32),
    Kind(2, "f16", 1, 2, _write_f16, _read_f16),
    Kind(3, "bf16", 1, 2, _write_bf16, _read_bf16),
    Kind(4, "q8_0", GROUP, 34, _write_q8_0),
    Kind(5, "q4_0", GROUP, 18, _write_q4_0),
    Kind(6, "q4_1", GROUP, 20, _write_q4_1),
    Kind(7, "q5_0", GROUP, 22, _write_q5_0),
    Kind(8, "q5_1", GROUP, 24, _write_q5_1),
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
