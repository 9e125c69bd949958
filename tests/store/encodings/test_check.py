"""A block is kept only as bytes that give it back: whatever part of an encoding goes wrong, it is noticed."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.store import native
from budwood.store.encodings import _derived, _sparse, _zstd, decode_block, encode_block, planes
from budwood.store.encodings._parts import Parts
from budwood.store.encodings.registry import DELTA_PCO, DELTA_PLANES, DELTA_RANS, PCO, RAW, SPLIT

Weights = Callable[[str, int, int], bytes]
COUNT = 60_000


def bit_flipped_before(function: Callable[..., Any]) -> Callable[..., Any]:
    """A compressor of other bytes than it was given."""

    def broken(content: Any) -> Any:
        changed = bytearray(content)
        if changed:
            changed[len(changed) // 3] ^= 1
        return function(bytes(changed))

    return broken


def bit_flipped_after(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decompressor that gets one bit wrong."""

    def broken(content: Any, expected: int) -> Any:
        decoded = bytearray(function(content, expected))
        if decoded:
            decoded[len(decoded) // 2] ^= 4
        return bytes(decoded)

    return broken


def last_word_wrong(function: Callable[..., Any]) -> Callable[..., Any]:
    def broken(*arguments: Any) -> None:
        function(*arguments)
        arguments[-1][-1] ^= 1

    return broken


def highest_byte_wrong(function: Callable[..., Any]) -> Callable[..., Any]:
    def broken(*arguments: Any) -> Any:
        cut = function(*arguments)
        cut[-1][7] ^= 1
        return cut

    return broken


def places_turned_round(function: Callable[..., Any]) -> Callable[..., Any]:
    """The writer's places of both planes, which the check must not take over."""
    faults = [1, 2]

    def broken(bits: Any) -> Any:
        places = function(bits)
        if faults:
            faults.pop()
            places[:] = places[::-1].copy()
        return places

    return broken


def place_forgotten(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda bits: function(bits)[:-1]


def equal_keys_swapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """Sorts the keys, but not stably: the reader would put two bytes in each other's place."""

    def broken(keys: Any) -> Any:
        found = function(keys)
        at = int(np.flatnonzero(found.keys[1:] == found.keys[:-1])[0])
        found.order[[at, at + 1]] = found.order[[at + 1, at]]
        return found

    return broken


def not_sorted(function: Callable[..., Any]) -> Callable[..., Any]:
    def broken(keys: Any) -> Any:
        found = function(keys)
        found.order[:] = np.roll(found.order, 1)
        found.keys[:] = keys[found.order]
        return found

    return broken


FAULTS = [
    (SPLIT, _zstd, "huffman", bit_flipped_before),
    (SPLIT, _zstd, "decompress", bit_flipped_after),
    (SPLIT, planes, "split_rotated", highest_byte_wrong),
    (SPLIT, planes, "join_rotated", last_word_wrong),
    (DELTA_PLANES, _zstd, "huffman", bit_flipped_before),
    (DELTA_PLANES, _zstd, "fast", bit_flipped_before),
    (DELTA_PLANES, _zstd, "decompress", bit_flipped_after),
    (DELTA_PLANES, planes, "split_difference", highest_byte_wrong),
    (DELTA_PLANES, planes, "join_difference", last_word_wrong),
    (DELTA_PLANES, _sparse, "places_of", places_turned_round),
    (DELTA_PLANES, _sparse, "places_of", place_forgotten),
    (DELTA_PLANES, _sparse, "sort_by", equal_keys_swapped),
    (DELTA_PLANES, _sparse, "sort_by", not_sorted),
]


def moved(base: bytes, seed: int) -> bytes:
    """A fine-tune whose steps are many where numbers are small: the kind that is grouped by exponent."""
    values = (np.frombuffer(base, "<u2").astype("<u4") << 16).view("<f4")
    values = values + np.random.default_rng(seed).normal(0, 2e-5, values.size).astype("<f4")
    return bytes((values.view("<u4") + 0x8000 >> 16).astype("<u2").data)


def comes_back(tag: int, written: bytes, raw: bytes, base: bytes | None) -> bool:
    target = bytearray(len(raw))
    known = None if base is None else memoryview(base)
    decode_block(tag, memoryview(written), base=known, target=memoryview(target))
    return target == raw


@pytest.mark.parametrize(("tag", "module", "name", "fault"), FAULTS)
def test_a_block_is_never_kept_in_bytes_that_do_not_give_it_back(
    tag: int,
    module: ModuleType,
    name: str,
    fault: Callable[[Callable[..., Any]], Callable[..., Any]],
    weights: Weights,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "library", None)
    base = weights("bf16", COUNT, 1) if tag == DELTA_PLANES else None
    raw = moved(base, 2) if base else weights("bf16", COUNT, 3)
    hint = encode_block(memoryview(raw), dtype="bf16", base=memoryview(base) if base else None).plan
    assert hint.tag == tag
    with monkeypatch.context() as broken:
        broken.setattr(module, name, fault(getattr(module, name)))
        encoded = encode_block(memoryview(raw), dtype="bf16", base=memoryview(base) if base else None, hint=hint)
        written = b"".join(encoded.parts)
    assert comes_back(encoded.tag, written, raw, base)
    # A fault that passes is over when the block is planned anew.
    assert encoded.tag == (tag if fault is places_turned_round else RAW)


@given(seed=st.integers(0, 2**32), dtype=st.sampled_from(["bf16", "f16", "f32", "i64", ""]), at=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_codec_that_returns_one_wrong_bit_is_noticed(seed: int, dtype: str, at: int) -> None:
    random = np.random.default_rng(seed)
    base = random.normal(0, 0.02, 3000).astype("<f4").tobytes()
    raw = bytearray(base)
    for place in random.integers(0, len(raw), 200).tolist():
        raw[place] ^= 1
    real = _zstd.decompress

    def broken(content: Any, expected: int) -> bytes:
        decoded = bytearray(real(content, expected))
        decoded[at % len(decoded)] ^= 1 << at % 8
        return bytes(decoded)

    with pytest.MonkeyPatch.context() as patched:
        # The native library reads its frames itself (tests/store/native/test_literals.py).
        patched.setattr(native, "library", None)
        patched.setattr(_zstd, "decompress", broken)
        for known in (None, base):
            encoded = encode_block(
                memoryview(bytes(raw)), dtype=dtype, base=memoryview(known) if known is not None else None
            )
            assert encoded.tag == RAW or not _uses_zstd(encoded.tag)


@given(parts=st.lists(st.binary(max_size=9), max_size=6), start=st.integers(0, 60), length=st.integers(0, 60))
def test_parts_read_like_their_sum(parts: list[bytes], start: int, length: int) -> None:
    whole = b"".join(parts)
    assert len(Parts(parts)) == len(whole)
    assert Parts(parts)[start : start + length] == whole[start : start + length]
    assert Parts(parts)[start:] == whole[start:]


@given(bits=st.binary(max_size=400), repeat=st.integers(1, 3), gap=st.integers(0, 300))
def test_places_are_those_of_the_bits_that_are_set(bits: bytes, repeat: int, gap: int) -> None:
    known = np.frombuffer((bytes(gap) + bits) * repeat, np.uint8)
    expected = [at for at in range(known.size * 8) if known[at // 8] >> (at % 8) & 1]
    assert _derived.places_of(known).tolist() == expected


def test_nothing_is_kept_once_a_block_is_written(weights: Weights) -> None:
    base = weights("bf16", COUNT, 4)
    encode_block(memoryview(moved(base, 5)), dtype="bf16", base=memoryview(base))
    assert not _derived._kept.places
    assert not _derived._kept.orders


def _uses_zstd(tag: int) -> bool:
    return tag not in (PCO, DELTA_PCO, DELTA_RANS)
