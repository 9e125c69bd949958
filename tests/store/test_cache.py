"""Blocks kept on this machine: read from there instead of from afar, bounded, proved, and never in the way."""

import itertools
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

from budwood.domain.manifest import BlockId
from budwood.errors import BlockDamaged
from budwood.store.api import BlockRow
from budwood.store.backends.memory import MemoryObjects
from budwood.store.cache import BlockCache
from budwood.store.cache_room import RECENT_MS, SHUT_MS, CacheRoom
from budwood.store.encodings import encode_block, needs_base
from budwood.store.packs import NewBlock, PackSet
from budwood.store.read import BlockReader

SIZE = 100_000
HOUR_MS = 3_600_000
_NUMBERS = map(str, itertools.count())


@dataclass
class Clock:
    now_ms: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms


def fresh() -> str:
    return next(_NUMBERS)


@dataclass
class Far:
    """A store that counts what is asked of it."""

    objects: MemoryObjects = field(default_factory=MemoryObjects)
    rows: dict[BlockId, BlockRow] = field(default_factory=dict)
    asked: list[BlockId] = field(default_factory=list)
    packs: int = 0

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        self.asked += ids
        return {block: self.rows[block] for block in ids if block in self.rows}

    def add(self, raw: bytes, base: bytes = b"") -> BlockId:
        """As a difference, if there is a base."""
        self.packs += 1
        view, block, lean = memoryview(raw), blake3(raw).digest(), memoryview(base) if base else None
        encoded = encode_block(view, dtype="f32", base=lean)
        leans = blake3(base).digest() if needs_base(encoded.tag) else b""
        depth = self.rows[leans].depth + 1 if leans else 0
        assert bool(leans) == bool(base)
        with PackSet(self.objects, lambda: f"pack-{self.packs}") as packs:
            packs.add(NewBlock(block, len(raw), encoded.tag, leans, depth), encoded.parts, encoded.length)
            self.rows |= {row.id: row for row in packs.finish()}
        return block


