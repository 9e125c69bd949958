"""Scrubbing by threads and by a crew finds the same, in order, and takes little ahead."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import budwood
from budwood.errors import StorageFailed
from budwood.store.api import Objects
from budwood.store.backends.memory import MemoryObjects
from budwood.store.crew import AHEAD, Threads
from budwood.store.scrub import PIECE_BLOCKS, pieces, scrub


def doubled(objects: Objects, given: int) -> int:
    return 2 * given


def failing(objects: Objects, given: int) -> int:
    raise StorageFailed("The disk is gone.")


def test_what_comes_is_in_order_and_beside_what_was_given() -> None:
    done = list(Threads(MemoryObjects(), 3).each(doubled, range(100)))
    assert done == [(number, 2 * number) for number in range(100)]


def test_little_is_taken_ahead() -> None:
    taken: list[int] = []

    def coming() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    each = Threads(MemoryObjects(), 2).each(doubled, coming())
    next(each)
    assert len(taken) <= AHEAD * 2


def test_what_fails_is_raised() -> None:
    with pytest.raises(StorageFailed, match="disk is gone"):
        list(Threads(MemoryObjects(), 2).each(failing, range(10)))


def test_a_damaged_block_is_named_whoever_reads_it(tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        (tmp_path / "weights.bin").write_bytes(bytes(range(256)) * 20_000)
        registry.push(tmp_path / "weights.bin", "m")
        house = registry.house
        with house.catalog.read() as view:
            rows = {row.id: row for row in view.blocks()}
        every = list(pieces(rows.values(), rows))
        assert sorted(block for piece in every for block in piece.blocks) == sorted(rows)
        assert all(len(piece.blocks) <= PIECE_BLOCKS for piece in every)
        assert [wrong for _, wrong in house.crew.each(scrub, every) if wrong] == []
        largest = max(rows.values(), key=lambda row: row.length)
        pack = next((tmp_path / "registry" / "packs").rglob(f"{largest.pack}*"))
        content = bytearray(pack.read_bytes())
        content[largest.offset + largest.length // 2] ^= 0xFF
        pack.chmod(0o600)
        pack.write_bytes(content)
        found = {block for _, wrong in house.crew.each(scrub, every) for block in wrong}
        assert found == {largest.id}
