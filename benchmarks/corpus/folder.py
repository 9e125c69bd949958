"""The folder a corpus is built in, and the manifest that says which stages of it are finished.

A stage asks the folder for every path it writes. When it returns, the files are digested and the stage is
recorded; the manifest is replaced in one rename, so a run that is cut short leaves no stage half-finished: the
next run begins it again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "MANIFEST.json"


@dataclass(frozen=True, slots=True)
class Written:
    """One finished file: its size and SHA-256."""

    size_bytes: int
    sha256: str


@dataclass(slots=True)
class CorpusFolder:
    """Gives out paths to write, remembers them, and records them when a stage is done."""

    root: Path
    _open: list[Path] = field(default_factory=list)

    def file(self, *parts: str) -> Path:
        """A path to write one file to; its folder exists."""
        path = self.root.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open.append(path)
        return path

    def folder(self, *parts: str) -> Path:
        """A folder of its own, all of whose files will belong to this stage."""
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        self._open.append(path)
        return path

    def existing(self, *parts: str) -> Path:
        """A file an earlier stage wrote. Raises FileNotFoundError, naming the stage's folder."""
        path = self.root.joinpath(*parts)
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: build the stage that writes {parts[0]}/ first")
        return path

    def is_finished(self, stage: str, choices: Mapping[str, Any]) -> bool:
        """Whether the stage was finished with the same choices and its files still have their sizes."""
        entry = self._manifest().get(stage)
        return (
            entry is not None
            and entry["choices"] == dict(choices)
            and all(self._has(path, written["size_bytes"]) for path, written in entry["files"].items())
        )

    def finish(self, stage: str, choices: Mapping[str, Any]) -> dict[str, Written]:
        """Digest what the stage wrote and record it; the files by path."""
        files = {path.relative_to(self.root).as_posix(): _digest(path) for path in self._written()}
        entry = {
            "choices": dict(choices),
            "files": {
                path: {"size_bytes": written.size_bytes, "sha256": written.sha256} for path, written in files.items()
            },
        }
        self._replace_manifest(self._manifest() | {stage: entry})
        self._open.clear()
        return files

    def digests(self) -> dict[str, str]:
        """The SHA-256 of every finished file by path."""
        entries = self._manifest().values()
        return {path: written["sha256"] for entry in entries for path, written in sorted(entry["files"].items())}

    def _written(self) -> list[Path]:
        paths: set[Path] = set()
        for path in self._open:
            paths.update(inner for inner in path.rglob("*") if inner.is_file()) if path.is_dir() else paths.add(path)
        return sorted(paths)

    def _has(self, path: str, size_bytes: int) -> bool:
        file = self.root / path
        return file.is_file() and file.stat().st_size == size_bytes

    def _manifest(self) -> dict[str, Any]:
        path = self.root / MANIFEST
        if not path.exists():
            return {}
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return manifest

    def _replace_manifest(self, manifest: Mapping[str, Any]) -> None:
        fresh = self.root / f"{MANIFEST}.new"
        fresh.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        fresh.replace(self.root / MANIFEST)


def _digest(path: Path) -> Written:
    with path.open("rb") as file:
        return Written(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
