"""Derived blocks: the arithmetic of each kind, the body's format, and what a reader refuses."""

import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.limits import BLOCK_BYTES, DERIVED_DEPTH, DERIVED_INPUT_BYTES, DERIVED_SOURCES
from budwood.domain.manifest import BlockId, Span
from budwood.errors import BlockDamaged
from budwood.store.api import BlockRow
from budwood.store.backends.memory import MemoryObjects
from budwood.store.encodings import decode_block
from budwood.store.encodings._kinds import BY_NAME, KINDS, Kind, as_bytes, convert
from budwood.store.encodings.derived import Function, SourcePiece, Strip, gather, read_function, written_function
from budwood.store.encodings.registry import DERIVED
from budwood.store.packs import NewBlock, PackSet
from budwood.store.read import BlockReader
from budwood.store.recipes import Cut, Recipe

F32, F16, BF16, Q8 = (BY_NAME[name] for name in ("f32", "f16", "bf16", "q8_0"))
QUANTISED = [kind for kind in KINDS if kind.group > 1]
FLOATS = [F32, F16, BF16]
VECTORS = Path(__file__).with_name("derived.txt")
strange_f32 = st.one_of(
    st.integers(0, (1 << 32) - 1),
    st.sampled_from([0, 0x80000000, 1, 0x807FFFFF, 0x7F800000, 0xFF800000, 0x7F800001, 0xFFFFFFFF, 0x477FF000]),
)


def made(raw: bytes, source: Kind, target: Kind) -> bytes:
    return convert(as_bytes(raw), source, target).tobytes()


@given(st.lists(strange_f32, min_size=1, max_size=64))
def test_casts_are_those_of_torch_for_all_that_are_numbers(bits: list[int]) -> None:
    words = np.array(bits, "<u4")
    values = torch.from_numpy(words.view(np.float32).copy())
    numbers = ~np.isnan(values.numpy())
    for kind, dtype in ((BF16, torch.bfloat16), (F16, torch.float16)):
        theirs = values.to(dtype).view(torch.int16).numpy().view("<u2")
        ours = np.frombuffer(made(words.tobytes(), F32, kind), "<u2")
        assert np.array_equal(ours[numbers], theirs[numbers]), kind.name


@given(st.lists(strange_f32, min_size=1, max_size=64))
def test_a_nan_stays_one_with_its_sign_and_what_fits_of_its_payload(bits: list[int]) -> None:
    words = np.array(bits, "<u4")
    strange = np.isnan(words.view(np.float32))
    narrow = np.frombuffer(made(words.tobytes(), F32, BF16), "<u2")
    half = np.frombuffer(made(words.tobytes(), F32, F16), "<u2")
    assert np.array_equal(narrow[strange], (words[strange] >> 16 | 0x40).astype("<u2"))
    assert np.array_equal(half[strange] & 0x7E00, np.full(strange.sum(), 0x7E00))
    assert np.array_equal(half[strange] & 0x81FF, words[strange] >> 16 & 0x8000 | words[strange] >> 13 & 0x1FF)


def test_every_half_comes_back_from_single() -> None:
    for kind in (F16, BF16):
        every = np.arange(1 << 16, dtype="<u2")
        wide = made(every.tobytes(), kind, F32)
        assert np.array_equal(np.isnan(np.frombuffer(wide, "<f4")), np.isnan(torch_of(every, kind)))
        back = np.frombuffer(made(wide, F32, kind), "<u2")
        quiet = np.where(np.isnan(np.frombuffer(wide, "<f4")), 0x200 if kind is F16 else 0x40, 0)
        assert np.array_equal(back, every | quiet)


