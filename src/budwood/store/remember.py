"""Remembering files by their stamp, so that pushing an unchanged folder again reads nothing.

A cache that may be deleted or damaged at any time: one small SQLite file beside the registry. A file is remembered
with its path, device, inode, size and both times; it is trusted only when it was already two seconds old when it was
looked at, because a file written twice within one tick of the clock would look unchanged (git's "racy" files). What
is remembered carries a digest of its own, and must tile the file it is found for; else it is not known.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

from blake3 import blake3

from budwood.domain import canon
from budwood.domain.facts import FileFacts
from budwood.domain.manifest import FileEntry, check_tiles
from budwood.domain.manifest_text import entry_pieces, parse_entry
from budwood.errors import BudwoodError
from budwood.store.gather import DiskFile

RACY_NS: Final = 2_000_000_000
ROWS_KEPT: Final = 200_000
_SCHEMA: Final = (
    "create table if not exists remembered(key blob primary key, entry blob, facts blob, digest blob) without rowid"
)

_NOTHING_SAID: Final = FileFacts()

Remembered = tuple[FileEntry, FileFacts]


class StatCache:
    """``path`` None remembers nothing. A damaged or locked cache counts as empty, never as an error.

    ``looked_ms`` is a moment before the files were looked at, in milliseconds since the epoch.
    """

    def __init__(self, path: Path | None, *, looked_ms: int) -> None:
        self._path = path
        self._looked_ns = looked_ms * 1_000_000

    def recall(self, files: Sequence[DiskFile]) -> Mapping[str, Remembered]:
        """By the file's path in the version: what is known of those that have not changed."""
        try:
            if self._path is None or not self._path.exists():
                return {}
            with _Opened(self._path) as database:
                return _recall(database, files)
        except (sqlite3.Error, OSError):
            return {}

    def remember(self, found: Iterable[tuple[DiskFile, FileEntry, FileFacts]]) -> None:
        """Keep what was learned of files that are old enough to be trusted."""
        rows = (_row(file, entry, facts) for file, entry, facts in found if self._is_settled(file))
        if self._path is None or (first := next(rows, None)) is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _keep(self._path, chain([first], rows))
        except sqlite3.OperationalError:
            # Locked, or no room. Without it the next push reads the files again; nothing else is lost.
            return
        except (sqlite3.Error, OSError):
            # What is no database now never will be: the next push begins a new one.
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _is_settled(self, file: DiskFile) -> bool:
        return self._looked_ns - max(file.stamp.modified_ns, file.stamp.changed_ns) > RACY_NS


class _Opened:
    """The cache's database for one use; sqlite3's own context manager commits but does not close."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=1.0)

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._database.execute("pragma synchronous=off")
        except BaseException:
            self._database.close()
            raise
        return self._database

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._database.commit()
        finally:
            self._database.close()


_Row = tuple[bytes, bytes, bytes, bytes]


def _keep(path: Path, rows: Iterable[_Row]) -> None:
    with _Opened(path) as database:
        database.execute(_SCHEMA)
        if database.execute("select count(*) from remembered").fetchone()[0] > ROWS_KEPT:
            database.execute("delete from remembered")
        database.executemany("insert or replace into remembered values(?, ?, ?, ?)", rows)


def _recall(database: sqlite3.Connection, files: Sequence[DiskFile]) -> Mapping[str, Remembered]:
    known: dict[str, Remembered] = {}
    for file in files:
        key = _key(file)
        row = database.execute("select entry, facts, digest from remembered where key = ?", (key,)).fetchone()
        if row is not None and (found := _parsed(file, key, *row)) is not None:
            known[file.path] = found
    return known


def _row(file: DiskFile, entry: FileEntry, facts: FileFacts) -> _Row:
    key, packed = _key(file), "".join(entry_pieces(entry)).encode()
    said = canon.dumps(canon.pack(facts)) if facts != _NOTHING_SAID else b"{}"
    return key, packed, said, _digest(key, packed, said)


def _parsed(file: DiskFile, key: bytes, packed: object, said: object, digest: object) -> Remembered | None:
    if not isinstance(packed, bytes) or not isinstance(said, bytes) or digest != _digest(key, packed, said):
        return None
    try:
        entry = parse_entry(packed)
        facts = canon.unpack(FileFacts, canon.loads(said)) if said != b"{}" else _NOTHING_SAID
        check_tiles(entry)
    except (ValueError, RecursionError, BudwoodError):
        return None
    return (replace(entry, path=file.path, executable=file.executable), facts) if entry.size == file.size else None


def _digest(key: bytes, packed: bytes, said: bytes) -> bytes:
    return blake3(key + len(packed).to_bytes(8, "little") + packed + said).digest(16)


def _key(file: DiskFile) -> bytes:
    stamp = file.stamp
    text = f"{file.real_path.absolute()}\0{stamp.device}\0{stamp.inode}\0{stamp.size}"
    text += f"\0{stamp.modified_ns}\0{stamp.changed_ns}\0{file.path}"
    return blake3(text.encode("utf-8", "surrogateescape")).digest(16)
