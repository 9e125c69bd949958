"""Numbers of IEEE 754 as bytes: each kind is widened to f32, and f32 is rounded to each kind.

To nearest and to even, so that every machine gives the same bits; where processors differ (the payload of a NaN) the
bits are written here.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Bytes8 = npt.NDArray[np.uint8]
Singles = npt.NDArray[np.float32]

_QUIET_F32: Final = np.uint32(0x7FC00000)
_QUIET_F16: Final = np.uint16(0x7E00)


def read_f32(raw: Bytes8) -> Singles:
    return raw.view("<f4").astype(np.float32, copy=False)


def write_f32(values: Singles) -> Bytes8:
    return np.ascontiguousarray(values).view(np.uint8)


def read_f16(raw: Bytes8) -> Singles:
    halves = raw.view("<f2")
    values = halves.astype(np.float32)
    strange = np.isnan(halves)
    if strange.any():
        bits = halves.view("<u2")[strange].astype(np.uint32)
        values.view(np.uint32)[strange] = (bits & 0x8000) << 16 | _QUIET_F32 | (bits & 0x3FF) << 13
    return values


def write_f16(values: Singles) -> Bytes8:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        halves = values.astype(np.float16)
    strange = np.isnan(values)
    if strange.any():
        bits = values.view(np.uint32)[strange]
        payload = (bits >> 13 & 0x1FF).astype(np.uint16)
        halves.view(np.uint16)[strange] = (bits >> 16 & 0x8000).astype(np.uint16) | _QUIET_F16 | payload
    return halves.view(np.uint8)


def read_bf16(raw: Bytes8) -> Singles:
    return (raw.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)


def write_bf16(values: Singles) -> Bytes8:
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + (bits >> np.uint32(16) & np.uint32(1)) + np.uint32(0x7FFF)) >> np.uint32(16)
    words = rounded.astype(np.uint16)
    strange = np.isnan(values)
    if strange.any():
        words[strange] = (bits[strange] >> np.uint32(16) | np.uint32(0x40)).astype(np.uint16)
    return words.view(np.uint8)
