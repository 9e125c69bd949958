"""The packs of a backup, or of another copy of a registry's packs, read in the place of the store's own.

What the copy has is read there, everything else in the store: a block that is damaged in a pack of ours may be whole in
the same pack of the copy.
"""

from collections.abc import Iterator
from pathlib import Path

from budwood.errors import NotOffered, PackDamaged, StorageFailed
from budwood.store.api import Method, Objects, ObjectWriter, StoredObject


class BackedUpObjects:
    """The ``Objects`` port, for reading. ``folder`` holds ``NAME.pack``; ``store`` is what they are copies of."""

    def __init__(self, folder: Path, store: Objects) -> None:
        self._folder, self._store = folder, store

    def packs(self) -> list[str]:
        """The names of the packs that the copy has. Raises StorageFailed."""
        try:
            return sorted(path.stem for path in self._folder.glob("*.pack") if path.is_file())
        except OSError as error:
            raise StorageFailed(f"{self._folder} cannot be read: {error.strerror}.", path=str(self._folder)) from error

    def read(self, key: str, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. Raises PackDamaged, StorageFailed."""
        path = self._path(key)
        if not path.exists():
            return self._store.read(key, offset, length)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                content = file.read(length)
        except OSError as error:
            raise StorageFailed(f"{path} cannot be read: {error.strerror}.", path=str(path)) from error
        if len(content) != length:
            raise PackDamaged(f"The copy {path} is too short.", key=key)
        return content

    def read_into(self, key: str, offset: int, target: memoryview) -> None:
        """Fill ``target``. Raises PackDamaged, StorageFailed."""
        target.cast("B")[:] = self.read(key, offset, target.nbytes)

    def size(self, key: str) -> int | None:
        """Of the copy, where there is one."""
        path = self._path(key)
        return path.stat().st_size if path.exists() else self._store.size(key)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """What the store lists."""
        return self._store.list(prefix)

    def create(self, key: str) -> ObjectWriter:
        """Not offered."""
        raise NotOffered("A copy is only read.")

    def copy(self, key: str, to: str) -> None:
        """Not offered."""
        raise NotOffered("A copy is only read.")

    def delete(self, key: str) -> None:
        """Not offered."""
        raise NotOffered("A copy is only read.")

    def clean(self, older_than_ms: int) -> int:
        """Nothing is left behind here."""
        return 0

    def sign(self, method: Method, key: str, expires_s: int) -> str | None:
        """None: it is nobody's address."""
        return None

    def close(self) -> None:
        """The store is its owner's to close."""

    def _path(self, key: str) -> Path:
        return self._folder / key.rpartition("/")[2]
