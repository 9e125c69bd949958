"""A version's manifest: the canonical list of its files and what they are made of, plus its facts.

Each file is *tiled* by spans, first byte to last: concatenating the spans gives the file back, so a
reader's mistake about where tensors lie can cost ratio, never a byte. A span is one tensor (named) or
one chunk of what no reader claimed (nameless). A span is cut in blocks of ``BLOCK_BYTES`` from its own
start; only its last block is shorter. Blocks are named by the BLAKE3 of their raw bytes.

The SHA-256 of the canonical bytes is the version's identity.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from budwood.domain import canon
from budwood.domain.facts import Facts
from budwood.domain.limits import BLOCK_BYTES, FILES_PER_VERSION, MANIFEST_BYTES, SPANS_PER_FILE
from budwood.errors import FileNotInVersion, LimitExceeded, ManifestDamaged, TensorNotInVersion, TooNew

BlockId = bytes
MANIFEST_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Span:
    """``length`` bytes from ``offset``: a tensor when ``name`` is set, else a chunk."""

    offset: int
    length: int
    blocks: tuple[BlockId, ...]
    name: str = ""
    dtype: str = ""
    shape: tuple[int, ...] | None = None

    def block_lengths(self) -> Iterator[int]:
        """The raw length of each block, in order."""
        full, rest = divmod(self.length, BLOCK_BYTES)
        yield from (BLOCK_BYTES for _ in range(full))
        if rest:
            yield rest


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One pushed file. ``sha256`` is of the whole file; ``format`` is the reader that claimed it."""

    path: str
    size: int
    sha256: str
    spans: tuple[Span, ...]
    format: str = ""
    executable: bool = False

    @property
    def tensors(self) -> tuple[Span, ...]:
        """The named spans, in file order."""
        return tuple(span for span in self.spans if span.name)


@dataclass(frozen=True)
class Manifest:
    """Files sorted by path, and the facts fixed at birth."""

    files: tuple[FileEntry, ...]
    facts: Facts
    format: int = MANIFEST_FORMAT

    @cached_property
    def canonical(self) -> bytes:
        """The bytes whose SHA-256 is the identity. Raises LimitExceeded."""
        written = canon.dumps(canon.pack(self))
        if len(written) > MANIFEST_BYTES:
            raise LimitExceeded(f"The manifest would have {len(written)} bytes.", limit="MANIFEST_BYTES")
        return written

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical bytes, 64 hex digits."""
        return hashlib.sha256(self.canonical).hexdigest()

    @property
    def size_bytes(self) -> int:
        """The logical size: the sum of the file sizes."""
        return sum(entry.size for entry in self.files)

    def block_ids(self) -> Iterator[BlockId]:
        """Every block the files are made of, in order, with repeats."""
        for entry in self.files:
            for span in entry.spans:
                yield from span.blocks

    def file(self, path: str) -> FileEntry:
        """Raises FileNotInVersion."""
        for entry in self.files:
            if entry.path == path:
                return entry
        raise FileNotInVersion(f"This version has no file {path!r}.", path=path)

    def tensor(self, name: str) -> tuple[FileEntry, Span]:
        """The first tensor of that name, in path order. Raises TensorNotInVersion."""
        for entry in self.files:
            for span in entry.tensors:
                if span.name == name:
                    return entry, span
        raise TensorNotInVersion(f"This version has no tensor {name!r}.", tensor=name)


def read_manifest(written: bytes, *, digest: str) -> Manifest:
    """Parse and check canonical bytes against their digest. Raises ManifestDamaged, TooNew, LimitExceeded."""
    if hashlib.sha256(written).hexdigest() != digest:
        raise ManifestDamaged("A manifest does not match its digest.", digest=digest)
    try:
        manifest = canon.unpack(Manifest, canon.loads(written))
    except (ValueError, RecursionError) as error:
        raise ManifestDamaged(f"A manifest cannot be read: {error}", digest=digest) from error
    if manifest.format > MANIFEST_FORMAT:
        raise TooNew(f"A manifest has format {manifest.format}; this Budwood knows {MANIFEST_FORMAT}.", digest=digest)
    check_manifest(manifest)
    return manifest


def check_manifest(manifest: Manifest) -> None:
    """Every file is tiled by its spans and every span by its blocks. Raises ManifestDamaged, LimitExceeded."""
    if len(manifest.files) > FILES_PER_VERSION:
        raise LimitExceeded(f"{len(manifest.files)} files in one version.", limit="FILES_PER_VERSION")
    for entry in manifest.files:
        check_tiles(entry)


def check_tiles(entry: FileEntry) -> None:
    """That spans tile the file and blocks tile the spans. Raises ManifestDamaged, LimitExceeded."""
    if len(entry.spans) > SPANS_PER_FILE:
        raise LimitExceeded(f"{entry.path} has {len(entry.spans)} spans.", limit="SPANS_PER_FILE")
    at = 0
    for span in entry.spans:
        blocks = -(-span.length // BLOCK_BYTES)
        if span.offset != at or span.length <= 0 or len(span.blocks) != blocks:
            raise ManifestDamaged(f"The spans of {entry.path} do not tile it at byte {at}.", path=entry.path)
        if any(len(block) != 32 for block in span.blocks):
            raise ManifestDamaged(f"{entry.path} names a block by a malformed id.", path=entry.path)
        at += span.length
    if at != entry.size:
        raise ManifestDamaged(f"The spans of {entry.path} end at {at} of {entry.size} bytes.", path=entry.path)


def files_by_path(manifest: Manifest) -> Mapping[str, FileEntry]:
    """The files of a manifest by their path."""
    return {entry.path: entry for entry in manifest.files}
