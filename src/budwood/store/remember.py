"""Remembering files by their stamp, so that pushing an unchanged folder again reads nothing.

A cache that may be deleted at any time: one small SQLite file beside the registry. A file is remembered with its
path, device, inode, size and both times; it is trusted only when it was already two seconds old when it was read,
because a file written twice within one tick of the clock would look unchanged (git's "racy" files).
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from blake3 import blake3

from budwood.domain import canon
from budwood.domain.facts import FileFacts
from budwood.domain.manifest import FileEntry
from budwood.store.gather import DiskFile

RACY_NS: Final = 2_000_000_000
ROWS_KEPT: Final = 200_000
_SCHEMA: Final = "create table if not exists file(key blob primary key, entry blob, facts blob) without rowid"

Remembered = tuple[FileEntry, FileFacts]


class StatCache:
    """``path`` None remembers nothing. A damaged or locked cache counts as empty, never as an error."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def recall(self, files: Sequence[DiskFile]) -> Mapping[str, Remembered]:
        """By the file's path in the version: what is known of those that have not changed."""
        if self._path is None or not self._path.exists():
            return {}
        try:
            with self._open(self._path) as database:
                return self._recall(database, files)
        except (sqlite3.Error, ValueError, OSError):
            return {}

    def remember(self, found: Iterable[tuple[DiskFile, FileEntry, FileFacts]], *, now_ns: int) -> None:
        """Keep what was learned of files that are old enough to be trusted."""
        rows = [
            (_key(file), canon.dumps(canon.pack(entry)), canon.dumps(canon.pack(facts)))
            for file, entry, facts in found
            if now_ns - max(file.stamp.modified_ns, file.stamp.changed_ns) > RACY_NS
        ]
        if self._path is None or not rows:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._open(self._path) as database:
                database.execute(_SCHEMA)
                if database.execute("select count(*) from file").fetchone()[0] > ROWS_KEPT:
                    database.execute("delete from file")
                database.executemany("insert or replace into file values(?, ?, ?)", rows)
        except (sqlite3.Error, OSError):
            # Without it the next push reads the files again; nothing else is lost.
            return

    def _recall(self, database: sqlite3.Connection, files: Sequence[DiskFile]) -> Mapping[str, Remembered]:
        known: dict[str, Remembered] = {}
        for file in files:
            row = database.execute("select entry, facts from file where key = ?", (_key(file),)).fetchone()
            if row is not None:
                entry = canon.unpack(FileEntry, canon.loads(row[0]))
                facts = canon.unpack(FileFacts, canon.loads(row[1]))
                known[file.path] = replace(entry, path=file.path, executable=file.executable), facts
        return known

    @staticmethod
    def _open(path: Path) -> "_Closing":
        return _Closing(sqlite3.connect(path, timeout=1.0))


class _Closing:
    """sqlite3's own context manager commits but does not close."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        self._database.execute("pragma synchronous=off")
        return self._database

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._database.commit()
        finally:
            self._database.close()


def _key(file: DiskFile) -> bytes:
    stamp = file.stamp
    text = f"{file.real_path.absolute()}\0{stamp.device}\0{stamp.inode}\0{stamp.size}"
    text += f"\0{stamp.modified_ns}\0{stamp.changed_ns}\0{file.path}"
    return blake3(text.encode("utf-8", "surrogateescape")).digest(16)
