"""Finding the function that makes a tensor of others, and cutting it up for each of its blocks.

Sources are versions with their prints (``fingerprints.py``). A recipe is a proposal for a whole tensor; the writer
derives each block by it and keeps what came out equal. A cast, a quantised and a turned copy have one source; a slice
is part of one, of its rows or of its columns; what was put together has several, one behind or beside the other. Rows
in another order are those of weights for rotary positions, as llama.cpp's converter lays them out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final

import numpy as np

from budwood.domain.manifest import FileEntry, Span
from budwood.errors import BlockDamaged
from budwood.store.encodings._kinds import GROUP, Kind, as_bytes, convert
from budwood.store.fingerprints import (
    COPIES,
    FLOATS,
    FRACTIONS,
    SIDES,
    Asked,
    Hashes,
    Prints,
    Sample,
    asked_of,
    matches,
    start_hash,
)
from budwood.store.recipes import Cut, Recipe
from budwood.store.sketch import tensor_digest

JOINED_MOST: Final = 16
"""Tensors that one may be put together from."""
PROPOSED: Final = 4
"""Recipes tried for one tensor: a copy of a copy has the same numbers at some places."""
HALF_HEAD: Final = 128
"""Rows of half a head of attention, at most."""
Read = Callable[[int, int], bytes]


class Source:
    """Files that tensors may be made of, such as a version's. Their entries are read when one matches; ``beginning``
    gives so many bytes of a tensor, or fewer."""

    def __init__(
        self,
        prints: Prints,
        entries: Callable[[], Sequence[FileEntry]],
        beginning: Callable[[Span, int], bytes] = lambda _span, _length: b"",
    ) -> None:
        self.prints = prints
        self.beginning = beginning
        self.half_heads: dict[int, int] = {}
        self._entries = entries
        self._spans: Mapping[bytes, Span] | None = None

    def span(self, number: int) -> Span | None:
        """The tensor of a print."""
        # Not a cached_property: up to Python 3.11 those of all sources share one lock, held while this one reads.
        if self._spans is None:
            self._spans = _by_key(self._entries())
        return self._spans.get(bytes(self.prints[number]["key"]))


def _by_key(entries: Sequence[FileEntry]) -> Mapping[bytes, Span]:
    spans: dict[bytes, Span] = {}
    for entry in entries:
        for span in entry.tensors:
            spans.setdefault(tensor_digest(span.name, span.dtype), span)
    return spans


@dataclass(frozen=True, slots=True)
class Found:
    """Recipes, the likeliest first, by the place of their tensor among the samples; and the sources they came from, by
    theirs."""

    recipes: Mapping[int, tuple[Recipe, ...]]
    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Match:
    """The sample's number, the print's, and what it would be: a copy, a turned copy, one with its rows in another order
    (``heads``), or a part, of its rows or of its columns (``part`` the number of the fraction at which it begins)."""

    sample: int
    print: int
    way: str
    part: int = 0


def find_recipes(samples: Sequence[Sample], sources: Sequence[Source], read: Read) -> Found:
    """Proposals for each tensor, those of the source that most of them match first. ``read`` gives the pushed bytes."""
    asked = asked_of(samples)
    found = [list(_matches(samples, asked, source.prints)) for source in sources]
    order = sorted(range(len(sources)), key=lambda number: -len({match.sample for match in found[number]}))
    recipes: dict[int, list[Recipe]] = {}
    used: list[int] = []
    for number in order:
        made = [(match.sample, _recipe(samples[match.sample], match, sources[number])) for match in found[number]]
        for sample, recipe in made:
            if recipe is not None and len(recipes.setdefault(sample, [])) < PROPOSED:
                recipes[sample].append(recipe)
        if any(recipe is not None for _, recipe in made):
            used.append(number)
    joined = _Joined([sources[number] for number in order])
    for number in order:
        for sample in {match.sample for match in found[number] if match.way == "start"} - recipes.keys():
            recipe = joined.recipe(samples[sample], read) or joined.beside(samples[sample], read)
            if recipe is not None:
                recipes[sample] = [recipe]
                used.append(number)
    return Found({sample: tuple(each) for sample, each in recipes.items()}, tuple(dict.fromkeys(used)))


def foretold(samples: Sequence[Sample], prints: Prints) -> Iterator[tuple[int, int]]:
    """The numbers of samples, and of those that foretell them or are equal. ``prints`` are of these samples."""
    floats = [number for number, sample in enumerate(samples) if sample.kind in FLOATS]
    asked = asked_of(samples)
    for match in _matches(samples, asked, prints):
        yield match.sample, floats[match.print]
    codes = np.array([sample.kind.code for sample in samples])
    for column, kind in enumerate(COPIES):
        for number, place in matches(_only(asked.flat, codes == kind.code), prints["flat"][:, column]):
            if prints[place]["kind"] == kind.code:
                yield number, floats[place]


def _matches(samples: Sequence[Sample], asked: Asked, prints: Prints) -> Iterator[_Match]:
    """Copies first, then turned ones, then what begins alike and is no copy, then parts."""
    codes = np.array([sample.kind.code for sample in samples])
    for column, kind in enumerate(COPIES):
        for number, place in matches(_only(asked.flat, codes == kind.code), prints["flat"][:, column]):
            if prints[place]["kind"] != kind.code:
                yield _Match(number, place, "copy")
    for column, kind in enumerate(FLOATS):
        for number, place in matches(_only(asked.turned, codes == kind.code), prints["tile"][:, column]):
            yield _Match(number, place, "turned")
    for column, kind in enumerate(COPIES):
        for number, place in matches(_only(asked.head, codes == kind.code), prints["heads"][:, column]):
            if samples[number].taken(kind).second and prints[place]["seconds"][column] != asked.second[number]:
                yield _Match(number, place, "heads")
    for part in range(len(SIDES)):
        for number, place in matches(asked.start, prints["sides"][:, part]):
            if prints[place]["kind"] == samples[number].kind.code:
                yield _Match(number, place, "side", part)
    for part in range(len(FRACTIONS)):
        for number, place in matches(asked.start, prints["starts"][:, part]):
            held, wanted = int(prints[place]["rows"]) * int(prints[place]["columns"]), samples[number].numbers
            # As long, it is most likely the same tensor, which is shared; no manifest need be read for it.
            fits = held > wanted or (held < wanted and part == 0)
            if fits and prints[place]["kind"] == samples[number].kind.code:
                yield _Match(number, place, "start", part)


def _only(hashes: Hashes, chosen: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Hashes:
    return np.where(chosen, hashes, np.uint32(0))


def _recipe(sample: Sample, match: _Match, source: Source) -> Recipe | None:
    row = source.prints[match.print]
    span = source.span(match.print)
    kind = _float_of(int(row["kind"]))
    rows, columns = int(row["rows"]), int(row["columns"])
    if span is None or kind is None or span.length != rows * columns * kind.width:
        return None
    whole = (Cut(span, 0, span.length),)
    if match.way == "copy":
        return Recipe(kind, sample.kind, whole)
    if match.way == "turned":
        fits = (sample.rows, sample.columns) == (columns, rows)
        return Recipe(kind, sample.kind, whole, rows, columns) if fits else None
    if match.way == "heads":
        half = _half_head(sample, kind, source, span)
        return Recipe(kind, sample.kind, whole, 2, half, columns) if half else None
    if match.way == "side" or (match.part == 0 and sample.rows == rows > 1):
        side = Fraction(0) if match.way == "start" else SIDES[match.part]
        return _side(sample, kind, whole, rows, columns, side)
    start = int(rows * FRACTIONS[match.part]) * columns * kind.width
    if sample.tensor.length >= span.length or start + sample.tensor.length > span.length:
        return None
    return Recipe(kind, kind, (Cut(span, start, sample.tensor.length),))


def _side(sample: Sample, kind: Kind, whole: tuple[Cut, ...], rows: int, columns: int, at: Fraction) -> Recipe | None:
    """One of equal parts into which the columns were split."""
    item, start = sample.columns, int(columns * at)
    if sample.rows != rows or item >= columns or columns % item or start % item:
        return None
    return Recipe(kind, kind, whole, rows, columns // item, item, first=start // item * rows)


def _half_head(sample: Sample, kind: Kind, source: Source, span: Span) -> int:
    """How many rows half a head has, if rows of its halves take turns: the copy's second row is that row of the source.

    0 where that is not so. The heads of one model are alike, so its first tensor tells it for all.
    """
    if sample.columns not in source.half_heads:
        held = source.beginning(span, (HALF_HEAD + 1) * sample.columns * kind.width)
        if half := _row_that_begins(held, kind, sample):
            source.half_heads[sample.columns] = half
    half = source.half_heads.get(sample.columns, 0)
    return half if half and sample.rows % (2 * half) == 0 else 0


def _row_that_begins(held: bytes, kind: Kind, sample: Sample) -> int:
    """The number of the row that begins as the sample's second one, written in its kind; 0 if there is none."""
    group = max(GROUP, sample.kind.group)
    wanted = sample.taken(sample.kind).second[: sample.kind.bytes_of(group)]
    wide, start = sample.columns * kind.width, group * kind.width
    starts = b"".join(held[at : at + start] for at in range(0, len(held) - start + 1, wide))
    try:
        made = convert(as_bytes(starts), kind, sample.kind).reshape(-1, len(wanted))
    except (BlockDamaged, ValueError):
        return 0
    found = np.flatnonzero((made == as_bytes(wanted)).all(axis=1))
    return next((row for row in found.tolist() if row > 1), 0)


