"""Writing and reading blocks: any hints, right or wrong, on any content, give the bytes back."""

import hashlib
import os
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.domain.facts import Facts
from budwood.domain.limits import BLOCK_BYTES, CHAIN_DEPTH
from budwood.domain.manifest import BlockId, FileEntry, Manifest, Span, check_manifest
from budwood.errors import BlockDamaged, FileChanged, PackDamaged, StorageFull
from budwood.store.api import BlockRow, Hint, Objects, ObjectWriter, Reading
from budwood.store.backends.memory import MemoryObjects
from budwood.store.bases import Bases
from budwood.store.gather import DiskFile, gather
from budwood.store.packs import pack_key
from budwood.store.read import BlockReader, read_file
from budwood.store.write import BlockWriter, Kept


class Index:
    """Rows in force, in memory."""

    def __init__(self) -> None:
        self.rows: dict[BlockId, BlockRow] = {}

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        return {id_: self.rows[id_] for id_ in ids if id_ in self.rows}


class Store:
    def __init__(self, objects: Objects | None = None) -> None:
        self.objects = objects or MemoryObjects()
        self.index = Index()
        self._packs = 0

    def name(self) -> str:
        self._packs += 1
        return f"pack-{self._packs}"

    def write(
        self, files: Sequence[tuple[DiskFile, Reading]], bases: Bases | None = None
    ) -> tuple[list[FileEntry], Kept]:
        with BlockWriter(self.objects, self.index, self.name, threads=2, bases=bases) as writer:
            entries = writer.write_files(files)
            kept = writer.finish()
        self.index.rows |= {row.id: row for row in kept.rows}
        return entries, kept

    def reader(self) -> BlockReader:
        return BlockReader(self.objects, self.index)


@pytest.fixture
def store() -> Store:
    return Store()


def on_disk(folder: Path, content: bytes, name: str = "a") -> DiskFile:
    (folder / name).write_bytes(content)
    (file,) = gather([folder / name])
    return file


