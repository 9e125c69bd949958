"""A store of thirty lines and six ways to get it wrong: what the fault tool must pass, and what it must catch.

The right way is the crash rule of the design: write to a temporary file, sync, rename, sync the folder; then one
transaction in the database names the blobs.
"""

import hashlib
import json
import os
import sqlite3
from contextlib import closing
from enum import StrEnum
from pathlib import Path


class Bug(StrEnum):
    """What is wrong; NONE is the right way."""

    NONE = "none"
    IN_PLACE = "in-place"
    RECORD_FIRST = "record-first"
    IGNORES_SHORT_WRITES = "ignores-short-writes"
    SWALLOWS_ERRORS = "swallows-errors"
    NEVER_SYNCS = "never-syncs"
    FORGETS_FOLDER = "forgets-folder"


def push(store: Path, content: list[bytes], bug: Bug = Bug.NONE) -> None:
    """Add one version made of these blobs."""
    for folder in (store, store / "blobs"):
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent, bug)
    names = [hashlib.sha256(blob).hexdigest() for blob in content]
    if bug is Bug.RECORD_FIRST:
        record(store, names)
    for name, blob in zip(names, content, strict=True):
        try:
            put(store / "blobs" / name, blob, bug)
        except OSError:
            if bug is not Bug.SWALLOWS_ERRORS:
                raise
    if bug is not Bug.RECORD_FIRST:
        record(store, names)


def put(place: Path, blob: bytes, bug: Bug) -> None:
    if place.exists():
        return
    draft = place if bug is Bug.IN_PLACE else place.with_suffix(f".{os.getpid()}.tmp")
    file = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
    try:
        rest = memoryview(blob)
        while rest:
            written = os.write(file, rest)
            rest = rest[len(rest) if bug is Bug.IGNORES_SHORT_WRITES else written :]
        if bug is not Bug.NEVER_SYNCS:
            os.fsync(file)
    finally:
        os.close(file)
    if bug is not Bug.IN_PLACE:
        draft.rename(place)
    sync_folder(place.parent, bug)


def sync_folder(folder: Path, bug: Bug) -> None:
    if bug is Bug.FORGETS_FOLDER:
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def record(store: Path, names: list[str]) -> None:
    """Publish; the same blobs again are the same version."""
    with closing(sqlite3.connect(store / "meta.db", isolation_level=None)) as base:
        base.execute("pragma journal_mode = wal")
        base.execute("pragma synchronous = full")
        base.execute("create table if not exists versions (blobs text primary key)")
        base.execute("insert or ignore into versions values (?)", (json.dumps(names),))


def versions(store: Path) -> int:
    """How many versions there are. Raises AssertionError when one of them is not whole."""
    if not (store / "meta.db").exists():
        return 0
    with closing(sqlite3.connect(store / "meta.db")) as base:
        assert base.execute("pragma integrity_check").fetchone() == ("ok",)
        known = base.execute("select 1 from sqlite_master where name = 'versions'").fetchone()
        rows = base.execute("select blobs from versions").fetchall() if known else []
    for (names,) in rows:
        for name in json.loads(names):
            place = store / "blobs" / name
            assert place.exists(), f"blob {name[:8]} is missing"
            assert hashlib.sha256(place.read_bytes()).hexdigest() == name, f"blob {name[:8]} is damaged"
    return len(rows)