def torch_of(
    words: np.ndarray[tuple[int], np.dtype[np.uint16]], kind: Kind
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    dtype = torch.float16 if kind is F16 else torch.bfloat16
    found: np.ndarray[tuple[int], np.dtype[np.float32]] = (
        torch.from_numpy(words.view("<i2")).view(dtype).float().numpy()
    )
    return found


@pytest.mark.parametrize("kind", QUANTISED, ids=lambda kind: kind.name)
@given(
    numbers=st.lists(st.floats(-1e4, 1e4, width=32, allow_subnormal=False), min_size=32, max_size=32),
    scale=st.sampled_from([1.0, 1e-3, 1e-12, 0.0, 7e4]),
)
@settings(max_examples=60)
def test_quantising_is_that_of_the_gguf_package(kind: Kind, numbers: list[float], scale: float) -> None:
    values = np.array(numbers * 16, np.float32) * np.float32(scale)
    try:
        ours = made(values.tobytes(), F32, kind)
    except BlockDamaged:
        # Scales that are no numbers: what the package gives then depends on the processor.
        return
    with np.errstate(all="ignore"):
        theirs = gguf.quants.quantize(values.reshape(1, -1), getattr(gguf.GGMLQuantizationType, kind.name.upper()))
    assert ours == theirs.tobytes()


def test_a_scale_of_mxfp4_is_that_of_the_gguf_package_near_every_power_of_two() -> None:
    powers = np.arange(2, 255, dtype=np.uint32)[:, None] << np.uint32(23)
    largest = (powers + np.uint32(2) - np.arange(100, dtype=np.uint32)).view(np.float32).reshape(-1)
    values = np.zeros((largest.size, 32), np.float32)
    values[:, 3] = largest
    values[:, 5:13] = largest[:, None] * (np.arange(-8, 8, 2, dtype=np.float32) / np.float32(16))
    values = values[largest >= np.float32(2.0**-125)]
    with np.errstate(all="ignore"):
        theirs = gguf.quants.quantize(values, gguf.GGMLQuantizationType.MXFP4)
    assert made(values.tobytes(), F32, BY_NAME["mxfp4"]) == theirs.tobytes()


@pytest.mark.parametrize("largest", [1e-38, 2.0**-126, 3.4028234e38])
def test_what_no_byte_can_scale_is_no_mxfp4(largest: float) -> None:
    with pytest.raises(BlockDamaged):
        made(np.full(32, largest, np.float32).tobytes(), F32, BY_NAME["mxfp4"])


def test_many_numbers_are_quantised_as_few_are() -> None:
    values = np.random.default_rng(3).standard_normal((3 << 17) + 512).astype(np.float32)
    for kind in QUANTISED:
        few = [made(part.tobytes(), F32, kind) for part in np.split(values, values.size // 512)]
        assert made(values.tobytes(), F32, kind) == b"".join(few), kind.name


@pytest.mark.parametrize("kind", QUANTISED, ids=lambda kind: kind.name)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_not_quantised(kind: Kind, bad: float) -> None:
    values = np.ones(kind.group, np.float32)
    values[5] = bad
    with pytest.raises(BlockDamaged):
        made(values.tobytes(), F32, kind)


# The format


def the_function(**changes: object) -> Function:
    return replace(Function(F32, BF16, (SourcePiece(0, 0, 4096), SourcePiece(1, 128, 2048))), **changes)  # type: ignore[arg-type]


functions = st.builds(
    Function,
    st.sampled_from(KINDS),
    st.sampled_from(KINDS),
    st.lists(
        st.builds(SourcePiece, st.integers(0, 3), st.integers(0, 600), st.integers(1, 5000)), min_size=1, max_size=4
    ).map(tuple),
    st.integers(0, 5000),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(1, 40),
    st.lists(st.builds(Strip, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)), max_size=3).map(tuple),
)


@given(functions)
def test_a_body_is_read_as_it_was_written_or_refused(function: Function) -> None:
    try:
        assert read_function(memoryview(written_function(function))) == function
    except BlockDamaged:
        return


@given(st.binary(max_size=120), st.integers(1, 4096), st.sampled_from([b"", written_function(the_function())]))
@settings(max_examples=2_000)
def test_any_bytes_are_a_block_or_damage(tail: bytes, length: int, head: bytes) -> None:
    encoded = memoryview(head[: len(head) - len(tail) % 24] + tail)
    sources = [bytes(5000), bytes(range(256)) * 16]
    ids = [bytes([number]) * 32 for number in range(2)]
    target = memoryview(bytearray(length))
    try:
        found = gather(encoded, ids, lambda block: sources[ids.index(block)], lambda size: np.empty(size, np.uint8))
        decode_block(DERIVED, encoded, base=found, target=target)
    except BlockDamaged:
        return


@pytest.mark.parametrize(
    "function",
    [
        the_function(pieces=()),
        the_function(pieces=(SourcePiece(0, 0, 0),)),
        the_function(pieces=(SourcePiece(0, BLOCK_BYTES - 1, 4),)),
        the_function(pieces=(SourcePiece(0, 0, BLOCK_BYTES + 4),)),
        the_function(pieces=(SourcePiece(0, 0, 4095),)),
        the_function(pieces=(SourcePiece(0, 0, 4), SourcePiece(0, 4, 4), SourcePiece(0, 8, 4088))),
        the_function(pieces=tuple(SourcePiece(0, 0, BLOCK_BYTES) for _ in range(DERIVED_SOURCES + 1))),
        the_function(pieces=tuple(SourcePiece(0, 0, 4096) for _ in range(65))),
        the_function(target=Q8, pieces=(SourcePiece(0, 0, 4092),)),
        the_function(source=Q8),
        the_function(rows=3),
        the_function(rows=3, columns=1 << 31),
        the_function(target=Q8, pieces=(SourcePiece(0, 0, 4096),), rows=32, columns=32),
        the_function(item=4),
        the_function(rows=3, columns=5, item=32),
        the_function(rows=1, columns=1, item=1 << 31),
        the_function(target=Q8, pieces=(SourcePiece(0, 0, 4096),), rows=32, columns=2, item=16),
        the_function(strips=(Strip(0, 32, 32),)),
        the_function(strips=(Strip(0, 32, 31),), rows=2),
        the_function(strips=(Strip(0, 32, 64),), rows=2),
        the_function(strips=(Strip(0, 32, 32),), rows=49),
        the_function(strips=(Strip(512, 512, 512), Strip(0, 512, 513)), rows=2),
        the_function(strips=(Strip(0, 64, 64), Strip(0, 64, 64)), rows=20),
        the_function(strips=(Strip(0, 1 << 31, 32),), rows=2),
        the_function(strips=(Strip(0, 64, 32),), rows=2, item=2),
        the_function(strips=(Strip(0, 64, 32),) * 17, rows=1),
        the_function(target=Q8, pieces=(SourcePiece(0, 0, 4096),), strips=(Strip(0, 64, 48),), rows=2),
    ],
)
def test_an_impossible_function_is_damage(function: Function) -> None:
    with pytest.raises(BlockDamaged):
        read_function(memoryview(written_function(function)))


def test_unknown_kinds_and_bytes_that_must_be_zero_are_damage() -> None:
    whole = bytearray(written_function(the_function()))
    for at, value in ((0, 0), (0, 12), (1, 12), (1, 99), (17, 1), (18, 7)):
        changed = bytearray(whole)
        changed[at] = value
        with pytest.raises(BlockDamaged):
            read_function(memoryview(changed))


def test_a_block_is_made_of_exactly_what_it_needs() -> None:
    source = np.arange(1024, dtype="<f4").tobytes()
    for skip, length in ((0, 2046), (2, 2048), (0, 2050)):
        encoded = memoryview(written_function(Function(F32, BF16, (SourcePiece(0, 0, 4096),), skip)))
        with pytest.raises(BlockDamaged):
            decode_block(DERIVED, encoded, base=memoryview(source), target=memoryview(bytearray(length)))
    encoded = memoryview(written_function(Function(F32, BF16, (SourcePiece(0, 0, 4096),))))
    with pytest.raises(BlockDamaged):
        decode_block(DERIVED, encoded, base=memoryview(source[:-4]), target=memoryview(bytearray(2048)))


# Recipes, for whole tensors and for each of their blocks

shapes = st.tuples(st.integers(1, 60), st.integers(1, 60))


@given(shapes, st.sampled_from(FLOATS), st.sampled_from([*FLOATS, *QUANTISED]), st.booleans(), st.data())
@settings(max_examples=150)
def test_any_part_of_a_copy_is_made_by_its_recipe(
    shape: tuple[int, int], source: Kind, target: Kind, turns: bool, data: st.DataObject
) -> None:
    # Within one block.
    rows, columns = shape[0], min(shape[1], 2_048 // target.group) * target.group
    turns = turns and target.group == 1
    values = np.random.default_rng(rows * 64 + columns).standard_normal((rows, columns)).astype(np.float32)
    held = made(values.tobytes(), F32, source)
    words = np.frombuffer(held, f"V{source.width}").reshape(rows, columns)
    straight = np.ascontiguousarray(words.T if turns else words).tobytes()
    whole = made(straight, source, target)
    start = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(1, len(whole) - start))
    span = Span(0, len(held), (b"s" * 32,), "tensor", source.name, (rows, columns))
    turned = (rows, columns) if turns else (0, 0)
    found = Recipe(source, target, (Cut(span, 0, len(held)),), *turned).of_block(start, length)
    assert found is not None
    encoded, target_bytes = memoryview(written_function(found.function)), memoryview(bytearray(length))
    gathered = gather(encoded, found.sources, lambda _: held, lambda size: np.empty(size, np.uint8))
    decode_block(DERIVED, encoded, base=gathered, target=target_bytes)
    assert bytes(target_bytes) == whole[start : start + length]


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)),
    st.sampled_from(FLOATS),
    st.sampled_from([*FLOATS, *QUANTISED]),
    st.data(),
)
@settings(max_examples=200)
def test_any_part_of_a_copy_whose_items_were_turned_is_made_by_its_recipe(
    shape: tuple[int, int, int, int], source: Kind, target: Kind, data: st.DataObject
) -> None:
    matrices, rows, columns, item = *shape[:3], shape[3] * 32
    item *= target.group // 32 or 1
    values = np.random.default_rng(sum(shape)).standard_normal((matrices, rows, columns, item)).astype(np.float32)
    held = made(values.tobytes(), F32, source)
    words = np.frombuffer(held, f"V{source.width}").reshape(values.shape)
    turned = made(np.ascontiguousarray(words.transpose(0, 2, 1, 3)).tobytes(), source, target)
    first = data.draw(st.integers(0, matrices * rows * columns - 1))
    whole = turned[target.bytes_of(first * item) :]
    start = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(1, len(whole) - start))
    span = Span(0, len(held), (b"s" * 32,), "tensor", source.name, values.shape)
    found = Recipe(source, target, (Cut(span, 0, len(held)),), rows, columns, item, first).of_block(start, length)
    assert found is not None
    encoded, target_bytes = memoryview(written_function(found.function)), memoryview(bytearray(length))
    gathered = gather(encoded, found.sources, lambda _: held, lambda size: np.empty(size, np.uint8))
    decode_block(DERIVED, encoded, base=gathered, target=target_bytes)
    assert bytes(target_bytes) == whole[start : start + length]


