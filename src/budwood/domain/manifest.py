"""A version's manifest: the canonical list of its files and what they are made of, plus its facts.

Each file is *tiled* by spans, first byte to last: concatenating the spans gives the file back, so a
reader's mistake about where tensors lie can cost ratio, never a byte. A span is one tensor (named) or
one chunk of what no reader claimed (nameless). A span is cut in blocks of ``BLOCK_BYTES`` from its own
start; only its last block is shorter. Blocks are named by the BLAKE3 of their raw bytes.

The SHA-256 of the canonical bytes is the version's identity.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from budwood.domain.entries import BlockId, FileEntry, Span, check_tiles
from budwood.domain.facts import Facts
from budwood.domain.limits import FILES_PER_VERSION, MANIFEST_BYTES
from budwood.domain.manifest_text import MANIFEST_FORMAT, Parts, parse, pieces
from budwood.errors import FileNotInVersion, LimitExceeded, ManifestDamaged, TensorNotInVersion, TooNew

__all__ = [
    "MANIFEST_FORMAT",
    "BlockId",
    "FileEntry",
    "Manifest",
    "Span",
    "check_manifest",
    "check_tiles",
    "files_by_path",
    "identity",
    "read_manifest",
]


@dataclass(frozen=True)
class Manifest:
    """Files sorted by path, and the facts fixed at birth."""

    files: tuple[FileEntry, ...]
    facts: Facts
    format: int = MANIFEST_FORMAT

    @property
    def canonical(self) -> bytes:
        """The bytes whose SHA-256 is the identity, made anew each time. Raises LimitExceeded."""
        return b"".join(self.written())

    def written(self) -> Iterator[bytes]:
        """The canonical bytes in parts. Raises LimitExceeded."""
        length = 0
        for piece in pieces(Parts(self.files, self.facts, self.format)):
            part = piece.encode()
            length += len(part)
            if length > MANIFEST_BYTES:
                message = f"The manifest would have more than {MANIFEST_BYTES} bytes."
                raise LimitExceeded(message, limit="MANIFEST_BYTES")
            yield part

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical bytes, 64 hex digits."""
        sha = hashlib.sha256()
        for part in self.written():
            sha.update(part)
        return sha.hexdigest()

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


def identity(canonical: bytes) -> str:
    """``Manifest.digest``, for whoever has the canonical bytes at hand."""
    return hashlib.sha256(canonical).hexdigest()


def read_manifest(written: bytes | Iterable[bytes | memoryview], *, digest: str) -> Manifest:
    """Parse and check canonical bytes, whole or in parts, against their digest.

    Raises ManifestDamaged, TooNew, LimitExceeded.
    """
    hashed = _Hashed([written] if isinstance(written, bytes) else written)
    wrong: Exception | None = None
    try:
        parts = parse(hashed)
    except (ValueError, RecursionError) as error:
        wrong = error
    if hashed.hexdigest() != digest:
        raise ManifestDamaged("A manifest does not match its digest.", digest=digest) from wrong
    if wrong is not None:
        raise ManifestDamaged(f"A manifest cannot be read: {wrong}", digest=digest) from wrong
    manifest = Manifest(parts.files, parts.facts, parts.format)
    if manifest.format > MANIFEST_FORMAT:
        raise TooNew(f"A manifest has format {manifest.format}; this Budwood knows {MANIFEST_FORMAT}.", digest=digest)
    check_manifest(manifest)
    return manifest


class _Hashed:
    """Parts of a text on their way to a reader."""

    def __init__(self, parts: Iterable[bytes | memoryview]) -> None:
        self._parts = iter(parts)
        self._sha = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes | memoryview]:
        for part in self._parts:
            self._sha.update(part)
            yield part

    def hexdigest(self) -> str:
        """Of all parts, also those that the reader gave up before."""
        for _ in self:
            pass
        return self._sha.hexdigest()


def check_manifest(manifest: Manifest) -> None:
    """Every file is tiled by its spans and every span by its blocks. Raises ManifestDamaged, LimitExceeded."""
    if len(manifest.files) > FILES_PER_VERSION:
        raise LimitExceeded(f"{len(manifest.files)} files in one version.", limit="FILES_PER_VERSION")
    for entry in manifest.files:
        check_tiles(entry)


def files_by_path(manifest: Manifest) -> Mapping[str, FileEntry]:
    """The files of a manifest by their path."""
    return {entry.path: entry for entry in manifest.files}
