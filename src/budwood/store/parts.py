"""Parts of tensors and tensors put together of parts, of rows or of columns, of any sizes.

Such are the fused weights of attention, in which many queries share few keys and values: 4096 rows, and twice 1024. The
first part begins as the whole does, and the next one where it ends: there the source is read, and the part that begins
so is the next. A tensor that was put together is looked through in the same way.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from budwood.domain.manifest import FileEntry, Span
from budwood.store.encodings._kinds import GROUP, Kind
from budwood.store.encodings.derived import Strip
from budwood.store.fingerprints import FLOATS, Hashes, Prints, Sample, start_hash
from budwood.store.recipes import Cut, Recipe
from budwood.store.sketch import tensor_digest

JOINED_MOST: Final = 16
"""Tensors that one may be put together from."""
FOLLOWED_MOST: Final = 512
"""Places of sources that are read to see what begins there: for each about a block."""
Read = Callable[[int, int], bytes]


class Source:
    """Files that tensors may be made of, such as a version's. Their entries are read when one matches; ``read`` gives
    bytes of a tensor from an offset, or fewer."""

    def __init__(
        self,
        prints: Prints,
        entries: Callable[[], Sequence[FileEntry]],
        read: Callable[[Span, int, int], bytes] = lambda _span, _offset, _length: b"",
    ) -> None:
        self.prints = prints
        self.read = read
        self.half_heads: dict[int, int] = {}
        self._entries = entries
        self._spans: Mapping[bytes, Span] | None = None

    def span(self, number: int) -> Span | None:
        """The tensor of a print."""
        # Not a cached_property: up to Python 3.11 those of all sources share one lock, held while this one reads.
        if self._spans is None:
            self._spans = _by_key(self._entries())
        return self._spans.get(bytes(self.prints[number]["key"]))


@dataclass(frozen=True, slots=True)
class Matrix:
    """A source's tensor of floats."""

    source: Source
    span: Span
    kind: Kind
    rows: int
    columns: int

    @classmethod
    def of(cls, source: Source, number: int) -> "Matrix | None":
        """The one of a print; None when it is not there as that says."""
        row, span = source.prints[number], source.span(number)
        kind = next((kind for kind in FLOATS if kind.code == int(row["kind"])), None)
        rows, columns = int(row["rows"]), int(row["columns"])
        if span is None or kind is None or span.length != rows * columns * kind.width:
            return None
        return cls(source, span, kind, rows, columns)

    @property
    def whole(self) -> tuple[Cut, ...]:
        return (Cut(self.span, 0, self.span.length),)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of a matrix may begin: the number of a row, or of a column."""

    matrix: Matrix
    at: int
    of_columns: bool

    @property
    def offset(self) -> int:
        return self.at * (1 if self.of_columns else self.matrix.columns) * self.matrix.kind.width

    @property
    def is_end(self) -> bool:
        return self.at >= (self.matrix.columns if self.of_columns else self.matrix.rows)

    def behind(self, part: Sample) -> "Place":
        """Where the next part begins."""
        return Place(self.matrix, self.at + (part.columns if self.of_columns else part.rows), self.of_columns)

    def recipe(self, part: Sample) -> Recipe | None:
        """For a tensor that is the part from here on; None when it does not fit."""
        return self._of_columns(part) if self.of_columns else self._of_rows(part)

    def _of_rows(self, part: Sample) -> Recipe | None:
        matrix, length = self.matrix, part.tensor.length
        if part.kind != matrix.kind or length >= matrix.span.length or self.offset + length > matrix.span.length:
            return None
        return Recipe(matrix.kind, matrix.kind, (Cut(matrix.span, self.offset, length),))

    def _of_columns(self, part: Sample) -> Recipe | None:
        matrix, wide = self.matrix, part.columns
        if part.kind != matrix.kind or part.rows != matrix.rows:
            return None
        if wide >= matrix.columns or self.at + wide > matrix.columns:
            return None
        if matrix.columns % wide or self.at % wide:
            strip = Strip(self.at, matrix.columns, wide)
            return Recipe(matrix.kind, matrix.kind, matrix.whole, matrix.rows, strips=(strip,))
        first = self.at // wide * matrix.rows
        return Recipe(matrix.kind, matrix.kind, matrix.whole, matrix.rows, matrix.columns // wide, wide, first)


@dataclass(frozen=True, slots=True)
class Part:
    """The sample of this number begins there."""

    place: Place
    sample: int


def following(samples: Sequence[Sample], starts: Hashes, found: Sequence[Part]) -> Iterator[tuple[int, Recipe]]:
    """Samples, by their numbers, that follow where parts end that were ``found``, and what makes them. ``starts`` are
    the hashes of how samples begin."""
    beginning = defaultdict[tuple[int, int], list[int]](list)
    for number, (sample, value) in enumerate(zip(samples, starts.tolist(), strict=True)):
        if value:
            beginning[sample.kind.code, value].append(number)
    known = {_key(part.place) for part in found}
    waiting = deque(part.place.behind(samples[part.sample]) for part in found)
    reads = 0
    while waiting and reads < FOLLOWED_MOST:
        place = waiting.popleft()
        if place.is_end or _key(place) in known:
            continue
        known.add(_key(place))
        reads += 1
        matrix = place.matrix
        raw = matrix.source.read(matrix.span, place.offset, GROUP * matrix.kind.width)
        for number in beginning.get((matrix.kind.code, start_hash(matrix.kind, raw)), ()) if raw else ():
            if (recipe := place.recipe(samples[number])) is not None:
                yield number, recipe
                waiting.append(place.behind(samples[number]))


class Joined:
    """Tensors by how they begin, to find those that one was put together from."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def recipe(self, sample: Sample, read: Read) -> Recipe | None:
        """For a tensor of rows, or of columns, of several. ``read`` gives the pushed bytes."""
        return self._below(sample, read) or self._beside(sample, read)

    def _below(self, sample: Sample, read: Read) -> Recipe | None:
        kind, tensor = sample.kind, sample.tensor
        cuts, at = list[Cut](), 0
        while at < tensor.length and len(cuts) < JOINED_MOST:
            found = self._begun(kind, read(tensor.offset + at, GROUP * kind.width))
            fitting = [matrix for matrix in found if matrix.span.length <= tensor.length - at]
            if not fitting:
                return None
            cuts += max(fitting, key=lambda matrix: matrix.span.length).whole
            at += cuts[-1].length
        return Recipe(kind, kind, tuple(cuts)) if at == tensor.length and len(cuts) > 1 else None

    def _beside(self, sample: Sample, read: Read) -> Recipe | None:
        """A matrix of which matrices with as many rows are the columns, in order."""
        kind, rows = sample.kind, sample.rows
        parts, column = list[Matrix](), 0
        while column < sample.columns and len(parts) < JOINED_MOST:
            found = self._begun(kind, read(sample.tensor.offset + column * kind.width, GROUP * kind.width))
            most = sample.columns - column
            fitting = [matrix for matrix in found if matrix.rows == rows and GROUP <= matrix.columns <= most]
            if not fitting:
                return None
            parts.append(max(fitting, key=lambda matrix: matrix.columns))
            column += parts[-1].columns
        if column != sample.columns or len(parts) < 2:
            return None
        cuts = tuple(cut for part in parts for cut in part.whole)
        if len({part.columns for part in parts}) == 1:
            return Recipe(kind, kind, cuts, len(parts), rows, parts[0].columns)
        return Recipe(kind, kind, cuts, rows, strips=tuple(_strips(parts)))

    def _begun(self, kind: Kind, raw: bytes) -> list[Matrix]:
        value = start_hash(kind, raw)
        found = (Matrix.of(*each) for each in self._by_start.get((kind.code, value), ())) if value else ()
        return [matrix for matrix in found if matrix is not None]

    @cached_property
    def _by_start(self) -> Mapping[tuple[int, int], list[tuple[Source, int]]]:
        found: dict[tuple[int, int], list[tuple[Source, int]]] = {}
        for source in self._sources:
            for number, row in enumerate(source.prints):
                found.setdefault((int(row["kind"]), int(row["starts"][0])), []).append((source, number))
        return found


def _strips(parts: Sequence[Matrix]) -> Iterator[Strip]:
    """Of matrices that lie one behind the other."""
    at = 0
    for part in parts:
        yield Strip(at, part.columns, part.columns)
        at += part.rows * part.columns


def _key(place: Place) -> tuple[int, int, int, bool]:
    return id(place.matrix.source), place.matrix.span.offset, place.at, place.of_columns


def _by_key(entries: Sequence[FileEntry]) -> Mapping[bytes, Span]:
    spans: dict[bytes, Span] = {}
    for entry in entries:
        for span in entry.tensors:
            spans.setdefault(tensor_digest(span.name, span.dtype), span)
    return spans
