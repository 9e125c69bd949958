"""ONNX: a protocol buffer whose initializers hold the weights, inline or in sibling files.

Field numbers are those of onnx.proto; only what is needed is named here. Inline ``raw_data`` becomes
hints for this file; references to external data become hints for the file they name, which the writer
asks for with ``external_hints``. A reference that leaves the model's folder is flagged and ignored.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.facts import Field, FileFacts, Flag, Schema
from budwood.domain.limits import (
    FACT_CHARS,
    FACT_ITEMS,
    FLAGS_PER_FILE,
    PROTOBUF_DEPTH,
    SHAPE_DIMENSIONS,
    TENSORS_PER_FILE,
)
from budwood.store.api import Hint, Reading, Source
from budwood.store.formats import protobuf
from budwood.store.formats.bounded import Malformed, elements, is_size, malformed, plain_text
from budwood.store.formats.dtypes import byte_length

FORMAT: Final = "onnx"
CONSTANT_BYTES: Final = 4_096
"""A Constant node smaller than this is left in its gap; larger ones are weights by another name."""


def looks_like_onnx(head: bytes) -> bool:
    """ir_version (field 1), then a producer name (field 2) of printable text; SavedModels differ in the latter."""
    if len(head) < 8 or head[0] != 0x08 or not 2 <= head[1] <= 40 or head[2] != 0x12 or not 1 <= head[3] <= 64:
        return False
    return re.fullmatch(rb"[\w .:/+-]+", head[4 : 4 + head[3]]) is not None and len(head) > 4 + head[3]


def read_onnx(source: Source) -> Reading:
    """Raises Malformed when the file is no protocol buffer or holds no graph."""
    model = _walk(source)
    config: dict[str, Json] = {"opsets": {**model.opsets}, "ir_version": model.ir_version}
    if model.external:
        config["external"] = [plain_text(location) for location in list(model.external)[:FACT_ITEMS]]
    frameworks = {"onnx": f"opset {model.opsets['']}"} if "" in model.opsets else {"onnx": ""}
    if model.producer:
        frameworks[plain_text(model.producer, 100)] = plain_text(model.producer_version, 100)
    inputs = tuple(entry for entry in model.inputs if entry.name not in model.initialized)
    schema = Schema(inputs, tuple(model.outputs), source.path)
    facts = FileFacts(frameworks=frameworks, schema=schema, config=config, flags=tuple(model.flags[:FLAGS_PER_FILE]))
    return Reading(FORMAT, tuple(model.hints), facts)


def external_hints(source: Source) -> Mapping[str, tuple[Hint, ...]]:
    """The tensors an ONNX file keeps in sibling files, by location relative to its folder; empty when malformed."""
    try:
        return {location: tuple(hints) for location, hints in _walk(source).external.items()}
    except Malformed:
        return {}


@dataclass(slots=True)
class _Model:
    path: str
    ir_version: int = 0
    producer: str = ""
    producer_version: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    inputs: list[Field] = field(default_factory=list)
    outputs: list[Field] = field(default_factory=list)
    initialized: set[str] = field(default_factory=set)
    hints: list[Hint] = field(default_factory=list)
    external: dict[str, list[Hint]] = field(default_factory=dict)
    flags: list[Flag] = field(default_factory=list)
    tensors: int = 0
    has_graph: bool = False


@dataclass(slots=True)
class _Tensor:
    name: str = ""
    dims: list[int] = field(default_factory=list)
    dtype: str = ""
    raw: protobuf.Field | None = None
    is_external: bool = False
    reference: dict[str, str] = field(default_factory=dict)


def _walk(source: Source) -> _Model:
    model = _Model(source.path)
    for entry in protobuf.Message(source, protobuf.Budget()).fields():
        if entry.number == 1 and entry.wire == protobuf.VARINT:
            model.ir_version = entry.signed
        elif entry.number == 2:
            model.producer = entry.text()
        elif entry.number == 3:
            model.producer_version = entry.text()
        elif entry.number == 7:
            model.has_graph = True
            _graph(model, entry.message(), 1)
        elif entry.number == 8:
            _opset(model, entry.message())
    if not model.has_graph:
        raise Malformed("no graph")
    return model


def _opset(model: _Model, message: protobuf.Message) -> None:
    domain, version = "", 0
    for entry in message.fields():
        if entry.number == 1:
            domain = plain_text(entry.text(), 100)
        elif entry.number == 2 and entry.wire == protobuf.VARINT:
            version = entry.signed
    if len(model.opsets) < 100:
        model.opsets["" if domain == "ai.onnx" else domain] = version


def _graph(model: _Model, message: protobuf.Message, depth: int) -> None:
    if depth > PROTOBUF_DEPTH:
        raise Malformed("graphs nested deeper than the limit PROTOBUF_DEPTH")
    for entry in message.fields():
        if entry.number == 1:
            _node(model, entry.message(), depth)
        elif entry.number == 5:
            _keep(model, _tensor(entry.message()), least=1)
        elif entry.number in (11, 12) and depth == 1:
            declared = model.inputs if entry.number == 11 else model.outputs
            if len(declared) < FACT_ITEMS:
                declared.append(_value_info(entry.message()))


def _node(model: _Model, message: protobuf.Message, depth: int) -> None:
    """Weights also hide in Constant nodes and in the bodies of If and Loop."""
    output = ""
    tensors: list[_Tensor] = []
    for entry in message.fields():
        if entry.number == 2 and not output:
            output = entry.text()
        elif entry.number == 5:
            for part in entry.message().fields():
                if part.number == 5 and part.wire == protobuf.BYTES:
                    tensors.append(_tensor(part.message()))
                elif part.number in (6, 11) and part.wire == protobuf.BYTES:
                    _graph(model, part.message(), depth + 1)
    for tensor in tensors:
        tensor.name = tensor.name or output
        _keep(model, tensor, least=CONSTANT_BYTES)


def _tensor(message: protobuf.Message) -> _Tensor:
    tensor = _Tensor()
    for entry in message.fields():
        if entry.number == 1:
            tensor.dims += entry.numbers(SHAPE_DIMENSIONS)
            if len(tensor.dims) > SHAPE_DIMENSIONS:
                raise Malformed("a tensor of more dimensions than the limit SHAPE_DIMENSIONS")
        elif entry.number == 2:
            tensor.dtype = _DTYPES.get(entry.value, "")
        elif entry.number == 8:
            tensor.name = plain_text(entry.text())
        elif entry.number == 9 and entry.wire == protobuf.BYTES:
            tensor.raw = entry
        elif entry.number == 13 and len(tensor.reference) < 20:
            _string_entry(tensor.reference, entry.message())
        elif entry.number == 14:
            tensor.is_external = entry.value == 1
    return tensor


def _string_entry(into: dict[str, str], message: protobuf.Message) -> None:
    key = value = ""
    for entry in message.fields():
        if entry.number == 1:
            key = entry.text()
        elif entry.number == 2:
            value = entry.text()
    into[key] = value


def _keep(model: _Model, tensor: _Tensor, least: int) -> None:
    model.tensors += 1
    if model.tensors > TENSORS_PER_FILE:
        raise Malformed("more tensors than the limit TENSORS_PER_FILE")
    model.initialized.add(tensor.name)
    if not all(is_size(size) for size in tensor.dims):
        _flag(model, malformed(model.path, f"tensor {tensor.name[:100]!r} has a negative dimension"))
        return
    shape = tuple(tensor.dims)
    needed = byte_length(tensor.dtype, elements(shape))
    if tensor.is_external or tensor.reference:
        _keep_external(model, tensor, shape, needed)
    elif tensor.raw is not None and tensor.raw.length >= least:
        fits = needed == tensor.raw.length
        if needed is not None and not fits:
            detail = f"tensor {tensor.name[:100]!r} has {tensor.raw.length} bytes where its shape needs {needed}"
            _flag(model, malformed(model.path, detail))
        dtype = tensor.dtype if fits else ""
        model.hints.append(Hint(tensor.raw.start, tensor.raw.length, tensor.name, dtype, shape if fits else None))


def _keep_external(model: _Model, tensor: _Tensor, shape: tuple[int, ...], needed: int | None) -> None:
    location = tensor.reference.get("location", "")
    if not _is_inside(location):
        _flag(model, Flag("external-data-outside", model.path, f"{tensor.name[:100]!r} refers to {location[:200]!r}"))
        return
    offset = _decimal(tensor.reference.get("offset", "0"))
    length = _decimal(tensor.reference.get("length", "")) or needed
    if offset is None or not length:
        _flag(model, malformed(model.path, f"tensor {tensor.name[:100]!r} lies nowhere in {location[:200]!r}"))
        return
    fits = length == needed
    hint = Hint(offset, length, tensor.name, tensor.dtype if fits else "", shape if fits else None)
    plainly = "/".join(part for part in location.split("/") if part not in ("", "."))
    model.external.setdefault(plainly, []).append(hint)


def _is_inside(location: str) -> bool:
    """A plain relative path below the model's folder."""
    if not location or len(location) > FACT_CHARS or location.startswith("/") or re.search(r"[\\:\0]", location):
        return False
    parts = location.split("/")
    return ".." not in parts and not {"", "."}.issuperset(parts)