@given(
    st.integers(1, 12),
    st.lists(st.integers(32, 90), min_size=1, max_size=4),
    st.integers(0, 60),
    st.sampled_from(FLOATS),
    st.data(),
)
@settings(max_examples=200)
def test_any_part_of_rows_put_together_is_made_by_its_recipe(
    rows: int, widths: list[int], left_out: int, kind: Kind, data: st.DataObject
) -> None:
    """Of matrices beside each other, of which each may be some columns of its source."""
    chance = np.random.default_rng(rows * 64 + sum(widths))
    spans, strips, parts, held, at = list[Span](), list[Strip](), list[bytes](), dict[BlockId, bytes](), 0
    for number, width in enumerate(widths):
        words = chance.integers(0, 256, (rows, left_out + width, kind.width), np.uint8)
        held[named(number)] = words.tobytes()
        spans.append(Span(0, words.size, (named(number),), f"{number}", kind.name, words.shape[:2]))
        strips.append(Strip(at + left_out, left_out + width, width))
        parts.append(words[:, left_out:].tobytes())
        at += rows * (left_out + width)
    each = [np.frombuffer(part, np.uint8).reshape(rows, -1) for part in parts]
    whole = np.concatenate(each, axis=1).tobytes()
    start = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(1, len(whole) - start))
    cuts = tuple(Cut(span, 0, span.length) for span in spans)
    found = Recipe(kind, kind, cuts, rows, strips=tuple(strips)).of_block(start, length)
    assert found is not None
    encoded, target = memoryview(written_function(found.function)), memoryview(bytearray(length))
    assert read_function(encoded) == found.function
    decode_block(
        DERIVED,
        encoded,
        base=gather(encoded, found.sources, held.__getitem__, lambda size: np.empty(size, np.uint8)),
        target=target,
    )
    assert target == whole[start : start + length]


