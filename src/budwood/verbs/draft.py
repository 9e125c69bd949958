"""A version that is written but not published, and what is asked for beside its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from budwood.domain.change import Suggestion
from budwood.domain.derivation import Derivation
from budwood.domain.facts import Facts
from budwood.domain.listing import Origin
from budwood.domain.manifest import BlockId
from budwood.domain.records import VersionRecord
from budwood.store.write import Kept


@dataclass(frozen=True, slots=True)
class Draft:
    """A version whose bytes are durable and which no record names yet.

    ``facts`` and ``size_bytes`` are of its manifest, which may be large and is needed no more. ``digest`` and
    ``manifest_size`` are those of the manifest as it was written, which a newer Budwood may have done.
    ``shared`` are the blocks it needs that were in the store before: publishing re-checks each of them. ``probes`` are
    those of its prints; ``derivations`` what was found that it was computed from. ``description`` and ``origin`` are
    how it is listed from its birth on.
    """

    facts: Facts
    size_bytes: int
    digest: str
    manifest_size: int
    manifest_blocks: tuple[BlockId, ...]
    structure: str
    sketch: BlockId
    kept: Kept
    shared: frozenset[BlockId]
    parents: tuple[VersionRecord, ...] = ()
    suggestion: Suggestion | None = None
    probes: tuple[int, ...] = ()
    derivations: tuple[Derivation, ...] = ()
    description: str = ""
    origin: Origin = Origin()


class Wishes(Protocol):
    """What is asked for beside the files."""

    @property
    def label(self) -> str: ...
    @property
    def bump(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...
    @property
    def tags(self) -> Mapping[str, str]: ...
