"""Copies of one another among the files of one push: which are written last, as functions of the others.

A file is a copy when a part of its numbers is foretold by prints of files that are none. So a push of a model in f32
with its bf16 and its GGUF keeps the first alone, and what leans never leans on what leans.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from budwood.domain.manifest import BlockId, FileEntry
from budwood.errors import FileChanged
from budwood.store.derive import foretold
from budwood.store.fingerprints import Sample, read_prints
from budwood.store.gather import DiskFile, DiskSource
from budwood.store.read import Placed, placed_in_file

COVERED: Final = 0.25
"""The part of a file's sampled bytes that others must foretell; below, it is not worth the wait for them."""


def copied_files(samples: Sequence[Sample], prints: bytes, file_of: Callable[[Sample], str]) -> frozenset[str]:
    """The paths of the copies. ``prints`` are those of these samples."""
    paths = [file_of(sample) for sample in samples]
    if len(set(paths)) < 2:
        return frozenset()
    covering = _covering(samples, prints, paths)
    files: defaultdict[str, list[_Tensor]] = defaultdict(list)
    given: defaultdict[str, int] = defaultdict(int)
    for path, sample, sources in zip(paths, samples, covering, strict=True):
        files[path].append(_Tensor(sample.tensor.length, sources))
        for source in sources:
            given[source] += sample.tensor.length
    copies = set[str]()
    # What others need least goes first; of two that are copies of each other, the larger.
    for path in sorted(files, key=lambda path: (given[path], -sum(each.length for each in files[path]))):
        if all(_is_covered(files[each], copies | {path}) for each in (*copies, path)):
            copies.add(path)
    return frozenset(copies)


@dataclass(frozen=True, slots=True)
class _Tensor:
    """``sources``: the other files that foretell it."""

    length: int
    sources: frozenset[str]


def _covering(samples: Sequence[Sample], prints: bytes, paths: Sequence[str]) -> list[frozenset[str]]:
    """For each sample, the other files that foretell it."""
    found: list[set[str]] = [set() for _ in samples]
    for sample, source in foretold(samples, read_prints(prints)):
        if paths[sample] != paths[source]:
            found[sample].add(paths[source])
    return [frozenset(each) for each in found]


def _is_covered(tensors: Sequence[_Tensor], copies: set[str]) -> bool:
    """Whether enough of a file is foretold by those that are no copies."""
    covered = sum(each.length for each in tensors if each.sources - copies)
    return covered >= COVERED * sum(each.length for each in tensors)


class OwnBlocks:
    """The blocks of files that were just written, read from these files: their packs are not there yet.

    Shared by threads. To be closed.
    """

    def __init__(self, files: Mapping[str, DiskFile], entries: Iterable[FileEntry]) -> None:
        self._files = files
        self._places: dict[BlockId, tuple[str, Placed]] = {}
        for entry in entries:
            for place in placed_in_file(entry):
                self._places.setdefault(place.id, (entry.path, place))
        self._lock = threading.Lock()
        self._opened: dict[str, DiskSource] = {}

    def __contains__(self, block: object) -> bool:
        return block in self._places

    def raw(self, block: BlockId) -> bytes:
        """Raises FileChanged when it is not there any more, StorageFailed."""
        path, place = self._places[block]
        with self._lock:
            source = self._opened.get(path)
            if source is None:
                source = self._opened[path] = self._files[path].open()
        raw = source.read(place.offset, place.length)
        if blake3(raw).digest() != block:
            raise FileChanged(f"{path} changed while it was pushed.", path=path)
        return raw

    def close(self) -> None:
        """Close the files."""
        for source in self._opened.values():
            source.close()
