"""Prints: what a tensor's copies will be found by, how they are written, and that no bytes stop a push."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.errors import BlockDamaged
from budwood.store.encodings._kinds import BY_NAME, KINDS, Kind, as_bytes, convert
from budwood.store.fingerprints import (
    COPIES,
    Sample,
    Tensor,
    asked_of,
    matches,
    probes_asked,
    probes_in,
    probes_of,
    read_prints,
    take_samples,
    written_prints,
)
from budwood.store.sketch import prints_in, score, take_sketch, with_prints

F32 = BY_NAME["f32"]


def numbers(seed: int, rows: int = 64, columns: int = 96) -> bytes:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype("<f4").tobytes()


def sampled(raw: bytes, dtype: str = "f32", shape: tuple[int, ...] = (64, 96), name: str = "w") -> list[Sample]:
    return take_samples([Tensor(name, dtype, 0, len(raw), shape)], lambda offset, length: raw[offset : offset + length])


@pytest.mark.parametrize("kind", COPIES, ids=lambda kind: kind.name)
def test_a_copy_asks_for_what_its_source_foretold(kind: Kind) -> None:
    assert kind in KINDS
    raw = numbers(1)
    prints = read_prints(written_prints(sampled(raw), len(raw)))
    copied = convert(as_bytes(raw), F32, kind).tobytes()
    asked = asked_of(sampled(copied, kind.name))
    held = prints["flat"][:, COPIES.index(kind)]
    assert list(matches(asked.flat, held)) == [(0, 0)]
    assert set(probes_asked(sampled(copied, kind.name))) & set(probes_of(prints)) or kind is F32


def test_a_turned_copy_asks_for_the_square_in_its_middle() -> None:
    raw = numbers(2, 63, 90)
    turned = np.frombuffer(raw, "<f4").reshape(63, 90).T.astype("<f2").tobytes()
    prints = read_prints(written_prints(sampled(raw, shape=(63, 90)), len(raw)))
    asked = asked_of(sampled(turned, "f16", (90, 63)))
    assert list(matches(asked.turned, prints["tile"][:, 1])) == [(0, 0)]
    assert list(matches(asked.turned, prints["tile"][:, 0])) == []


def test_numbers_that_are_all_the_same_are_nobodys_print() -> None:
    raw = np.ones(6144, "<f4").tobytes()
    prints = read_prints(written_prints(sampled(raw), len(raw)))
    assert not prints["flat"].any()
    assert not prints["starts"].any()
    assert probes_of(prints) == []


def test_a_tensor_of_strange_numbers_has_prints_of_what_can_be() -> None:
    words = np.frombuffer(numbers(3), "<u4").copy()
    words[2048:2080] = 0x7FC00001
    prints = read_prints(written_prints(sampled(words.tobytes()), 1))
    assert prints["flat"][0, :3].all()
    assert not prints["flat"][0, 3:].any()


def test_what_is_small_or_not_as_long_as_it_says_is_left_out() -> None:
    assert sampled(numbers(4, 4, 8), shape=(4, 8)) == []
    assert sampled(numbers(4), shape=(64, 97)) == []
    assert sampled(numbers(4), "i32") == []


def test_prints_follow_a_sketch_and_do_not_change_what_it_says() -> None:
    raw = numbers(5)
    sketch = take_sketch([("w", "f32", 0, len(raw))], lambda offset, length: raw[offset : offset + length])
    prints = written_prints(sampled(raw), len(raw))
    both = with_prints(sketch, prints)
    assert score(both, sketch) == score(sketch, both) == score(sketch, sketch)
    assert prints_in(both) == prints
    assert prints_in(sketch) == b""
    assert with_prints(sketch, b"") == sketch
    assert len(probes_in(both)) > 10


@pytest.mark.parametrize("left_out", [(), ("heads", "seconds", "sides")])
def test_earlier_prints_are_read_without_what_they_had_not(left_out: tuple[str, ...]) -> None:
    prints = read_prints(written_prints(sampled(numbers(6)), 1))
    assert prints["heads"].all()
    assert prints["sides"].any()
    kept = [name for name in prints.dtype.names or () if name not in left_out]
    eight = {name: (prints.dtype[name].base, (8,)) for name in ("flat", "heads", "seconds")}
    first = np.zeros(1, np.dtype([(name, eight.get(name, prints.dtype[name])) for name in kept]))
    for name in kept:
        first[name] = prints[name][:, :8] if name in eight else prints[name]
    old = read_prints((1).to_bytes(4, "little") + first.tobytes())
    assert set(probes_of(old)) < set(probes_of(prints))
    assert np.array_equal(old["flat"][:, :8], prints["flat"][:, :8])
    assert not old["flat"][:, 8:].any()
    assert old["sides"].any() == (not left_out)


@given(st.binary(max_size=300))
def test_any_bytes_are_prints_or_damage(written: bytes) -> None:
    try:
        probes_of(read_prints(written))
    except BlockDamaged:
        return
