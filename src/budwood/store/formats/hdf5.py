"""HDF5 (.h5, .keras): h5py looks into the file in a process of its own, under limits; its answer is only a hint.

Without h5py, or when the bytes are not in a file that can be named, an HDF5 file is known by its format
and stored in chunks like anything else.
"""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.facts import FileFacts, Flag
from budwood.domain.limits import (
    CONFIG_BYTES,
    FACT_ITEMS,
    HDF5_MEMORY_BYTES,
    HDF5_REPLY_BYTES,
    HDF5_TIME_S,
    SHAPE_DIMENSIONS,
)
from budwood.store.api import Hint, Reading, Source
from budwood.store.formats.bounded import Malformed, is_size, malformed, parse_json, plain_text
from budwood.store.formats.dtypes import numpy_name
from budwood.store.formats.zipped import STORED, Archive, unpack

MAGIC: Final = b"\x89HDF\r\n\x1a\n"
_CHILD: Final = Path(__file__).with_name("_hdf5_child.py")


def looks_like_hdf5(head: bytes) -> bool:
    return head.startswith(MAGIC)


def read_hdf5(source: Source) -> Reading:
    """Hints where h5py is installed and the source lies in a file (an attribute ``real_path`` says where)."""
    hints, attributes, flags = _look(source, 0, source.size)
    config = attributes.get("model_config", "")
    try:
        flags += tuple(keras_flags(config.encode("utf-8", "replace"), source.path)) if config else ()
    except Malformed as error:
        flags += (malformed(source.path, f"model_config: {error}"), _uninspected(source.path))
    frameworks = {"keras": attributes["keras_version"]} if attributes.get("keras_version") else {}
    return Reading("hdf5", hints, FileFacts(frameworks=frameworks, flags=flags))


def is_keras(archive: Archive) -> bool:
    """Keras 3: settings and weights side by side in a zip."""
    return "config.json" in archive.names and any(name.endswith(".weights.h5") for name in archive.names)


def read_keras(source: Source, archive: Archive) -> Reading:
    """The .h5 inside is looked into where it is stored uncompressed; code in the settings is flagged."""
    hints: tuple[Hint, ...] = ()
    flags: tuple[Flag, ...] = ()
    frameworks = {"keras": ""}
    for member in archive.members:
        try:
            if member.name == "config.json":
                flags += tuple(keras_flags(unpack(source, member, CONFIG_BYTES), source.path))
            elif member.name == "metadata.json":
                metadata = parse_json(unpack(source, member, CONFIG_BYTES), FACT_ITEMS)
                version = metadata.get("keras_version") if isinstance(metadata, dict) else ""
                frameworks = {"keras": plain_text(version, 100) if isinstance(version, str) else ""}
            elif member.name.endswith(".weights.h5") and member.method == STORED:
                found, _, problems = _look(source, member.offset, member.size)
                hints, flags = hints + found, flags + problems
        except Malformed as error:
            flags += (malformed(source.path, f"member {member.name[:100]!r}: {error}"),)
            if member.name == "config.json":
                flags += (_uninspected(source.path),)
    return Reading("keras", hints, FileFacts(frameworks=frameworks, flags=flags))


def keras_flags(config: bytes, path: str) -> Iterator[Flag]:
    """Settings that make loading run code: Lambda layers, and anything from outside Keras. Raises Malformed."""
    told: set[str] = set()
    for entry in _objects(parse_json(config, 1_000_000)):
        reason = _reason(entry)
        if reason and reason not in told and len(told) < 10:
            told.add(reason)
            yield Flag("executes-code", path, reason)


def _uninspected(path: str) -> Flag:
    return Flag("executes-code", path, "its settings could not be inspected, so they may do anything")


# The parts of Keras that settings name in honest files; utils, saving and config can fetch files and
# switch safety off, so they are not among them.
_KERAS_PARTS: Final = frozenset({
    "activations", "applications", "constraints", "distribution", "dtype_policies", "initializers", "layers",
    "losses", "metrics", "models", "optimizers", "quantizers", "random", "regularizers", "src",
})  # fmt: skip
_BUILTINS: Final = frozenset({"dict", "list", "tuple", "set", "slice", "int", "float", "str", "bool", "function"})
_FUNCTIONS: Final = frozenset({
    "elu", "exponential", "gelu", "glu", "hard_sigmoid", "hard_swish", "leaky_relu", "linear", "log_softmax",
    "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "swish", "tanh",
})  # fmt: skip


def _reason(entry: dict[str, Json]) -> str:
    """Why this object of the settings is not harmless; empty when it is."""
    name, module = entry.get("class_name"), entry.get("module")
    if name in ("Lambda", "__lambda__"):
        return "has a Lambda layer, which is Python bytecode"
    if not isinstance(module, str) or name is None:
        return ""
    parts = module.split(".")
    if parts[0] == "builtins":
        called = entry.get("config")
        is_known = name in _BUILTINS and (name != "function" or called in _FUNCTIONS)
        return "" if is_known else f"names the function {str(called if name == 'function' else name)[:100]!r}"
    inner = parts[2] if parts[1:2] == ["src"] and len(parts) > 2 else parts[1] if len(parts) > 1 else "models"
    is_keras = parts[0] in ("keras", "tf_keras") and inner in _KERAS_PARTS
    return "" if is_keras else f"names the module {module[:100]!r}"


def _objects(root: Json) -> Iterator[dict[str, Json]]:
    todo: list[Json] = [root]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            yield value
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)


def _look(source: Source, offset: int, length: int) -> tuple[tuple[Hint, ...], dict[str, str], tuple[Flag, ...]]:
    path = getattr(source, "real_path", None)
    if not path or importlib.util.find_spec("h5py") is None:
        return (), {}, ()
    reply = _ask(Path(path), offset, length)
    if reply is None:
        return (), {}, (malformed(source.path, "h5py could not read it within its limits"),)
    arrays, attributes = reply.get("arrays"), reply.get("attributes")
    hints = tuple(hint for entry in arrays if (hint := _hint(entry, offset))) if isinstance(arrays, list) else ()
    texts = (
        {key: value for key, value in attributes.items() if isinstance(value, str)}
        if isinstance(attributes, dict)
        else {}
    )
    return hints, texts, ()


def _ask(path: Path, offset: int, length: int) -> dict[str, Json] | None:
    limits = [str(offset), str(length), str(HDF5_MEMORY_BYTES), str(HDF5_TIME_S)]
    command = [sys.executable, "-I", str(_CHILD), str(path.absolute()), *limits]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=HDF5_TIME_S, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return None
    if done.returncode or len(done.stdout) > HDF5_REPLY_BYTES:
        return None
    try:
        reply: object = json.loads(done.stdout)
    except ValueError:
        return None
    return reply if isinstance(reply, dict) else None


def _hint(entry: Json, base: int) -> Hint | None:
    if not isinstance(entry, list) or len(entry) != 5:
        return None
    name, offset, length, code, shape = entry
    if not isinstance(name, str) or not isinstance(code, str) or not isinstance(shape, list):
        return None
    if not is_size(offset) or not is_size(length) or len(shape) > SHAPE_DIMENSIONS or not all(map(is_size, shape)):
        return None
    assert isinstance(offset, int)
    assert isinstance(length, int)
    return Hint(
        base + offset, length, name, numpy_name(code), tuple(int(size) for size in shape if isinstance(size, int))
    )
