"""Graphs that a library builds from a description: Keras, ONNX, SavedModel. What they would call or read is told."""

import json
import re
from collections.abc import Iterator
from typing import Final

from budwood.domain.limits import CONFIG_BYTES, SCAN_BYTES
from budwood.scan.notes import Notes, Part
from budwood.store.api import Source
from budwood.store.formats import tensorflow
from budwood.store.formats.bounded import Malformed
from budwood.store.formats.hdf5 import keras_flags, looks_like_hdf5
from budwood.store.formats.onnx import looks_like_onnx, read_onnx

_PIECE_BYTES: Final = 1 << 20
_OVERLAP_BYTES: Final = 1 << 12
_OBJECT: Final = re.compile(r'\{\s*"(?:[^"\\]|\\.){0,200}"\s*:')
_PARSED_BYTES: Final = 4 * CONFIG_BYTES
_KNOWN_OPERATIONS: Final = frozenset({
    "", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft",
    "com.microsoft.nchwc", "com.microsoft.experimental", "org.pytorch.aten",
})  # fmt: skip
_LOCATION: Final = re.compile(rb"\n\x08location\x12([\x01-\x7f])|\n\x08location\x12([\x80-\xff])([\x01-\x7f])")


def is_hdf5(head: bytes, source: Source) -> bool:
    if looks_like_hdf5(head):
        return True
    # HDF5 may begin at 512, 1024, 2048 …, behind a block of the user's own.
    at = 512
    while at < source.size and at <= 1 << 20:
        if looks_like_hdf5(source.read(at, 8)):
            return True
        at *= 2
    return False


def look_hdf5(part: Part, notes: Notes) -> None:
    """Keras keeps a model's settings as one JSON text in an attribute; every JSON in the file is looked at."""
    source = part.source
    if source.size > SCAN_BYTES and not _names_settings(source):
        return
    if source.size > SCAN_BYTES:
        notes.tell("too-large", part.inner, "its settings lie in more bytes than the limit SCAN_BYTES")
        return
    content = source.read(0, source.size).decode("latin-1")
    looked_at = 0
    for text in _jsons(content):
        looked_at += 1
        _tell_keras(text, part.inner, notes)
    if "model_config" in content and not looked_at:
        notes.tell("keras-code", part.inner, "its settings could not be found, so they may do anything")


def look_keras_config(source: Source, inner: str, notes: Notes) -> None:
    """The config.json of a .keras file, or of a model saved as JSON."""
    if source.size > CONFIG_BYTES:
        notes.tell("too-large", inner, "its settings are longer than the limit CONFIG_BYTES")
        return
    _tell_keras(source.read(0, source.size), inner, notes)


def is_onnx(head: bytes, source: Source) -> bool:
    return looks_like_onnx(head) or source.path.lower().endswith(".onnx")


def look_onnx(part: Part, notes: Notes) -> None:
    """Raises Malformed."""
    facts = read_onnx(part.source).facts
    for flag in facts.flags:
        rule = "onnx-outside" if flag.code == "external-data-outside" else "malformed"
        notes.tell(rule, part.inner, flag.detail)
    for location in _locations(part.source):
        if location.startswith(b"/") or b".." in location or re.search(rb"[\\:\0]", location):
            notes.tell(
                "onnx-outside", part.inner, f"it reads weights from {location[:200].decode('utf-8', 'replace')!r}"
            )
    opsets = facts.config.get("opsets")
    for domain in opsets if isinstance(opsets, dict) else ():
        if domain not in _KNOWN_OPERATIONS:
            notes.tell("onnx-custom", part.inner, f"it uses operations of {domain!r}")


def is_saved_model(_: bytes, source: Source) -> bool:
    return source.path.lower().endswith((".pb", ".pbtxt", ".tflite", ".meta"))


def look_saved_model(part: Part, notes: Notes) -> None:
    for name in tensorflow.operations(part.source):
        notes.tell("graph-code", part.inner, f"it has the operation {name}")
    if part.source.size > SCAN_BYTES:
        notes.tell("too-large", part.inner, "it is longer than the limit SCAN_BYTES")


def _tell_keras(text: bytes, inner: str, notes: Notes) -> None:
    try:
        for flag in keras_flags(text, inner):
            notes.tell("keras-code", inner, flag.detail)
    except Malformed as error:
        notes.tell("keras-code", inner, f"its settings could not be read, so they may do anything: {error}")


def _jsons(content: str) -> Iterator[bytes]:
    """Every JSON object that begins in ``content`` and names a class; objects inside another are not given again."""
    decoder = json.JSONDecoder()
    at = parsed = 0
    while (found := _OBJECT.search(content, at)) is not None:
        if parsed > _PARSED_BYTES:
            yield b"{"
            return
        try:
            _, at = decoder.raw_decode(content, found.start())
        except json.JSONDecodeError as error:
            parsed += error.pos - found.start()
            at = found.start() + 1
        except (RecursionError, ValueError):
            yield b"{"
            return
        else:
            parsed += at - found.start()
            yield content[found.start() : at].encode("latin-1")


def _names_settings(source: Source) -> bool:
    return any(b"model_config" in piece for piece in _overlapping(source, source.size))


def _locations(source: Source) -> Iterator[bytes]:
    """Paths of external data, also where they stand in parts of the file that no reader walks."""
    for piece in _overlapping(source, min(source.size, SCAN_BYTES)):
        for found in _LOCATION.finditer(piece):
            short, low, high = found.groups()
            length = short[0] if short else (low[0] & 0x7F) | high[0] << 7
            yield piece[found.end() : found.end() + length]


def _overlapping(source: Source, end: int) -> Iterator[bytes]:
    for at in range(0, end, _PIECE_BYTES):
        yield source.read(at, min(_PIECE_BYTES + _OVERLAP_BYTES, end - at))
