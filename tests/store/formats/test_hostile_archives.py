"""Zip archives that lie, and code that hides in formats made of zips."""

import io
import json
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budwood.store.api import Reading
from budwood.store.formats import read_format

Read = Callable[[bytes, str], Reading]


def codes(reading: Reading) -> set[str]:
    return {flag.code for flag in reading.facts.flags}


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as opened:
        for name, content in members:
            opened.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return target.getvalue()


def patched(content: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    at = content.index(signature) + offset
    return content[:at] + value + content[at + len(value) :]


HARMLESS = b"\x80\x02}q\x00."
MEMBERS = (("m/data.pkl", HARMLESS), ("m/data/0", bytes(64)))


def test_storages_nobody_names_are_still_hints(read: Read) -> None:
    reading = read(archive(*MEMBERS), "model.pt")
    assert [(hint.name, hint.length) for hint in reading.hints] == [("storage.0", 64)]
    assert codes(reading) == set()


@pytest.mark.parametrize(
    "content",
    [
        patched(archive(*MEMBERS), b"PK\x05\x06", 10, struct.pack("<H", 60_000)),
        patched(archive(*MEMBERS), b"PK\x05\x06", 12, struct.pack("<I", 1 << 31)),
        patched(archive(*MEMBERS), b"PK\x05\x06", 16, struct.pack("<I", 7)),
        archive(*MEMBERS)[:-30],
        archive(*MEMBERS) + b"trailing",
        archive(*MEMBERS)[:40] + archive(*MEMBERS)[60:],
        b"PK\x03\x04" + bytes(100),
        b"PK\x05\x06" + bytes(18),
    ],
    ids=["entries", "directory-size", "directory-offset", "cut", "trailing", "hole", "no-directory", "nothing"],
)
def test_a_broken_archive_is_flagged_and_unsafe(read: Read, content: bytes) -> None:
    reading = read(content, "model.pt")
    assert reading.hints == ()
    assert content[2:4] == b"\x05\x06" or codes(reading) == {"malformed", "unsafe-pickle"}


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (20, struct.pack("<I", 1 << 30)),
        (20, struct.pack("<I", 1)),
        (24, struct.pack("<I", 1 << 30)),
        (42, struct.pack("<I", 1 << 30)),
        (42, struct.pack("<I", 3)),
        (46, b"x"),
        (10, struct.pack("<H", 12)),
    ],
    ids=["size", "small-size", "raw-size", "offset", "inside-another", "name-differs", "method-differs"],
)
def test_a_lying_member_is_left_out_and_the_archive_is_unsafe(read: Read, offset: int, value: bytes) -> None:
    content = archive(("m/data/0", bytes(64)), ("m/data.pkl", HARMLESS))
    reading = read(patched(content, b"PK\x01\x02", offset, value), "model.pt")
    assert reading.hints == ()
    assert codes(reading) == {"malformed", "unsafe-pickle"}


def test_members_that_overlap_are_counted_once(read: Read) -> None:
    content = archive(("m/data.pkl", HARMLESS), ("m/data/0", bytes(64)), ("m/data/1", bytes(64)))
    directory = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02", directory + 1) + 1)
    first_offset = content[second - 12 : second - 8]
    reading = read(content[: second + 42] + first_offset + content[second + 46 :], "model.pt")
    assert len(reading.hints) <= 1
    assert "malformed" in codes(reading)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", "a\\b", "C:x"])
