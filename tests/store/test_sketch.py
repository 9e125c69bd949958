"""Sketches: small, the same every time, and right about which base is the best."""

import struct
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.errors import BlockDamaged, FileChanged
from budwood.store.sketch import RUN, SKETCH_BYTES, TENSORS, score, structure_of, take_sketch

Model = dict[str, npt.NDArray[np.uint16]]


def bf16(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    return (values.astype("<f4").view("<u4") >> 16).astype("<u2")


def weights(seed: int, layers: int = 6, size: int = 40_000) -> dict[str, npt.NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    return {f"layer.{index}.weight": random.normal(0, 0.02 * (1 + index), size) for index in range(layers)}


def trained(model: dict[str, npt.NDArray[np.float64]], seed: int, scale: float) -> dict[str, npt.NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    return {name: values + random.normal(0, scale, values.size) for name, values in model.items()}


def sketch(model: dict[str, npt.NDArray[np.float64]]) -> bytes:
    return sketch_words({name: bf16(values) for name, values in model.items()})


def sketch_words(model: Model) -> bytes:
    tensors, whole = [], b""
    for name, words in model.items():
        tensors.append((name, "bf16", len(whole), words.nbytes))
        whole += words.tobytes()
    return take_sketch(tensors, lambda offset, length: whole[offset : offset + length])


def test_the_parent_scores_best_among_candidates() -> None:
    root = weights(1)
    child = trained(root, 2, 1e-4)
    grandchild = trained(child, 3, 1e-5)
    stranger = weights(9)
    candidates = {"root": root, "child": child, "stranger": stranger, "sibling": trained(root, 4, 1e-4)}
    new = sketch(grandchild)
    scores = {name: score(new, sketch(model)) for name, model in candidates.items()}
    assert min(scores, key=scores.__getitem__) == "child"
    assert scores["child"] < scores["root"] < scores["sibling"] < scores["stranger"]
    assert scores["stranger"] > 0.6


def test_a_model_is_free_given_itself() -> None:
    assert score(sketch(weights(1)), sketch(weights(1))) == 0


def test_the_score_is_near_the_entropy_of_the_difference() -> None:
    random = np.random.default_rng(5)
    base = {"weight": bf16(random.normal(0, 0.02, 400_000))}
    moved = {"weight": np.where(random.random(400_000) < 0.25, base["weight"] + np.uint16(2), base["weight"])}
    # A coin that falls one way a quarter of the time has 0.811 bits; the words have 16.
    assert score(sketch_words(moved), sketch_words(base)) == pytest.approx(0.811 / 16, rel=0.15)


def test_low_bits_that_are_noise_count_in_full() -> None:
    dense: Model = {name: bf16(values) for name, values in weights(6).items()}
    kept = np.random.default_rng(7).random(40_000) < 0.5
    pruned: Model = {name: words * kept.astype("<u2") for name, words in dense.items()}
    # Half the words became zero: each costs its whole mantissa, sign and most of its exponent.
    assert score(sketch_words(pruned), sketch_words(dense)) > 0.3


def test_tensors_the_base_lacks_count_as_stored_alone() -> None:
    model = weights(1)
    half = dict(list(model.items())[:3])
    assert score(sketch(model), sketch(half)) == pytest.approx(0.67 / 2)


def test_a_tensor_of_another_length_is_another_tensor() -> None:
    assert score(sketch(weights(1)), sketch(weights(1, size=41_000))) == pytest.approx(0.67)


def test_a_sketch_is_small_and_reads_only_its_runs() -> None:
    words = np.zeros(5_000_000, "<u2").tobytes()
    read: list[int] = []

    def reader(offset: int, length: int) -> bytes:
        read.append(length)
        return words[offset : offset + length]

    tensors = [(f"t{index}", "bf16", 0, len(words)) for index in range(40)]
    written = take_sketch(tensors, reader)
    assert sum(read) <= SKETCH_BYTES
    assert len(written) < SKETCH_BYTES + 40 * 32
    assert written == take_sketch(tensors, reader)


def test_of_very_many_tensors_only_the_largest_are_sampled() -> None:
    tensors = [(f"t{index}", "bf16", 0, 2 * (5000 + index)) for index in range(3000)]
    assert len(take_sketch(tensors, lambda offset, length: bytes(length))) < TENSORS * (19 + RUN * 2) + 10


def test_small_and_integer_tensors_are_not_sampled() -> None:
    tensors = [("bias", "bf16", 0, 2 * 4095), ("ids", "i64", 0, 80_000), ("text", "", 0, 80_000)]
    assert score(take_sketch(tensors, lambda offset, length: bytes(length)), sketch(weights(1))) == 1.0


def test_a_longer_sketch_of_a_tensor_can_be_compared_with_a_shorter() -> None:
    model = weights(1, layers=2)
    more = {**{f"other.{index}": values for index, values in enumerate(weights(2, layers=60).values())}, **model}
    assert len(sketch(more)) > 10
    assert score(sketch(model), sketch(more)) == 0


def test_a_file_that_ends_early_has_changed() -> None:
    with pytest.raises(FileChanged):
        take_sketch([("w", "bf16", 0, 100_000)], lambda offset, length: b"")


def test_structure_does_not_depend_on_order_but_on_everything_else() -> None:
    tensors = [("a", "bf16", (2, 3)), ("b", "f32", ()), ("c", "i8", None)]
    same = structure_of(tensors)
    assert len(bytes.fromhex(same)) == 16
    assert structure_of(reversed(tensors)) == same
    for changed in (("a", "bf16", (3, 2)), ("a", "f16", (2, 3)), ("aa", "bf16", (2, 3)), ("a", "bf16", (2, 3, 1))):
        assert structure_of([changed, *tensors[1:]]) != same
    assert structure_of([("a", "b", ()), ("c", "d", None)]) != structure_of([("a", "b", None), ("c", "d", ())])


@pytest.mark.parametrize("damage", [b"", b"\x01", b"\x03\0\0\0\0", b"\x01\xff\xff\xff\xff", b"\x01\0\0\0\0\0"])
def test_what_is_no_sketch_is_named(damage: bytes) -> None:
    with pytest.raises(BlockDamaged):
        score(damage, sketch(weights(1, layers=1)))
    with pytest.raises(BlockDamaged):
        score(sketch(weights(1, layers=1)), damage)


def test_a_tensor_that_promises_more_runs_than_follow_is_named() -> None:
    lie = struct.pack("<BI8sBQH", 1, 1, b"k" * 8, 2, 1 << 60, 64)
    with pytest.raises(BlockDamaged):
        score(lie, lie)


@given(at=st.integers(0, 10**6), value=st.integers(0, 255), cut=st.integers(0, 400))
@settings(max_examples=300, deadline=None)
def test_a_mutated_sketch_is_scored_or_named(at: int, value: int, cut: int) -> None:
    whole = sketch_words({"weight": np.arange(5000, dtype="<u2"), "other": np.arange(9000, dtype="<u2")})
    mutated = bytearray(whole)
    mutated[at % 60 if at % 2 else at % len(whole)] = value
    for damaged in (bytes(mutated), bytes(mutated[: len(mutated) - cut])):
        try:
            assert 0 <= score(damaged, whole) <= 1
            assert 0 <= score(whole, damaged) <= 1
        except BlockDamaged:
            pass


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_every_width_of_float_is_scored(width: int) -> None:
    dtype = {1: "f8_e4m3", 2: "f16", 4: "f32", 8: "f64"}[width]
    base = np.random.default_rng(8).bytes(500_000 * width)
    moved = (np.frombuffer(base, f"<u{width}") + 1).astype(f"<u{width}").tobytes()

    def reader(whole: bytes) -> Callable[[int, int], bytes]:
        return lambda offset, length: whole[offset : offset + length]

    tensors = [("w", dtype, 0, len(base))]
    assert score(take_sketch(tensors, reader(moved)), take_sketch(tensors, reader(base))) < 0.05
    other = np.random.default_rng(9).bytes(500_000 * width)
    assert score(take_sketch(tensors, reader(other)), take_sketch(tensors, reader(base))) > 0.6
