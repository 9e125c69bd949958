"""What SQLite and its driver raise, as errors of ours."""

import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from budwood.errors import BadValue, BudwoodError, CatalogDamaged, RegistryBusy, StorageFailed, StorageFull

# The driver turns values into bytes and back by itself: text may hold half of a character, a number be too large,
# and a damaged page hold anything.
DRIVER_ERRORS: Final = (sqlite3.Error, UnicodeError, OverflowError)
_FAMILIES: Final[Mapping[int, type[BudwoodError]]] = {
    sqlite3.SQLITE_FULL: StorageFull,
    sqlite3.SQLITE_IOERR: StorageFailed,
    sqlite3.SQLITE_CANTOPEN: StorageFailed,
    sqlite3.SQLITE_READONLY: StorageFailed,
    sqlite3.SQLITE_PERM: StorageFailed,
    sqlite3.SQLITE_PROTOCOL: RegistryBusy,
    sqlite3.SQLITE_BUSY: RegistryBusy,
    sqlite3.SQLITE_LOCKED: RegistryBusy,
    sqlite3.SQLITE_SCHEMA: RegistryBusy,
    sqlite3.SQLITE_NOMEM: StorageFailed,
    sqlite3.SQLITE_TOOBIG: BadValue,
}


def translated(error: Exception, path: Path) -> BaseException:
    """The error of ours that says what the caller can do.

    A statement of ours that finds no such column has a damaged schema before it; only misuse of the driver stays
    what it is.
    """
    if isinstance(error, UnicodeDecodeError):
        return CatalogDamaged(f"The catalog at {path} holds text that is none.", path=str(path))
    if isinstance(error, UnicodeError | OverflowError):
        return BadValue(f"A value cannot be stored: {error}.")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    family = _FAMILIES.get(code, CatalogDamaged)
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError | sqlite3.NotSupportedError):
        return error
    if family is StorageFailed and _is_full(path):
        family = StorageFull
    return family(f"The catalog at {path}: {error}.", path=str(path))


def _is_full(path: Path) -> bool:
    """Whether no page more would fit: growing the shared index then reads as a failed input or output."""
    try:
        return shutil.disk_usage(path.parent).free < 65536
    except OSError:
        return False