def test_names_that_leave_the_archive_are_flagged(read: Read, name: str) -> None:
    assert "malformed" in codes(read(archive(("m/data.pkl", HARMLESS), (name, b"x")), "model.pt"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_every_one_of_two_pickles_of_the_same_name_is_followed(read: Read) -> None:
    evil = b"cos\nsystem\n(S'true'\ntR."
    reading = read(archive(("m/data.pkl", HARMLESS), ("m/data.pkl", evil)), "model.pt")
    assert "refers to os.system" in {flag.detail for flag in reading.facts.flags}
    assert "malformed" in codes(reading)


def test_an_encrypted_bit_or_a_wrong_checksum_hides_nothing(read: Read) -> None:
    content = archive(("m/data.pkl", b"cos\nsystem\n(S'true'\ntR."))
    content = patched(content, b"PK\x01\x02", 8, b"\x01\x00")
    content = patched(content, b"PK\x01\x02", 16, b"\xff\xff\xff\xff")
    assert "refers to os.system" in {flag.detail for flag in read(content, "model.pt").facts.flags}


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_pickle_is_followed_or_unsafe(read: Read, method: int) -> None:
    reading = read(archive(("m/data.pkl", b"cos\nsystem\n(S'true'\ntR."), method=method), "model.pt")
    assert "unsafe-pickle" in codes(reading)


def test_a_zip_bomb_is_not_unpacked(read: Read) -> None:
    content = archive(("m/data.pkl", bytes(200 << 20)), method=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    started = time.process_time()
    try:
        reading = read(content, "model.pt")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "unsafe-pickle" in codes(reading)
    assert peak < 160 << 20
    assert time.process_time() - started < 5


def test_a_storage_that_is_not_there_is_flagged(read: Read, shelf: Any) -> None:
    kept = zipfile.ZipFile(io.BytesIO(shelf.bytes("model.pt")))
    members = [(info.filename, kept.read(info)) for info in kept.infolist() if not info.filename.endswith("/data/2")]
    reading = read(archive(*members), "model.pt")
    assert codes(reading) == {"malformed"}
    assert len(reading.hints) == 5


def test_a_pickle_in_a_plain_zip_is_followed_too(read: Read) -> None:
    reading = read(archive(("readme.txt", b"hello"), ("model/clf.pkl", b"cos\nsystem\n(S'true'\ntR.")), "bundle.zip")
    assert (reading.format, codes(reading)) == ("zip", {"unsafe-pickle"})


def test_a_zip64_archive_is_read(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as opened:
        for name, content in MEMBERS:
            with opened.open(name, "w", force_zip64=True) as member:
                member.write(content)
    assert [hint.length for hint in read(target.getvalue(), "model.pt").hints] == [64]


@pytest.mark.parametrize(
    "layer",
    [
        {"class_name": "Lambda", "config": {}},
        {"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__"}}},
        {"module": "os", "class_name": "function", "config": "system"},
        {"module": "builtins", "class_name": "function", "config": "exec"},
        {"module": "keras.utils", "class_name": "get_file", "config": {}},
        {"module": "keras.src.saving.saving_lib", "class_name": "load_model", "config": {}},
        {"module": "my_layers", "class_name": "Attention", "config": {}},
    ],
)
def test_keras_settings_that_run_code_are_flagged(
    keras_file: Callable[[object], Path], layer: dict[str, object], shelf: Any
) -> None:
    path = keras_file({"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}})
    assert codes(read_format(type(shelf.source("one.npy"))(path))) == {"executes-code"}


def test_honest_keras_settings_are_not_flagged(keras_file: Callable[[object], Path], shelf: Any) -> None:
    dense = {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {"activation": {"module": "builtins", "class_name": "function", "config": "relu"}},
    }
    model = {"module": "keras.src.models.functional", "class_name": "Functional", "config": {"layers": [dense]}}
    assert codes(read_format(type(shelf.source("one.npy"))(keras_file(model)))) == set()


def test_keras_settings_that_cannot_be_read_are_flagged(read: Read) -> None:
    content = archive(("config.json", b"{" * 100_000), ("model.weights.h5", b"\x89HDF\r\n\x1a\n"))
    assert {"malformed", "executes-code"} <= codes(read(content, "model.keras"))


def test_a_broken_hdf5_file_costs_only_its_hints(tmp_path: Path, shelf: Any) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 20)
    reading = read_format(type(shelf.source("one.npy"))(path))
    assert (reading.format, reading.hints, codes(reading)) == ("hdf5", (), {"malformed"})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ('{"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda"}]}}', {"executes-code"}),
        ('{"class_name": ', {"malformed", "executes-code"}),
        ('{"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense"}]}}', set()),
    ],
)
def test_settings_inside_an_old_keras_file_are_read(
    tmp_path: Path, shelf: Any, settings: str, expected: set[str]
) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file["kernel"] = [1.0, 2.0]
        file.attrs["model_config"] = settings
    reading = read_format(type(shelf.source("one.npy"))(tmp_path / "model.h5"))
    assert ([hint.name for hint in reading.hints], codes(reading)) == (["kernel"], expected)


def test_saved_models_are_searched_for_operations_that_reach_outside(read: Read) -> None:
    reading = read(b"\x08\x01\x12\x20" + b"\x12\x06PyFunc" + bytes(2_000_000) + b"\x12\x08ReadFile", "m/saved_model.pb")
    assert reading.format == "savedmodel"
    assert [flag.detail for flag in reading.facts.flags] == ["has the operation PyFunc", "has the operation ReadFile"]
    assert codes(read(b"\x08\x01\x12\x20MatMul", "m/saved_model.pb")) == set()


def test_engines_are_named(read: Read) -> None:
    assert read(b"ftrt" + bytes(64), "model").format == "tensorrt"
    assert read(json.dumps({}).encode(), "model.plan").format == "tensorrt"
