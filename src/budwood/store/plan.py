"""Deciding how a file is read: spans that tile it, grouped in batches a worker reads at one go.

Pure but for the reads that content-defined cutting needs. A batch is at most ``BLOCK_BYTES`` of adjacent
bytes: one block of a large tensor, or many small spans together, so that a file of a thousand biases costs
no more calls than one of a single matrix.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from budwood.domain.limits import BLOCK_BYTES, SPANS_PER_FILE
from budwood.errors import LimitExceeded
from budwood.store.api import Hint, Source
from budwood.store.chunks import LARGEST, cut, cut_coming
from budwood.store.coming import ComingSource
from budwood.store.formats import tile


@dataclass(frozen=True, slots=True)
class Piece:
    """One block to be: ``length`` bytes at ``offset``, the ``index``-th block of span number ``span``."""

    offset: int
    length: int
    span: int
    index: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Adjacent pieces, read together."""

    pieces: tuple[Piece, ...]

    @property
    def offset(self) -> int:
        return self.pieces[0].offset

    @property
    def length(self) -> int:
        last = self.pieces[-1]
        return last.offset + last.length - self.offset


def check_span_count(path: str, size: int, hints: Sequence[Hint]) -> None:
    """Raises LimitExceeded when the file would come to more spans than a manifest may hold, before it is read."""
    least = sum(1 if part.name else -(-part.length // LARGEST) for part in tile(size, hints))
    if least > SPANS_PER_FILE:
        message = f"{path} would come to at least {least} spans; the limit is {SPANS_PER_FILE}."
        hint = "Keep it in a format that says where its tensors lie (safetensors, GGUF, npz), or in several files."
        raise LimitExceeded(message, hint=hint, limit="SPANS_PER_FILE", path=path)


def span_hints(source: Source, hints: Sequence[Hint]) -> Iterator[Hint]:
    """Tensors as hinted, chunks for the rest: together they tile the file. Raises LimitExceeded."""
    for count, span in enumerate(_span_hints(source, hints)):
        if count == SPANS_PER_FILE:
            message = f"{source.path} would come to more than {SPANS_PER_FILE} spans."
            raise LimitExceeded(message, limit="SPANS_PER_FILE", path=source.path)
        yield span


def batches(spans: Iterable[tuple[int, Hint]]) -> Iterator[Batch]:
    """Cut numbered spans in blocks from each span's start and group what fits into one read."""
    group: list[Piece] = []
    held = 0
    for number, span in spans:
        for index, start in enumerate(range(0, span.length, BLOCK_BYTES)):
            piece = Piece(span.offset + start, min(BLOCK_BYTES, span.length - start), number, index)
            if held + piece.length > BLOCK_BYTES and group:
                yield Batch(tuple(group))
                group, held = [], 0
            group.append(piece)
            held += piece.length
    if group:
        yield Batch(tuple(group))


def _span_hints(source: Source, hints: Sequence[Hint]) -> Iterator[Hint]:
    if isinstance(source, ComingSource) and not source.arrival.knows_size:
        assert not hints, "where tensors lie is told of files whose size is known"
        for offset, length in cut_coming(source, source.arrival):
            yield Hint(offset, length, "")
        return
    for part in tile(source.size, hints):
        if part.name:
            yield part
        else:
            for offset, length in cut(source, part.offset, part.length):
                yield Hint(offset, length, "")
