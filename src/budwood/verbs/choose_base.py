"""Choosing the version whose tensors a push is stored as differences from.

Candidates are the declared parents, the model's newest versions, and other versions of the same structure.
Each carries a sketch of some 160 KB; the one that promises the smallest difference wins.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from budwood.catalog.api import View
from budwood.domain.limits import BLOCK_BYTES
from budwood.domain.manifest import BlockId, FileEntry, Manifest, Span
from budwood.domain.records import VersionRecord
from budwood.errors import Archived, Damaged
from budwood.store.api import Hint
from budwood.store.bases import Bases
from budwood.store.copies import OwnBlocks, copied_files
from budwood.store.derive import find_recipes
from budwood.store.deriving import Placement, Recipes
from budwood.store.fingerprints import FLOATS, Sample, Tensor, probes_asked, read_prints, take_samples, written_prints
from budwood.store.gather import DiskFile, DiskSource
from budwood.store.parts import Source
from budwood.store.sketch import prints_in, score, structure_of, take_sketch, with_prints
from budwood.store.write import KnownFile
from budwood.verbs.anchor import with_room_above
from budwood.verbs.manifests import load_manifest
from budwood.verbs.workplace import Reads

OWN_CANDIDATES: Final = 4
LIKE_CANDIDATES: Final = 8
SOURCE_CANDIDATES: Final = 8
PROBES_ASKED: Final = 256
READ_BLOCKS: Final = 4
WORTHWHILE: Final = 0.97
"""A base that promises less than this saves nothing that pays for decoding it."""


@dataclass(frozen=True, slots=True)
class FileTensors:
    """One file to be pushed and the typed tensors in it."""

    file: DiskFile
    tensors: tuple[Hint, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """``known`` holds the files of the nearest candidates, so that an unchanged file needs no new SHA-256. ``recipes``
    say what tensors may be functions of, and ``sources`` of which versions; ``within`` which files are copies of others
    among them."""

    bases: Bases
    known: dict[KnownFile, str]
    structure: str
    sketch: bytes
    recipes: Recipes = field(default_factory=dict)
    sources: tuple[VersionRecord, ...] = ()
    within: "Within | None" = None


@dataclass(frozen=True, slots=True)
class Within:
    """Files that are copies of others in the same push. ``prints`` are of the first samples that are floats."""

    files: Sequence[FileTensors]
    samples: Sequence[Sample]
    prints: bytes
    copies: frozenset[str]

    def recipes(self, entries: Sequence[FileEntry], own: OwnBlocks) -> Recipes:
        """For the copies, once the others are written: ``entries`` and ``own`` are theirs. Raises FileChanged."""

        def stored(span: Span, offset: int, length: int) -> bytes:
            first = offset // BLOCK_BYTES
            return b"".join(map(own.raw, _blocks_at(span, offset, length)))[offset - first * BLOCK_BYTES :][:length]

        with _side_by_side(self.files) as side:
            places = {sample: side.placement(sample.tensor.offset) for sample in self.samples}
            copied = [sample for sample in self.samples if places[sample][0] in self.copies]
            prints = read_prints(self.prints)
            floats = [sample for sample in self.samples if sample.kind in FLOATS][: len(prints)]
            kept = [number for number, sample in enumerate(floats) if places[sample][0] not in self.copies]
            found = find_recipes(copied, [Source(prints[kept], lambda: entries, stored)], side.read)
        return {places[copied[at]]: each for at, each in found.recipes.items()}


def candidates(
    view: View, parents: Sequence[VersionRecord], model_id: int, structure: str, probes: Sequence[int] = ()
) -> list[VersionRecord]:
    """Versions worth comparing with, nearest first, without repeats and without those whose bytes went; behind them
    those that tensors may be functions of."""
    own = view.versions(model_id, limit=OWN_CANDIDATES) if model_id else ()
    like = view.versions_of_structure(structure, limit=LIKE_CANDIDATES) if structure else ()
    probed = view.probed(probes[:PROBES_ASKED], limit=SOURCE_CANDIDATES) if probes else ()
    made = [version for id_ in probed if (version := view.version_by_id(id_)) is not None]
    return list({version.id: version for version in (*parents, *own, *like, *made) if not version.gone_ms}.values())


def choose_base(
    place: Reads,
    tensors: Sequence[FileTensors],
    parents: Sequence[VersionRecord],
    ask: Callable[[str, Sequence[int]], Sequence[VersionRecord]],
    sizes: Set[int],
) -> Chosen:
    """Reads samples of the files and the sketches of the candidates that ``ask`` gives for a structure and probes,
    nearest first. Damaged candidates are passed over. ``sizes`` are those of files that may turn out to be known."""
    with _side_by_side(tensors) as side:
        return _choose(place, _Pushed.of(tensors, side), parents, ask, sizes, side)


def _choose(
    place: Reads,
    pushed: "_Pushed",
    parents: Sequence[VersionRecord],
    ask: Callable[[str, Sequence[int]], Sequence[VersionRecord]],
    sizes: Set[int],
    side: "_Side",
) -> Chosen:
    structure, sketch = pushed.structure, pushed.sketch
    found = ask(structure, probes_asked(pushed.samples))
    read = {version.id: _sketch_of(place, version) for version in found} if sketch else {}
    known = {
        (entry.size, tuple(block for span in entry.spans for block in span.blocks)): entry.sha256
        for version in found[: 1 + len(parents)]
        if (manifest := _manifest(place, version))
        for entry in manifest.files
        if entry.size in sizes
    }
    best = _best(place, sketch, found, read)
    ranked = [manifest for version in best if (manifest := _manifest(place, version))]
    derived = find_recipes(
        pushed.samples, [_source(place, version, read[version.id] if sketch else b"") for version in found], side.read
    )
    recipes = {side.placement(pushed.samples[at].tensor.offset): each for at, each in derived.recipes.items()}
    sources = tuple(found[number] for number in derived.sources)
    return Chosen(Bases.of(ranked), known, structure, sketch, recipes, sources, pushed.within(side))


def source_of(place: Reads, version: VersionRecord) -> Source:
    """A version as what tensors may be made of."""
    return _source(place, version, _sketch_of(place, version))


def _source(place: Reads, version: VersionRecord, sketch: bytes) -> Source:
    try:
        prints = read_prints(prints_in(sketch) if sketch else b"")
    except Damaged:
        prints = read_prints(b"")

    def entries() -> Sequence[FileEntry]:
        manifest = _manifest(place, version)
        return manifest.files if manifest else ()

    return Source(prints, entries, lambda span, offset, length: _stored(place, span, offset, length))


def _stored(place: Reads, span: Span, offset: int, length: int) -> bytes:
    """About so much of a stored tensor; empty when it cannot be read."""
    reader, blocks, start = place.reader(), _blocks_at(span, offset, length), offset // BLOCK_BYTES * BLOCK_BYTES
    try:
        return reader.read_all(blocks, min(span.length - start, len(blocks) * BLOCK_BYTES))[offset - start :][:length]
    except (Damaged, Archived):
        return b""


def _blocks_at(span: Span, offset: int, length: int) -> Sequence[BlockId]:
    """Those that such bytes lie in, but no more than a few."""
    first = offset // BLOCK_BYTES
    return span.blocks[first : min(-(-(offset + length) // BLOCK_BYTES), first + READ_BLOCKS)]


def _best(
    place: Reads, sketch: bytes, found: Sequence[VersionRecord], sketches: Mapping[int, bytes]
) -> list[VersionRecord]:
    """The candidate with the best score first, unless chains are full; behind it the declared or newest one, for
    tensors it lacks."""
    if not sketch:
        return []
    scored = [(promise, i) for i, v in enumerate(found) if (promise := _promise(sketch, sketches[v.id])) < 1]
    if not scored or min(scored)[0] > WORTHWHILE:
        return []
    ranked = [(promise, found[number]) for promise, number in sorted(scored)]
    first = with_room_above(place, ranked, lambda version: _manifest(place, version))
    return [first, *(version for version in found[:1] if version is not first)]


@dataclass(frozen=True, slots=True)
class _Pushed:
    """What is looked at of the files to be pushed."""

    structure: str
    sketch: bytes
    samples: Sequence[Sample]
    prints: bytes
    files: Sequence[FileTensors]

    def within(self, side: "_Side") -> Within | None:
        copies = copied_files(self.samples, self.prints, lambda sample: side.placement(sample.tensor.offset)[0])
        return Within(self.files, self.samples, self.prints, copies) if copies else None

    @classmethod
    def of(cls, files: Sequence[FileTensors], side: "_Side") -> "_Pushed":
        named = [(tensor.name, tensor.dtype, tensor.shape) for file in files for tensor in file.tensors]
        if not named:
            return cls("", b"", (), b"", ())
        placed = [
            (start + tensor.offset, tensor)
            for start, file in zip(side.starts, files, strict=False)
            for tensor in file.tensors
        ]
        sketch = take_sketch([(each.name, each.dtype, at, each.length) for at, each in placed], side.read)
        shaped = (Tensor(e.name, e.dtype, at, e.length, e.shape) for at, e in placed if e.shape is not None)
        samples = take_samples(shaped, side.read)
        prints = written_prints(samples, sum(tensor.length for _, tensor in placed))
        return cls(structure_of(named), with_prints(sketch, prints), samples, prints, files)


def _side_by_side(files: Sequence[FileTensors]) -> "_Side":
    return _Side([file.file for file in files], [0, *accumulate(file.file.size for file in files)])


class _Side:
    """The files laid side by side and read as one; one file is open at a time."""

    def __init__(self, files: Sequence[DiskFile], starts: Sequence[int]) -> None:
        self._files = files
        self.starts = starts
        self._number = -1
        self._source: DiskSource | None = None

    def __enter__(self) -> "_Side":
        return self

    def __exit__(self, *_: object) -> None:
        if self._source is not None:
            self._source.close()

    def placement(self, offset: int) -> Placement:
        """The file that lies there, and where in it."""
        number = bisect_right(self.starts, offset) - 1
        return self._files[number].path, offset - self.starts[number]

    def read(self, offset: int, length: int) -> bytes:
        """What lies there; less at the end of a file."""
        number = bisect_right(self.starts, offset) - 1
        if number != self._number or self._source is None:
            self.__exit__()
            self._source = self._files[number].open()
            self._number = number
        return self._source.read(offset - self.starts[number], length)


def _promise(sketch: bytes, held: bytes) -> float:
    """The share that would be stored as differences from the version of that sketch; 1 when it cannot be read."""
    try:
        return score(sketch, held) if held else 1.0
    except Damaged:
        return 1.0


def _sketch_of(place: Reads, version: VersionRecord) -> bytes:
    """Empty when it cannot be read."""
    try:
        return stored_sketch(place, version.sketch) if version.sketch else b""
    except Damaged:
        return b""


def stored_sketch(place: Reads, block: BlockId) -> bytes:
    """Raises Damaged."""
    reader = place.reader()
    return reader.read_all((block,), reader.rows([block])[block].raw_length)


def _manifest(place: Reads, version: VersionRecord) -> Manifest | None:
    try:
        return load_manifest(place, version)
    except Damaged:
        return None
