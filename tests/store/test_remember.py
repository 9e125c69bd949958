"""The stat cache: only what is certain is recalled, and it may be lost or damaged at any time."""

import os
import random
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from budwood.domain.facts import FileFacts
from budwood.domain.manifest import FileEntry, Span
from budwood.store.gather import DiskFile, gather
from budwood.store.remember import StatCache


def found(path: Path, content: bytes = b"x" * 100, age_s: int = 100) -> DiskFile:
    path.write_bytes(content)
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    (file,) = gather([path])
    return file


def entry(file: DiskFile) -> FileEntry:
    return FileEntry(file.path, file.size, "ab" * 32, (Span(0, file.size, (b"b" * 32,)),))


def later() -> int:
    return time.time_ns() // 1_000_000 + 10_000


def remembered(place: Path, file: DiskFile) -> StatCache:
    cache = StatCache(place, looked_ms=later())
    cache.remember([(file, entry(file), FileFacts(architecture="Net"))])
    return cache


def test_an_unchanged_file_is_recalled(tmp_path: Path) -> None:
    file = found(tmp_path / "a")
    known = remembered(tmp_path / "cache.db", file).recall([file])
    assert known["a"] == (entry(file), FileFacts(architecture="Net"))


def test_a_file_that_was_young_when_it_was_looked_at_is_not_trusted(tmp_path: Path) -> None:
    """However long the push took after the look: a second write in the same tick would have gone unseen."""
    file = found(tmp_path / "a")
    cache = StatCache(tmp_path / "cache.db", looked_ms=max(file.stamp.changed_ns, 0) // 1_000_000 + 1_000)
    cache.remember([(file, entry(file), FileFacts())])
    assert cache.recall([file]) == {}


def test_any_part_of_the_stamp_tells_files_apart(tmp_path: Path) -> None:
    file = found(tmp_path / "a")
    cache = remembered(tmp_path / "cache.db", file)
    for field in ("device", "inode", "size", "modified_ns", "changed_ns"):
        stamp = replace(file.stamp, **{field: getattr(file.stamp, field) + 1})
        assert cache.recall([replace(file, packed=stamp.pack())]) == {}
    assert cache.recall([replace(file, path="b")]) == {}
    assert cache.recall([replace(file, folder=tmp_path / "b")]) == {}


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_cache_recalls_what_was_remembered_or_nothing(tmp_path: Path, seed: int) -> None:
    file, place = found(tmp_path / "a"), tmp_path / "cache.db"
    cache = remembered(place, file)
    content = bytearray(place.read_bytes())
    chance = random.Random(seed)
    for _ in range(chance.choice([1, 10, 4000])):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    place.write_bytes(content)
    known = cache.recall([file])
    assert known in ({}, {"a": (entry(file), FileFacts(architecture="Net"))})


def test_a_row_changed_by_hand_is_not_believed(tmp_path: Path) -> None:
    file, place = found(tmp_path / "a"), tmp_path / "cache.db"
    cache = remembered(place, file)
    for value in (b"{}", "text", 7, None, b"[" * 100_000):
        with sqlite3.connect(place) as database:
            database.execute("update remembered set entry = ?", (value,))
        database.close()
        assert cache.recall([file]) == {}


def test_an_entry_that_does_not_tile_its_file_is_not_believed(tmp_path: Path) -> None:
    file = found(tmp_path / "a")
    cache = StatCache(tmp_path / "cache.db", looked_ms=later())
    for wrong in (replace(entry(file), spans=()), replace(entry(file), size=7, spans=(Span(0, 7, (b"b" * 32,)),))):
        cache.remember([(file, wrong, FileFacts())])
        assert cache.recall([file]) == {}


def test_what_is_no_database_is_begun_anew(tmp_path: Path) -> None:
    file, place = found(tmp_path / "a"), tmp_path / "cache.db"
    place.write_bytes(b"garbage" * 1000)
    cache = remembered(place, file)
    assert cache.recall([file]) == {}
    assert remembered(place, file).recall([file]) != {}


def test_a_cache_that_cannot_be_kept_costs_nothing_else(tmp_path: Path) -> None:
    file = found(tmp_path / "a")
    (tmp_path / "wall").write_text("a file where the folder should be")
    (tmp_path / "folder.db").mkdir()
    for place in (tmp_path / "wall" / "cache.db", tmp_path / "folder.db", None):
        cache = StatCache(place, looked_ms=later())
        cache.remember([(file, entry(file), FileFacts())])
        assert cache.recall([file]) == {}


def test_a_cache_may_vanish_between_two_uses(tmp_path: Path) -> None:
    file = found(tmp_path / "a")
    cache = remembered(tmp_path / "cache" / "files.db", file)
    shutil.rmtree(tmp_path / "cache")
    assert cache.recall([file]) == {}
    cache.remember([(file, entry(file), FileFacts())])
    assert cache.recall([file]) != {}


def test_a_locked_cache_counts_as_empty(tmp_path: Path) -> None:
    file, place = found(tmp_path / "a"), tmp_path / "cache.db"
    cache = remembered(place, file)
    other = sqlite3.connect(place)
    other.execute("begin exclusive")
    assert cache.recall([file]) == {}
    other.rollback()
    other.close()
    assert cache.recall([file]) != {}