# Reading chains


class Rows(dict[BlockId, BlockRow]):
    """An index."""

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        return {block: self[block] for block in ids if block in self}


def named(number: int) -> BlockId:
    return struct.pack("<Q24x", number + 1)


def stored(*blocks: tuple[NewBlock, bytes]) -> tuple[MemoryObjects, Rows]:
    objects = MemoryObjects()
    with PackSet(objects, iter(["pack"]), derives=True) as packs:
        for block, body in blocks:
            packs.add(block, [body], len(body))
        return objects, Rows((row.id, row) for row in packs.finish())


def derived_from(*sources: BlockId, length: int = 2048) -> bytes:
    pieces = tuple(SourcePiece(number, 0, 4096) for number in range(len(sources)))
    return written_function(Function(F32, BF16, pieces)) if length == 2048 else b""


def test_a_block_derived_from_a_derived_one_is_refused() -> None:
    raw = (NewBlock(named(0), 4096, 0), bytes(4096))
    one = (NewBlock(named(1), 2048, DERIVED, named(0), DERIVED_DEPTH), derived_from(named(0)))
    up = written_function(Function(BF16, F32, (SourcePiece(0, 0, 2048),)))
    two = (NewBlock(named(2), 4096, DERIVED, named(1), DERIVED_DEPTH), up)
    objects, rows = stored(raw, one, two)
    reader = BlockReader(objects, rows)
    reader.decode(rows[named(1)], rows, memoryview(bytearray(2048)))
    with pytest.raises(BlockDamaged):
        reader.decode(rows[named(2)], rows, memoryview(bytearray(4096)))


