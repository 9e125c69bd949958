"""The names of number formats, one set for all file formats, and how many bits each takes.

Little-endian where a byte order exists; a big-endian array keeps its place but gets the suffix ``be``.
Quantised GGML types are named after themselves (``q4_k``); their sizes live with the GGUF reader.
"""

from collections.abc import Mapping
from typing import Final

BITS: Final[Mapping[str, int]] = {
    "f64": 64, "f32": 32, "f16": 16, "bf16": 16,
    "f8_e4m3": 8, "f8_e5m2": 8, "f8_e4m3fnuz": 8, "f8_e5m2fnuz": 8, "f8_e8m0": 8,
    "f6_e2m3": 6, "f6_e3m2": 6, "f4": 4,
    "i64": 64, "i32": 32, "i16": 16, "i8": 8, "i4": 4, "i2": 2,
    "u64": 64, "u32": 32, "u16": 16, "u8": 8, "u4": 4, "u2": 2,
    "bool": 8, "c64": 64, "c128": 128,
}  # fmt: skip


def byte_length(dtype: str, count: int) -> int | None:
    """The bytes ``count`` elements take, packed; None for a dtype of unknown size."""
    bits = BITS.get(dtype)
    return None if bits is None else -(-bits * count // 8)


def numpy_name(code: str) -> str:
    """``<f4`` as ``f32``, ``>i8`` as ``i64be``; empty for what is not a plain number."""
    order, kind = (code[0], code[1:]) if code[:1] in "<>|=" else ("<", code)
    name = _NUMPY.get(kind, "")
    return name + "be" if order == ">" and name and BITS[name] > 8 else name


_NUMPY: Final[Mapping[str, str]] = {
    "f8": "f64", "f4": "f32", "f2": "f16",
    "i8": "i64", "i4": "i32", "i2": "i16", "i1": "i8",
    "u8": "u64", "u4": "u32", "u2": "u16", "u1": "u8",
    "b1": "bool", "c8": "c64", "c16": "c128",
}  # fmt: skip
