"""The bundle: versions and every block they need in one file, for carrying across an air gap.

An ordinary, uncompressed tar, so that any machine can look inside:

    bundle.json      what it is: the versions with labels and tags, each manifest's digest and blocks
    index.json       one row a block: id, encoding, lengths, base, CRC-32, in the order of the bytes
    blocks/00000     the encoded blocks, one behind the other, cut into members of at most ``PART_BYTES``
    SHA256SUMS       of all members before it

It is written once, front to back; it is read with every size and count checked before use, and every block is
decoded and hashed before it is taken in.
"""

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Final, Self, TypeVar

from budwood.domain import canon
from budwood.domain.limits import (
    BLOCK_BYTES,
    BUNDLE_RECORD_BYTES,
    CHAIN_DEPTH,
    DEEPEST,
    DERIVED_DEPTH,
    MIB,
    PACK_BLOCKS,
    TURNED_SOURCES,
)
from budwood.domain.manifest import BlockId
from budwood.errors import BadBundle, BundleDamaged, LimitExceeded
from budwood.store.api import BlockRow, bases_in
from budwood.store.encodings.registry import DERIVED

BUNDLE_FORMAT: Final = 1
DERIVED_FORMAT: Final = 2
"""That of bundles with derived blocks; an older Budwood says that it does not know it."""
PART_BYTES: Final = 256 * MIB
T = TypeVar("T")

_FEWER: Final = "Export fewer versions at a time."
_MEMBERS_MOST: Final = 100_003
"""Three records, and parts that are numbered with five digits."""


@dataclass(frozen=True, slots=True)
class BundledParent:
    """A version another came from, by its place and identity."""

    namespace: str
    model: str
    digest: str


