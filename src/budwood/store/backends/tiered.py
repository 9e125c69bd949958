"""Two stores as one: packs whose names are marked cold lie in the second, everything else in the first.

What is marked cold and not in the cold store is looked for near at hand: there it lies in a registry that was restored
without a cold store. Both may be the same bucket; then only the storage class differs.
"""

import heapq
from collections.abc import Iterator

from budwood.errors import PackDamaged
from budwood.store.api import Method, Objects, ObjectWriter, StoredObject
from budwood.store.marks import is_cold


class TieredObjects:
    """The ``Objects`` port over two others."""

    def __init__(self, near: Objects, cold: Objects) -> None:
        self._near = near
        self._cold = cold

    def create(self, key: str) -> ObjectWriter:
        """Begin an object, in the store that its name says."""
        return self._home(key).create(key)

    def read(self, key: str, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. Raises PackDamaged, StorageFailed."""
        try:
            return self._home(key).read(key, offset, length)
        except PackDamaged:
            if self._elsewhere(key) is None:
                raise
            return self._near.read(key, offset, length)

    def read_into(self, key: str, offset: int, target: memoryview) -> None:
        """Fill ``target``. Raises PackDamaged, StorageFailed."""
        try:
            self._home(key).read_into(key, offset, target)
        except PackDamaged:
            if self._elsewhere(key) is None:
                raise
            self._near.read_into(key, offset, target)

    def size(self, key: str) -> int | None:
        """The object's size in bytes; None when there is no such object."""
        found = self._home(key).size(key)
        return found if found is not None else self._elsewhere(key)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Every visible object of both, in key order; what lies in both once."""
        last = ""
        for found in heapq.merge(self._near.list(prefix), self._cold.list(prefix), key=lambda each: each.key):
            if found.key != last:
                yield found
            last = found.key

    def copy(self, key: str, to: str) -> None:
        """The same bytes under a second key. Raises PackDamaged, StorageFull, StorageFailed."""
        assert is_cold_key(key) == is_cold_key(to), "an object is copied within one store"
        self._home(key).copy(key, to)

    def delete(self, key: str) -> None:
        """Remove it from where it lies. Raises StorageFailed."""
        self._home(key).delete(key)
        if is_cold_key(key):
            self._near.delete(key)

    def clean(self, older_than_ms: int) -> int:
        """What crashed writers left in both; the bytes freed."""
        return self._near.clean(older_than_ms) + self._cold.clean(older_than_ms)

    def sign(self, method: Method, key: str, expires_s: int) -> str | None:
        """An address in the store where the object lies; None where that one cannot sign."""
        if is_cold_key(key) and method == "GET" and self._cold.size(key) is None:
            return self._near.sign(method, key, expires_s)
        return self._home(key).sign(method, key, expires_s)

    def close(self) -> None:
        """Release both."""
        self._near.close()
        self._cold.close()

    def _home(self, key: str) -> Objects:
        return self._cold if is_cold_key(key) else self._near

    def _elsewhere(self, key: str) -> int | None:
        """The size of an object that is marked cold and lies near all the same."""
        return self._near.size(key) if is_cold_key(key) else None


def is_cold_key(key: str) -> bool:
    """Whether the object of that key is a pack marked cold."""
    return key.startswith("packs/") and is_cold(key.rpartition("/")[2].removesuffix(".pack"))
