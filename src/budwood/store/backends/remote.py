"""Objects in an object store: whatever obstore reaches (``s3://``, ``gs://``, ``az://``, ``file:///``, ``memory:///``).

An object is gathered in an unnamed local file and uploaded by ``publish``: obstore's streaming writer has no
abort, and half an upload left behind costs its owner money. The object store makes it visible as a whole.

Two bounds of what this can promise. Nothing here asks the store for a conditional write, which not every
store makes atomic; two writers of one key would overwrite each other, so keys must be unique by construction.
And an upload whose client dies leaves parts that no listing shows: set a lifecycle rule that ends incomplete
multipart uploads. ``file:///`` does not survive power loss as a ``FolderObjects`` does.
"""

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, Self, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store, from_url

from budwood.domain.limits import MIB, SIGNED_S
from budwood.errors import BudwoodError, NotOffered, PackDamaged, StorageFailed, StorageFull
from budwood.store.api import Buffer, Method, ObjectWriter, StoredObject
from budwood.store.archived import archived
from budwood.store.backends import checked_key, is_key

if TYPE_CHECKING:
    from obstore import Attributes

SMALL_BYTES: Final = MIB
PART_BYTES: Final = 8 * MIB
PARTS_AT_ONCE: Final = 4
RETRIES: Final = 10

_LIBRARY_ERRORS: Final = (BaseError, OSError, ValueError)
_FULL: Final = ("os error 28", "os error 122", "os error 27", "507 ", "QuotaExceeded")


