"""What was read of the files of a source, kept beside the walk: so that one that was cut short reads nothing twice.

A line a file, appended once the file was read to its end. Nothing depends on it but time: without it, or with one
that was cut in the middle, files are read again and found to be here.
"""

import hashlib
import json
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from budwood.errors import StorageFailed


class Journal:
    """``folder`` may be None: then nothing is kept."""

    def __init__(self, folder: Path | None, *about: str) -> None:
        name = hashlib.sha256("\0".join(about).encode()).hexdigest()[:32]
        self._path = folder / f"{name}.jsonl" if folder else None
        self._known: dict[tuple[str, str, int], str] = {}
        self._file: IO[str] | None = None

    def known(self, root: str, path: str, size: int) -> str:
        """The SHA-256 of a file that was read before; empty where it was not."""
        return self._known.get((root, path, size), "")

    def note(self, root: str, path: str, size: int, sha256: str) -> None:
        """It was read to its end."""
        self._known[root, path, size] = sha256
        if self._file is not None:
            self._file.write(json.dumps([root, path, size, sha256]) + "\n")
            self._file.flush()

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._read(self._path)
                self._file = self._path.open("a", encoding="utf-8")
            except OSError as error:
                message = f"{self._path} cannot be written: {error.strerror}."
                raise StorageFailed(message, path=str(self._path)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        whole = path.read_bytes()
        for line in whole.split(b"\n"):
            try:
                root, name, size, sha256 = json.loads(line)
                self._known[str(root), str(name), int(size)] = str(sha256)
            except (ValueError, TypeError):
                continue  # Cut in the middle; the file is read again.
        if whole and not whole.endswith(b"\n"):
            path.write_bytes(whole + b"\n")
