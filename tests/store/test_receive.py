"""A pack from a stranger: taken only when every byte of it is what it claims."""

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.domain.limits import BLOCK_BYTES, PARCEL_BYTES
from budwood.domain.manifest import BlockId
from budwood.errors import BadParcel, PackDamaged
from budwood.store import packs
from budwood.store.api import BlockRow
from budwood.store.backends.memory import MemoryObjects
from budwood.store.encodings import encode_block
from budwood.store.encodings.registry import DELTA_PLANES, RAW, ZSTD
from budwood.store.packs import NewBlock, PackSet, pack_key
from budwood.store.read import BlockReader
from budwood.store.receive import Standing, check_pack
from tests.packs_by_hand import index_of


class Index:
    """Rows that may be seen."""

    def __init__(self, rows: Sequence[BlockRow] = ()) -> None:
        self.rows = {row.id: row for row in rows}

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        return {block: self.rows[block] for block in ids if block in self.rows}


@pytest.fixture(scope="module")
def workers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


Check = Callable[..., tuple[BlockRow, ...]]


@pytest.fixture(scope="module")
def check(workers: ThreadPoolExecutor) -> Check:
    def checked(store: MemoryObjects, name: str = "sent", visible: Index | None = None, size: int | None = None):  # type: ignore[no-untyped-def]
        size = store.size(pack_key(name)) or 0 if size is None else size
        visible = visible or Index()
        return check_pack(Standing(store, visible, visible, workers, 2), name, size)

    return checked


def weights(count: int, seed: int) -> bytes:
    return (np.random.default_rng(seed).standard_normal(count).astype("<f4") * 0.02).tobytes()


def tuned(content: bytes, seed: int) -> bytes:
    values = np.frombuffer(content, "<f4").copy()
    values += np.random.default_rng(seed).standard_normal(values.size).astype("<f4") * 1e-5
    return values.tobytes()


def add(pack: PackSet, content: bytes, base: BlockRow | None = None, base_raw: bytes = b"") -> BlockRow:
    encoded = encode_block(memoryview(content), dtype="f32", base=memoryview(base_raw) if base else None, checks=False)
    leans = base is not None and encoded.tag >= DELTA_PLANES and encoded.tag != 5
    new = NewBlock(
        blake3(content).digest(),
        len(content),
        encoded.tag,
        base=base.id if base and leans else b"",
        depth=base.depth + 1 if base and leans else 0,
    )
    return pack.add(new, encoded.parts, encoded.length)


def a_pack(store: MemoryObjects, name: str = "sent") -> tuple[BlockRow, ...]:
    """Blocks of every kind: raw, zstd, split, and differences two deep."""
    first = weights(3_000, 1)
    second = tuned(first, 2)
    with PackSet(store, iter([name])) as pack:
        row = add(pack, first)
        row = add(pack, second, row, first)
        add(pack, tuned(second, 3), row, second)
        add(pack, os.urandom(300))
        add(pack, b"text " * 1_000)
        return tuple(pack.finish())


def rewrite(store: MemoryObjects, rows: Sequence[BlockRow], body: bytes) -> None:
    """A pack whose footer says what the rows say, with a digest that fits, as a liar would write it."""
    footer = index_of(rows)
    whole = body + footer + packs._trailer(len(body), len(rows), footer)
    store.delete(pack_key("sent"))
    with store.create(pack_key("sent")) as writer:
        writer.append([whole])
        writer.publish()


def body_of(store: MemoryObjects, rows: Sequence[BlockRow]) -> bytes:
    return store.read(pack_key("sent"), 0, rows[-1].offset + rows[-1].length)


def test_what_a_writer_wrote_is_taken(check: Check) -> None:
    store = MemoryObjects()
    rows = a_pack(store)
    assert {row.depth for row in rows} == {0, 1, 2}
    assert check(store) == rows


def test_a_base_may_lie_in_a_pack_the_sender_sees_and_nowhere_else(check: Check) -> None:
    store = MemoryObjects()
    first = weights(3_000, 1)
    with PackSet(store, iter(["before"])) as pack:
        base = add(pack, first)
        pack.finish()
    with PackSet(store, iter(["sent"])) as pack:
        row = add(pack, tuned(first, 2), base, first)
        pack.finish()
    assert row.base
    assert check(store, visible=Index([base])) == (row,)
    with pytest.raises(BadParcel, match="not here"):
        check(store)


def test_a_base_that_leans_on_what_the_sender_cannot_see_still_serves(workers: ThreadPoolExecutor) -> None:
    store = MemoryObjects()
    first = weights(3_000, 1)
    second = tuned(first, 2)
    with PackSet(store, iter(["before"])) as pack:
        hidden = add(pack, first)
        base = add(pack, second, hidden, first)
        pack.finish()
    with PackSet(store, iter(["sent"])) as pack:
        row = add(pack, tuned(second, 3), base, second)
        pack.finish()
    assert row.depth == 2
    standing = Standing(store, Index([base]), Index([base, hidden]), workers, 2)
    assert check_pack(standing, "sent", store.size(pack_key("sent")) or 0) == (row,)


def test_our_own_damage_is_not_the_senders_lie(check: Check) -> None:
    store = MemoryObjects()
    first = weights(3_000, 1)
    with PackSet(store, iter(["before"])) as pack:
        base = add(pack, first)
        pack.finish()
    with PackSet(store, iter(["sent"])) as pack:
        add(pack, tuned(first, 2), base, first)
        pack.finish()
    store.delete(pack_key("before"))
    with pytest.raises(PackDamaged):
        check(store, visible=Index([base]))


@pytest.mark.parametrize("size", [0, 1, 100_000, PARCEL_BYTES + 1])
def test_a_pack_of_another_size_than_was_said_is_refused(check: Check, size: int) -> None:
    store = MemoryObjects()
    a_pack(store)
    with pytest.raises(BadParcel):
        check(store, size=size)


