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
from io import BytesIO

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
    "read_manifest",
]


@dataclass(frozen=True)
class Manifest:
    """Files sorted by path, and the facts fixed at birth."""

    files: tuple[FileEntry, ...]
    facts: Facts
    format: int = MANIFEST_FORMAT

    @cached_property
    def canonical(self) -> bytes:
        """The bytes whose SHA-256 is the identity. Raises LimitExceeded."""
        written = BytesIO()
        for piece in pieces(Parts(self.files, self.facts, self.format)):
            written.write(piece.encode())
        if written.tell() > MANIFEST_BYTES:
            raise LimitExceeded(f"The manifest would have {written.tell()} bytes.", limit="MANIFEST_BYTES")
        return written.getvalue()

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
        parts = parse(written)
    except (ValueError, RecursionError) as error:
        raise ManifestDamaged(f"A manifest cannot be read: {error}", digest=digest) from error
    manifest = Manifest(parts.files, parts.facts, parts.format)
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


def files_by_path(manifest: Manifest) -> Mapping[str, FileEntry]:
    """The files of a manifest by their path."""
    return {entry.path: entry for entry in manifest.files}
