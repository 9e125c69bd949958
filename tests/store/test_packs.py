"""Packs give back what was written, or say that they are damaged; never anything else."""

import itertools
import os
import random
import struct
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.limits import BLOCK_BYTES, CHAIN_DEPTH, DEEPEST, PACK_BLOCKS
from budwood.errors import BlockDamaged, BudwoodError, PackDamaged, StorageFull, TooNew
from budwood.store.api import BlockRow
from budwood.store.backends.folder import FolderObjects
from budwood.store.backends.memory import MemoryObjects
from budwood.store.packs import NewBlock, PackSet, fetch, pack_key, pack_name, read_footer
from budwood.store.testing import publish

HEADER_BYTES, ENTRY_BYTES, TRAILER_BYTES = 16, 88, 52


def names() -> Callable[[], str]:
    counter = itertools.count()
    return lambda: f"lease.{next(counter)}"


def block(content: bytes, **more: Any) -> NewBlock:
    return NewBlock(blake3(content).digest(), len(content), encoding=0, **more)


def write(store: MemoryObjects, contents: Sequence[bytes]) -> Sequence[BlockRow]:
    with PackSet(store, names()) as packs:
        for content in contents:
            packs.add(block(content), [content], len(content))
        return packs.finish()


def stored_rows(store: MemoryObjects | FolderObjects) -> list[BlockRow]:
    found = [read_footer(store, pack_name(stored.key)) for stored in store.list("packs/")]
    return [row for rows in sorted(found, key=lambda rows: int(rows[0].pack.split(".")[1])) for row in rows]


@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("budwood.store.packs.PACK_BYTES", 100_000)
    return 100_000


def test_a_row_says_all_about_its_block() -> None:
    store = MemoryObjects()
    content, base = b"x" * 3_000, blake3(b"base").digest()
    with PackSet(store, names()) as packs:
        first = packs.add(block(b"manifest", is_manifest=True), [b"mani", b"fest"], 8)
        given = NewBlock(blake3(content).digest(), 5_000, encoding=7, base=base, depth=2)
        second = packs.add(given, [content[:1], bytearray(content[1:2_000]), memoryview(content)[2_000:]], 3_000)
        assert packs.finish() == (first, second)
    assert (first.offset, first.length, first.raw_length, first.is_manifest) == (HEADER_BYTES, 8, 8, True)
    assert (second.offset, second.length, second.raw_length) == (HEADER_BYTES + 8, 3_000, 5_000)
    assert (second.encoding, second.base, second.depth, second.is_manifest) == (7, base, 2, False)
    assert read_footer(store, "lease.0") == (first, second)
    assert fetch(store, second, memoryview(bytearray(BLOCK_BYTES))) == content


def test_nothing_written_makes_no_pack() -> None:
    store = MemoryObjects()
    assert write(store, []) == ()
    assert list(store.list()) == []


def test_leaving_without_finish_publishes_nothing() -> None:
    store = MemoryObjects()
    with PackSet(store, names()) as packs:
        packs.add(block(b"x"), [b"x"], 1)
    assert list(store.list()) == []


def test_a_full_pack_is_followed_by_another_and_every_row_is_found(small_packs: int) -> None:
    store = MemoryObjects()
    contents = [os.urandom(9_000 + index) for index in range(100)]
    rows = write(store, contents)
    sizes = [stored.size for stored in store.list()]
    assert len(sizes) == 10
    assert max(sizes) <= small_packs
    assert stored_rows(store) == list(rows)
    target = memoryview(bytearray(10_000))
    assert [fetch(store, row, target).tobytes() for row in rows] == contents


def test_a_pack_is_limited_in_blocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("budwood.store.packs.PARCEL_BLOCKS", 3)
    store = MemoryObjects()
    rows = write(store, [bytes([value]) for value in range(10)])
    assert [row.pack for row in rows] == ["lease.0"] * 3 + ["lease.1"] * 3 + ["lease.2"] * 3 + ["lease.3"]
    assert stored_rows(store) == list(rows)


def test_a_pack_is_limited_in_what_it_takes_to_check_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("budwood.store.packs.PARCEL_RAW_BYTES", 100)
    rows = write(MemoryObjects(), [bytes([value]) * 40 for value in range(5)])
    assert [row.pack for row in rows] == ["lease.0"] * 2 + ["lease.1"] * 2 + ["lease.2"]


def test_packs_are_as_large_as_was_asked() -> None:
    store = MemoryObjects()
    with PackSet(store, names(), pack_bytes=50_000) as packs:
        for content in (os.urandom(9_000) for _ in range(20)):
            packs.add(block(content), [content], len(content))
        packs.finish()
    assert [stored.size for stored in store.list()] == [pytest.approx(45_000, rel=0.02)] * 4