def test_a_pack_that_was_never_sent_is_refused(check: Check) -> None:
    with pytest.raises(BadParcel, match="not sent"):
        check(MemoryObjects())


LIES: dict[str, Callable[[list[BlockRow]], list[BlockRow]]] = {
    "another id": lambda rows: [replace(rows[0], id=bytes(range(32))), *rows[1:]],
    "ids exchanged": lambda rows: [
        replace(rows[0], id=rows[3].id),
        *rows[1:3],
        replace(rows[3], id=rows[0].id),
        rows[4],
    ],
    "a block twice": lambda rows: [*rows[:3], replace(rows[3], id=rows[4].id), rows[4]],
    "shorter raw": lambda rows: [replace(rows[0], raw_length=rows[0].raw_length - 4), *rows[1:]],
    "longer raw": lambda rows: [replace(rows[0], raw_length=rows[0].raw_length + 4), *rows[1:]],
    "a bomb": lambda rows: [*rows[:4], replace(rows[4], raw_length=BLOCK_BYTES)],
    "too long": lambda rows: [*rows[:4], replace(rows[4], raw_length=BLOCK_BYTES + 1)],
    "another encoding": lambda rows: [replace(rows[0], encoding=ZSTD), *rows[1:]],
    "raw that is none": lambda rows: [replace(rows[0], encoding=RAW), *rows[1:]],
    "unknown encoding": lambda rows: [replace(rows[0], encoding=200), *rows[1:]],
    "a base for nothing": lambda rows: [replace(rows[0], base=rows[3].id, depth=1), *rows[1:]],
    "no base": lambda rows: [rows[0], replace(rows[1], base=b"", depth=0), *rows[2:]],
    "another base": lambda rows: [rows[0], replace(rows[1], base=rows[3].id), *rows[2:]],
    "a ring": lambda rows: [rows[0], replace(rows[1], base=rows[2].id), *rows[2:]],
    "too flat": lambda rows: [*rows[:2], replace(rows[2], depth=1), *rows[3:]],
    "too deep": lambda rows: [*rows[:2], replace(rows[2], depth=3), *rows[3:]],
    "another check": lambda rows: [replace(rows[0], check=1), *rows[1:]],
    "a gap": lambda rows: [*rows[:4], replace(rows[4], offset=rows[4].offset + 1, length=rows[4].length - 1)],
    "one less": lambda rows: rows[:4],
    "one longer": lambda rows: [*rows[:4], replace(rows[4], length=rows[4].length + 1)],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_footer_that_lies_is_refused(check: Check, lie: str) -> None:
    store = MemoryObjects()
    rows = a_pack(store)
    rewrite(store, LIES[lie](list(rows)), body_of(store, rows))
    with pytest.raises(BadParcel):
        check(store)


def test_more_blocks_than_a_parcel_may_have_are_refused_before_they_are_read(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryObjects()
    a_pack(store)
    monkeypatch.setattr("budwood.store.receive.PARCEL_BLOCKS", 4)
    monkeypatch.setattr("budwood.store.packs._rows", lambda *_: pytest.fail("rows were made"))
    with pytest.raises(BadParcel):
        check(store)


def test_more_to_decode_than_a_parcel_may_have_is_refused(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("budwood.store.receive.PARCEL_RAW_BYTES", 30_000)
    store = MemoryObjects()
    a_pack(store)
    with pytest.raises(BadParcel, match="decodes to more"):
        check(store)


PACK = MemoryObjects()
ROWS = a_pack(PACK)
WHOLE = PACK.read(pack_key("sent"), 0, PACK.size(pack_key("sent")) or 0)


@st.composite
def changes(draw: st.DrawFn) -> bytes:
    """A pack with some bytes changed, cut out or put in, and often a footer whose digest fits all the same."""
    whole = bytearray(WHOLE)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(whole) - 1))
        # The footer is where lies are told.
        at = draw(st.sampled_from([at, len(whole) - 1 - at % 600]))
        match draw(st.sampled_from(["change", "cut", "put", "word"])):
            case "change":
                whole[at] = draw(st.integers(0, 255))
            case "cut":
                del whole[at : at + draw(st.integers(1, 40))]
            case "put":
                whole[at:at] = draw(st.binary(min_size=1, max_size=40))
            case "word":
                whole[at : at + 4] = struct.pack("<I", draw(st.sampled_from([0, 1, 0x7FFFFFFF, 0xFFFFFFFF])))
    if draw(st.booleans()) and len(whole) > 600:
        count = len(ROWS)
        start = len(whole) - packs._TRAILER.size - count * packs._ENTRY.itemsize
        footer = bytearray(whole[start : -packs._TRAILER.size])
        rechecked = np.frombuffer(footer, packs._ENTRY).copy()
        if draw(st.booleans()):
            for entry in rechecked:
                entry["check"] = zlib.crc32(whole[entry["offset"] : int(entry["offset"]) + int(entry["length"])])
        footer = bytearray(rechecked.tobytes())
        whole[start:] = footer + packs._trailer(start, count, bytes(footer))
    return bytes(whole)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=changes())
def test_a_changed_pack_is_refused_or_still_says_the_truth(check: Check, changed: bytes) -> None:
    store = MemoryObjects()
    with store.create(pack_key("sent")) as writer:
        writer.append([changed])
        writer.publish()
    try:
        rows = check(store)
    except BadParcel:
        return
    reader = BlockReader(store, Index(rows))
    for row in rows:
        target = bytearray(row.raw_length)
        reader.read(row.id, reader.rows([row.id]), memoryview(target))
        assert blake3(target).digest() == row.id
