"""Differences come back bit for bit, and every way to code them writes the same bytes and refuses the same damage."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.domain.limits import BLOCK_BYTES
from budwood.errors import BlockDamaged
from budwood.store.encodings import rans
from budwood.store.native import Native, Way

Using = Callable[[Way | None], AbstractContextManager[None]]
Ways = tuple[Way | None, ...]

VECTORS = Path(__file__).parents[1] / "encodings" / "differences.txt"
KEYS = ((1, 3), (2, 7), (2, 10), (4, 23))
MUTATIONS = 3000


def write(raw: bytes, base: bytes, width: int, shift: int) -> bytes:
    return b"".join(map(bytes, rans.encode_rans(memoryview(raw), memoryview(base), width, shift)))


def read(written: bytes, base: bytes, length: int) -> bytes:
    target = bytearray(b"\xaa" * length)
    rans.decode_rans(memoryview(written), memoryview(base), memoryview(target))
    return bytes(target)


def outcome(written: bytes, base: bytes, length: int) -> bytes | None:
    """What it decodes to, or None for damage."""
    try:
        return read(written, base, length)
    except BlockDamaged:
        return None


def there_and_back(raw: bytes, base: bytes, width: int, shift: int, using: Using, ways: Ways) -> bytes:
    """What all ways write."""
    every = []
    for way in ways:
        with using(way):
            every.append(write(raw, base, width, shift))
    assert len(set(every)) == 1
    for way in ways:
        with using(way):
            assert read(every[0], base, len(raw)) == raw
    return every[0]


@st.composite
def blocks(draw: st.DrawFn) -> tuple[bytes, bytes, int, int]:
    """A block, its base, and their width and shift: noise, steps, zeros of both signs, equal words, NaNs."""
    width, shift = draw(st.sampled_from(KEYS))
    count = draw(st.one_of(st.integers(0, 70), st.integers(0, 3000)))
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = np.dtype(f"<u{width}")
    sign = dtype.type(1 << (8 * width - 1))
    base = np.frombuffer(chance.bytes(count * width), dtype)
    if draw(st.booleans()):
        base = chance.normal(0, 0.02, count).astype("<f4").view("<u4").astype("<u8") >> (32 - 8 * width)
        base = base.astype(dtype)
    steps = chance.integers(0, draw(st.sampled_from((1, 2, 40, 300, 60_000))), count).astype("<u8").astype(dtype)
    words = base + steps * (chance.random(count) < draw(st.sampled_from((0.01, 0.3, 1)))).astype(dtype)
    if draw(st.booleans()):
        # Rows that are as they were.
        rows = np.repeat(chance.random(count // 64 + 1) < draw(st.sampled_from((0.05, 0.5, 0.95))), 64)[:count]
        words = np.where(rows, base, words).astype(dtype)
    zeroed = chance.random(count) < draw(st.sampled_from((0, 0, 0.5)))
    words[zeroed] = draw(st.sampled_from((0, 1))) * (base[zeroed] & sign)
    noisy = chance.random(count) < draw(st.sampled_from((0, 0, 0.05, 1)))
    words[noisy] = np.frombuffer(chance.bytes(count * width), dtype)[noisy]
    if draw(st.booleans()):
        words[::7] |= ~sign ^ dtype.type(draw(st.integers(0, 3)))
    raw = words.tobytes() + chance.bytes(draw(st.integers(0, width - 1)))
    cut = draw(st.sampled_from((None, None, 0, 1, len(raw) // 2)))
    return raw, (base.tobytes() + chance.bytes(draw(st.integers(0, 9))))[:cut], width, shift


@given(block=blocks())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_way_writes_the_same_bytes_and_reads_them(
    block: tuple[bytes, bytes, int, int], using: Using, every_way: Ways
) -> None:
    there_and_back(*block, using, every_way)


@pytest.mark.parametrize(("width", "shift"), KEYS)
def test_a_full_block_of_noise_comes_back(width: int, shift: int, using: Using, every_way: Ways) -> None:
    chance = np.random.default_rng(1)
    there_and_back(chance.bytes(BLOCK_BYTES), chance.bytes(BLOCK_BYTES), width, shift, using, every_way)


@pytest.mark.parametrize(("width", "shift"), KEYS)
def test_a_block_equal_to_its_base_takes_almost_nothing(width: int, shift: int, using: Using, every_way: Ways) -> None:
    raw = np.random.default_rng(2).bytes(BLOCK_BYTES // 8)
    assert len(there_and_back(raw, raw, width, shift, using, every_way)) <= 128


def test_every_pattern_of_16_bits_comes_back_from_every_other(using: Using, every_way: Ways) -> None:
    words = np.arange(1 << 16, dtype="<u2")
    for turn in (1, 0x8000, 0x7F80, 12345):
        there_and_back(words.tobytes(), np.roll(words, turn).tobytes(), 2, 7, using, every_way)


def test_rows_that_no_step_has_met_cost_nothing(using: Using, every_way: Ways) -> None:
    chance = np.random.default_rng(8)
    base = np.frombuffer(chance.bytes(300_000), "<u2")
    raw = base.copy()
    raw[:3000] += chance.integers(0, 3, 3000).astype("<u2")
    written = there_and_back(raw.tobytes(), base.tobytes(), 2, 7, using, every_way)
    assert len(written) < there_and_back_of(raw[:3000], base[:3000], using, every_way) + 100


def there_and_back_of(raw: np.ndarray, base: np.ndarray, using: Using, ways: Ways) -> int:
    return len(there_and_back(raw.tobytes(), base.tobytes(), 2, 7, using, ways))


@pytest.mark.parametrize("zero", [0x0000, 0x8000])
def test_pruned_weights_cost_what_their_place_says(zero: int, using: Using, every_way: Ways) -> None:
    base = (np.random.default_rng(3).normal(0, 0.02, 200_000).astype("<f4").view("<u4") >> 16).astype("<u2")
    raw = np.where(np.random.default_rng(4).random(base.size) < 0.5, base & zero, base).astype("<u2")
    # A coin for each word, and nothing for the weights that were there.
    written = there_and_back(raw.tobytes(), base.tobytes(), 2, 7, using, every_way)
    assert len(written) < 1.02 * base.size / 8 + 500


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_blocks_and_bases_at_odd_addresses_will_do(shift: int, using: Using, every_way: Ways) -> None:
    chance = np.random.default_rng(5)
    raw, base = bytes(shift) + chance.bytes(4001), bytes(shift) + chance.bytes(4001)
    for way in every_way:
        with using(way):
            parts = rans.encode_rans(memoryview(raw)[shift:], memoryview(base)[shift:], 4, 23)
            target = bytearray(len(raw))
            written = memoryview(b"".join([bytes(shift), *map(bytes, parts)]))[shift:]
            rans.decode_rans(written, memoryview(base)[shift:], memoryview(target)[shift:])
        assert target == raw


# Vectors, for whoever writes another reader


def vectors() -> Iterator[tuple[str, str, str, str]]:
    for line in VECTORS.read_text().splitlines():
        if not line.startswith("#"):
            name, base, raw, written = line.split(" | ")
            yield name, base, raw, written


@pytest.mark.parametrize(
    ("name", "base", "raw", "written"), list(vectors()), ids=lambda value: value[:40].partition(" | ")[0]
)
def test_vectors_decode_or_are_refused(
    name: str, base: str, raw: str, written: str, using: Using, every_way: Ways
) -> None:
    length = len(next(vectors())[2]) // 2 if raw == "-" else len(raw) // 2
    for way in every_way:
        with using(way):
            found = outcome(bytes.fromhex(written), bytes.fromhex(base), length)
            assert found == (None if raw == "-" else bytes.fromhex(raw)), name


# Damage


@pytest.fixture(scope="module")
def written() -> list[tuple[bytes, bytes, int]]:
    """Encoded, base, raw length."""
    chance = np.random.default_rng(6)
    every = []
    for width, shift in KEYS:
        base = np.frombuffer(chance.bytes(900 * width), f"<u{width}")
        raw = (base + chance.integers(0, 200, base.size).astype(base.dtype)).tobytes() + b"\x01"[: width - 1]
        every.append((write(raw, base.tobytes(), width, shift), base.tobytes(), len(raw)))
    return every


def test_every_truncation_is_refused(written: list[tuple[bytes, bytes, int]], using: Using, every_way: Ways) -> None:
    for way in every_way:
        with using(way):
            for whole, base, length in written:
                assert all(outcome(whole[:end], base, length) is None for end in range(len(whole)))
                assert outcome(whole + b"\0", base, length) is None


def test_another_number_of_words_is_refused(
    written: list[tuple[bytes, bytes, int]], using: Using, every_way: Ways
) -> None:
    for way in every_way:
        with using(way):
            for whole, base, length in written:
                assert outcome(whole, base, length + 400) is None
                assert outcome(whole, base, length - 400) is None


def test_every_way_makes_the_same_of_changed_bytes(
    written: list[tuple[bytes, bytes, int]], using: Using, every_way: Ways
) -> None:
    chance = np.random.default_rng(7)
    refused = 0
    for _ in range(MUTATIONS):
        whole, base, length = written[int(chance.integers(len(written)))]
        changed = bytearray(whole)
        for at in chance.integers(0, int(chance.choice((20, 100, len(whole)))), 2):
            changed[int(at)] = int(chance.choice((0, 1, 2, 127, 255, changed[int(at)] ^ 1)))
        found = set()
        for way in every_way:
            with using(way):
                found.add(outcome(bytes(changed), base, length))
        assert len(found) == 1
        refused += found == {None}
    assert refused > MUTATIONS / 2


def test_lengths_that_would_wrap_around_are_refused(
    written: list[tuple[bytes, bytes, int]], using: Using, every_way: Ways
) -> None:
    whole, base, length = written[1]
    for way in every_way:
        with using(way):
            for at in (4, 8, 12, 16):
                for value in (0xFFFFFFFF, 0x80000000, 0xFFFFFFFE):
                    assert outcome(whole[:at] + value.to_bytes(4, "little") + whole[at + 4 :], base, length) is None


def test_too_few_lanes_for_a_large_block_are_refused(using: Using, every_way: Ways) -> None:
    # One table of one symbol: nothing but the number of lanes is wrong.
    tables = bytes([1, 128 | 16, 0, *[2] * 15])
    for lanes_log2, length, refused in ((3, 8 << 16, False), (3, (8 << 16) + 2, True), (5, BLOCK_BYTES, False)):
        states = (1 << 15).to_bytes(4, "little") * (1 << lanes_log2)
        head = bytes([2, 7, 0, lanes_log2]) + b"".join(size.to_bytes(4, "little") for size in (0, len(tables), 0, 0))
        for way in every_way:
            with using(way):
                found = outcome(head + tables + states, bytes(length), length)
                assert found == (None if refused else bytes(length))


def test_the_library_takes_no_room_that_is_too_small(library: Native) -> None:
    parts = rans._take_apart(memoryview(write(b"ab", b"ac", 2, 7)), 2).parts
    with pytest.raises(AssertionError):
        library.read_differences(parts, b"ac", 2, bytearray(2), np.empty(1000, np.uint8))
