"""A version as people hold it: its record, its facts, its files and tensors, read only when asked for."""

import io
from typing import TYPE_CHECKING

from budwood.client.place import Place
from budwood.client.reading import VersionFile, read_array, read_whole
from budwood.domain.facts import Facts
from budwood.domain.manifest import Manifest, Span
from budwood.domain.names import Stage
from budwood.domain.records import VersionRecord
from budwood.domain.results import VersionDetail
from budwood.verbs.manifests import check_bytes, load_manifest

if TYPE_CHECKING:
    import numpy as np


class Version:
    """One immutable version. ``record`` is what the catalog says; the rest is read on first use."""

    def __init__(self, place: Place, record: VersionRecord) -> None:
        self._place = place
        self.record = record
        self._manifest: Manifest | None = None

    @property
    def reference(self) -> str:
        """By label where it has one, else by number."""
        return self.record.reference

    @property
    def number(self) -> int:
        return self.record.number

    @property
    def label(self) -> str:
        return self.record.label

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest: the version's identity."""
        return self.record.digest

    @property
    def stage(self) -> Stage:
        return self.record.stage

    @property
    def manifest(self) -> Manifest:
        """Files, spans and facts, verified against the digest. Raises ManifestDamaged."""
        # Not a cached_property: up to Python 3.11 those of all versions share one lock, held while this one reads.
        if self._manifest is None:
            self._manifest = load_manifest(self._place.work, self.record)
        return self._manifest

    @property
    def facts(self) -> Facts:
        """What was declared and captured when it was pushed."""
        return self.manifest.facts

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of its files."""
        return tuple(entry.path for entry in self.manifest.files)

    @property
    def tensors(self) -> dict[str, Span]:
        """Every tensor by name."""
        return {span.name: span for entry in self.manifest.files for span in entry.tensors}

    def detail(self) -> VersionDetail:
        """The record with aliases, tags, parents and children as they are now."""
        return self._place.show(f"{self.record.namespace}/{self.record.model}@v{self.record.number}")

    def open(self, path: str) -> io.BufferedReader:
        """A file of the version, for reading at any position. Raises FileNotInVersion."""
        check_bytes(self.record)
        return io.BufferedReader(VersionFile(self._place.work, self.manifest.file(path)), buffer_size=1 << 16)

    def read(self, path: str) -> bytes:
        """A whole file in memory. Raises FileNotInVersion."""
        return bytes(self.load(path))

    def load(self, path: str) -> memoryview:
        """A whole file in memory without a second copy, decoded in parallel. Raises FileNotInVersion, BlockDamaged."""
        check_bytes(self.record)
        return read_whole(self._place.work, self.manifest.file(path))

    def tensor(self, name: str) -> "np.ndarray":
        """One tensor, reading only its blocks; bf16 comes as float32 holding the same values.

        Raises TensorNotInVersion, NotOffered for quantised types, BlockDamaged.
        """
        check_bytes(self.record)
        _, span = self.manifest.tensor(name)
        return read_array(self._place.work, span)

    def __repr__(self) -> str:
        return f"Version({self.reference!r}, stage={self.stage.value!r})"

    def _repr_html_(self) -> str:
        from budwood.client.html import version_html

        return version_html(self.record, self.detail())
