"""A reader of blocks trusts nothing: damage is named, and nothing is allocated by a number it read."""

import random
import struct
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.limits import BLOCK_BYTES
from budwood.errors import BlockDamaged, TooNew
from budwood.store.encodings import decode_block, needs_base
from budwood.store.encodings._planes import Coder
from budwood.store.encodings._zstd import zstd
from budwood.store.encodings.registry import (
    DELTA_PCO,
    DELTA_PLANES,
    DELTA_RANS,
    ENCODINGS,
    PCO,
    PLANES,
    SPLIT,
    ZSTD,
    Plan,
)

LENGTH = 3001
MUTATIONS = 110_000
WIDTHS = {PCO: (2, 4, 8), DELTA_PCO: (2, 4, 8), DELTA_RANS: (1, 2, 4)}

Weights = Callable[[str, int, int], bytes]
Tuned = Callable[[bytes, int, int], bytes]
Write = Callable[[bytes, bytes, Plan], bytes]
Written = list[tuple[int, bytes]]


@pytest.fixture(scope="module")
def base(weights: Weights) -> bytes:
    return weights("bf16", LENGTH, 1)[:LENGTH]


@pytest.fixture(scope="module")
def written(base: bytes, tuned: Tuned, write: Write) -> Written:
    """One block in every encoding, width and coder."""
    raw = tuned(base, 2, 2)
    every = []
    for tag in ENCODINGS:
        for width in WIDTHS.get(tag, (1, 2, 4, 8)):
            for coder in Coder:
                if tag == DELTA_PLANES or coder != Coder.GROUPED:
                    every.append((tag, write(raw, base, Plan(tag, width, 1.0, (coder,) * width))))
    return list(dict.fromkeys(every))


def survives(tag: int, mutated: bytes, base: bytes) -> bool:
    """Whether it decodes; damage may go unseen here, but only as other bytes of the right length."""
    target = bytearray(LENGTH)
    try:
        decode_block(tag, memoryview(mutated), base=memoryview(base), target=memoryview(target))
    except BlockDamaged:
        return False
    return True


def mutate(chance: random.Random, whole: bytes) -> bytes:
    mutated = bytearray(whole)
    at = chance.randrange(min(len(mutated), chance.choice((12, 48, len(mutated)))))
    match chance.randrange(5):
        case 0:
            mutated[at] ^= 1 << chance.randrange(8)
        case 1:
            mutated[at] = chance.choice((0, 1, 127, 128, 255))
        case 2:
            mutated[at : at + chance.randrange(1, 9)] = chance.randbytes(chance.randrange(9))
        case 3:
            del mutated[at:]
        case _:
            mutated += chance.randbytes(chance.randrange(1, 9))
    return bytes(mutated)


def test_a_hundred_thousand_mutations_are_decoded_or_named(written: Written, base: bytes) -> None:
    chance = random.Random(20)
    refused = 0
    for _ in range(MUTATIONS):
        tag, whole = chance.choice(written)
        refused += not survives(tag, mutate(chance, whole), base)
    assert refused > MUTATIONS / 4


@given(noise=st.binary(max_size=300), tag=st.sampled_from(sorted(ENCODINGS)))
@settings(max_examples=300, deadline=None)
def test_noise_is_decoded_or_named(noise: bytes, tag: int) -> None:
    survives(tag, noise, bytes(LENGTH))


def test_every_truncation_and_every_trailing_byte_is_named(written: Written, base: bytes) -> None:
    for tag, whole in written:
        assert survives(tag, whole, base)
        assert not survives(tag, whole + b"\0", base)
        for length in {*range(min(60, len(whole))), len(whole) // 2, len(whole) - 1}:
            assert not survives(tag, whole[:length], base), (tag, length, len(whole))


@pytest.mark.parametrize("tag", [9, 99, 255, -1])
def test_an_unknown_encoding_is_too_new(tag: int) -> None:
    with pytest.raises(TooNew):
        decode_block(tag, memoryview(b"x"), base=None, target=memoryview(bytearray(1)))
    with pytest.raises(TooNew):
        needs_base(tag)


def test_a_difference_without_a_base_is_refused(written: Written) -> None:
    for tag, whole in written:
        if needs_base(tag):
            with pytest.raises(BlockDamaged, match="base"):
                decode_block(tag, memoryview(whole), base=None, target=memoryview(bytearray(LENGTH)))


@pytest.mark.parametrize("length", [0, BLOCK_BYTES + 1])
def test_a_block_of_an_impossible_length_is_refused(length: int, written: Written, base: bytes) -> None:
    for tag, whole in written:
        with pytest.raises(BlockDamaged):
            decode_block(tag, memoryview(whole), base=memoryview(base), target=memoryview(bytearray(length)))


def frame_claiming(size: int) -> bytes:
    """A zstd frame header with an eight-byte content size and a first block that promises more."""
    return b"\x28\xb5\x2f\xfd" + b"\xe0" + struct.pack("<Q", size) + b"\x03\x00\x00" + b"\0" * 20


@pytest.mark.parametrize("size", [LENGTH + 1, 1 << 40, (1 << 64) - 3])
def test_a_frame_that_claims_terabytes_is_refused(size: int) -> None:
    assert zstd.get_frame_info(frame_claiming(size)).decompressed_size == size
    assert not survives(ZSTD, frame_claiming(size), b"")


def test_a_frame_without_a_size_is_refused() -> None:
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.content_size_flag: 0})
    frame = compressor.compress(bytes(LENGTH), zstd.ZstdCompressor.FLUSH_FRAME)
    assert not survives(ZSTD, frame, b"")


def test_a_second_frame_is_refused() -> None:
    assert survives(ZSTD, zstd.compress(bytes(LENGTH)), b"")
    assert not survives(ZSTD, zstd.compress(bytes(LENGTH)) + zstd.compress(b""), b"")


def test_a_frame_with_a_window_of_gigabytes_is_refused() -> None:
    # Frame descriptor with a window byte for 2**31 and no content size; then one that states the size too.
    window = 31 - 10 << 3
    assert not survives(ZSTD, b"\x28\xb5\x2f\xfd\x00" + bytes([window]) + b"\x01\x00\x00", b"")
    stated = b"\x28\xb5\x2f\xfd\x80" + bytes([window]) + struct.pack("<I", LENGTH) + b"\x01\x00\x00"
    assert not survives(ZSTD, stated, b"")


@pytest.mark.parametrize("tag", [SPLIT, PLANES, DELTA_PLANES, DELTA_PCO, DELTA_RANS])
@pytest.mark.parametrize("width", [0, 3, 16, 255])
def test_words_of_an_impossible_width_are_refused(tag: int, width: int, written: Written, base: bytes) -> None:
    whole = next(whole for known, whole in written if known == tag)
    assert not survives(tag, bytes([width]) + whole[1:], base)


def test_groups_need_a_base_to_group_by(written: Written, base: bytes) -> None:
    grouped = [whole for tag, whole in written if tag == DELTA_PLANES and whole[1] == 4]
    assert grouped
    for whole in grouped:
        assert survives(DELTA_PLANES, whole, base)
        assert not survives(PLANES, whole, base)


@pytest.mark.skipif(sys.platform != "linux", reason="reads its own peak memory")
def test_mutations_do_not_make_the_reader_allocate(written: Written, base: bytes) -> None:
    import resource

    chance = random.Random(21)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20_000):
        tag, whole = chance.choice(written)
        survives(tag, mutate(chance, whole), base)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