def _float_of(code: int) -> Kind | None:
    return next((kind for kind in FLOATS if kind.code == code), None)


class _Joined:
    """Tensors by how they begin, to find those that one was put together from."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    @cached_property
    def _by_start(self) -> Mapping[tuple[int, int], list[tuple[Source, int]]]:
        found: dict[tuple[int, int], list[tuple[Source, int]]] = {}
        for source in self._sources:
            for number, row in enumerate(source.prints):
                found.setdefault((int(row["kind"]), int(row["starts"][0])), []).append((source, number))
        return found

    def recipe(self, sample: Sample, read: Read) -> Recipe | None:
        kind, tensor = sample.kind, sample.tensor
        cuts, at = list[Cut](), 0
        while at < tensor.length and len(cuts) < JOINED_MOST:
            raw = read(tensor.offset + at, GROUP * kind.width)
            span = self._next(kind, start_hash(kind, raw), tensor.length - at)
            if span is None:
                return None
            cuts.append(Cut(span, 0, span.length))
            at += span.length
        return Recipe(kind, kind, tuple(cuts)) if at == tensor.length and len(cuts) > 1 else None

    def _next(self, kind: Kind, value: int, most: int) -> Span | None:
        """The largest tensor that begins so and is no longer."""
        spans = [source.span(number) for source, number in self._by_start.get((kind.code, value), []) if value]
        fitting = [span for span in spans if span is not None and span.length <= most]
        return max(fitting, key=lambda span: span.length, default=None)

    def beside(self, sample: Sample, read: Read) -> Recipe | None:
        """A matrix of which tensors with as many rows are the columns, in order."""
        kind = sample.kind
        for width in sorted(self._widths(sample), reverse=True):
            cuts = list[Cut]()
            for column in range(0, sample.columns, width):
                raw = read(sample.tensor.offset + column * kind.width, GROUP * kind.width)
                span = self._of_shape(kind, start_hash(kind, raw), sample.rows, width)
                if span is None:
                    break
                cuts.append(Cut(span, 0, span.length))
            else:
                return Recipe(kind, kind, tuple(cuts), len(cuts), sample.rows, width)
        return None

    def _widths(self, sample: Sample) -> set[int]:
        """Columns of tensors that begin as this one does, of which several make its own."""
        begun = self._by_start.get((sample.kind.code, start_hash(sample.kind, sample.starts[0])), [])
        found = {int(source.prints[number]["columns"]) for source, number in begun}
        most = sample.columns // JOINED_MOST
        return {width for width in found if most <= width < sample.columns and width and sample.columns % width == 0}

    def _of_shape(self, kind: Kind, value: int, rows: int, columns: int) -> Span | None:
        for source, number in self._by_start.get((kind.code, value), []) if value else ():
            row = source.prints[number]
            if (int(row["rows"]), int(row["columns"])) == (rows, columns) and (span := source.span(number)):
                return span if span.length == rows * columns * kind.width else None
        return None
