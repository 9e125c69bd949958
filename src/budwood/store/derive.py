"""Finding the function that makes a tensor of others, and cutting it up for each of its blocks.

Sources are versions with their prints (``fingerprints.py``). A recipe is a proposal for a whole tensor; the writer
derives each block by it and keeps what came out equal. A cast, a quantised and a turned copy have one source; a slice
is part of one; what was put together has several, one behind the other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from budwood.domain.limits import BLOCK_BYTES, DERIVED_INPUT_BYTES, DERIVED_PIECES, DERIVED_SOURCES
from budwood.domain.manifest import BlockId, Manifest, Span
from budwood.store.encodings._kinds import GROUP, Kind
from budwood.store.encodings.derived import Function, SourcePiece
from budwood.store.fingerprints import (
    COPIES,
    FLOATS,
    FRACTIONS,
    Asked,
    Hashes,
    Prints,
    Sample,
    asked_of,
    matches,
    start_hash,
)
from budwood.store.sketch import tensor_digest

JOINED_MOST: Final = 16
"""Tensors that one may be put together from."""
PROPOSED: Final = 4
"""Recipes tried for one tensor: a copy of a copy has the same numbers at some places."""
Read = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Cut:
    """``length`` bytes of a source's tensor, from ``start``."""

    span: Span
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a whole tensor is made. The cuts lie one behind the other; they are turned over if rows and columns are not
    0, and then their numbers are turned from one kind into the other."""

    source: Kind
    target: Kind
    cuts: tuple[Cut, ...]
    rows: int = 0
    columns: int = 0

    def of_block(self, start: int, length: int) -> "BlockRecipe | None":
        """For ``length`` bytes of the tensor from ``start``; None where that would take more than a block may."""
        whole = sum(cut.length for cut in self.cuts)
        if self.rows:
            first, last, skip = 0, whole, start
            if self.rows * self.target.width > BLOCK_BYTES:
                return None
        else:
            group, end = start // self.target.width, -(-(start + length) // self.target.width)
            wide = self.target.group * self.source.width
            first, last, skip = group * wide, end * wide, start - group * self.target.width
        if last > whole or last - first > DERIVED_INPUT_BYTES:
            return None
        sources: dict[BlockId, int] = {}
        pieces = []
        for block, offset, size in self._between(first, last):
            pieces.append(SourcePiece(sources.setdefault(block, len(sources)), offset, size))
        short = GROUP * self.source.width
        if len(sources) > DERIVED_SOURCES or len(pieces) > DERIVED_PIECES:
            return None
        if any(piece.length < short for piece in pieces[1:-1]):
            return None
        return BlockRecipe(
            tuple(sources), Function(self.source, self.target, tuple(pieces), skip, self.rows, self.columns)
        )

    def _between(self, first: int, last: int) -> "Iterator[tuple[BlockId, int, int]]":
        """Block, offset and length of what lies there in the cuts."""
        at = 0
        for cut in self.cuts:
            low, high = max(first, at), min(last, at + cut.length)
            place, stop = cut.start + low - at, cut.start + high - at
            while low < high and place < stop:
                index, offset = divmod(place, BLOCK_BYTES)
                size = min(BLOCK_BYTES - offset, stop - place)
                yield cut.span.blocks[index], offset, size
                place += size
            at += cut.length


@dataclass(frozen=True, slots=True)
class BlockRecipe:
    """The blocks that one is made of, and how."""

    sources: tuple[BlockId, ...]
    function: Function


class Source:
    """A version that tensors may be made of. Its manifest is read when one matches."""

    def __init__(self, prints: Prints, manifest: Callable[[], Manifest | None]) -> None:
        self.prints = prints
        self._manifest = manifest

    def span(self, number: int) -> Span | None:
        """The tensor of a print."""
        return self._spans.get(bytes(self.prints[number]["key"]))

    @cached_property
    def _spans(self) -> Mapping[bytes, Span]:
        manifest = self._manifest()
        entries = manifest.files if manifest else ()
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
    """The sample's number, the print's, and what it would be: a copy, a turned copy, or its beginning (``part`` the
    number of the fraction at which)."""

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
            if (recipe := joined.recipe(samples[sample], read)) is not None:
                recipes[sample] = [recipe]
                used.append(number)
    return Found({sample: tuple(each) for sample, each in recipes.items()}, tuple(dict.fromkeys(used)))


def _matches(samples: Sequence[Sample], asked: Asked, prints: Prints) -> Iterator[_Match]:
    """Copies first, then turned ones, then what begins alike."""
    codes = np.array([sample.kind.code for sample in samples])
    for column, kind in enumerate(COPIES):
        for number, place in matches(_only(asked.flat, codes == kind.code), prints["flat"][:, column]):
            if prints[place]["kind"] != kind.code:
                yield _Match(number, place, "copy")
    for column, kind in enumerate(FLOATS):
        for number, place in matches(_only(asked.turned, codes == kind.code), prints["tile"][:, column]):
            yield _Match(number, place, "turned")
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
    start = int(rows * FRACTIONS[match.part]) * columns * kind.width
    if sample.tensor.length >= span.length or start + sample.tensor.length > span.length:
        return None
    return Recipe(kind, kind, (Cut(span, start, sample.tensor.length),))


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
