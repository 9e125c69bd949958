"""The choice of an encoding: by dtype, by a sample, with a preference for what is faster."""

from collections.abc import Callable

import numpy as np
import pytest

from budwood.domain.limits import BLOCK_BYTES
from budwood.store import native
from budwood.store.encodings import encode_block
from budwood.store.encodings._planes import Coder
from budwood.store.encodings.choose import SAMPLE_BYTES, candidates, plan_block, sample_of
from budwood.store.encodings.registry import DELTA_PCO, DELTA_PLANES, DELTA_RANS, PCO, PLANES, RAW, SPLIT, ZSTD

needs_library = pytest.mark.skipif(native.library is None, reason="the native library is not built")

Weights = Callable[[str, int, int], bytes]
Tuned = Callable[[bytes, int, int], bytes]


@pytest.mark.parametrize(
    ("dtype", "has_base", "tags"),
    [
        ("", False, (ZSTD,)),
        ("never heard of", False, (PLANES,)),
        ("bf16", False, (SPLIT,)),
        ("bf16", True, (SPLIT, DELTA_PLANES)),
        ("f32", True, (SPLIT, DELTA_PCO, DELTA_PLANES)),
        ("i64", False, (PLANES, ZSTD, PCO)),
        ("u8", True, (PLANES, DELTA_PLANES)),
    ],
)
def test_candidates_follow_from_the_dtype(
    dtype: str, has_base: bool, tags: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "library", None)
    assert candidates(dtype, has_base=has_base) == tags


@needs_library
@pytest.mark.parametrize(
    ("dtype", "tags"),
    [
        ("bf16", (SPLIT, DELTA_RANS)),
        ("f32", (SPLIT, DELTA_RANS, DELTA_PCO, DELTA_PLANES)),
        ("f64", (ZSTD, SPLIT, DELTA_PCO, DELTA_PLANES)),
        ("u8", (PLANES, DELTA_RANS)),
    ],
)
def test_with_the_native_library_its_encoding_is_one_of_them(dtype: str, tags: tuple[int, ...]) -> None:
    assert candidates(dtype, has_base=True) == tags


def test_counting_integers_go_to_where_they_are_smallest() -> None:
    assert plan_block(memoryview(np.arange(100_000, dtype="<i8").tobytes()), "i64", None).share < 0.25


def test_noise_is_planned_raw() -> None:
    noise = memoryview(np.random.default_rng(1).bytes(50_000))
    for dtype in ("bf16", "f32", "i32"):
        assert plan_block(noise, dtype, None).tag == RAW


def test_a_light_fine_tune_is_grouped_by_the_exponent_of_its_base(
    weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "library", None)
    base = np.frombuffer(weights("bf16", 100_000, 2), "<u2")
    # An update of about the same size everywhere is many steps of a small weight and few of a large one.
    values = (base.astype("<u4") << 16).view("<f4") + np.random.default_rng(3).normal(0, 2e-5, base.size).astype("<f4")
    raw = (values.view("<u4") + 0x8000 >> 16).astype("<u2")
    plan = plan_block(memoryview(raw.tobytes()), "bf16", memoryview(base.tobytes()))
    assert plan.tag == DELTA_PLANES
    assert plan.coders[0] == Coder.GROUPED


def test_the_gap_between_two_tensors_of_an_archive_is_halved() -> None:
    header = b"PK\x03\x04" + bytes(2) + b"\x08\x08" + bytes(18) + b"\x12\0@\0last_bf16/data/102FB<\0"
    gap = b"PK\x07\x08\x15\xf4\xa0\xf5\0\x03\0\0\0\x03\0\0" + header
    encoded = encode_block(memoryview(gap.ljust(128, b"Z")), dtype="")
    assert (encoded.tag, encoded.length < 80) == (ZSTD, True)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
@pytest.mark.parametrize("length", [1, 8191, 100_001, BLOCK_BYTES])
def test_a_sample_is_small_and_made_of_whole_words(width: int, length: int) -> None:
    raw = np.repeat(np.arange(length // width + 1, dtype="<u8").astype(f"<u{width}"), 1).tobytes()[:length]
    sample = sample_of(memoryview(raw), width)
    assert len(sample) <= SAMPLE_BYTES
    found = np.frombuffer(sample, f"<u{width}", len(sample) // width)
    if width > 2 and found.size:
        steps = np.diff(found.astype(np.int64))
        assert (steps > 0).all()
        assert (steps == 1).mean() > 0.99


def test_the_same_block_gets_the_same_plan(weights: Weights, tuned: Tuned) -> None:
    base = weights("f32", 100_000, 4)
    raw = tuned(base, 4, 5)
    assert plan_block(memoryview(raw), "f32", memoryview(base)) == plan_block(memoryview(raw), "f32", memoryview(base))
