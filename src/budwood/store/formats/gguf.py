"""GGUF: counts, key-value metadata, tensor infos, then aligned tensor data.

Every count is held against the bytes that are left before anything is kept for it. Dimensions are
written fastest first; hints give them slowest first, as the model they were converted from has them.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.facts import Field, FileFacts, Flag, Schema
from budwood.domain.limits import GGUF_ITEMS, TENSORS_PER_FILE
from budwood.store.api import Hint, Reading, Source
from budwood.store.formats.bounded import Cursor, Malformed, elements, malformed, plain, plain_text

FORMAT: Final = "gguf"
MAGIC: Final = b"GGUF"
DIMENSIONS: Final = 8
KEPT_ARRAY: Final = 64
TEXT_BYTES: Final = 1 << 20

Value = int | float | bool | str | list["Value"]


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A GGML type: ``block`` elements take ``width`` bytes."""

    dtype: str
    block: int
    width: int


@dataclass(slots=True)
class _Budget:
    """Items of metadata, array members and tensors together."""

    left: int = GGUF_ITEMS

    def spend(self, items: int) -> None:
        self.left -= items
        if self.left < 0:
            raise Malformed("more items than the limit GGUF_ITEMS")


def looks_like_gguf(head: bytes) -> bool:
    return head.startswith(MAGIC)


def read_gguf(source: Source) -> Reading:
    """Raises Malformed."""
    cursor = Cursor(source)
    cursor.skip(4)
    version = cursor.u32()
    if version not in (2, 3):
        raise Malformed(f"GGUF version {version} is not read")
    tensors, pairs = cursor.u64(), cursor.u64()
    budget = _Budget()
    # A tensor info takes at least 24 bytes and a pair 13: more than fit cannot be there.
    if tensors * 24 + pairs * 13 > cursor.left or tensors > TENSORS_PER_FILE:
        raise Malformed(f"{tensors} tensors and {pairs} pairs promised in {cursor.left} bytes")
    metadata, lengths = _metadata(cursor, pairs, budget)
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20 or alignment & (alignment - 1):
        raise Malformed("an alignment that is no power of two")
    hints, problems = _tensors(cursor, tensors, alignment, budget)
    flags: tuple[Flag, ...] = tuple(malformed(source.path, problem) for problem in problems[:10])
    return Reading(FORMAT, tuple(hints), _facts(source.path, metadata, lengths, flags))


def _metadata(cursor: Cursor, pairs: int, budget: _Budget) -> tuple[dict[str, Value], dict[str, int]]:
    """The values by key, long arrays cut, and the true length of each array."""
    values: dict[str, Value] = {}
    lengths: dict[str, int] = {}
    for _ in range(pairs):
        key = _text(cursor)
        if key in values:
            raise Malformed(f"the key {key[:100]!r} is given twice")
        budget.spend(1)
        kind = cursor.u32()
        if kind == _ARRAY:
            values[key], lengths[key] = _array(cursor, budget, 1)
        else:
            values[key] = _scalar(cursor, kind)
    return values, lengths


def _array(cursor: Cursor, budget: _Budget, depth: int) -> tuple[list[Value], int]:
    kind, count = cursor.u32(), cursor.u64()
    budget.spend(1)
    kept: list[Value] = []
    if kind in _SCALARS:
        width = _SCALARS[kind].size
        if count * width > cursor.left:
            raise Malformed(f"an array of {count} values in {cursor.left} bytes")
        kept = [_scalar(cursor, kind) for _ in range(min(count, KEPT_ARRAY))]
        cursor.skip((count - len(kept)) * width)
        return kept, count
    budget.spend(count)
    if kind not in (_TEXT, _ARRAY) or depth > 4 or count * 8 > cursor.left:
        raise Malformed(f"an array of {count} values of type {kind} in {cursor.left} bytes")
    for at in range(count):
        if kind == _ARRAY:
            inner, _ = _array(cursor, budget, depth + 1)
            if at < KEPT_ARRAY:
                kept.append(inner)
        elif at < KEPT_ARRAY:
            kept.append(_text(cursor))
        else:
            cursor.skip(cursor.u64())
    return kept, count


def _scalar(cursor: Cursor, kind: int) -> Value:
    if kind == _TEXT:
        return _text(cursor)
    if kind not in _SCALARS:
        raise Malformed(f"a value of type {kind}")
    scalar = _SCALARS[kind]
    value: int | float | bool = scalar.unpack(cursor.take(scalar.size))[0]
    return value


def _text(cursor: Cursor) -> str:
    length = cursor.u64()
    if length > TEXT_BYTES:
        cursor.skip(length)
        return ""
    return cursor.take(length).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class _Placed:
    name: str
    offset: int
    length: int | None
    dtype: str
    shape: tuple[int, ...]


