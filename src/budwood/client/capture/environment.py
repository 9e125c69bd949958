"""The Python that pushes: its version, platform, installed packages, and the lock file beside what is pushed.

Packages are read from the names of their metadata folders, which is how installers write them
(``numpy-2.4.6.dist-info``). Opening each METADATA file as ``importlib.metadata`` does takes ten times longer.
"""

import hashlib
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from budwood.domain.facts import Environment
from budwood.domain.limits import CONFIG_BYTES, PACKAGES_RECORDED, PATH_DEPTH

LOCK_FILES: Final = (
    "uv.lock",
    "pylock.toml",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "pixi.lock",
    "conda-lock.yml",
    "requirements.lock",
    "requirements.txt",
    "environment.yml",
    "conda.yaml",
)
"""In order of how much they pin; the first one found in the nearest folder counts."""

_RUNS: Final = re.compile(r"[-_.]+")


def capture_environment(folder: Path) -> Environment:
    """What runs now, and the lock file of the folder: in it, beside it, or above it up to the git root."""
    lock, lock_sha256 = _find_lock(folder)
    return Environment(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        platform=platform.platform(aliased=True),
        packages=installed_packages(),
        lock=lock,
        lock_sha256=lock_sha256,
    )


def installed_packages() -> dict[str, str]:
    """Version by normalised name, sorted; at most ``PACKAGES_RECORDED``. What comes first on the path wins."""
    found: dict[str, str] = {}
    for entry in sys.path:
        for name, version in _packages_in(entry or os.curdir):
            found.setdefault(name, version)
    return dict(sorted(found.items())[:PACKAGES_RECORDED])


def _packages_in(folder: str) -> Iterator[tuple[str, str]]:
    try:
        with os.scandir(folder) as entries:
            paths = sorted(entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info")))
    except (OSError, ValueError):
        return  # A zip, or a folder that is not there: nothing an installer keeps metadata in.
    for path in paths:
        name, version = _name_and_version(Path(path))
        if name and version and (name + version).isascii():
            yield _RUNS.sub("-", name).lower(), version


def _name_and_version(path: Path) -> tuple[str, str]:
    name, _, version = path.stem.partition("-")
    if path.suffix == ".egg-info":
        version = version.partition("-py")[0]  # numpy-1.26.0-py3.11.egg-info
    if version:
        return name, version
    # Only "pip install -e" of old setuptools leaves the version out of the name.
    return _metadata_line(path, "Name"), _metadata_line(path, "Version")


def _metadata_line(folder: Path, key: str) -> str:
    try:
        text = (folder / "PKG-INFO").read_text("utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{key}: *(\S+)", text, re.MULTILINE)
    return found[1] if found else ""


def _find_lock(pushed: Path) -> tuple[str, str]:
    for folder in _folders_to_search(pushed):
        for name in LOCK_FILES:
            digest = _digest_of(folder / name)
            if digest:
                return name, digest
    return "", ""


def _folders_to_search(pushed: Path) -> list[Path]:
    """The folder and those above it up to the git root; without one, only the folder and the one it lies in."""
    start = pushed.absolute()
    folders = [start, *start.parents][:PATH_DEPTH]
    for i, folder in enumerate(folders):
        if os.path.lexists(folder / ".git"):
            return folders[: i + 1]
    return folders[:2]


def _digest_of(path: Path) -> str:
    """SHA-256 of a regular file of reasonable size, else empty."""
    try:
        if not path.is_file() or path.stat().st_size > CONFIG_BYTES:
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""
