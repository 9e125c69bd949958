"""The store's ports and values: where bytes lie (Objects), what blocks there are (BlockIndex), what is read (Source).

The store turns files into blocks and blocks into files. It knows no models, versions or SQL. Concrete
backends are chosen by wiring; ``store/testing.py`` is the suite each of them must pass.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Protocol, Self, runtime_checkable

from budwood.domain.facts import FileFacts
from budwood.domain.limits import CHAIN_DEPTH, DEEPEST, DERIVED_DEPTH
from budwood.domain.manifest import BlockId

Buffer = bytes | bytearray | memoryview
Method = Literal["GET", "PUT"]
ID_BYTES: Final = 32
Progress = Callable[[int], None]
"""Called with the number of raw bytes finished since the last call, from any thread."""


@dataclass(frozen=True, slots=True)
class BlockRow:
    """Where one block lies and how it is written there.

    ``offset`` and ``length`` are bytes in the pack; ``raw_length`` is what decoding gives; ``check`` is the
    CRC-32 of the encoded bytes; ``base`` names the block this one is a difference from, or the blocks it is derived
    from, one id behind the other; each of them lies at a smaller ``depth``.
    """

    id: BlockId
    pack: str
    offset: int
    length: int
    raw_length: int
    encoding: int
    check: int
    base: BlockId = b""
    depth: int = 0
    is_manifest: bool = False

    @property
    def bases(self) -> tuple[BlockId, ...]:
        """The blocks this one leans on: none, one, or its sources if it is derived."""
        return bases_in(self.base)


def bases_in(base: bytes) -> tuple[BlockId, ...]:
    """The ids in a row's ``base``."""
    if len(base) <= ID_BYTES:
        return (base,) if base else ()
    return tuple(base[at : at + ID_BYTES] for at in range(0, len(base), ID_BYTES))


def depth_on(bases: Sequence[int], *, is_derived: bool) -> int | None:
    """How deep a block lies that leans on blocks at these depths; None where it may not, for a reader would refuse."""
    if is_derived:
        return DERIVED_DEPTH if max(bases) <= CHAIN_DEPTH else None
    depth = max(bases) + 1 if bases else 0
    return depth if depth <= CHAIN_DEPTH or depth == DEEPEST else None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One stored object. ``modified_ms`` is the backend's clock, never a client's."""

    key: str
    size: int
    modified_ms: int


class BlockIndex(Protocol):
    """The rows of the blocks that may be used. Condemned blocks are not among them."""

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        """The rows of those ids that exist, in any order."""


@runtime_checkable
class ForeseeingIndex(BlockIndex, Protocol):
    """An index that is far away: it wants to be asked about many blocks at once, before they are met one by one."""

    def foresee(self, file: str, blocks: Sequence[BlockId], bases: Sequence[BlockId]) -> None:
        """These will be asked for: the next blocks of a file, from its first on. These bases may be read."""


class ObjectWriter(Protocol):
    """One object being written. Nothing is visible before ``publish`` returns; leaving without it discards."""

    @property
    def size(self) -> int:
        """Bytes appended so far."""

    def append(self, parts: Sequence[Buffer]) -> int:
        """Write the parts one after the other; the offset of the first. Safe from several threads.

        The parts may be reused by the caller as soon as this returns. Raises StorageFull, StorageFailed.
        """

    def publish(self) -> None:
        """Make the object durable, then visible. Raises StorageFull, StorageFailed; then it is not visible."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class Objects(Protocol):
    """Immutable objects by key (``packs/ab/abcd….pack``): written once, read by range, listed, deleted."""

    def create(self, key: str) -> ObjectWriter:
        """Begin an object. The key must be new. Raises StorageFull, StorageFailed."""

    def read(self, key: str, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes. Raises PackDamaged when the object is missing or shorter, StorageFailed."""

    def read_into(self, key: str, offset: int, target: memoryview) -> None:
        """Fill ``target``; the same errors as ``read``. No copy where the backend can avoid it."""

    def size(self, key: str) -> int | None:
        """The object's size in bytes; None when there is no such object."""

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Every visible object whose key starts with the prefix, in key order. Unpublished ones never."""

    def copy(self, key: str, to: str) -> None:
        """The same bytes under a second key, which must be new. An object store does it by itself.

        Raises PackDamaged when there is no such object, StorageFull, StorageFailed.
        """

    def delete(self, key: str) -> None:
        """Remove it; no error when it is already gone. Raises StorageFailed."""

    def clean(self, older_than_ms: int) -> int:
        """Remove what crashed writers left behind (unpublished, last touched before); the bytes freed."""

    def sign(self, method: Method, key: str, expires_s: int) -> str | None:
        """An address at which whoever has it may read (ranges too) or write this one object until it expires.

        None where the backend cannot sign; then the bytes go through a server of ours. ``expires_s`` is at most
        ``limits.SIGNED_S``. The writer's length and bytes are not bound by it: check what was written. Azure wants
        ``x-ms-blob-type: BlockBlob`` with a PUT. Raises StorageFailed.
        """

    def close(self) -> None:
        """Release handles. Using the store afterwards is a bug."""


class Source(Protocol):
    """A file being read: a fixed size and random access. Shared by threads."""

    @property
    def path(self) -> str:
        """The path inside the version, with '/'."""

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from ``offset``; fewer only at the end of the file. Raises FileChanged, StorageFailed."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill ``target``. Raises FileChanged when the file ends before, StorageFailed."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Where a reader believes a tensor lies. Checked before use; a wrong one costs ratio, never bytes."""

    offset: int
    length: int
    name: str
    dtype: str = ""
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format reader found in one file. ``format`` is empty when no reader claims it."""

    format: str = ""
    hints: tuple[Hint, ...] = ()
    facts: FileFacts = FileFacts()
