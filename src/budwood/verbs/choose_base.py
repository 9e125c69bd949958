"""Choosing the version whose tensors a push is stored as differences from.

Candidates are the declared parents, the model's newest versions, and other versions of the same structure.
Each carries a sketch of some 160 KB; the one that promises the smallest difference wins.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from budwood.catalog.api import View
from budwood.domain.manifest import BlockId, Manifest
from budwood.domain.records import VersionRecord
from budwood.errors import Damaged
from budwood.store.api import Hint
from budwood.store.bases import Bases
from budwood.store.gather import DiskFile, DiskSource
from budwood.store.sketch import score, structure_of, take_sketch
from budwood.store.write import KnownFile
from budwood.verbs.manifests import load_manifest
from budwood.verbs.workplace import Reads

OWN_CANDIDATES: Final = 4
LIKE_CANDIDATES: Final = 8
WORTHWHILE: Final = 0.97
"""A base that promises less than this saves nothing that pays for decoding it."""


@dataclass(frozen=True, slots=True)
class FileTensors:
    """One file to be pushed and the typed tensors in it."""

    file: DiskFile
    tensors: tuple[Hint, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """``known`` holds the files of the nearest candidates, so that an unchanged file needs no new SHA-256."""

    bases: Bases
    known: dict[KnownFile, str]
    structure: str
    sketch: bytes


def candidates(view: View, parents: Sequence[VersionRecord], model_id: int, structure: str) -> list[VersionRecord]:
    """Versions worth comparing with, nearest first, without repeats and without those whose bytes went."""
    own = view.versions(model_id, limit=OWN_CANDIDATES) if model_id else ()
    like = view.versions_of_structure(structure, limit=LIKE_CANDIDATES) if structure else ()
    return list({version.id: version for version in (*parents, *own, *like) if not version.gone_ms}.values())


def choose_base(
    place: Reads,
    tensors: Sequence[FileTensors],
    parents: Sequence[VersionRecord],
    ask: Callable[[str], Sequence[VersionRecord]],
    sizes: Set[int],
) -> Chosen:
    """Reads samples of the files and the sketches of the candidates that ``ask`` gives for a structure, nearest
    first. Damaged candidates are passed over. ``sizes`` are those of the files that may turn out to be known."""
    structure, sketch = _sketch(tensors)
    found = ask(structure)
    known = {
        (entry.size, tuple(block for span in entry.spans for block in span.blocks)): entry.sha256
        for version in found[: 1 + len(parents)]
        if (manifest := _manifest(place, version))
        for entry in manifest.files
        if entry.size in sizes
    }
    best = _best(place, sketch, found)
    ranked = [manifest for version in best if (manifest := _manifest(place, version))]
    return Chosen(Bases.of(ranked), known, structure, sketch)


def _best(place: Reads, sketch: bytes, found: Sequence[VersionRecord]) -> list[VersionRecord]:
    """The candidate with the best score first; behind it the declared or newest one, for tensors it lacks."""
    if not sketch:
        return []
    scored = [(promise, i) for i, version in enumerate(found) if (promise := _promise(place, sketch, version)) < 1]
    if not scored or min(scored)[0] > WORTHWHILE:
        return []
    first = found[min(scored)[1]]
    return [first, *(version for version in found[:1] if version is not first)]


def _sketch(files: Sequence[FileTensors]) -> tuple[str, bytes]:
    named = [(tensor.name, tensor.dtype, tensor.shape) for file in files for tensor in file.tensors]
    if not named:
        return "", b""
    starts = [0, *accumulate(file.file.size for file in files)]
    placed = [
        (tensor.name, tensor.dtype, start + tensor.offset, tensor.length)
        for start, file in zip(starts, files, strict=False)
        for tensor in file.tensors
    ]
    with _Side([file.file for file in files], starts) as read:
        return structure_of(named), take_sketch(placed, read)


class _Side:
    """The files laid side by side and read as one; one file is open at a time."""

    def __init__(self, files: Sequence[DiskFile], starts: Sequence[int]) -> None:
        self._files = files
        self._starts = starts
        self._number = -1
        self._source: DiskSource | None = None

    def __enter__(self) -> Callable[[int, int], bytes]:
        return self._read

    def __exit__(self, *_: object) -> None:
        if self._source is not None:
            self._source.close()

    def _read(self, offset: int, length: int) -> bytes:
        number = bisect_right(self._starts, offset) - 1
        if number != self._number or self._source is None:
            self.__exit__()
            self._source = self._files[number].open()
            self._number = number
        return self._source.read(offset - self._starts[number], length)


def _promise(place: Reads, sketch: bytes, version: VersionRecord) -> float:
    """The share that would be stored as differences from the version; 1 when its sketch cannot be read."""
    if not version.sketch:
        return 1.0
    try:
        return score(sketch, _stored_sketch(place, version.sketch))
    except Damaged:
        return 1.0


def _stored_sketch(place: Reads, block: BlockId) -> bytes:
    reader = place.reader()
    return reader.read_all((block,), reader.rows([block])[block].raw_length)


def _manifest(place: Reads, version: VersionRecord) -> Manifest | None:
    try:
        return load_manifest(place, version)
    except Damaged:
        return None