DTYPES = ("", "f32", "bf16", "f16", "f64", "i64", "i8", "u8", "bool", "f8_e4m3", "q4_0", "no-such-type")
hints = st.lists(
    st.builds(
        Hint,
        offset=st.integers(-5, 50_000),
        length=st.integers(-5, 50_000),
        name=st.sampled_from(["", "a", "layer.weight"]),
        dtype=st.sampled_from(DTYPES),
        shape=st.none() | st.just((3, 5)) | st.just((-1,)),
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.tuples(st.integers(0, 45_000), st.integers(0, 3), hints), min_size=1, max_size=3))
def test_any_hints_on_any_files_give_the_bytes_back(
    files: list[tuple[int, int, list[Hint]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, store = tmp_path_factory.mktemp("any"), Store()
    contents = [_content(size, kind) for size, kind, _ in files]
    given_files = [
        (on_disk(folder, content, f"f{number}"), Reading("any", tuple(files[number][2])))
        for number, content in enumerate(contents)
    ]
    for _ in range(2):
        entries, kept = store.write(given_files)
        check_manifest(Manifest(tuple(entries), Facts()))
        assert [read_file(store.reader(), entry) for entry in entries] == contents
        assert [entry.sha256 for entry in entries] == [hashlib.sha256(content).hexdigest() for content in contents]
    assert kept.rows == ()


def _content(size: int, kind: int) -> bytes:
    chance = np.random.default_rng(size)
    match kind:
        case 0:
            return bytes(size)
        case 1:
            return chance.bytes(size)
        case 2:
            return chance.normal(0, 0.02, size // 4).astype("<f4").tobytes() + bytes(size % 4)
        case _:
            return (b"abcdefgh" * (size // 8 + 1))[:size]


def test_equal_blocks_are_written_once_whatever_file_holds_them(store: Store, tmp_path: Path) -> None:
    content = os.urandom(BLOCK_BYTES)
    hint = Reading("any", (Hint(0, BLOCK_BYTES, "w", "f32"),))
    files = [(on_disk(tmp_path, content, name), hint) for name in "abcdefghijkl"]
    _, kept = store.write(files)
    assert len(kept.rows) == 1
    assert kept.new_raw_bytes == BLOCK_BYTES


def series(count: int, size: int = 60_000) -> Iterator[bytes]:
    """Light changes of the same numbers, one after the other."""
    chance = np.random.default_rng(3)
    values = chance.normal(0, 0.05, size).astype("<f4")
    for _ in range(count):
        yield values.tobytes()
        values = values + chance.normal(0, 1e-6, size).astype("<f4")


def as_base(entries: Sequence[FileEntry]) -> Bases:
    return Bases.of([Manifest(tuple(entries), Facts())])


def test_a_long_series_never_leans_deeper_than_allowed(store: Store, tmp_path: Path) -> None:
    bases, written = Bases({}), []
    for number, content in enumerate(series(6)):
        file = on_disk(tmp_path, content, f"v{number}")
        entries, _ = store.write([(file, Reading("any", (Hint(0, file.size, "w", "f32"),)))], bases)
        bases = as_base(entries)
        written.append((entries[0], content))
    assert {row.depth for row in store.index.rows.values()} >= {0, 1}
    assert max(row.depth for row in store.index.rows.values()) <= CHAIN_DEPTH
    for entry, content in written:
        assert read_file(store.reader(), entry) == content


@pytest.mark.parametrize("how", ["gone", "damaged", "missing row"])
def test_a_base_that_cannot_be_read_does_not_stop_a_push(store: Store, tmp_path: Path, how: str) -> None:
    first, second = series(2)
    file = on_disk(tmp_path, first, "v0")
    entries, kept = store.write([(file, Reading("any", (Hint(0, file.size, "w", "f32"),)))])
    (row,) = kept.rows
    if how == "gone":
        store.objects.delete(next(iter(store.objects.list())).key)
    elif how == "damaged":
        store.index.rows[row.id] = BlockRow(row.id, row.pack, row.offset, row.length, row.raw_length, row.encoding, 7)
    else:
        fake = b"\1" * 32
        store.index.rows[row.id] = BlockRow(
            row.id, row.pack, row.offset, row.length, row.raw_length, row.encoding, row.check, fake, 1
        )
    file = on_disk(tmp_path, second, "v1")
    again, kept = store.write([(file, Reading("any", (Hint(0, file.size, "w", "f32"),)))], as_base(entries))
    assert [row.base for row in kept.rows] == [b""]
    assert read_file(store.reader(), again[0]) == second


class FailingObjects(MemoryObjects):
    """Full after a number of appends."""

    def __init__(self, appends: int) -> None:
        super().__init__()
        self.left = appends

    def create(self, key: str) -> ObjectWriter:
        writer = super().create(key)
        append = writer.append

        def failing(parts: Sequence[bytes | bytearray | memoryview]) -> int:
            self.left -= 1
            if self.left < 0:
                raise StorageFull("No room.")
            return append(parts)

        writer.append = failing  # type: ignore[method-assign]
        return writer


@pytest.mark.parametrize("appends", range(8))
def test_a_full_store_stops_the_push_and_shows_nothing(tmp_path: Path, appends: int) -> None:
    store = Store(FailingObjects(appends))
    files = [(on_disk(tmp_path, random.Random(n).randbytes(300_000), f"f{n}"), Reading()) for n in range(10)]
    before = threading.active_count()
    with pytest.raises(StorageFull):
        store.write(files)
    assert list(store.objects.list()) == []
    assert threading.active_count() == before


def test_no_descriptor_and_no_thread_is_left_when_a_file_changes(store: Store, tmp_path: Path) -> None:
    files = [(on_disk(tmp_path, os.urandom(200_000), f"f{n}"), Reading()) for n in range(12)]
    (tmp_path / "f7").write_bytes(b"other")
    opened, running = len(os.listdir("/dev/fd")), threading.active_count()  # noqa: PTH208
    with pytest.raises(FileChanged):
        store.write(files)
    assert (len(os.listdir("/dev/fd")), threading.active_count()) == (opened, running)  # noqa: PTH208


def damaged_rows(row: BlockRow) -> Iterator[BlockRow]:
    for field, value in (
        ("length", 1 << 60),
        ("length", -1),
        ("length", 0),
        ("offset", 1 << 60),
        ("raw_length", 1 << 60),
        ("encoding", 6),
        ("check", 1),
        ("pack", "other"),
        ("base", b"\2" * 32),
    ):
        values = {name: getattr(row, name) for name in BlockRow.__slots__}
        yield BlockRow(**(values | {field: value}))


def test_rows_that_lie_are_damage_and_never_a_huge_allocation(store: Store, tmp_path: Path) -> None:
    file = on_disk(tmp_path, os.urandom(50_000))
    entries, kept = store.write([(file, Reading("any", (Hint(0, file.size, "w"),)))])
    (row,) = kept.rows
    for lie in damaged_rows(row):
        store.index.rows[row.id] = lie
        with pytest.raises((BlockDamaged, PackDamaged)):
            read_file(store.reader(), entries[0])


def test_a_chain_that_closes_on_itself_ends_in_an_error(store: Store, tmp_path: Path) -> None:
    file = on_disk(tmp_path, os.urandom(50_000))
    entries, kept = store.write([(file, Reading("any", (Hint(0, file.size, "w"),)))])
    (row,) = kept.rows
    values = {name: getattr(row, name) for name in BlockRow.__slots__}
    store.index.rows[row.id] = BlockRow(**(values | {"base": row.id, "depth": 1, "encoding": 4}))
    with pytest.raises(BlockDamaged):
        read_file(store.reader(), entries[0])


def test_a_record_whose_size_does_not_fit_its_blocks_is_damage(store: Store) -> None:
    with BlockWriter(store.objects, store.index, store.name, threads=1) as writer:
        blocks = writer.write_blob(b"x" * 1000, is_manifest=True)
        store.index.rows |= {row.id: row for row in writer.finish().rows}
    assert store.reader().read_all(blocks, 1000) == b"x" * 1000
    for size in (0, 999, 1001, 1 << 50):
        with pytest.raises(BlockDamaged):
            store.reader().read_all(blocks, size)
    with pytest.raises(BlockDamaged):
        store.reader().read_all((*blocks, *blocks), 1000)


def test_a_block_moved_to_another_pack_is_followed(store: Store, tmp_path: Path) -> None:
    file = on_disk(tmp_path, os.urandom(50_000))
    entries, kept = store.write([(file, Reading("any", (Hint(0, file.size, "w"),)))])
    (row,) = kept.rows
    stale = store.reader().rows([row.id])
    encoded = bytes(store.reader().encoded(row))
    with store.objects.create(pack_key("moved")) as writer:
        writer.append([b"front", encoded])
        writer.publish()
    store.objects.delete(pack_key(row.pack))
    values = {name: getattr(row, name) for name in BlockRow.__slots__}
    store.index.rows[row.id] = BlockRow(**(values | {"pack": "moved", "offset": 5}))
    target = memoryview(bytearray(row.raw_length))
    store.reader().read(row.id, stale, target)
    assert bytes(target) == (tmp_path / "a").read_bytes()
    assert bytes(store.reader().encoded(row)) == encoded
    assert entries[0].size == file.size


def test_spans_and_blocks_line_up() -> None:
    span = Span(0, 2 * BLOCK_BYTES + 5, (b"1", b"2", b"3"))
    assert list(span.block_lengths()) == [BLOCK_BYTES, BLOCK_BYTES, 5]


class LateIndex(Index):
    """Another push publishes a block between the question whether it is there and the search for its base."""

    def __init__(self, late: BlockRow) -> None:
        super().__init__()
        self._late = late
        self._asked = 0

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        self._asked += self._late.id in ids
        if self._asked > 1:
            self.rows[self._late.id] = self._late
        return super().find(ids)


def test_a_block_never_becomes_a_difference_from_itself(store: Store, tmp_path: Path) -> None:
    file = on_disk(tmp_path, next(series(1)))
    reading = Reading("any", (Hint(0, file.size, "w", "f32"),))
    entries, kept = store.write([(file, reading)])
    store.index = LateIndex(kept.rows[0])
    again, kept = store.write([(file, reading)], as_base(entries))
    assert [row.base for row in kept.rows] == [b""]
    assert again == entries


@pytest.mark.parametrize("shared", range(5))
@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_a_file_is_hashed_whole_whichever_of_its_first_blocks_are_known(
    store: Store, tmp_path: Path, shared: int, blocks: int
) -> None:
    # A header of its own batch, as a fine-tune shares with its base, then a tensor of full blocks.
    chance = random.Random(blocks)
    first = chance.randbytes(20_000 + blocks * BLOCK_BYTES)
    known = min(len(first), shared and 20_000 + (shared - 1) * BLOCK_BYTES)
    second = first[:known] + chance.randbytes(len(first) - known)
    reading = Reading(hints=(Hint(20_000, blocks * BLOCK_BYTES, "weight", "u8"),))
    for content, name in ((first, "first"), (second, "second")):
        (entry,), _ = store.write([(on_disk(tmp_path, content, name), reading)])
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
