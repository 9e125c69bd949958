"""What a version that arrived whole is a function of: found when it is first written anew, as a push would have.

Only older versions of the same namespace are sources, as they alone are bases: so no two versions lean on each other.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from budwood.domain.manifest import BlockId, Manifest
from budwood.domain.records import VersionRecord
from budwood.store.derive import find_recipes
from budwood.store.deriving import Recipes
from budwood.store.fingerprints import Sample, Tensor, probes_asked, take_samples, written_prints
from budwood.store.read import BlockReader, placed_in_file
from budwood.verbs.choose_base import PROBES_ASKED, SOURCE_CANDIDATES, source_of
from budwood.verbs.house import House

_HELD: Final = 4


@dataclass(frozen=True, slots=True)
class Functions:
    """Recipes for tensors by file and offset, and the versions that they are of. ``prints`` are the version's own."""

    prints: bytes = b""
    recipes: Recipes = field(default_factory=dict)
    sources: tuple[VersionRecord, ...] = ()


def functions_of(house: House, version: VersionRecord, manifest: Manifest) -> Functions:
    """Reads some blocks of the version, and the prints of those that its tensors point to. Raises Damaged."""
    looked = _Looked.at(house, manifest)
    found = _older(house, version, probes_asked(looked.samples)[:PROBES_ASKED])
    made = find_recipes(looked.samples, [source_of(house, each) for each in found], looked.stored.read)
    recipes = {}
    for number, each in made.recipes.items():
        offset = looked.samples[number].tensor.offset
        file = bisect_right(looked.starts, offset) - 1
        recipes[manifest.files[file].path, offset - looked.starts[file]] = each
    return Functions(looked.prints, recipes, tuple(found[number] for number in made.sources))


def prints_of(house: House, manifest: Manifest) -> bytes:
    """What copies of a version will be found by. Reads some blocks of it. Raises Damaged."""
    return _Looked.at(house, manifest).prints


@dataclass(frozen=True, slots=True)
class _Looked:
    """Samples of a version's tensors. Its files are laid side by side: ``starts`` is where each of them begins."""

    starts: Sequence[int]
    stored: "_Stored"
    samples: Sequence[Sample]
    prints: bytes

    @classmethod
    def at(cls, house: House, manifest: Manifest) -> "_Looked":
        starts = [0, *accumulate(entry.size for entry in manifest.files)]
        tensors = [
            Tensor(span.name, span.dtype, start + span.offset, span.length, span.shape)
            for start, entry in zip(starts, manifest.files, strict=False)
            for span in entry.tensors
            if span.dtype and span.shape is not None
        ]
        stored = _Stored(house.reader(), manifest)
        samples = take_samples(tensors, stored.read)
        return cls(starts, stored, samples, written_prints(samples, sum(tensor.length for tensor in tensors)))


def _older(house: House, version: VersionRecord, probes: Sequence[int]) -> list[VersionRecord]:
    """Versions that foretold one of these numbers."""
    if not probes:
        return []
    with house.catalog.read() as view:
        every = (view.version_by_id(number) for number in view.probed(probes, limit=SOURCE_CANDIDATES))
        found = [each for each in every if each is not None and each.namespace == version.namespace]
    return [each for each in found if each.id < version.id and not each.gone_ms]


class _Stored:
    """The files of a version laid side by side and read as one; the last few blocks are held."""

    def __init__(self, reader: BlockReader, manifest: Manifest) -> None:
        self._reader = reader
        self._places = list[tuple[int, BlockId, int]]()
        start = 0
        for entry in manifest.files:
            self._places += [(start + place.offset, place.id, place.length) for place in placed_in_file(entry)]
            start += entry.size
        self._starts = [offset for offset, _, _ in self._places]
        self._held: dict[BlockId, bytes] = {}

    def read(self, offset: int, length: int) -> bytes:
        """What lies there; less at the end. Raises Damaged."""
        found, at = bytearray(), bisect_right(self._starts, offset) - 1
        while len(found) < length and 0 <= at < len(self._places):
            start, block, size = self._places[at]
            inside = offset + len(found) - start
            found += self._block(block, size)[inside : inside + length - len(found)]
            at += 1
        return bytes(found)

    def _block(self, block: BlockId, size: int) -> bytes:
        if block not in self._held:
            raw = bytearray(size)
            self._reader.read(block, self._reader.rows([block]), memoryview(raw))
            while len(self._held) >= _HELD:
                del self._held[next(iter(self._held))]
            self._held[block] = bytes(raw)
        return self._held[block]