def test_an_aborted_set_leaves_only_whole_packs(small_packs: int, tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    with PackSet(store, names()) as packs:
        for index in range(25):
            content = os.urandom(9_000 + index)
            packs.add(block(content), [content], len(content))
    assert len(stored_rows(store)) in (10, 20)
    assert list((tmp_path / "tmp").iterdir()) == []
    store.close()


def test_threads_may_add_at_once(small_packs: int, tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    contents = [os.urandom(random.Random(index).randrange(1, 30_000)) for index in range(400)]
    with PackSet(store, names()) as packs, ThreadPoolExecutor(4) as threads:
        added = list(threads.map(lambda content: packs.add(block(content), [content], len(content)), contents))
        rows = packs.finish()
    assert sorted(map(repr, added)) == sorted(map(repr, rows))
    assert stored_rows(store) == list(rows)
    target = memoryview(bytearray(30_000))
    assert [fetch(store, row, target).tobytes() for row in added] == contents
    store.close()


class FullAfter(MemoryObjects):
    """A store with room for so many objects."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self._counting = threading.Lock()

    def show(self, writer: Any, key: str, content: bytes) -> None:
        with self._counting:
            fits = self.room > 0
            self.room -= fits
        if not fits:
            self.forget(writer)
            raise StorageFull("planned")
        super().show(writer, key, content)


@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_pack_that_cannot_be_published_fails_the_whole_set(small_packs: int, room: int) -> None:
    store = FullAfter(room)
    with PackSet(store, names()) as packs:
        with pytest.raises(StorageFull):
            _add_and_finish(packs, 25)
        with pytest.raises(StorageFull):
            packs.finish()
    assert len(list(store.list())) == room
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("budwood-seal")]


def _add_and_finish(packs: PackSet, count: int) -> None:
    for index in range(count):
        content = os.urandom(9_000 + index)
        packs.add(block(content), [content], len(content))
    packs.finish()


def test_a_hundred_thousand_tiny_blocks_fit_in_one_pack() -> None:
    store = MemoryObjects()
    rows = write(store, [b"%d" % value for value in range(100_000)])
    assert len(list(store.list())) == 1
    assert read_footer(store, "lease.0") == rows


def test_a_missing_pack_is_damage() -> None:
    with pytest.raises(PackDamaged):
        read_footer(MemoryObjects(), "none")


def test_a_pack_of_a_newer_format_is_left_to_a_newer_budwood() -> None:
    store, content = MemoryObjects(), bytearray(whole_pack())
    struct.pack_into("<I", content, 12, 3)
    struct.pack_into("<I", content, len(content) - 8, 3)
    publish(store, pack_key("newer"), bytes(content))
    with pytest.raises(TooNew):
        read_footer(store, "newer")


def test_a_changed_block_is_noticed_when_it_is_read() -> None:
    content = bytearray(whole_pack())
    rows = rows_of(bytes(content))
    content[rows[3].offset + 5] ^= 1
    store = MemoryObjects()
    publish(store, pack_key("lease.0"), bytes(content))
    target = memoryview(bytearray(BLOCK_BYTES))
    with pytest.raises(BlockDamaged):
        fetch(store, rows[3], target)
    assert fetch(store, rows[2], target) == bytes([2]) * 700


def test_a_row_that_lies_about_its_length_is_damage() -> None:
    store = MemoryObjects()
    row = write(store, [b"content"])[0]
    target = memoryview(bytearray(100))
    for length in (0, -1, 6, 8, 101, 1 << 60):
        with pytest.raises(BlockDamaged):
            fetch(store, replace(row, length=length), target)
    with pytest.raises(PackDamaged):
        fetch(store, replace(row, offset=1 << 60), target)
    with pytest.raises(PackDamaged):
        fetch(store, replace(row, pack="../../etc/passwd"), target)


def test_what_could_not_be_read_back_is_never_written() -> None:
    impossible = (
        (block(b"x"), 0),
        (block(b"x"), BLOCK_BYTES + 1),
        (block(b"x", depth=1), 1),
        (block(b"x", base=blake3(b"y").digest()), 1),
        (block(b"x", base=blake3(b"x").digest(), depth=1), 1),
        (block(b"x", base=blake3(b"y").digest(), depth=CHAIN_DEPTH + 1), 1),
        (replace(block(b"x"), id=b"short"), 1),
        (replace(block(b"x"), raw_length=0), 1),
        (block(b"x"), 2),
    )
    for new, length in impossible:
        with PackSet(MemoryObjects(), names()) as packs, pytest.raises(AssertionError):
            packs.add(new, [b"x" * min(length, BLOCK_BYTES)] if length != 2 else [b"x"], length)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True))
def test_key_and_name_of_a_pack_belong_together(name: str) -> None:
    assert pack_name(pack_key(name)) == name


@pytest.mark.parametrize("name", ["", ".x", "-x", "a/b", "../x", "a b", "a\n", "a\0b", "ä", "x" * 129])
def test_what_is_no_name_of_a_pack_has_no_key(name: str) -> None:
    with pytest.raises(PackDamaged):
        pack_key(name)


@pytest.mark.parametrize("key", ["packs/zz/lease.0.pack", "lease.0.pack", "packs/lease.0", "tmp/x", "packs/../x.pack"])
def test_what_is_no_key_of_a_pack_has_no_name(key: str) -> None:
    with pytest.raises(PackDamaged):
        pack_name(key)


def whole_pack() -> bytes:
    """Six blocks of 700 bytes; the last two are differences, the first is a manifest's."""
    store = MemoryObjects()
    base = blake3(b"base").digest()
    with PackSet(store, names()) as packs:
        for value in range(6):
            more = {"base": base, "depth": value - 3} if value > 3 else {"is_manifest": value == 0}
            packs.add(block(bytes([value]) * 700, **more), [bytes([value]) * 700], 700)
        packs.finish()
    return store.read(pack_key("lease.0"), 0, store.size(pack_key("lease.0")) or 0)


def rows_of(pack: bytes) -> tuple[BlockRow, ...]:
    store = MemoryObjects()
    publish(store, pack_key("lease.0"), pack)
    return read_footer(store, "lease.0")


PACK = whole_pack()
ROWS = rows_of(PACK)
FOOTER = HEADER_BYTES + 6 * 700


@pytest.mark.parametrize("bit", [1, 128])
def test_any_changed_byte_is_damage_or_changes_no_row(bit: int) -> None:
    for position in range(len(PACK)):
        changed = bytearray(PACK)
        changed[position] ^= bit
        if HEADER_BYTES <= position < FOOTER:
            assert rows_of(bytes(changed)) == ROWS
        else:
            with pytest.raises(PackDamaged):
                rows_of(bytes(changed))


def test_any_shorter_pack_is_damage() -> None:
    for length in range(len(PACK)):
        with pytest.raises(PackDamaged):
            rows_of(PACK[:length])


@given(st.lists(st.tuples(st.integers(0, len(PACK) - 1), st.binary(min_size=1, max_size=16)), max_size=5))
@settings(max_examples=500)
def test_any_overwritten_pack_is_damage_or_changes_no_row(changes: list[tuple[int, bytes]]) -> None:
    changed = bytearray(PACK)
    for position, content in changes:
        changed[position : position + len(content)] = content
    try:
        assert rows_of(bytes(changed)) == ROWS
    except (PackDamaged, TooNew):
        assert changed != PACK


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from(
                [(0, 32), (32, 8), (40, 4), (44, 4), (48, 1), (49, 1), (50, 1), (51, 1), (52, 4), (56, 32)]
            ),
            st.one_of(
                st.sampled_from([0, 1, 2, 3, 16, 700, 716, BLOCK_BYTES, (1 << 64) - 1]), st.integers(0, 1 << 256)
            ),
        ),
        max_size=4,
    )
)
@settings(max_examples=1_000)
def test_an_index_with_a_right_digest_and_wrong_entries_is_damage(
    changes: list[tuple[int, tuple[int, int], int]],
) -> None:
    footer = bytearray(PACK[FOOTER:-TRAILER_BYTES])
    for entry, (at, width), value in changes:
        start = entry * ENTRY_BYTES + at
        footer[start : start + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    try:
        rows = rows_of(PACK[:FOOTER] + bytes(footer) + trailer(FOOTER, 6, bytes(footer)))
    except PackDamaged:
        return
    end = HEADER_BYTES
    for row in rows:
        assert row.offset == end
        end += row.length
        assert 0 < row.length <= BLOCK_BYTES
        assert 0 < row.raw_length <= BLOCK_BYTES
        assert row.depth <= DEEPEST
        assert len(row.base) == (32 if row.depth else 0)
        assert row.base != row.id
    assert end == FOOTER


@given(st.integers(0, (1 << 64) - 1), st.one_of(st.integers(0, (1 << 32) - 1), st.just(PACK_BLOCKS)))
def test_an_index_said_to_be_elsewhere_is_damage_and_is_not_read(offset: int, count: int) -> None:
    if (offset, count) == (FOOTER, 6):
        return
    footer = PACK[FOOTER:-TRAILER_BYTES]
    with pytest.raises(PackDamaged):
        rows_of(PACK[:-TRAILER_BYTES] + trailer(offset, count, footer))


@given(st.binary(max_size=400))
def test_any_other_bytes_are_damage(content: bytes) -> None:
    with pytest.raises(BudwoodError) as raised:
        rows_of(PACK[:HEADER_BYTES] + content)
    assert isinstance(raised.value, PackDamaged)


def trailer(offset: int, count: int, footer: bytes) -> bytes:
    return struct.pack("<QI32sI4s", offset, count, blake3(footer).digest(), 1, b"kcap")
