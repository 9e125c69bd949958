"""What a version's files are made of: spans that tile a file, blocks that tile a span."""

from collections.abc import Iterator
from dataclasses import dataclass

from budwood.domain.limits import BLOCK_BYTES, SPANS_PER_FILE
from budwood.errors import LimitExceeded, ManifestDamaged

BlockId = bytes


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
