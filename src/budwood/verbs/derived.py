"""What a version was computed from, counted from its blocks, and told as evidence and as edges of lineage.

A block counts when it is kept as a function of one source's blocks, or is itself one of them. Each was made anew and
compared when it was written, so the count is a proof; which versions to count against is only a proposal.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.derivation import REARRANGED, REGISTRY, Derivation, evidence_of, is_proof
from budwood.domain.manifest import BlockId, Manifest
from budwood.domain.policy.evidence import Evidence
from budwood.domain.records import VersionRecord
from budwood.domain.trace import Edge
from budwood.store.api import BlockRow
from budwood.store.encodings.registry import DERIVED
from budwood.verbs.house import House
from budwood.verbs.kept_evidence import keep_evidence

SOURCES_TOLD: Final = 4
"""Versions that one is told to be computed from."""
EDGES_READ: Final = 1_000


def derivations(
    manifest: Manifest, rows: Mapping[BlockId, BlockRow], sources: Iterable[tuple[VersionRecord, Manifest]]
) -> tuple[Derivation, ...]:
    """Those worth telling, of these sources. ``rows`` are of the blocks of the manifest."""
    whole = sum(entry.size for entry in manifest.files)
    found = [_counted(manifest, rows, source, kept, whole) for source, kept in sources] if whole else []
    telling = sorted((each for each in found if each.is_worth_telling), key=lambda each: -each.share)
    return tuple(telling[:SOURCES_TOLD])


def tell(
    transaction: Transaction,
    house: House,
    version: VersionRecord,
    found: Sequence[Derivation],
    parents: Iterable[VersionRecord],
    now_ms: int,
) -> None:
    """As evidence and as edges, in the transaction that publishes the version. What its author said stays.

    A version of another namespace is named only where the author did, as a parent.
    """
    named = {parent.id for parent in parents}
    for each in found:
        if each.source.namespace != version.namespace and each.source.id not in named:
            continue
        # It was read before; a child of one that is gone is told by its evidence alone.
        if transaction.version_by_id(each.source.id) is not None:
            edge = Edge(version.id, each.source.id, str(each.relation), REGISTRY, now_ms)
            transaction.add_edge(edge)
        keep_evidence(transaction, house, version, evidence_of(each, version.digest, now_ms))


def proofs(view: View, version: VersionRecord) -> tuple[Evidence, ...]:
    """What the registry proved of the version's bytes."""
    return tuple(each for each in view.evidence(version.namespace, version.digest) if is_proof(each))


def told_by_proof(view: View, parent: VersionRecord, children: Sequence[VersionRecord]) -> frozenset[int]:
    """Those of the children that only the registry says to come from the parent."""
    edges = view.edges_of([child.id for child in children], limit=EDGES_READ)
    return frozenset(edge.child for edge in edges if edge.parent == parent.id and edge.told_by == REGISTRY)


def _counted(
    manifest: Manifest, rows: Mapping[BlockId, BlockRow], source: VersionRecord, kept: Manifest, whole: int
) -> Derivation:
    dtypes = {block: span.dtype for entry in kept.files for span in entry.spans for block in span.blocks}
    derived: Counter[str] = Counter()
    equal = 0
    for entry in manifest.files:
        for span in entry.spans:
            for block, length in zip(span.blocks, span.block_lengths(), strict=True):
                row = rows.get(block)
                if block in dtypes:
                    equal += length
                elif row is not None and row.encoding == DERIVED and dtypes.keys() >= set(row.bases):
                    moved = dtypes[row.bases[0]] == span.dtype
                    derived[REARRANGED if moved else span.dtype] += length
    function = derived.most_common(1)[0][0] if derived else ""
    return Derivation(source, function, derived.total() / whole, equal / whole)
