"""Frames of literals are Zstandard's, whoever writes them; and a block is compared with what its planes give."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.domain.limits import BLOCK_BYTES
from budwood.errors import BlockDamaged
from budwood.store.encodings import _zstd, decode_block, encode_block
from budwood.store.encodings._scratch import Bytes8
from budwood.store.encodings.registry import PLANES, RAW, SPLIT
from budwood.store.native import How, Native, Way

Using = Callable[[Way | None], AbstractContextManager[None]]
Ways = tuple[Way | None, ...]
LENGTHS = (1024, 1025, 5000, 65_535, 70_001, 131_072, 131_073, 131_600, 300_000)
KINDS = ("normal", "wide", "noise", "steps", "runs", "two", "far apart", "every")
MUTATIONS = 3000


def plane_of(kind: str, length: int, chance: np.random.Generator) -> Bytes8:
    """Bytes as planes have them, and as they do not."""
    places = np.arange(length)
    made: Any
    match kind:
        case "normal":
            made = chance.normal(0, 0.02, length).astype("<f4").view("<u4") >> 23
        case "wide":
            made = chance.normal(128, 25, length).clip(0, 255)
        case "noise":
            made = chance.integers(0, 256, length)
        case "steps":
            made = places * 7 // max(length // 9, 1) + chance.integers(0, 3, length)
        case "runs":
            made = np.repeat(chance.geometric(0.4, length // 50 + 1), 50)[:length]
        case "two":
            made = np.where(chance.random(length) < 0.01, 255, 0)
        case "far apart":
            made = chance.choice([0, 3, 90, 200, 255], length, p=[0.5, 0.3, 0.1, 0.09, 0.01])
        case _:
            made = places ^ chance.geometric(0.02, length)
    return np.ascontiguousarray(made.astype(np.uint8))


def write(library: Native, plane: Bytes8, way: Way) -> bytes:
    """The frame; empty where it is left to others."""
    kept, library.path = library.path, way
    # A byte more than asked for would be seen.
    out = np.full(plane.size + plane.size // 2 + 1024 + 9, 0x5A, np.uint8)
    try:
        length = library.write_literals(plane, out[:-9], np.empty(library.literals_room, np.uint8))
    finally:
        library.path = kept
    assert (out[-9:] == 0x5A).all()
    return out[:length].tobytes()


def read(library: Native, frame: bytes, length: int) -> bytes | None:
    """The content; None where it is left to others."""
    out = np.full(length + 9, 0xA5, np.uint8)
    fine = library.read_literals(frame, out[:-9], np.empty(library.code_room, np.uint8))
    assert (out[-9:] == 0xA5).all()
    return out[:-9].tobytes() if fine else None


@given(
    kind=st.sampled_from(KINDS),
    length=st.one_of(st.sampled_from(LENGTHS), st.integers(1, 200_000)),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_reads_what_the_other_wrote(kind: str, length: int, seed: int, library: Native) -> None:
    plane = plane_of(kind, length, np.random.default_rng(seed))
    frame, theirs = write(library, plane, Way.SCALAR), _zstd.huffman(plane.data)
    assert frame == write(library, plane, Way.VECTOR)
    assert read(library, theirs, length) in (plane.tobytes(), None)
    if frame:
        assert len(frame) < length
        assert read(library, frame, length) == plane.tobytes()
        assert _zstd.decompress(frame, length) == plane.tobytes()


@pytest.mark.parametrize("length", [2048, 131_072 + 2048, BLOCK_BYTES])
@pytest.mark.parametrize("kind", ["normal", "wide"])
def test_a_frame_is_hardly_longer_than_libzstds(kind: str, length: int, library: Native) -> None:
    plane = plane_of(kind, length, np.random.default_rng(1))
    frame = write(library, plane, Way.VECTOR)
    assert frame
    assert len(frame) < 1.004 * len(_zstd.huffman(plane.data)) + 30


@pytest.mark.parametrize("length", [1, 63, 1023, 1024, 200_000])
def test_what_one_symbol_fills_is_left_to_others(length: int, library: Native) -> None:
    assert write(library, np.full(length, 7, np.uint8), Way.VECTOR) == b""
    assert write(library, plane_of("noise", length, np.random.default_rng(2)), Way.VECTOR) == b""


def test_codes_are_never_too_long(library: Native) -> None:
    # Counts like Fibonacci's numbers make the deepest tree there is.
    counts = [1, 1]
    while len(counts) < 26:
        counts.append(counts[-1] + counts[-2])
    plane = np.repeat(np.arange(len(counts)), counts).astype(np.uint8)
    np.random.default_rng(3).shuffle(plane)
    frame = write(library, plane, Way.VECTOR)
    assert 0 < len(frame) < 1.01 * len(_zstd.huffman(plane.data))
    assert _zstd.decompress(frame, plane.size) == plane.tobytes() == read(library, frame, plane.size)


def test_frames_with_more_in_them_are_read_by_libzstd(library: Native) -> None:
    plane = plane_of("runs", 50_000, np.random.default_rng(4))
    for frame in (_zstd.fast(plane.data), _zstd.dense(plane.data), b"", b"\x28\xb5\x2f\xfd", bytes(40)):
        assert read(library, frame, plane.size) is None


def test_a_changed_frame_is_read_as_libzstd_reads_it_or_not_at_all(library: Native) -> None:
    chance = np.random.default_rng(5)
    planes = [plane_of(kind, length, chance) for kind in ("normal", "wide") for length in (3000, 140_000)]
    frames = [
        (plane, frame) for plane in planes for frame in (write(library, plane, Way.VECTOR), _zstd.huffman(plane.data))
    ]
    taken = 0
    for number in range(MUTATIONS):
        plane, frame = frames[number % len(frames)]
        changed = bytearray(frame)
        for _ in range(int(chance.integers(1, 4))):
            # Most of what decides is at the front.
            changed[int(chance.integers(0, min(len(changed), 120 if number % 3 else len(changed))))] = chance.integers(
                0, 256
            )
        content = read(library, bytes(changed), plane.size)
        if content is None:
            continue
        taken += 1
        assert content == _zstd.decompress(bytes(changed), plane.size)
    assert taken


# The check


def planes_and_words(dtype: str, seed: int, count: int = 200_000) -> tuple[bytes, int]:
    """Weights in this dtype, and the tag that they are written in."""
    chance = np.random.default_rng(seed)
    single = chance.normal(0, 0.02, count).astype("<f4")
    raw = {
        "f32": single.tobytes(),
        "bf16": (single.view("<u4") >> 16).astype("<u2").tobytes(),
        "f16": single.astype("<f2").tobytes(),
        "u8": chance.normal(100, 9, count).astype(np.uint8).tobytes(),
        "i32": chance.integers(0, 1 << 22, count).astype("<i4").tobytes(),
    }[dtype]
    return raw + bytes(seed % 2 and dtype != "u8"), PLANES if dtype in ("u8", "i32") else SPLIT


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16", "u8", "i32"])
def test_what_matches_is_what_comes_back(
    dtype: str, seed: int, library: Native, using: Using, every_way: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, tag = planes_and_words(dtype, seed)
    seen: list[bool] = []
    real = library.planes_match

    def watched(*arguments: Any) -> bool:
        seen.append(real(*arguments))
        return seen[-1]

    monkeypatch.setattr(library, "planes_match", watched)
    for writer in every_way:
        with using(writer):
            encoded = encode_block(memoryview(raw), dtype=dtype)
            written = b"".join(encoded.parts)
        assert encoded.tag == tag
        for reader in every_way:
            with using(reader):
                target = bytearray(len(raw))
                decode_block(tag, memoryview(written), base=None, target=memoryview(target))
                assert target == raw
    assert seen
    assert all(seen)


@pytest.mark.parametrize("at", [0, 5, 9, 40, 200, 5000, -1])
def test_a_frame_written_wrong_is_not_kept(at: int, library: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, _ = planes_and_words("bf16", 1)
    real = library.write_literals

    def broken(plane: Bytes8, out: Bytes8, work: Bytes8) -> int:
        length = real(plane, out, work)
        out[at if at >= 0 else length + at] ^= 1
        return length

    hint = encode_block(memoryview(raw), dtype="bf16").plan
    monkeypatch.setattr(library, "write_literals", broken)
    assert encode_block(memoryview(raw), dtype="bf16", hint=hint).tag == RAW


@given(seed=st.integers(0, 2**32), width=st.sampled_from((1, 2, 4)), how=st.sampled_from((How.AS_THEY_ARE, How.TURNED)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_changed_bit_is_no_match(seed: int, width: int, how: How, library: Native) -> None:
    chance = np.random.default_rng(seed)
    count = int(chance.integers(1, 150_000))
    planes = [plane_of(("normal", "noise", "wide")[int(chance.integers(0, 3))], count, chance) for _ in range(width)]
    planes[0][:] = planes[0][0] if seed % 3 == 0 else planes[0]
    words = np.empty(count * width, np.uint8)
    library.join(planes, b"", how, words)
    ways, written = [], list[Any]()
    for plane in planes:
        frame = write(library, plane, Way.VECTOR)
        filled = not np.any(plane != plane[0])
        ways.append(1 if filled else 2 if frame else 0)
        written.append(plane[:1].copy() if filled else np.frombuffer(frame, np.uint8).copy() if frame else plane)
    work = np.empty(library.check_room, np.uint8)
    assert library.planes_match(written, ways, how, words, work)
    for buffer in (words, written[int(chance.integers(0, width))]):
        place, bit = int(chance.integers(0, buffer.size)), np.uint8(1 << int(chance.integers(0, 8)))
        buffer[place] ^= bit
        assert not library.planes_match(written, ways, how, words, work) or decodes_alike(written, ways, planes)
        buffer[place] ^= bit
    assert not library.planes_match([part[:-1] for part in written], ways, how, words, work)


def decodes_alike(written: list[Any], ways: list[int], planes: list[Bytes8]) -> bool:
    """A bit of a frame's header may mean nothing: libzstd then reads the same."""
    for part, way, plane in zip(written, ways, planes, strict=True):
        try:
            content = _zstd.decompress(part.data, plane.size) if way == 2 else part.tobytes()
        except BlockDamaged:
            return False
        if content != (plane[:1] if way == 1 else plane).tobytes():
            return False
    return True