class RemoteObjects:
    """The ``Objects`` port over a URL. ``options`` are obstore's settings for its kind (region, endpoint, keys).

    ``spool`` is a folder for objects being written, by default the system's; at most two packs lie there. ``signs``
    False gives no addresses: for stores that the clients of a server cannot reach. ``storage_class`` is given to every
    object that is created (S3's and Google's classes, Azure's tiers).
    Raises StorageFailed when the URL or an option is not understood, NotOffered for a class where there are none.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, str] | None = None,
        *,
        spool: Path | None = None,
        retries: int = RETRIES,
        signs: bool = True,
        storage_class: str = "",
    ) -> None:
        if storage_class and url.startswith(("file:", "memory:")):
            raise NotOffered("Files have no storage class.", hint="Set cold_store to s3://…, gs://… or az://…")
        self._attributes: Attributes | None = {"Storage-Class": storage_class} if storage_class else None
        self._signs = signs
        self._spool = spool
        settings: dict[str, Any] = {"config": dict(options)} if options else {}
        if url.startswith("file:"):
            settings["mkdir"] = True
        elif not url.startswith("memory:"):
            # Only plain-text endpoints that the options name are spoken to without TLS.
            settings["client_options"] = {"allow_http": (options or {}).get("endpoint", "").startswith("http://")}
            settings["retry_config"] = {"max_retries": retries}
        try:
            self._store = from_url(url, **settings)
        except (*_LIBRARY_ERRORS, TypeError) as error:
            # The URL or the options may hold a secret, so neither is repeated.
            raise StorageFailed("The object store's URL or options are not understood.") from error

    def create(self, key: str) -> ObjectWriter:
        """Begin an object. Raises StorageFull, StorageFailed, the latter also when the key is taken."""
        if self.size(key) is not None:
            raise _taken(key)
        return _SpoolWriter(self, key, self._spool)

    def read(self, key: str, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. Raises PackDamaged, StorageFailed."""
        return bytes(self._range(key, offset, length))

    def read_into(self, key: str, offset: int, target: memoryview) -> None:
        """Fill ``target``. Raises PackDamaged, StorageFailed."""
        bytewise = target.cast("B")
        bytewise[:] = self._range(key, offset, len(bytewise))

    def size(self, key: str) -> int | None:
        """The object's size in bytes; None when there is no such object. Raises StorageFailed."""
        try:
            return obstore.head(self._store, checked_key(key))["size"]
        except FileNotFoundError:
            return None
        except _LIBRARY_ERRORS as error:
            raise _failed("look up", key, error) from error

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Every visible object whose key starts with the prefix, in key order. Raises StorageFailed.

        The listing is gathered first, for stores list in orders of their own: some 300 bytes an object.
        """
        # Object stores match whole path segments only, so the last, partial one is matched here.
        folder = prefix.rpartition("/")[0] or None
        try:
            found = [meta for page in obstore.list(self._store, prefix=folder) for meta in page]
        except FileNotFoundError:
            return
        except _LIBRARY_ERRORS as error:
            raise _failed("list", prefix, error) from error
        for meta in sorted(found, key=lambda meta: meta["path"]):
            if meta["path"].startswith(prefix) and is_key(meta["path"]):
                yield StoredObject(meta["path"], meta["size"], int(meta["last_modified"].timestamp() * 1000))

    def copy(self, key: str, to: str) -> None:
        """Done by the store itself. Raises PackDamaged, StorageFull, StorageFailed."""
        if self.size(to) is not None:
            raise _taken(to)
        try:
            obstore.copy(self._store, checked_key(key), checked_key(to))
        except FileNotFoundError as error:
            raise PackDamaged(f"The object {key} is missing.", key=key) from error
        except _LIBRARY_ERRORS as error:
            raise _failed("copy", key, error) from error

    def delete(self, key: str) -> None:
        """Remove it; no error when it is already gone. Raises StorageFailed."""
        try:
            obstore.delete(self._store, checked_key(key))
        except FileNotFoundError:
            return
        except _LIBRARY_ERRORS as error:
            raise _failed("delete", key, error) from error

    def clean(self, older_than_ms: int) -> int:
        """Nothing: what a dead client left of an upload cannot be listed, and its local file had no name."""
        return 0

    def sign(self, method: Method, key: str, expires_s: int) -> str | None:
        """An address for one object, signed with the store's keys. None for ``file:`` and ``memory:``."""
        assert 0 < expires_s <= SIGNED_S, "longer than stores accept"
        if not self._signs or not isinstance(self._store, S3Store | GCSStore | AzureStore):
            return None
        try:
            return obstore.sign(self._store, method, checked_key(key), timedelta(seconds=expires_s))
        except _LIBRARY_ERRORS as error:
            raise _failed("sign", key, error) from error

    def close(self) -> None:
        """Nothing to release: obstore shares its connections."""

    def upload(self, key: str, content: IO[bytes]) -> None:
        """Store the content as one new object. Raises StorageFull, StorageFailed."""
        if self.size(key) is not None:
            raise _taken(key)
        try:
            obstore.put(
                self._store,
                key,
                content,
                attributes=self._attributes,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        except _LIBRARY_ERRORS as error:
            raise _failed("upload", key, error) from error

    def _range(self, key: str, offset: int, length: int) -> memoryview:
        """Stores answer a range past the end with an error or with fewer bytes; both are checked against the size."""
        checked_key(key)
        if offset < 0 or length <= 0:
            self._check_range(key, offset, length)
            return memoryview(b"")
        try:
            read = memoryview(obstore.get_range(self._store, key, start=offset, length=length))
        except FileNotFoundError as error:
            raise PackDamaged(f"The object {key} is missing.", key=key) from error
        except _LIBRARY_ERRORS as error:
            self._check_range(key, offset, length)
            raise _failed("read", key, error) from error
        if len(read) != length:
            self._check_range(key, offset, length)
            raise StorageFailed(f"The object store gave {len(read)} bytes of {key} where {length} were asked.", key=key)
        return read

    def _check_range(self, key: str, offset: int, length: int) -> None:
        size = self.size(key)
        if size is None:
            raise PackDamaged(f"The object {key} is missing.", key=key)
        if offset < 0 or length < 0 or offset + length > size:
            message = f"The object {key} ends at byte {size}, before {length} bytes from {offset}."
            raise PackDamaged(message, key=key, offset=offset, length=length, size=size)


class _SpoolWriter:
    """One object being gathered: in memory while it is small, then in a file without a name."""

    def __init__(self, objects: RemoteObjects, key: str, spool: Path | None) -> None:
        self._objects = objects
        self._key = key
        self._lock = threading.Lock()
        self._size = 0
        self._file = tempfile.SpooledTemporaryFile(max_size=SMALL_BYTES, dir=None if spool is None else str(spool))  # noqa: SIM115 - outlives this call
        self._error: BudwoodError | None = None

    @property
    def size(self) -> int:
        return self._size

    def append(self, parts: Sequence[Buffer]) -> int:
        with self._lock:
            self._check_usable()
            offset = self._size
            try:
                for part in parts:
                    self._file.write(part)
                    self._size += memoryview(part).nbytes
            except OSError as error:
                raise self._give_up(_failed("write", self._key, error)) from error
            return offset

    def publish(self) -> None:
        with self._lock:
            self._check_usable()
            try:
                self._file.seek(0)
                self._objects.upload(self._key, cast(IO[bytes], self._file))
            except OSError as error:
                raise self._give_up(_failed("upload", self._key, error)) from error
            except BudwoodError as error:
                raise self._give_up(error) from error
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._file.close()

    def _check_usable(self) -> None:
        if self._error is not None:
            raise self._error
        assert not self._file.closed, "the object was published or discarded before"

    def _give_up(self, error: BudwoodError) -> BudwoodError:
        self._error = error
        self._file.close()
        return error


def _taken(key: str) -> StorageFailed:
    return StorageFailed(f"The object {key} exists already; objects are written once.", key=key)


def _failed(act: str, key: str, error: Exception) -> BudwoodError:
    """The library's first line says what happened; the rest is a dump of its state, which may hold secrets."""
    if found := archived(f"The object {key}", str(error)):
        return found
    reason = str(error).partition("\n")[0]
    if any(word in reason for word in _FULL) or getattr(error, "errno", None) in (27, 28, 122):
        return StorageFull(f"No room to {act} {key}: {reason}", key=key)
    hint = "Is cold_class a class that this store has?" if _says_bad_class(str(error)) else ""
    return StorageFailed(f"Could not {act} {key}: {reason}", hint=hint, key=key)


def _says_bad_class(said: str) -> bool:
    return "InvalidStorageClass" in said or ("InvalidHeaderValue" in said and "x-ms-access-tier" in said)
