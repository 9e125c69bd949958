"""The native library does what NumPy does, is built from the sources beside it, and may be absent or broken."""

import ctypes.util
import runpy
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.store import native
from budwood.store.checksum import WORTHWHILE_BYTES, crc32
from budwood.store.encodings import _words, decode_block, encode_block
from budwood.store.encodings.registry import DELTA_RANS, RAW, SPLIT
from budwood.store.native import Native, Sums, Way

ROOT = Path(__file__).parents[3]
FOLDER = Path(native.__file__).parent
Using = Callable[[Way | None], AbstractContextManager[None]]
Ways = tuple[Way | None, ...]


@given(
    raw=st.binary(max_size=900),
    base=st.binary(max_size=900),
    repeat=st.integers(1, 20),
    width=st.sampled_from((1, 2, 4, 8)),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_planes_are_cut_and_joined_as_numpy_does(
    raw: bytes, base: bytes, repeat: int, width: int, using: Using, every_way: Ways
) -> None:
    words = _words.as_words(memoryview(raw * repeat), width)
    known = _words.as_words(memoryview(base * repeat), width)
    expected: list[list[bytes]] = []
    for way in every_way:
        with using(way):
            cuts = []
            for split, join in (
                (_words.split, _words.join),
                (_words.split_rotated, _words.join_rotated),
                (lambda w: _words.split_difference(w, known), lambda p, out: _words.join_difference(p, known, out)),
            ):
                kept = [plane.copy() for plane in split(words)]
                out = np.full_like(words, 0x55)
                join(kept, out)
                assert np.array_equal(out, words)
                cuts.append(b"".join(plane.tobytes() for plane in kept))
            expected.append(cuts)
    assert all(cuts == expected[0] for cuts in expected)


def test_one_changed_bit_makes_buffers_unequal(library: Native) -> None:
    one = np.random.default_rng(1).integers(0, 256, 100_003, np.uint8)
    other = one.copy()
    assert library.equal(one, other)
    assert not library.equal(one, other[:-1])
    other[-1] ^= 1
    assert not library.equal(one, other)
    assert library.equal(b"", bytearray())


@pytest.mark.parametrize("way", Sums)
def test_check_sums_are_those_of_zlib(way: Sums, library: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "sums", way)
    noise = memoryview(bytearray(np.random.default_rng(5).bytes(5_000)))

    # Every length up to some rows of the widest path, from every place within a cache line.
    for length in range(1_100):
        summed = noise[length % 67 :][:length]
        assert library.crc32(summed) == zlib.crc32(summed)

    @given(cuts=st.lists(st.integers(0, 5_000), min_size=2, max_size=4), before=st.integers(0, 2**32 - 1))
    @settings(max_examples=150, deadline=None)
    def goes_on(cuts: list[int], before: int) -> None:
        begin, *inner, end = sorted(cuts)
        found = before
        for start, stop in pairwise([begin, *inner, end]):
            found = library.crc32(noise[start:stop], found)
        assert found == zlib.crc32(noise[begin:end], before)

    goes_on()


@pytest.mark.parametrize("length", [0, 9, WORTHWHILE_BYTES - 1, WORTHWHILE_BYTES, 3 * WORTHWHILE_BYTES + 5])
def test_check_sums_are_the_same_with_the_library_and_without(length: int, using: Using, every_way: Ways) -> None:
    summed = np.random.default_rng(6).bytes(length)
    for way in every_way:
        with using(way):
            found = {
                crc32(summed),
                crc32(bytearray(summed)),
                crc32(memoryview(summed)),
                crc32(summed[9:], crc32(summed[:9])),
            }
            assert found == {zlib.crc32(summed)}


@pytest.mark.parametrize("dtype", ["bf16", "f16", "f32", "f64", "u8", "f8_e4m3"])
def test_what_one_machine_writes_another_reads(dtype: str, using: Using, every_way: Ways) -> None:
    chance = np.random.default_rng(2)
    base = np.frombuffer(chance.bytes(60_000), "<u2")
    raw = (base + chance.integers(0, 3, base.size).astype("<u2")).tobytes()
    for writer in every_way:
        with using(writer):
            encoded = encode_block(memoryview(raw), dtype=dtype, base=memoryview(base.tobytes()))
            written = b"".join(encoded.parts)
        for reader in every_way:
            with using(reader):
                target = bytearray(len(raw))
                decode_block(
                    encoded.tag, memoryview(written), base=memoryview(base.tobytes()), target=memoryview(target)
                )
                assert target == raw


@pytest.mark.parametrize("name", ["read_differences", "join", "put_changed"])
def test_a_library_that_reads_one_bit_wrong_is_noticed(
    name: str, library: Native, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(3)
    base = (chance.normal(0, 0.02, 30_000).astype("<f4").view("<u4") >> 16).astype("<u2")
    raw = base.copy()
    raw[:20_000] += chance.integers(0, 5, 20_000).astype("<u2")
    known = None if name == "join" else memoryview(base.tobytes())
    right = encode_block(memoryview(raw.tobytes()), dtype="bf16", base=known)
    assert right.tag == (SPLIT if name == "join" else DELTA_RANS)
    real = getattr(library, name)

    def broken(*arguments: Any) -> None:
        real(*arguments)
        out = arguments[3] if name != "put_changed" else arguments[4]
        np.frombuffer(out, np.uint8)[11] ^= 1

    monkeypatch.setattr(library, name, broken)
    # Which joins by itself, and sees the planes as they are written (test_literals.py).
    monkeypatch.setattr(library, "planes_match", lambda *_: False)
    encoded = encode_block(memoryview(raw.tobytes()), dtype="bf16", base=known, hint=right.plan)
    assert encoded.tag == RAW


def test_the_library_is_built_from_the_sources_beside_it(library: Native) -> None:
    if not (ROOT / "hatch_build.py").exists():
        pytest.skip("an installed package has no build script")
    built = subprocess.run(
        [sys.executable, "-c", BUILD.format(root=ROOT, folder=FOLDER)], capture_output=True, text=True, check=False
    )
    if built.returncode:
        pytest.skip(f"hatchling is not here: {built.stderr[-200:]}")
    assert built.stdout.strip() == library.source, "the C files changed: pip install --no-deps --editable . builds anew"


BUILD = "import runpy; print(runpy.run_path('{root}/hatch_build.py')['digest'](__import__('pathlib').Path('{folder}')))"


def test_a_compiler_that_fails_leaves_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hatchling")
    build = runpy.run_path(str(ROOT / "hatch_build.py"))
    (tmp_path / "broken.c").write_text("this is no C")
    for compiler, reason in (("false", "failed"), (str(tmp_path), "")):
        monkeypatch.setenv("CC", compiler)
        found = build["compile_library"](tmp_path, tmp_path / "budwood.so")
        assert reason in found
        assert found
    assert not (tmp_path / "budwood.so").exists()


def test_a_library_of_another_interface_or_none_at_all_is_left_aside(tmp_path: Path, library: Native) -> None:
    assert native.load(tmp_path / "nowhere.so") is None
    (tmp_path / "noise.so").write_bytes(b"\x7fELF" + bytes(100))
    assert native.load(tmp_path / "noise.so") is None
    # A library of somebody else's.
    assert native.load(Path(ctypes.util.find_library("c") or "libc.so.6")) is None
