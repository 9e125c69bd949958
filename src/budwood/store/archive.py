"""A backup's files: tables as compressed lines of JSON, packs as they are, and one record that names them all.

    backup.json                 what belongs to the newest backup, with sizes and digests
    catalog-<time>/<table>.jsonl.zst
    packs/<name>.pack

Every file is complete and durable before ``backup.json`` is replaced, so a backup that is interrupted leaves the
one before. Packs never change: what an earlier backup copied is kept.
"""

import base64
import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from budwood.domain import canon
from budwood.domain.limits import BACKUP_LINE_BYTES, BACKUP_RECORD_BYTES, MIB
from budwood.errors import BackupDamaged, NoBackup, TooNew
from budwood.store.encodings._zstd import zstd

FORMAT: Final = 1
RECORD: Final = "backup.json"
STEP: Final = 4 * MIB


@dataclass(frozen=True, slots=True)
class TableShape:
    """One table as a backup keeps it; ``binary`` are the columns that hold bytes."""

    name: str
    columns: tuple[str, ...]
    binary: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileMark:
    """A file by the name of its table or pack: its size and BLAKE3; ``rows`` for a table."""

    name: str
    size: int
    digest: str
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """What a backup consists of. ``tables`` are in the order in which they are to be restored."""

    format: int
    made_ms: int
    revision: str
    versions: int
    folder: str
    tables: tuple[FileMark, ...]
    counters: Mapping[str, int]
    packs: tuple[FileMark, ...] = ()


def read_record(folder: Path) -> Record:
    """Raises NoBackup, BackupDamaged, TooNew."""
    path = folder / RECORD
    try:
        with path.open("rb") as file:
            content = file.read(BACKUP_RECORD_BYTES + 1)
        whole: Any = canon.loads(content)
        if isinstance(whole, dict) and whole.get("format", 0) > FORMAT:
            raise TooNew(f"{folder} is a backup of format {whole['format']}; this Budwood reads up to {FORMAT}.")
        record = canon.unpack(Record, whole["backup"])
        if len(content) > BACKUP_RECORD_BYTES or whole["digest"] != _digest(record):
            raise ValueError("its digest is another")
    except FileNotFoundError:
        raise NoBackup(f"There is no backup in {folder}.", path=str(folder)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise BackupDamaged(f"{path} is damaged: {error}.", path=str(path)) from error
    return record


def write_record(folder: Path, record: Record) -> None:
    """Make this the backup that the folder holds. Raises OSError."""
    whole = {"backup": canon.pack(record), "digest": _digest(record), "format": FORMAT}
    part = folder / f".{RECORD}.part"
    with _created(part) as file:
        file.write(json.dumps(whole, indent=1, sort_keys=True).encode())
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / RECORD)
    sync_folder(folder)


def write_table(path: Path, shape: TableShape, rows: Iterable[Sequence[object]]) -> FileMark:
    """Write a line of column names and one for each row, JSON arrays all; durable when this returns. Raises OSError."""
    count, binary = 0, [shape.columns.index(column) for column in shape.binary]
    with _created(path) as file:
        with zstd.ZstdFile(file, "wb") as packed:
            packed.write(_line(shape.columns))
            for row in rows:
                line: list[object] = list(row)
                for column in binary:
                    line[column] = base64.b64encode(bytes(row[column])).decode()  # type: ignore[call-overload]
                packed.write(_line(line))
                count += 1
        file.flush()
        os.fsync(file.fileno())
    return dataclasses.replace(mark_of(path, shape.name), rows=count)


def read_table(path: Path, shape: TableShape) -> Iterator[list[Any]]:
    """The rows ``write_table`` wrote. Raises BackupDamaged, OSError."""
    binary = [shape.columns.index(column) for column in shape.binary]
    try:
        with zstd.ZstdFile(path, "rb") as packed:
            if json.loads(packed.readline(BACKUP_LINE_BYTES)) != list(shape.columns):
                raise ValueError("it has other columns")
            while line := packed.readline(BACKUP_LINE_BYTES):
                row = json.loads(line)
                if not isinstance(row, list) or len(row) != len(shape.columns):
                    raise ValueError("a row has another shape")
                for column in binary:
                    row[column] = base64.b64decode(row[column], validate=True)
                yield row
    except (ValueError, TypeError, EOFError, zstd.ZstdError) as error:
        raise BackupDamaged(f"{path} is damaged: {error}.", path=str(path)) from error


def mark_of(path: Path, name: str) -> FileMark:
    """The mark of a file as it lies there. Raises OSError."""
    hasher, size = blake3(), 0
    with path.open("rb") as file:
        while part := file.read(STEP):
            hasher.update(part)
            size += len(part)
    return FileMark(name, size, hasher.hexdigest())


def write_bytes(path: Path, name: str, parts: Iterable[bytes]) -> FileMark:
    """Write parts one after the other, durable and visible only when complete. Raises OSError."""
    hasher, size = blake3(), 0
    part_path = path.with_name(f".{path.name}.part")
    try:
        with _created(part_path) as file:
            for part in parts:
                hasher.update(part)
                file.write(part)
                size += len(part)
            file.flush()
            os.fsync(file.fileno())
        part_path.replace(path)
    except BaseException:
        with suppress(OSError):
            part_path.unlink()
        raise
    return FileMark(name, size, hasher.hexdigest())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(values: Sequence[object]) -> bytes:
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _created(path: Path) -> Any:
    """A new file that only its owner may read: a backup holds digests of tokens and keys."""
    with suppress(FileNotFoundError):
        path.unlink()
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _digest(record: Record) -> str:
    return blake3(canon.dumps(canon.pack(record))).hexdigest()