def _decimal(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _flag(model: _Model, flag: Flag) -> None:
    if len(model.flags) < FLAGS_PER_FILE:
        model.flags.append(flag)


def _value_info(message: protobuf.Message) -> Field:
    """ValueInfo: name(1), type(2).tensor_type(1): elem_type(1), shape(2).dim(1): dim_value(1) or dim_param(2)."""
    name, dtype, shape = "", "", None
    for entry in message.fields():
        if entry.number == 1:
            name = plain_text(entry.text(), 500)
        elif entry.number == 2:
            for kind in entry.message().fields():
                if kind.number == 1 and kind.wire == protobuf.BYTES:
                    dtype, shape = _tensor_type(kind.message())
    return Field(name, dtype, shape)


def _tensor_type(message: protobuf.Message) -> tuple[str, tuple[int, ...] | None]:
    dtype, shape = "", None
    for entry in message.fields():
        if entry.number == 1:
            dtype = _DTYPES.get(entry.value, "")
        elif entry.number == 2:
            dims: list[int] = []
            for dim in entry.message().fields():
                if dim.number == 1 and len(dims) < SHAPE_DIMENSIONS:
                    dims.append(_dimension(dim.message()))
            shape = tuple(dims)
    return dtype, shape


def _dimension(message: protobuf.Message) -> int:
    for entry in message.fields():
        if entry.number == 1 and entry.wire == protobuf.VARINT and entry.signed >= 0:
            return entry.signed
    return -1


_DTYPES: Final[Mapping[int, str]] = {
    1: "f32", 2: "u8", 3: "i8", 4: "u16", 5: "i16", 6: "i32", 7: "i64", 8: "string", 9: "bool", 10: "f16",
    11: "f64", 12: "u32", 13: "u64", 14: "c64", 15: "c128", 16: "bf16", 17: "f8_e4m3", 18: "f8_e4m3fnuz",
    19: "f8_e5m2", 20: "f8_e5m2fnuz", 21: "u4", 22: "i4", 23: "f4", 24: "f8_e8m0", 25: "u2", 26: "i2",
}  # fmt: skip
