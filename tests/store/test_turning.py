"""Large matrices turned over: any block of the copy, band by band, and what no sources make."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.limits import BLOCK_BYTES, TURNED_BAND_BYTES, TURNED_SOURCES
from budwood.domain.manifest import BlockId, Span
from budwood.errors import BlockDamaged
from budwood.store.encodings._kinds import BY_NAME, as_bytes, convert
from budwood.store.encodings.derived import Function, decode_derived, read_function, written_function
from budwood.store.recipes import Cut, Recipe
from budwood.store.turning import Turning

F32, F16, BF16, Q8 = (BY_NAME[name] for name in ("f32", "f16", "bf16", "q8_0"))


def named(number: int) -> BlockId:
    return number.to_bytes(32, "big")


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    block=st.integers(1, 60),
    band_bytes=st.integers(1, 4_000),
    target=st.sampled_from([F32, F16, BF16]),
    data=st.data(),
)
@settings(max_examples=200)
def test_any_block_of_a_turned_matrix_is_made_band_by_band(
    rows: int, columns: int, block: int, band_bytes: int, target: object, data: st.DataObject
) -> None:
    assert isinstance(target, type(F32))
    values = np.random.default_rng(rows * 64 + columns).standard_normal((rows, columns)).astype("<f4")
    held, whole = values.tobytes(), convert(as_bytes(np.ascontiguousarray(values.T).tobytes()), F32, target).tobytes()
    step = max(block, rows * columns // TURNED_SOURCES + 1) * 4
    sources = [held[at : at + step] for at in range(0, len(held), step)]
    turning = Turning(band_bytes)
    for _ in range(3):
        start = data.draw(st.integers(0, len(whole) - 1))
        length = data.draw(st.integers(1, len(whole) - start))
        function = Function(F32, target, (), start, rows, columns)
        encoded = memoryview(written_function(function))
        assert read_function(encoded) == function
        numbers = turning.numbers(
            function, [named(n) for n in range(len(sources))], length, lambda id_: sources[int.from_bytes(id_, "big")]
        )
        made = memoryview(bytearray(length))
        decode_derived(encoded, numbers, made)
        assert made == whole[start : start + length]


def test_two_bands_are_held_and_each_is_made_once() -> None:
    values = np.arange(64 * 64, dtype="<f4").reshape(64, 64)
    turned, read = np.ascontiguousarray(values.T).tobytes(), list[BlockId]()
    turning = Turning(16 * 64 * 4)

    def raw_of(source: BlockId) -> bytes:
        read.append(source)
        return values.tobytes()

    for start in (0, 1_024, 4_096, 3_000, 8_192, 9_000, 12_288):
        made = turning.numbers(Function(F32, F32, (), start, 64, 64), [named(0)], 1_024, raw_of)
        assert made == turned[start : start + 1_024]
    assert len(read) == 4
    assert 2 * TURNED_BAND_BYTES <= 64 << 20


@pytest.mark.parametrize("sizes", [(1_024,), (1_024, 1_024, 4), (1_026, 1_022), (0, 0)])
def test_sources_of_another_shape_are_damage(sizes: tuple[int, ...]) -> None:
    function = Function(F32, F32, (), 0, 16, 32)
    with pytest.raises(BlockDamaged):
        Turning().numbers(function, [named(n) for n in sizes], 512, lambda id_: bytes(int.from_bytes(id_, "big")))


def test_a_block_past_its_matrix_and_too_many_sources_are_damage() -> None:
    function = Function(F32, F32, (), 2_000, 16, 32)
    for sources, length in (([named(0)], 100), ([named(0)] * (TURNED_SOURCES + 1), 4)):
        with pytest.raises(BlockDamaged):
            Turning().numbers(function, sources, length, lambda _: bytes(2_048))
    encoded = memoryview(written_function(function))
    for given_bytes, length in ((44, 48), (52, 48), (0, 1), (48, 100)):
        with pytest.raises(BlockDamaged):
            decode_derived(encoded, memoryview(bytes(given_bytes)), memoryview(bytearray(length)))


@pytest.mark.parametrize(
    "function",
    [
        Function(F32, F32, ()),
        Function(F32, F32, (), 0, 8, 0),
        Function(F32, F32, (), 0, 8, 8, 4),
        Function(F32, Q8, (), 0, 8, 8),
        Function(Q8, F32, (), 0, 8, 8),
        Function(F32, F32, (), 0, BLOCK_BYTES // 4 + 1, 8),
        Function(BF16, F32, (), 0, BLOCK_BYTES // 4 + 1, 8),
        Function(F32, F32, (), 0, 8, 1 << 31),
        Function(BF16, BF16, (), 0, 1 << 14, TURNED_SOURCES * BLOCK_BYTES // (1 << 15) + 1),
    ],
)
def test_an_impossible_matrix_is_damage(function: Function) -> None:
    with pytest.raises(BlockDamaged):
        read_function(memoryview(written_function(function)))


@pytest.mark.parametrize(("rows", "blocks"), [(8_192, 0), (8_193, 33), (32_768, 128), (32_769, 0)])
def test_what_is_larger_than_it_may_be_is_not_turned(rows: int, blocks: int) -> None:
    length = rows * 4_096 * 2
    ids = tuple(named(n) for n in range(-(-length // BLOCK_BYTES)))
    recipe = Recipe(BF16, F16, (Cut(Span(0, length, ids, "w", "bf16", (rows, 4_096)), 0, length),), rows, 4_096)
    found = recipe.of_block(BLOCK_BYTES, BLOCK_BYTES)
    if rows == 8_192:
        assert found is not None
        assert not found.function.is_tall
    else:
        assert (len(found.sources) if found else 0) == blocks
