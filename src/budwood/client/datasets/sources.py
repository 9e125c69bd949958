"""Data read once from its first byte to its last, wherever it lies: a file here, or one behind an address.

What is read is hashed on its way. Nothing is asked for in pieces, so any web server will do.
"""

import hashlib
import io
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from budwood.domain.dataset import is_url, plain_address
from budwood.domain.limits import CONNECT_S, IDLE_S, PARQUET_FOOTER_BYTES
from budwood.errors import FileChanged, NotOffered, SourceNotFound, StorageFailed, TargetUnreachable, UnsafeEntry

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STEP: Final = 1 << 20
WEB: Final = ("http", "https")
OBJECT_STORES: Final = ("s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss")
TAIL_BYTES: Final = PARQUET_FOOTER_BYTES + 12
Progress = Callable[[int], None]


class Hashed(io.RawIOBase):
    """A stream that remembers the SHA-256, the number and the last of the bytes that went through it."""

    def __init__(self, chunks: Iterator[bytes], progress: Progress, *, keep_tail: bool = False) -> None:
        super().__init__()
        self._chunks = chunks
        self._progress = progress
        self._rest = memoryview(b"")
        self._sha = hashlib.sha256()
        self._tail: deque[bytes] | None = deque() if keep_tail else None
        self._tail_bytes = 0
        self.size = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, target: "WriteableBuffer") -> int:
        """As ``io.RawIOBase``."""
        if not self._rest:
            self._rest = memoryview(self._next())
        room = memoryview(target)
        count = min(len(room), len(self._rest))
        room[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def drain(self) -> None:
        """Read on to the end, for the sum's sake."""
        self._rest = memoryview(b"")
        while self._next():
            pass

    @property
    def sha256(self) -> str:
        """Of all that was read."""
        return self._sha.hexdigest()

    def tail(self) -> bytes:
        """The last ``TAIL_BYTES`` of what was read, where they were to be kept."""
        return b"".join(self._tail or ())[-TAIL_BYTES:]

    def _next(self) -> bytes:
        chunk = next((chunk for chunk in self._chunks if chunk), b"")
        self._sha.update(chunk)
        self.size += len(chunk)
        self._progress(len(chunk))
        if self._tail is not None and chunk:
            self._tail.append(chunk)
            self._tail_bytes += len(chunk)
            while self._tail_bytes - len(self._tail[0]) >= TAIL_BYTES:
                self._tail_bytes -= len(self._tail.popleft())
        return chunk


@contextmanager
def opened(source: str, progress: Progress, *, keep_tail: bool = False) -> Iterator[Hashed]:
    """The bytes of a file or address.

    Raises SourceNotFound, FileChanged, UnsafeEntry, StorageFailed, TargetUnreachable, NotOffered, BadValue.
    """
    if not is_url(source):
        with _file(Path(source)) as chunks:
            yield Hashed(chunks, progress, keep_tail=keep_tail)
        return
    scheme = urlsplit(plain_address(source)).scheme.lower()
    if scheme in WEB:
        with _web(source) as chunks:
            yield Hashed(chunks, progress, keep_tail=keep_tail)
    elif scheme in OBJECT_STORES:
        yield Hashed(_object(source), progress, keep_tail=keep_tail)
    else:
        schemes = ", ".join((*WEB, *OBJECT_STORES))
        raise NotOffered(f"Data behind {scheme}:// cannot be read.", hint=f"What can be read: a path, {schemes}.")


@contextmanager
def _file(path: Path) -> Iterator[Iterator[bytes]]:
    try:
        # A FIFO would wait for a writer for ever, were it not asked not to.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFound(f"There is no file {str(path)!r}.", path=str(path)) from error
    except OSError as error:
        raise StorageFailed(f"{path} cannot be opened: {error.strerror}.", path=str(path)) from error
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise UnsafeEntry(f"{path} is no plain file.", hint="Give a plain file or a folder.", path=str(path))
        yield _up_to(file, before.st_size)
        after = os.fstat(descriptor)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            hint = "Something is still writing it. Wait until it is finished."
            raise FileChanged(f"{path} changed while it was read.", hint=hint, path=str(path))


def _up_to(file: io.RawIOBase, size: int) -> Iterator[bytes]:
    """A file that grows without end is not read without end."""
    left = size
    while left and (chunk := file.read(min(left, STEP))):
        left -= len(chunk)
        yield chunk


@contextmanager
def _web(url: str) -> Iterator[Iterator[bytes]]:
    import urllib3

    timeout = urllib3.Timeout(connect=CONNECT_S, read=IDLE_S)
    with urllib3.PoolManager(retries=urllib3.Retry(2, redirect=5)) as pool:
        try:
            answer = pool.request(
                "GET", url, preload_content=False, timeout=timeout, headers={"Accept-Encoding": "identity"}
            )
        except urllib3.exceptions.HTTPError as error:
            raise TargetUnreachable(f"{url} does not answer: {type(error).__name__}.", hint=_REACH, url=url) from error
        try:
            if answer.status in (404, 410):
                raise SourceNotFound(f"There is nothing at {url}.", hint="Check the address.", url=url)
            if answer.status != 200:
                raise TargetUnreachable(f"{url} answers with status {answer.status}.", hint=_REACH, url=url)
            yield _checked(answer.stream(STEP, decode_content=False), url, urllib3.exceptions.HTTPError)
        finally:
            answer.close()


def _object(url: str) -> Iterator[bytes]:
    import obstore
    from obstore.exceptions import BaseError

    folder, _, name = url.rpartition("/")
    try:
        # Credentials come from the environment, as for every program that reads there.
        store = obstore.store.from_url(folder, retry_config={"max_retries": 2})
        chunks = obstore.get(store, name).stream(STEP)
    except FileNotFoundError as error:
        raise SourceNotFound(f"There is nothing at {url}.", hint="Check the address.", url=url) from error
    except (OSError, BaseError, ValueError) as error:
        raise TargetUnreachable(f"{url} cannot be read: {_first_line(error)}.", hint=_REACH, url=url) from error
    return _checked(map(bytes, chunks), url, BaseError)


def _checked(chunks: Iterator[bytes], url: str, kind: type[Exception]) -> Iterator[bytes]:
    try:
        yield from chunks
    except (OSError, kind) as error:
        raise TargetUnreachable(f"{url} broke off: {_first_line(error)}.", hint=_REACH, url=url) from error


def _first_line(error: Any) -> str:
    return str(error).partition("\n")[0][:200].rstrip(".")


_REACH: Final = "Check the address, the network, and that you may read there; then try again."
