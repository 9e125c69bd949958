"""Finding the function that makes a tensor of others, and cutting it up for each of its blocks.

Sources are versions with their prints (``fingerprints.py``). A recipe is a proposal for a whole tensor; the writer
derives each block by it and keeps what came out equal. A cast, a quantised and a turned copy have one source; a slice
is part of one, of its rows or of its columns; what was put together has several, one behind or beside the other. Rows
in another order are those of weights for rotary positions, as llama.cpp's converter lays them out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

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
)
from budwood.store.parts import Joined, Matrix, Part, Place, Read, Source, following
from budwood.store.recipes import Recipe

PROPOSED: Final = 4
"""Recipes tried for one tensor: a copy of a copy has the same numbers at some places."""
HALF_HEAD: Final = 128
"""Rows of half a head of attention, at most."""


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
        made = list(_recipes(samples, asked, found[number], sources[number]))
        for sample, recipe in made:
            if len(recipes.setdefault(sample, [])) < PROPOSED:
                recipes[sample].append(recipe)
        used += [number] if made else []
    joined = Joined([sources[number] for number in order])
    for number in order:
        for sample in {match.sample for match in found[number] if match.way == "start"} - recipes.keys():
            if (whole := joined.recipe(samples[sample], read)) is not None:
                recipes[sample] = [whole]
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


def _recipes(
    samples: Sequence[Sample], asked: Asked, matched: Sequence[_Match], source: Source
) -> Iterator[tuple[int, Recipe]]:
    """Samples and what makes them of this source: what matches, and parts that follow those."""
    made, parts = set[int](), list[Part]()
    for match in matched:
        matrix, sample = Matrix.of(source, match.print), samples[match.sample]
        place = _place(match, sample, matrix) if matrix else None
        recipe = place.recipe(sample) if place else _recipe(match, sample, matrix) if matrix else None
        if recipe is not None:
            made.add(match.sample)
            parts += [Part(place, match.sample)] if place else []
            yield match.sample, recipe
    if parts and any(sample.kind in FLOATS and number not in made for number, sample in enumerate(samples)):
        yield from following(samples, asked.start, parts)


def _recipe(match: _Match, sample: Sample, matrix: Matrix) -> Recipe | None:
    """For what is made of a whole matrix."""
    kind, rows, columns = matrix.kind, matrix.rows, matrix.columns
    if match.way == "copy":
        return Recipe(kind, sample.kind, matrix.whole)
    if match.way == "turned":
        fits = (sample.rows, sample.columns) == (columns, rows)
        return Recipe(kind, sample.kind, matrix.whole, rows, columns) if fits else None
    half = _half_head(sample, matrix)
    return Recipe(kind, sample.kind, matrix.whole, 2, half, columns) if half else None


def _place(match: _Match, sample: Sample, matrix: Matrix) -> Place | None:
    """Where a part begins; None for what is none."""
    if match.way == "side":
        return Place(matrix, int(matrix.columns * SIDES[match.part]), of_columns=True)
    if match.way == "start":
        of_columns = match.part == 0 and sample.rows == matrix.rows > 1
        return Place(matrix, 0 if of_columns else int(matrix.rows * FRACTIONS[match.part]), of_columns)
    return None


def _half_head(sample: Sample, matrix: Matrix) -> int:
    """How many rows half a head has, if rows of its halves take turns: the copy's second row is that row of the source.

    0 where that is not so. The heads of one model are alike, so its first tensor tells it for all.
    """
    source, kind = matrix.source, matrix.kind
    if sample.columns not in source.half_heads:
        held = source.read(matrix.span, 0, (HALF_HEAD + 1) * sample.columns * kind.width)
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
