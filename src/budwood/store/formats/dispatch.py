"""Which reader a file gets: by what its first bytes say, then by its name; one table, first match wins.

This is the wall behind which files may be hostile. A reader that finds nonsense, or even one that is
wrong, costs hints and adds a flag; only what the source itself raises goes up.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from budwood.domain.facts import FileFacts, Flag
from budwood.domain.limits import FLAGS_PER_FILE, SHAPE_DIMENSIONS, SNIFF_BYTES, TENSOR_NAME_CHARS
from budwood.errors import BudwoodError
from budwood.store.api import Hint, Reading, Source
from budwood.store.formats import (
    configs,
    gguf,
    hdf5,
    numpy_files,
    onnx,
    pickles,
    safetensors,
    tensorflow,
    torch_legacy,
    zip_files,
)
from budwood.store.formats.bounded import Malformed, is_size, malformed, plain_text
from budwood.store.formats.tiling import disjoint

Claim = Callable[[bytes, Source], bool]
Reader = Callable[[Source], Reading]


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table: ``format`` is what a file is called when its reader gives up."""

    format: str
    claims: Claim
    read: Reader


def read_format(source: Source) -> Reading:
    """What a file is and where its tensors lie. Raises only what the source raises; see the module's docstring."""
    head = source.read(0, min(SNIFF_BYTES, source.size))
    entry = entry_for(head, source)
    if entry is None:
        return Reading()
    try:
        reading = entry.read(source)
    except Malformed as error:
        reading = gave_up(entry, source.path, str(error))
    except BudwoodError:
        raise
    except Exception as error:
        # A bug of ours must not keep a file from being stored. The fuzzers call the readers without this wall.
        reading = gave_up(entry, source.path, f"its reader failed: {type(error).__name__}")
    return certain(reading, source.size)


def entry_for(head: bytes, source: Source) -> Entry | None:
    """The first row that claims the file."""
    return next((entry for entry in TABLE if entry.claims(head, source)), None) if head else None


def is_claimed(path: str, head: bytes) -> bool:
    """Whether a reader might look at a file that begins so, however long it is."""
    return entry_for(head, _Beginning(path, head)) is not None


@dataclass(frozen=True, slots=True)
class _Beginning:
    """``Source`` of what has come of a file; claims look at no more."""

    path: str
    head: bytes
    size: int = sys.maxsize

    def read(self, offset: int, length: int) -> bytes:
        return self.head[offset : offset + length]

    def read_into(self, offset: int, target: memoryview) -> None:
        target[:] = self.read(offset, len(target))


def gave_up(entry: Entry, path: str, detail: str) -> Reading:
    """The reading of a malformed file. Where loading means unpickling, not knowing is unsafe."""
    flags: tuple[Flag, ...] = (malformed(path, detail),)
    if entry.format in ("zip", "pickle") or path.lower().endswith(pickles.EXTENSIONS):
        flags += (Flag("unsafe-pickle", path, "could not be inspected, so it may do anything"),)
    return Reading(entry.format, (), FileFacts(flags=flags))


def certain(reading: Reading, size: int) -> Reading:
    """The reading with hints that lie inside the file and apart, and with names that can be stored."""
    hints = tuple(_certain(hint) for hint in disjoint(size, reading.hints))
    flags = tuple(
        Flag(flag.code, flag.path, plain_text(flag.detail, 500)) for flag in reading.facts.flags[:FLAGS_PER_FILE]
    )
    return Reading(reading.format, hints, replace(reading.facts, flags=flags))


def _certain(hint: Hint) -> Hint:
    shape = hint.shape
    if shape is not None and (len(shape) > SHAPE_DIMENSIONS or not all(is_size(size) for size in shape)):
        shape = None
    name = plain_text(hint.name, TENSOR_NAME_CHARS) or f"bytes.{hint.offset}"
    return Hint(hint.offset, hint.length, name, hint.dtype, shape)


def _named(*endings: str) -> Claim:
    return lambda _, source: source.path.lower().endswith(endings)


TABLE: Final[tuple[Entry, ...]] = (
    Entry(
        "safetensors",
        lambda head, source: safetensors.looks_like_safetensors(head, source.size),
        safetensors.read_safetensors,
    ),
    Entry("zip", lambda head, _: head.startswith((b"PK\x03\x04", b"PK\x05\x06")), zip_files.read_zip),
    Entry("gguf", lambda head, _: gguf.looks_like_gguf(head), gguf.read_gguf),
    Entry("npy", lambda head, _: numpy_files.looks_like_npy(head), numpy_files.read_npy),
    Entry("hdf5", lambda head, _: hdf5.looks_like_hdf5(head), hdf5.read_hdf5),
    Entry("torch-legacy", lambda head, _: torch_legacy.looks_like_torch_legacy(head), torch_legacy.read_torch_legacy),
    Entry("pickle", lambda head, _: pickles.looks_like_pickle(head), pickles.read_pickle),
    Entry("onnx", lambda head, _: onnx.looks_like_onnx(head), onnx.read_onnx),
    Entry("", lambda _, source: configs.names_a_config(source.path), configs.read_config),
    Entry("savedmodel", _named("saved_model.pb"), tensorflow.read_saved_model),
    Entry("tensorrt", lambda head, _: head[:4] in (b"ftrt", b"ptrt"), tensorflow.read_tensorrt),
    Entry("", lambda head, _: head.startswith(tuple(pickles.COMPRESSIONS)), pickles.read_compressed),
    Entry("safetensors", _named(".safetensors"), safetensors.read_safetensors),
    Entry("onnx", _named(".onnx"), onnx.read_onnx),
    Entry("gguf", _named(".gguf"), gguf.read_gguf),
    Entry("tensorrt", _named(".engine", ".plan"), tensorflow.read_tensorrt),
    Entry("pickle", _named(*pickles.EXTENSIONS), pickles.read_pickle),
    Entry("", lambda head, _: head.startswith(tuple(pickles.SEALED)), pickles.read_sealed),
    Entry("", lambda head, _: pickles.may_be_old_pickle(head), pickles.read_old_pickle),
)