@dataclass(frozen=True, slots=True)
class BundledVersion:
    """One version as it travels. ``number`` is what it had where it came from."""

    namespace: str
    model: str
    number: int
    digest: str
    manifest_size: int
    manifest_blocks: tuple[BlockId, ...]
    label: str = ""
    structure: str = ""
    sketch: BlockId = b""
    tags: tuple[tuple[str, ...], ...] = ()
    parents: tuple[BundledParent, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """``bundle.json``."""

    format: int
    created_ms: int
    versions: tuple[BundledVersion, ...]
    blocks: int
    encoded_bytes: int


@dataclass(frozen=True, slots=True)
class BundledBlock:
    """A block's row in ``index.json``; ``offset`` counts over all parts together."""

    id: BlockId
    offset: int
    length: int
    raw_length: int
    encoding: int
    check: int
    depth: int = 0
    base: BlockId = b""


@dataclass(frozen=True, slots=True)
class _Index:
    blocks: tuple[BundledBlock, ...]


def ordered(rows: Iterable[BlockRow]) -> list[BlockRow]:
    """Bases before what differs from them, then as they lie in their packs, so that reading is sequential."""
    return sorted(rows, key=lambda row: (row.depth, row.pack, row.offset))


def write_bundle(
    file: IO[bytes],
    encoded: Callable[[BlockRow], memoryview],
    versions: Sequence[BundledVersion],
    rows: Sequence[BlockRow],
    created_ms: int,
) -> str:
    """Write the whole bundle; its SHA-256. ``rows`` in the order of ``ordered``; ``encoded`` gives a block as it is
    kept. Raises LimitExceeded for what no reader would take, Damaged, OSError."""
    if len(rows) > PACK_BLOCKS:
        raise LimitExceeded(f"{len(rows)} blocks are too many for one bundle.", hint=_FEWER, limit="PACK_BLOCKS")
    whole = _Hashing(file)
    sums: list[str] = []
    with tarfile.open(fileobj=whole, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        total = sum(row.length for row in rows)
        bundle_format = DERIVED_FORMAT if any(row.encoding == DERIVED for row in rows) else BUNDLE_FORMAT
        contents = Contents(bundle_format, created_ms, tuple(versions), len(rows), total)
        _add_record(tar, sums, "bundle.json", contents)
        _add_record(tar, sums, "index.json", _Index(tuple(_placed(rows))))
        for number, part in enumerate(_parts(rows)):
            reader = _Encoded(encoded, part)
            _add_stream(tar, sums, f"blocks/{number:05d}", reader, sum(row.length for row in part))
        _add(tar, sums, "SHA256SUMS", "".join(sums).encode())
    return whole.digest.hexdigest()


class BundleReader:
    """An open bundle whose records have been checked; its blocks are read one by one."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        try:
            self._tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - closed in __exit__
            members = _members(self._tar)
        except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
            raise BadBundle(f"This is not a bundle: {error}.") from error
        if not {"bundle.json", "index.json", "SHA256SUMS"} <= members.keys():
            raise BadBundle("This is not a bundle: it lacks its records.")
        self._members = members
        self.contents = self._record("bundle.json", Contents)
        if self.contents.format not in (BUNDLE_FORMAT, DERIVED_FORMAT):
            raise BadBundle(f"This bundle has the format {self.contents.format}; {DERIVED_FORMAT} is known here.")
        self.blocks = self._record("index.json", _Index).blocks
        self._parts = sorted(name for name in members if name.startswith("blocks/"))
        self._check_index()

    def check_sums(self) -> None:
        """Every member against SHA256SUMS. Raises BundleDamaged."""
        listed = dict(_sum_line(line) for line in self._bytes("SHA256SUMS").decode("utf-8", "replace").splitlines())
        if listed.keys() != self._members.keys() - {"SHA256SUMS"}:
            raise BundleDamaged("The bundle's list of checksums does not fit what it holds.")
        for name, wanted in listed.items():
            stream = self._tar.extractfile(self._members[name])
            assert stream is not None
            with stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != wanted:  # type: ignore[arg-type]
                    raise BundleDamaged(f"{name} in the bundle does not match its checksum.", member=name)

    def encoded(self, block: BundledBlock) -> bytes:
        """A block's encoded bytes. Raises BundleDamaged."""
        number, inside = self._where(block.offset)
        stream = self._tar.extractfile(self._members[self._parts[number]])
        assert stream is not None
        with stream:
            stream.seek(inside)
            found = stream.read(block.length)
        if len(found) != block.length:
            raise BundleDamaged("The bundle ends before its blocks do.")
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()

    def _where(self, offset: int) -> tuple[int, int]:
        for number, name in enumerate(self._parts):
            if offset < self._members[name].size:
                return number, offset
            offset -= self._members[name].size
        raise BundleDamaged("The bundle's index points behind its end.")

    def _check_index(self) -> None:
        if len(self.blocks) != self.contents.blocks or len(self.blocks) > PACK_BLOCKS:
            raise BundleDamaged("The bundle's index does not have the rows it claims.")
        seen: dict[BlockId, int] = {}
        at = 0
        for block in self.blocks:
            fits = (
                len(block.id) == 32
                and block.offset == at
                and 0 < block.length <= 2 * BLOCK_BYTES
                and 0 < block.raw_length <= BLOCK_BYTES
                and 0 <= block.depth <= DEEPEST
                and bool(block.base) == bool(block.depth)
                and (not block.base or _leans_well(block, seen))
            )
            if not fits:
                raise BundleDamaged("A row of the bundle's index is impossible.", block=block.id.hex()[:16])
            seen[block.id] = block.depth
            at += block.length
        if at != sum(self._members[name].size for name in self._parts):
            raise BundleDamaged("The bundle's blocks have another length than its index says.")

    def _record(self, name: str, kind: type[T]) -> T:
        try:
            return canon.unpack(kind, canon.loads(self._bytes(name)))
        except (ValueError, RecursionError) as error:
            raise BundleDamaged(f"{name} in the bundle cannot be read: {error}", member=name) from error

    def _bytes(self, name: str) -> bytes:
        if self._members[name].size > BUNDLE_RECORD_BYTES:
            raise BadBundle(f"{name} in the bundle is too large.", limit="BUNDLE_RECORD_BYTES")
        stream = self._tar.extractfile(self._members[name])
        assert stream is not None
        with stream:
            return stream.read()


def _members(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """By name. Raises BadBundle for what ``write_bundle`` never writes, such as a sparse member: it could claim
    terabytes that are nowhere."""
    members: dict[str, tarfile.TarInfo] = {}
    for member in tar:
        if not member.isreg() or member.issparse() or member.pax_headers:
            raise BadBundle("This is not a bundle: it holds something other than plain files.")
        if member.name in members:
            raise BadBundle(f"This is not a bundle: it holds {member.name!r} twice.")
        members[member.name] = member
        if len(members) > _MEMBERS_MOST:
            raise BadBundle(f"This is not a bundle: it has more than {_MEMBERS_MOST} members.")
    return members


def _leans_well(block: BundledBlock, seen: Mapping[BlockId, int]) -> bool:
    """Whether all that the block leans on came before it, as near to the ground as it must be."""
    depths = [seen.get(base, -1) for base in bases_in(block.base)]
    if block.encoding == DERIVED:
        return (
            block.depth == DERIVED_DEPTH
            and len(depths) <= TURNED_SOURCES
            and 0 <= min(depths) <= max(depths) <= CHAIN_DEPTH
        )
    return len(depths) == 1 and depths[0] == block.depth - 1


class _Hashing(io.RawIOBase):
    """Passes writes on and hashes them."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, view: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        self._file.write(view)
        self.digest.update(view)
        return len(view)


class _Encoded(io.RawIOBase):
    """Encoded blocks of some rows as one stream, hashed as it is read."""

    def __init__(self, encoded: Callable[[BlockRow], memoryview], rows: Sequence[BlockRow]) -> None:
        super().__init__()
        self._left = map(encoded, rows)
        self._held = memoryview(b"")
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Exactly ``size`` bytes unless the rows end before."""
        found = bytearray()
        while len(found) < size:
            if not self._held:
                self._held = next(self._left, memoryview(b""))
                if not self._held:
                    break
            take = min(size - len(found), len(self._held))
            found += self._held[:take]
            self._held = self._held[take:]
        self.digest.update(found)
        return bytes(found)


def _placed(rows: Sequence[BlockRow]) -> Iterator[BundledBlock]:
    at = 0
    for row in rows:
        yield BundledBlock(row.id, at, row.length, row.raw_length, row.encoding, row.check, row.depth, row.base)
        at += row.length


def _parts(rows: Sequence[BlockRow]) -> Iterator[list[BlockRow]]:
    """Rows in members of at most ``PART_BYTES``; no block is cut."""
    part: list[BlockRow] = []
    size = 0
    for row in rows:
        if part and size + row.length > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(row)
        size += row.length
    if part:
        yield part


def _add_record(tar: tarfile.TarFile, sums: list[str], name: str, record: object) -> None:
    content = canon.dumps(canon.pack(record))
    if len(content) > BUNDLE_RECORD_BYTES:
        raise LimitExceeded(f"{name} would have {len(content)} bytes.", hint=_FEWER, limit="BUNDLE_RECORD_BYTES")
    _add(tar, sums, name, content)


def _add(tar: tarfile.TarFile, sums: list[str], name: str, content: bytes) -> None:
    tar.addfile(_member(name, len(content)), io.BytesIO(content))
    sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")


def _add_stream(tar: tarfile.TarFile, sums: list[str], name: str, stream: _Encoded, size: int) -> None:
    tar.addfile(_member(name, size), stream)
    sums.append(f"{stream.digest.hexdigest()}  {name}\n")


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o444
    return member


def _sum_line(line: str) -> tuple[str, str]:
    digest, _, name = line.partition("  ")
    return name, digest
