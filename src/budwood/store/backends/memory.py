"""Objects in memory: the twin the tests use, with the semantics of the real backends and none of their durability."""

import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from budwood.errors import PackDamaged, StorageFailed
from budwood.store.api import Buffer, Method, ObjectWriter, StoredObject
from budwood.store.backends import checked_key


class MemoryObjects:
    """The ``Objects`` port over a dictionary. ``clock`` gives milliseconds since 1970."""

    def __init__(self, clock: Callable[[], int] = lambda: 0) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._objects: dict[str, tuple[bytes, int]] = {}
        self._unpublished: dict[int, _MemoryWriter] = {}

    def create(self, key: str) -> ObjectWriter:
        """Begin an object. Raises StorageFailed when the key is taken."""
        with self._lock:
            self._check_new(checked_key(key))
            writer = _MemoryWriter(self, key)
            self._unpublished[id(writer)] = writer
            return writer

    def read(self, key: str, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. Raises PackDamaged."""
        with self._lock:
            found = self._objects.get(checked_key(key))
        if found is None:
            raise PackDamaged(f"The object {key} is missing.", key=key)
        size = len(found[0])
        if offset < 0 or length < 0 or offset + length > size:
            message = f"The object {key} ends at byte {size}, before {length} bytes from {offset}."
            raise PackDamaged(message, key=key, offset=offset, length=length, size=size)
        return found[0][offset : offset + length]

    def read_into(self, key: str, offset: int, target: memoryview) -> None:
        """Fill ``target``. Raises PackDamaged."""
        bytewise = target.cast("B")
        bytewise[:] = self.read(key, offset, len(bytewise))

    def size(self, key: str) -> int | None:
        """The object's size in bytes; None when there is no such object."""
        with self._lock:
            found = self._objects.get(checked_key(key))
        return None if found is None else len(found[0])

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Every visible object whose key starts with the prefix, in key order."""
        with self._lock:
            found = sorted((key, *found) for key, found in self._objects.items() if key.startswith(prefix))
        for key, content, modified_ms in found:
            yield StoredObject(key, len(content), modified_ms)

    def copy(self, key: str, to: str) -> None:
        """The same bytes under a second key. Raises PackDamaged, StorageFailed when that is taken."""
        content = self.read(key, 0, self.size(key) or 0)
        with self._lock:
            self._check_new(checked_key(to))
            self._objects[to] = (content, self._clock())

    def delete(self, key: str) -> None:
        """Remove it; no error when it is already gone."""
        with self._lock:
            self._objects.pop(checked_key(key), None)

    def clean(self, older_than_ms: int) -> int:
        """Remove unpublished objects last touched before that moment; the bytes freed."""
        with self._lock:
            stale = [writer for writer in self._unpublished.values() if writer.touched_ms < older_than_ms]
            for writer in stale:
                del self._unpublished[id(writer)]
            return sum(writer.size for writer in stale)

    def sign(self, method: Method, key: str, expires_s: int) -> str | None:
        """None: there is nobody to honour a signature."""
        return None

    def close(self) -> None:
        """Nothing to release: what was published can be read again, as from a folder opened a second time."""

    def now_ms(self) -> int:
        """The backend's clock."""
        return self._clock()

    def show(self, writer: "_MemoryWriter", key: str, content: bytes) -> None:
        """Make a written object visible, unless its key was taken or ``clean`` removed it. Raises StorageFailed."""
        with self._lock:
            if self._unpublished.pop(id(writer), None) is None:
                raise StorageFailed(f"Writing {key} was interrupted before.", key=key)
            self._check_new(key)
            self._objects[key] = (content, self._clock())

    def forget(self, writer: "_MemoryWriter") -> None:
        """Drop an object that was left unpublished."""
        with self._lock:
            self._unpublished.pop(id(writer), None)

    def _check_new(self, key: str) -> None:
        if key in self._objects:
            raise StorageFailed(f"The object {key} exists already; objects are written once.", key=key)


class _MemoryWriter:
    def __init__(self, objects: MemoryObjects, key: str) -> None:
        self._objects = objects
        self._key = key
        self._lock = threading.Lock()
        self._content = bytearray()
        self.touched_ms = objects.now_ms()

    @property
    def size(self) -> int:
        return len(self._content)

    def append(self, parts: Sequence[Buffer]) -> int:
        with self._lock:
            offset = len(self._content)
            for part in parts:
                self._content += part
            self.touched_ms = self._objects.now_ms()
            return offset

    def publish(self) -> None:
        with self._lock:
            self._objects.show(self, self._key, bytes(self._content))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._objects.forget(self)
