"""Writing a dossier to a folder, and checking one, offline, against the list that its registry signed."""

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from budwood.client.holes import version_holes
from budwood.client.place import Place
from budwood.domain.asks_retention import DossierParts
from budwood.domain.dossier.signed import LIST, DossierChecked, check_list, read_list
from budwood.domain.limits import DOSSIER_BYTES
from budwood.domain.routes import dossier as routes
from budwood.errors import BadValue, LimitExceeded, Malformed, SourceNotFound, StorageFailed, TargetDiffers, UnsafeEntry
from budwood.govern.log_key import check


def write_dossier(place: Place, reference: str, folder: Path) -> DossierChecked:
    """Into a new or empty folder, and checked as it lies there. Raises TargetDiffers, StorageFailed, NotFound."""
    made: DossierParts = place.ask(routes.DOSSIER, version_holes(reference))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise TargetDiffers(f"{folder} is not empty.", hint="Name a new folder.", path=str(folder))
        for part in made.parts:
            path = folder / part.name
            # The names come from a server: none of them may lead elsewhere.
            if ".." in Path(part.name).parts or not path.is_relative_to(folder):
                raise Malformed(f"{part.name[:80]!r} is no file of a dossier.")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(part.body, validate=True))
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error.strerror}.", path=str(folder)) from error
    except ValueError as error:
        raise Malformed("A file of the dossier is not base64.") from error
    return check_dossier(folder)


def check_dossier(folder: Path, *keys: str) -> DossierChecked:
    """Compute every file's SHA-256 again; ``keys`` are the registry's as they are known from elsewhere.

    Raises SourceNotFound, BadValue, UnsafeEntry, LimitExceeded, StorageFailed, FrameworkMissing.
    """
    if not (folder / LIST).is_file():
        raise SourceNotFound(f"{folder} holds no {LIST}.", hint="Name the folder of a dossier.", path=str(folder))
    try:
        listed = read_list(_read(folder / LIST))
        found = {path: _sha256(folder / path) for path in _files(folder) if path != LIST}
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be read: {error.strerror}.", path=str(folder)) from error
    return check_list(listed, found, keys, check)


def _files(folder: Path) -> Iterator[str]:
    """Every file below, by its path with '/'. Raises UnsafeEntry for a link or what else is no plain file."""
    for at, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(at) / name
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise UnsafeEntry(f"{path} is no plain file.", hint="A dossier holds none.", path=str(path))
        yield from ((Path(at) / name).relative_to(folder).as_posix() for name in files)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        written = file.read(DOSSIER_BYTES + 1)
    if len(written) > DOSSIER_BYTES:
        raise LimitExceeded(f"{path} is too large to be a list of files.", limit="DOSSIER_BYTES")
    return written


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except UnicodeEncodeError as error:
        raise BadValue("A file of the folder has a name that is no text.") from error