def test_a_ring_of_derived_blocks_is_refused_at_once() -> None:
    every = [named(number) for number in range(DERIVED_SOURCES)]
    pieces = tuple(SourcePiece(number, 0, 2048) for number in range(DERIVED_SOURCES - 1))
    body = written_function(Function(F32, F32, pieces))
    blocks = [
        (
            NewBlock(
                block, 2048 * len(pieces), DERIVED, b"".join(each for each in every if each != block), DERIVED_DEPTH
            ),
            body,
        )
        for block in every
    ]
    objects, rows = stored(*blocks)
    began = time.process_time()
    with pytest.raises(BlockDamaged):
        BlockReader(objects, rows).decode(rows[every[0]], rows, memoryview(bytearray(2048 * len(pieces))))
    assert time.process_time() - began < 2


def test_a_source_that_is_not_there_is_named() -> None:
    objects, rows = stored((NewBlock(named(1), 2048, DERIVED, named(0), DERIVED_DEPTH), derived_from(named(0))))
    with pytest.raises(BlockDamaged, match="not in the store"):
        BlockReader(objects, rows).rows([named(1)])


def test_no_input_is_larger_than_it_may_be() -> None:
    pieces = tuple(SourcePiece(0, 0, BLOCK_BYTES) for _ in range(DERIVED_INPUT_BYTES // BLOCK_BYTES))
    read_function(memoryview(written_function(Function(F32, F32, pieces))))
    with pytest.raises(BlockDamaged):
        read_function(memoryview(written_function(Function(F32, F32, (*pieces, SourcePiece(0, 0, 4))))))


# Vectors


def vectors() -> list[tuple[str, list[bytes], bytes, bytes]]:
    """Name, sources, body, block. An empty block: the body is to be refused."""
    found = []
    for line in VECTORS.read_text().splitlines():
        if line and not line.startswith("#"):
            name, sources, body, block = (part.strip() for part in line.split("|"))
            held = [bytes.fromhex(source) for source in sources.split()]
            found.append((name, held, bytes.fromhex(body), bytes.fromhex(block)))
    return found


@pytest.mark.parametrize(("name", "sources", "body", "block"), vectors())
def test_what_the_first_release_wrote_is_read(name: str, sources: list[bytes], body: bytes, block: bytes) -> None:
    ids = [named(number) for number in range(len(sources))]
    target, encoded = memoryview(bytearray(max(1, len(block)))), memoryview(body)

    def decode() -> None:
        found = gather(encoded, ids, lambda one: sources[ids.index(one)], lambda size: np.empty(size, np.uint8))
        decode_block(DERIVED, encoded, base=found, target=target)

    if not block:
        with pytest.raises(BlockDamaged):
            decode()
        return
    decode()
    assert bytes(target) == block
