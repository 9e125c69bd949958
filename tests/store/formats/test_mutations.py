"""Valid files with bytes flipped, cut, repeated or inserted: no reader raises, every hint stays certain.

The readers are called without the wall in dispatch, so an exception other than Malformed is a failure.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.domain.limits import SNIFF_BYTES
from budwood.store.api import Reading
from budwood.store.formats import external_hints, read_format
from budwood.store.formats.bounded import Malformed, Memory
from budwood.store.formats.dispatch import TABLE, entry_for

NAMES = [
    "model.safetensors", "model.pt", "checkpoint.pt", "legacy.pt", "script.pt", "model.npz", "small.npz", "one.npy",
    "records.npy", "objects.npy", "model.onnx", "external.onnx", "model.gguf", "forest.joblib", "forest-2.pkl",
    "forest-5.pkl", "forest-small.joblib",
]  # fmt: skip


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[str, float, bytes]]:
    kinds = st.sampled_from(["set", "insert", "cut", "end"])
    places = st.one_of(st.floats(0, 1), st.floats(0, 0.002), st.floats(0.998, 1))
    return draw(st.lists(st.tuples(kinds, places, st.binary(min_size=1, max_size=9)), min_size=1, max_size=6))


def changed(content: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    for kind, place, piece in edits:
        at = int(place * len(content))
        if kind == "set":
            content = content[:at] + piece + content[at + len(piece) :]
        elif kind == "insert":
            content = content[:at] + piece + content[at:]
        elif kind == "cut":
            content = content[:at] + content[at + len(piece) :]
        else:
            content = content[:at]
    return content


def read_without_wall(content: bytes, name: str) -> None:
    source = Memory(content, name)
    entry = entry_for(content[:SNIFF_BYTES], source)
    if entry is not None:
        with suppress(Malformed):
            entry.read(source)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=changes())
def test_a_damaged_file_is_read_without_surprise(
    shelf: Any, certain: Callable[[Reading, int], None], name: str, edits: list[tuple[str, float, bytes]]
) -> None:
    content = changed(shelf.bytes(name), edits)
    read_without_wall(content, name)
    certain(read_format(Memory(content, name)), len(content))
    external_hints(Memory(content, name))


PREFIXES = [
    b"", b"PK\x03\x04", b"GGUF\x03\x00\x00\x00", b"\x93NUMPY\x01\x00", b"\x80\x04", b"\x08\x08\x12\x05tests",
    b"\x1f\x8b", b"\x89HDF\r\n\x1a\n", b"c", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
]  # fmt: skip
FILES = [
    "a.safetensors", "a.pt", "a.npy", "a.npz", "a.onnx", "a.gguf", "a.pkl", "config.json", "MLmodel", "README.md",
    "tokenizer_config.json", "saved_model.pb", "requirements.txt", "conda.yaml", "a.h5", "a.bin",
]  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prefix=st.sampled_from(PREFIXES), rest=st.binary(max_size=300), name=st.sampled_from(FILES))
def test_any_bytes_under_any_name_are_read_without_surprise(
    certain: Callable[[Reading, int], None], prefix: bytes, rest: bytes, name: str
) -> None:
    read_without_wall(prefix + rest, name)
    certain(read_format(Memory(prefix + rest, name)), len(prefix + rest))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_every_reader_withstands_what_it_never_claimed(content: bytes) -> None:
    for entry in TABLE:
        for name in ("config.json", "README.md", "x.bin"):
            if entry.format or entry.claims(content, Memory(content, name)):
                with suppress(Malformed):
                    entry.read(Memory(content, name))
