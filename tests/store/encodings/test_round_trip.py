"""Whatever goes in comes out: every encoding, dtype and length, and the choice among them."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.limits import BLOCK_BYTES
from budwood.store.encodings import Encoded, decode_block, encode_block, needs_base
from budwood.store.encodings._planes import Coder
from budwood.store.encodings.registry import (
    DELTA_PCO,
    DELTA_PLANES,
    DELTA_RANS,
    ENCODINGS,
    PCO,
    PLANES,
    RAW,
    SPLIT,
    ZSTD,
    Plan,
)

DTYPES = ("", "bf16", "f16", "f32", "f64", "i8", "u8", "i16", "i32", "i64", "u64", "bool", "f8_e4m3", "c64", "unheard")
WIDTHS = (1, 2, 4, 8)
WIDTHS_OF = {PCO: WIDTHS[1:], DELTA_PCO: WIDTHS[1:], DELTA_RANS: WIDTHS[:3]}
PLANAR = (SPLIT, PLANES, DELTA_PLANES)

Weights = Callable[[str, int, int], bytes]
Tuned = Callable[[bytes, int, int], bytes]
Write = Callable[[bytes, bytes, Plan], bytes]


def decoded(tag: int, written: bytes, raw_length: int, base: bytes | None) -> bytes:
    target = bytearray(b"\xaa" * raw_length)
    decode_block(tag, memoryview(written), base=None if base is None else memoryview(base), target=memoryview(target))
    return bytes(target)


def there_and_back(raw: bytes, dtype: str, base: bytes | None) -> Encoded:
    encoded = encode_block(memoryview(raw), dtype=dtype, base=None if base is None else memoryview(base))
    written = b"".join(encoded.parts)
    assert encoded.length == len(written) <= len(raw)
    assert base is not None or not needs_base(encoded.tag)
    assert decoded(encoded.tag, written, len(raw), base) == raw
    return encoded


def plans() -> list[Plan]:
    """Every encoding at every width, and with planes written by every coder it may use."""
    every = []
    for tag in ENCODINGS:
        for width in WIDTHS_OF.get(tag, WIDTHS):
            coders = [coder for coder in Coder if tag == DELTA_PLANES or coder != Coder.GROUPED]
            every += [Plan(tag, width, 1.0, (coder,) * width) for coder in (coders if tag in PLANAR else coders[:1])]
    return every


@pytest.mark.parametrize(
    "plan", plans(), ids=lambda plan: f"{ENCODINGS[plan.tag].name}-{plan.width}-{plan.coders[0].name}"
)
@pytest.mark.parametrize("length", [1, 7, 64, 513, 4096, 20_001])
def test_every_encoding_gives_the_block_back(
    plan: Plan, length: int, weights: Weights, tuned: Tuned, write: Write
) -> None:
    base = weights("bf16", length, 1)[:length]
    for raw in (tuned(base, 2, 2), bytes(length), np.random.default_rng(3).bytes(length)):
        assert decoded(plan.tag, write(raw, base, plan), length, base) == raw


@pytest.mark.parametrize("base_length", [0, 1, 3, 4000, 9000])
@pytest.mark.parametrize("tag", [tag for tag, row in ENCODINGS.items() if row.needs_base])
@pytest.mark.parametrize("width", WIDTHS[1:])
def test_a_base_of_another_length_will_do(
    tag: int, width: int, base_length: int, weights: Weights, write: Write
) -> None:
    if width not in WIDTHS_OF.get(tag, WIDTHS):
        pytest.skip("this encoding knows no words so wide")
    raw, base = weights("f32", 2000, 1), weights("f32", 2500, 1)[:base_length]
    for coder in Coder:
        assert decoded(tag, write(raw, base, Plan(tag, width, 1.0, (coder,) * width)), len(raw), base) == raw


@given(raw=st.binary(min_size=1, max_size=3000), repeat=st.integers(1, 9), dtype=st.sampled_from(DTYPES))
@settings(max_examples=150, deadline=None)
def test_any_bytes_come_back_alone(raw: bytes, repeat: int, dtype: str) -> None:
    there_and_back(raw * repeat, dtype, None)


@given(
    base=st.binary(min_size=1, max_size=3000),
    changes=st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 255)), max_size=50),
    cut=st.integers(0, 9),
    dtype=st.sampled_from(DTYPES),
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_come_back_from_a_base(base: bytes, changes: list[tuple[int, int]], cut: int, dtype: str) -> None:
    raw = bytearray(base[cut:] or base)
    for place, value in changes:
        raw[place % len(raw)] = value
    there_and_back(bytes(raw), dtype, base)


@pytest.mark.parametrize("dtype", ["bf16", "f16", "f32", "f64"])
def test_every_nan_keeps_its_bits(dtype: str) -> None:
    width = {"bf16": 2, "f16": 2, "f32": 4, "f64": 8}[dtype]
    words = np.random.default_rng(5).integers(0, 2 ** (8 * width) - 1, 4096, np.uint64).astype(f"<u{width}")
    exponent = {"bf16": 0x7F80, "f16": 0x7C00, "f32": 0x7F800000, "f64": 0x7FF0000000000000}[dtype]
    raw = (words | words.dtype.type(exponent)).tobytes()
    there_and_back(raw, dtype, None)
    there_and_back(raw, dtype, raw[width:] + raw[:width])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_full_block_of_one_value_takes_almost_nothing(dtype: str) -> None:
    for raw in (bytes(BLOCK_BYTES), b"\x80\x3f\x80\x3f" * (BLOCK_BYTES // 4)):
        assert there_and_back(raw, dtype, None).length < 400


@pytest.mark.parametrize("dtype", DTYPES)
def test_noise_is_stored_raw_and_not_copied(dtype: str) -> None:
    raw = memoryview(np.random.default_rng(6).bytes(100_001))
    encoded = encode_block(raw, dtype=dtype)
    assert (encoded.tag, encoded.length) == (RAW, len(raw))
    (part,) = encoded.parts
    assert isinstance(part, memoryview)
    assert part.obj is raw.obj


@pytest.mark.parametrize(("dtype", "share"), [("bf16", 0.67), ("f16", 0.855), ("f32", 0.835)])
def test_weights_keep_their_expected_share(dtype: str, share: float, weights: Weights) -> None:
    raw = weights(dtype, 300_000, 7)
    assert there_and_back(raw, dtype, None).length < share * len(raw)


@pytest.mark.parametrize("dtype", ["bf16", "f16", "f32"])
def test_a_light_fine_tune_is_stored_as_its_difference(dtype: str, weights: Weights, tuned: Tuned) -> None:
    base = weights(dtype, 300_000, 8)
    width = len(base) // 300_000
    encoded = there_and_back(tuned(base, width, 9), dtype, base)
    assert needs_base(encoded.tag)
    # A quarter of the words moved by one of 18 steps: 1.85 bits a word.
    assert encoded.length < 1.1 * 300_000 * 1.85 / 8


def test_a_fine_tune_with_appended_rows_is_still_a_difference(weights: Weights, tuned: Tuned) -> None:
    base = weights("bf16", 100_000, 10)
    raw = tuned(base, 2, 11) + weights("bf16", 2_000, 12)
    encoded = there_and_back(raw, "bf16", base)
    assert needs_base(encoded.tag)
    assert encoded.length < 0.15 * len(raw)


def test_more_keys_than_groups_share_the_last_group(write: Write) -> None:
    random = np.random.default_rng(22)
    base = random.integers(0, 256, BLOCK_BYTES, np.uint8)
    raw = base + random.integers(1, 4, BLOCK_BYTES, np.uint8)
    written = write(raw.tobytes(), base.tobytes(), Plan(DELTA_PLANES, 1, 1.0, (Coder.GROUPED,)))
    assert decoded(DELTA_PLANES, written, BLOCK_BYTES, base.tobytes()) == raw.tobytes()


def test_an_unrelated_base_is_left_aside(weights: Weights) -> None:
    encoded = there_and_back(weights("bf16", 50_000, 13), "bf16", weights("bf16", 50_000, 14))
    assert encoded.tag == SPLIT


def test_text_is_a_plain_zstd_frame() -> None:
    assert there_and_back(b"the tree and the graft\n" * 4000, "", None).tag == ZSTD


def test_a_hint_that_no_longer_fits_is_dropped(weights: Weights, tuned: Tuned) -> None:
    base = weights("bf16", 50_000, 15)
    first = encode_block(memoryview(tuned(base, 2, 16)), dtype="bf16", base=memoryview(base))
    unrelated = weights("bf16", 50_000, 17)
    encoded = encode_block(memoryview(unrelated), dtype="bf16", base=memoryview(base), hint=first.plan)
    assert encoded.tag == SPLIT
    alone = encode_block(memoryview(base), dtype="bf16", hint=first.plan)
    assert alone.tag == SPLIT


def test_a_hint_of_constant_planes_survives_a_block_that_is_not(weights: Weights) -> None:
    zeros = encode_block(memoryview(bytes(50_000)), dtype="bf16")
    raw = weights("bf16", 25_000, 18)
    encoded = encode_block(memoryview(raw), dtype="bf16", hint=zeros.plan)
    assert decoded(encoded.tag, b"".join(encoded.parts), len(raw), None) == raw
    assert encoded.length < 0.68 * len(raw)


def test_a_word_view_is_taken_as_bytes(weights: Weights) -> None:
    raw = weights("f32", 1000, 19)
    encoded = encode_block(np.frombuffer(raw, "<f4").data, dtype="f32")
    assert decoded(encoded.tag, b"".join(encoded.parts), len(raw), None) == raw


@pytest.mark.parametrize("shift", [1, 2, 3, 5])
def test_a_target_at_an_odd_address_is_filled(shift: int, weights: Weights, tuned: Tuned, write: Write) -> None:
    base = weights("f32", 2000, 20)
    raw = tuned(base, 4, 21)
    for tag in ENCODINGS:
        room = bytearray(len(raw) + shift)
        shifted = memoryview(bytes(shift) + base)[shift:]
        written = write(raw, base, Plan(tag, 4, 1.0, (Coder.SPARSE,) * 4))
        decode_block(tag, memoryview(written), base=shifted, target=memoryview(room)[shift:])
        assert room[shift:] == raw