def weights(seed: int, moved: float = 0.0) -> bytes:
    numbers = np.random.default_rng(seed).normal(0, 0.05, SIZE // 4).astype(np.float32)
    if moved:
        numbers[::7] += np.float32(moved)
    return numbers.tobytes()


def read(far: Far, cache: BlockCache | None, block: BlockId, size: int = SIZE) -> tuple[bytes, int]:
    """What a reader of its own gets, and how much of it from the cache."""
    reader, target = BlockReader(far.objects, far, cache), memoryview(bytearray(size))
    reader.read(block, reader.rows([block]), target)
    return bytes(target), reader.cached_bytes


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room(tmp_path: Path, clock: Clock) -> CacheRoom:
    return CacheRoom(tmp_path / "blocks", 10_000_000, clock, fresh)


def files(room: CacheRoom) -> list[Path]:
    return sorted(path for path in room.root.rglob("*") if path.is_file() and path.name != "name")


def test_a_block_that_one_registry_sent_is_not_asked_of_another(room: CacheRoom) -> None:
    one, other = Far(), Far()
    block = one.add(weights(1))
    other.add(weights(1))
    assert read(one, BlockCache(room, "one"), block) == (weights(1), 0)
    assert read(other, BlockCache(room, "other"), block) == (weights(1), SIZE)
    assert other.asked == []


def test_a_difference_is_kept_with_what_it_leans_on(room: CacheRoom) -> None:
    one, none = Far(), Far()
    one.add(weights(1))
    tuned = one.add(weights(1, 1e-4), weights(1))
    read(one, BlockCache(room, "one"), tuned)
    assert len(files(room)) == 2
    assert read(none, BlockCache(room, "other"), tuned) == (weights(1, 1e-4), SIZE)


def test_a_difference_whose_base_went_is_asked_of_the_registry(room: CacheRoom) -> None:
    one, other = Far(), Far()
    base = one.add(weights(1))
    tuned = one.add(weights(1, 1e-4), weights(1))
    read(one, BlockCache(room, "one"), tuned)
    next(path for path in files(room) if base.hex().endswith(path.name)).unlink()
    other.add(weights(1, 1e-4))
    assert read(other, BlockCache(room, "other"), tuned) == (weights(1, 1e-4), 0)


def test_a_push_finds_only_what_its_own_registry_sent(room: CacheRoom) -> None:
    one = Far()
    block = one.add(weights(1))
    read(one, BlockCache(room, "one"), block)
    assert BlockCache(room, "one").of_its_own().find([block])
    assert not BlockCache(room, "other").of_its_own().find([block])


@pytest.mark.parametrize("at", [0, 4, 5, 6, 7, 8, 9, 10, 12, 14, 30, 60, -1])
def test_a_file_that_changed_is_read_from_the_registry_and_removed(room: CacheRoom, at: int) -> None:
    one = Far()
    block = one.add(weights(1))
    cache = BlockCache(room, "one")
    read(one, cache, block)
    (path,) = files(room)
    content = bytearray(path.read_bytes())
    content[at] ^= 0x41
    path.write_bytes(content)
    assert read(one, cache, block) == (weights(1), 0)
    assert read(one, cache, block) == (weights(1), SIZE)


def test_a_file_that_ends_early_or_vanishes_while_it_is_used_is_no_error(room: CacheRoom) -> None:
    one, cache = Far(), BlockCache(room, "one")
    block = one.add(weights(1))
    for harm in (lambda path: os.truncate(path, 1000), Path.unlink):
        read(one, cache, block)
        reader, target = BlockReader(one.objects, one, cache), memoryview(bytearray(SIZE))
        rows = reader.rows([block])
        for path in files(room):
            harm(path)
        reader.read(block, rows, target)
        assert bytes(target) == weights(1)


def test_what_was_put_in_wrongly_is_read_without_the_cache(room: CacheRoom) -> None:
    """A file that is whole, but of another block."""
    one, cache = Far(), BlockCache(room, "one")
    block, other = one.add(weights(1)), one.add(weights(2))
    read(one, cache, block)
    (path,) = files(room)
    name = other.hex()
    wrong = path.parent.parent / name[:2] / name[2:]
    wrong.parent.mkdir(exist_ok=True)
    path.rename(wrong)
    assert read(one, cache, other) == (weights(2), 0)


def test_damage_in_the_registry_is_still_damage(room: CacheRoom) -> None:
    one, cache = Far(), BlockCache(room, "one")
    with pytest.raises(BlockDamaged):
        read(one, cache, bytes(32))
    block = one.add(weights(1))
    other = one.add(weights(9))
    one.rows[block] = replace(one.rows[other], id=block)
    with pytest.raises(BlockDamaged):
        read(one, cache, block)
    assert files(room) == []


def test_what_was_used_longest_ago_gives_way(tmp_path: Path, clock: Clock) -> None:
    one = Far()
    blocks = [one.add(weights(seed)) for seed in range(12)]
    room = CacheRoom(tmp_path / "blocks", 6 * SIZE, clock, fresh)
    for block in blocks:
        clock.now_ms += HOUR_MS
        read(one, BlockCache(room, "one"), block)
        # The first is used again and again.
        clock.now_ms += HOUR_MS
        assert read(one, BlockCache(room, "one"), blocks[0])[1] == SIZE
        assert room.state().bytes <= 6 * SIZE
    held = [block for block in blocks if BlockCache(room, "one").find([block])]
    assert held[0] == blocks[0]
    assert held[1:] == blocks[-len(held) + 1 :]
    assert len(held) >= 4


def test_a_pull_larger_than_the_cache_keeps_its_beginning(tmp_path: Path, clock: Clock) -> None:
    one = Far()
    blocks = [one.add(weights(seed)) for seed in range(10)]
    room = CacheRoom(tmp_path / "blocks", 5 * SIZE, clock, fresh)
    for block in blocks:
        read(one, BlockCache(room, "one"), block)
    assert all(BlockCache(room, "one").find([block]) for block in blocks[:4])
    clock.now_ms += SHUT_MS + RECENT_MS
    read(one, BlockCache(room, "one"), blocks[9])
    assert BlockCache(room, "one").find([blocks[9]])


def test_the_folder_is_its_users_alone(room: CacheRoom) -> None:
    one = Far()
    block = one.add(weights(1))
    read(one, BlockCache(room, "one"), block)
    assert {path.stat().st_mode & 0o777 for path in [room.root, *room.root.rglob("*")] if path.is_dir()} == {0o700}
    assert files(room)[0].stat().st_mode & 0o777 == 0o600
    room.root.chmod(0o755)
    assert read(one, BlockCache(room, "one"), block)[1] == SIZE
    assert room.root.stat().st_mode & 0o777 == 0o700


def test_a_link_in_place_of_the_folder_or_a_file_is_not_followed(tmp_path: Path, room: CacheRoom, clock: Clock) -> None:
    one = Far()
    block = one.add(weights(1))
    read(one, BlockCache(room, "one"), block)
    (tmp_path / "link").symlink_to(room.root)
    linked = CacheRoom(tmp_path / "link", 10_000_000, clock, fresh)
    assert read(one, BlockCache(linked, "one"), block) == (weights(1), 0)
    (path,) = files(room)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert read(one, BlockCache(room, "one"), block) == (weights(1), 0)


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_bytes(b"")
    one = Far()
    block = one.add(weights(1))
    cache = BlockCache(CacheRoom(tmp_path / "file" / "blocks", 10_000_000, clock, fresh), "one")
    assert read(one, cache, block) == (weights(1), 0)


def test_small_blocks_are_left_out(room: CacheRoom) -> None:
    one = Far()
    block = one.add(weights(1)[:2000])
    read(one, BlockCache(room, "one"), block, 2000)
    assert files(room) == []


def test_what_a_killed_writer_left_behind_goes(room: CacheRoom, clock: Clock) -> None:
    one = Far()
    read(one, BlockCache(room, "one"), one.add(weights(1)))
    left = files(room)[0].with_name(".half.part")
    left.write_bytes(b"half")
    os.utime(left, (1, 1))
    assert room.prune(room.limit_bytes).removed_bytes == 0
    assert not left.exists()
    assert room.state().registries[0].blocks == 1


def test_pruning_keeps_what_was_used_last_and_clearing_nothing(room: CacheRoom, clock: Clock) -> None:
    one, other = Far(), Far()
    first, last = one.add(weights(1)), other.add(weights(2))
    read(one, BlockCache(room, "one"), first)
    clock.now_ms += HOUR_MS
    read(other, BlockCache(room, "other"), last)
    assert {(each.name, each.blocks) for each in room.state().registries} == {("one", 1), ("other", 1)}
    pruned = room.prune(SIZE)
    assert (pruned.removed_bytes > 0, pruned.state.bytes <= SIZE) == (True, True)
    assert BlockCache(room, "one").find([last])
    assert not BlockCache(room, "one").find([first])
    assert room.clear().state.bytes == 0
    assert files(room) == []


def test_threads_may_bring_and_remove_the_same_blocks(room: CacheRoom) -> None:
    one = Far()
    one.add(weights(0))
    blocks = {one.add(weights(0, seed * 1e-4), weights(0)): weights(0, seed * 1e-4) for seed in range(1, 6)}
    wrong: list[object] = []

    def work() -> None:
        for block, raw in blocks.items():
            found, _ = read(one, BlockCache(room, "one"), block)
            if found != raw:
                wrong.append(block)

    def remove() -> None:
        for _ in range(20):
            room.prune(0)

    threads = [threading.Thread(target=each) for each in (work, work, work, remove)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
