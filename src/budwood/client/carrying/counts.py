"""Counting what is found, brought, kept and differs, while several threads bring it."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from budwood.domain.carrying.compare import Told, differing, digest
from budwood.domain.carrying.report import KINDS, Carried, Difference, Tally
from budwood.domain.limits import DIFFERENCES_TOLD

Tell = Callable[[str, int], None]
"""Told how much of a kind is done, or with ``bytes`` how many came."""


@dataclass(slots=True)
class _Tally:
    found: int = 0
    brought: int = 0
    kept: int = 0
    differs: int = 0


@dataclass(slots=True)
class Counts:
    """Safe to use from several threads."""

    tell: Tell = lambda _, __: None
    _tallies: dict[str, _Tally] = field(default_factory=lambda: {kind: _Tally() for kind in KINDS})
    _differences: list[Difference] = field(default_factory=list)
    _notes: dict[str, None] = field(default_factory=dict)
    _digests: set[bytes] = field(default_factory=set)
    _bytes: int = 0
    _differing: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def found(self, kind: str, count: int = 1) -> None:
        with self._lock:
            self._tallies[kind].found += count

    def brought(self, kind: str, count: int = 1) -> None:
        with self._lock:
            self._tallies[kind].brought += count
        self.tell(kind, count)

    def kept(self, kind: str, count: int = 1) -> None:
        with self._lock:
            self._tallies[kind].kept += count
        self.tell(kind, count)

    def came(self, size_bytes: int) -> None:
        with self._lock:
            self._bytes += size_bytes
        self.tell("bytes", size_bytes)

    def differs(self, kind: str, name: str, reason: str, count: int = 1) -> None:
        with self._lock:
            self._tallies[kind].differs += count
            self._differing += count
            if len(self._differences) < DIFFERENCES_TOLD:
                self._differences.append(Difference(kind, name[:300], reason[:1000]))

    def note(self, text: str) -> None:
        """Something that whoever reads the report should know; said once."""
        with self._lock:
            if len(self._notes) < DIFFERENCES_TOLD:
                self._notes[text] = None

    def compare(self, kind: str, name: str, there: Told, here: Told | None) -> bool:
        """Whether it is the same on both sides; if not, it is told."""
        if here is None:
            self.differs(kind, name, "It is not there.")
            return False
        if fields := differing(there, here):
            self.differs(kind, name, f"Not the same: {fields}.")
            return False
        self.same(kind, name, dict(there))
        return True

    def same(self, kind: str, name: str, told: Told) -> None:
        """It is the same on both sides."""
        mark = digest(kind, name, dict(told))
        with self._lock:
            self._digests.add(mark)

    def report(self, source: str, target: str, namespace: str, *, dry: bool) -> Carried:
        whole = hashlib.sha256(b"".join(sorted(self._digests))).hexdigest()
        tallies = tuple(
            Tally(kind, each.found, each.brought, each.kept, each.differs) for kind, each in self._tallies.items()
        )
        return Carried(
            source,
            target,
            namespace,
            tallies,
            self._bytes,
            "" if dry else whole,
            self._differing,
            tuple(self._differences),
            tuple(self._notes),
            dry,
        )