def _tensors(cursor: Cursor, count: int, alignment: int, budget: _Budget) -> tuple[list[Hint], list[str]]:
    budget.spend(count)
    infos = [_info(cursor) for _ in range(count)]
    start = -(-cursor.at // alignment) * alignment
    problems: list[str] = []
    kept: list[Hint] = []
    names: set[str] = set()
    at = start
    for info in sorted(infos, key=lambda info: info.offset):
        problem = ""
        offset = start + info.offset
        if info.name in names:
            problem = "is there twice"
        elif info.length is None:
            problem = "is of an unknown type or has rows that are no whole blocks"
        elif info.offset % alignment:
            problem = "is not aligned"
        elif offset + info.length > cursor.end:
            problem = f"reaches out of the file, to {offset + info.length}"
        elif offset < at:
            problem = "overlaps the one before it"
        names.add(info.name)
        if problem or info.length is None:
            problems.append(f"tensor {info.name[:100]!r} {problem}")
            continue
        kept.append(Hint(offset, info.length, info.name, info.dtype, info.shape))
        at = offset + info.length
    return kept, problems


def _info(cursor: Cursor) -> _Placed:
    name = _text(cursor)
    dimensions = cursor.u32()
    if dimensions > DIMENSIONS:
        raise Malformed(f"a tensor of {dimensions} dimensions")
    shape = tuple(cursor.u64() for _ in range(dimensions))
    kind, offset = cursor.u32(), cursor.u64()
    count = elements(shape)
    quantity = _QUANTITIES.get(kind)
    if quantity is None:
        return _Placed(name, offset, None, "", ())
    rows_fit = not shape or shape[0] % quantity.block == 0
    length = count // quantity.block * quantity.width if rows_fit else None
    return _Placed(name, offset, length, quantity.dtype, shape[::-1])


def _facts(path: str, metadata: Mapping[str, Value], lengths: Mapping[str, int], flags: tuple[Flag, ...]) -> FileFacts:
    config: dict[str, Json] = {}
    for key, value in metadata.items():
        # Vocabularies are weights in all but name: their length is the fact.
        config[plain_text(key, 250)] = {"length": lengths[key]} if lengths.get(key, 0) > KEPT_ARRAY else plain(value)
        if len(config) >= 500:
            break
    architecture = _string(metadata, "general.architecture")
    base = _string(metadata, "general.base_model.0.repo_url") or _string(metadata, "general.base_model.0.name")
    vocabulary = lengths.get("tokenizer.ggml.tokens", 0)
    schema = None
    if vocabulary:
        schema = Schema((Field("tokens", "i32", (-1,)),), (Field("logits", "f32", (-1, vocabulary)),), path)
        if f"{architecture}.pooling_type" in metadata:
            width = metadata.get(f"{architecture}.embedding_length", -1)
            wide = width if isinstance(width, int) else -1
            schema = Schema(schema.inputs, (Field("embedding", "f32", (wide,)),), path)
    return FileFacts({"gguf": ""}, schema, plain_text(architecture, 250), plain_text(base, 500), {}, config, flags)


def _string(metadata: Mapping[str, Value], key: str) -> str:
    value = metadata.get(key, "")
    return value if isinstance(value, str) else ""


_TEXT: Final = 8
_ARRAY: Final = 9
_SCALARS: Final[Mapping[int, struct.Struct]] = {
    kind: struct.Struct(f"<{code}")
    for kind, code in {
        0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
    }.items()
}  # fmt: skip

# Type number: name, elements per block, bytes per block (ggml.h and ggml-common.h).
_QUANTITIES: Final[Mapping[int, _Quantity]] = {
    0: _Quantity("f32", 1, 4),
    1: _Quantity("f16", 1, 2),
    2: _Quantity("q4_0", 32, 18),
    3: _Quantity("q4_1", 32, 20),
    6: _Quantity("q5_0", 32, 22),
    7: _Quantity("q5_1", 32, 24),
    8: _Quantity("q8_0", 32, 34),
    9: _Quantity("q8_1", 32, 40),
    10: _Quantity("q2_k", 256, 84),
    11: _Quantity("q3_k", 256, 110),
    12: _Quantity("q4_k", 256, 144),
    13: _Quantity("q5_k", 256, 176),
    14: _Quantity("q6_k", 256, 210),
    15: _Quantity("q8_k", 256, 292),
    16: _Quantity("iq2_xxs", 256, 66),
    17: _Quantity("iq2_xs", 256, 74),
    18: _Quantity("iq3_xxs", 256, 98),
    19: _Quantity("iq1_s", 256, 50),
    20: _Quantity("iq4_nl", 32, 18),
    21: _Quantity("iq3_s", 256, 110),
    22: _Quantity("iq2_s", 256, 82),
    23: _Quantity("iq4_xs", 256, 136),
    24: _Quantity("i8", 1, 1),
    25: _Quantity("i16", 1, 2),
    26: _Quantity("i32", 1, 4),
    27: _Quantity("i64", 1, 8),
    28: _Quantity("f64", 1, 8),
    29: _Quantity("iq1_m", 256, 56),
    30: _Quantity("bf16", 1, 2),
    34: _Quantity("tq1_0", 256, 54),
    35: _Quantity("tq2_0", 256, 66),
    39: _Quantity("mxfp4", 32, 17),
    40: _Quantity("nvfp4", 64, 36),
    41: _Quantity("q1_0", 128, 18),
}
