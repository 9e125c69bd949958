"""Documents and values in the files of a folder that anybody may have written: MLflow's ``mlruns``.

Documents are read as plain values, and no link is followed.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from budwood.domain.limits import CARRIED_KEYS, CARRIED_TEXT_BYTES, PATH_DEPTH
from budwood.errors import BadValue, LimitExceeded, Malformed
from budwood.verbs.yaml_text import document_from

META: Final = "meta.yaml"


def meta_of(place: Path, name: str = META) -> Mapping[str, Any]:
    """Raises Malformed, BadValue, LimitExceeded."""
    said = document_from(read_text(place / name), BadValue, most=CARRIED_TEXT_BYTES, limit="CARRIED_TEXT_BYTES")
    if not isinstance(said, dict):
        raise Malformed(f"{place / name} is no document of MLflow's.")
    return said


def values_in(place: Path) -> dict[str, str]:
    """A file a value; a key with slashes is a path. Raises Malformed, LimitExceeded."""
    return {name: read_text(place / name) for name in names_in(place)}


def lines_in(place: Path, key: str) -> Iterator[str]:
    """Raises Malformed, LimitExceeded."""
    for line in read_text(place / key).splitlines():
        if line.strip():
            yield line.strip()


def names_in(folder: Path, above: str = "", depth: int = 0) -> list[str]:
    """The files below a folder, by their paths in it; links are none. Raises LimitExceeded."""
    if depth > PATH_DEPTH or not is_folder(folder):
        return []
    found: list[str] = []
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        if entry.is_dir(follow_symlinks=False):
            found += names_in(folder / entry.name, f"{above}{entry.name}/", depth + 1)
        elif entry.is_file(follow_symlinks=False):
            found.append(f"{above}{entry.name}")
        if len(found) > CARRIED_KEYS:
            raise LimitExceeded(f"{folder} holds too many values.", limit="CARRIED_KEYS")
    return found


def folders_in(place: Path) -> list[Path]:
    if not is_folder(place):
        return []
    return sorted(place / entry.name for entry in os.scandir(place) if entry.is_dir(follow_symlinks=False))


def is_folder(place: Path) -> bool:
    try:
        return stat.S_ISDIR(place.lstat().st_mode)
    except OSError:
        return False


def is_file(place: Path) -> bool:
    try:
        return stat.S_ISREG(place.lstat().st_mode)
    except OSError:
        return False


def read_text(place: Path) -> str:
    """A text. Raises Malformed, LimitExceeded."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(CARRIED_TEXT_BYTES + 1)
        if len(content) > CARRIED_TEXT_BYTES:
            raise LimitExceeded(f"{place} is larger than is read.", limit="CARRIED_TEXT_BYTES")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"{place} cannot be read as text.") from error
