"""Audit bundles: a ledger, or a few of its entries with proofs, as files that anybody can check without a registry.

docs/internals/audit-bundle.md is the layout; ``verifier/budwood_verify.py`` reads it. Parts are made one by one, so a
ledger of any length passes through little memory.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.domain import canon
from budwood.domain.batches import batched
from budwood.domain.canon import Json
from budwood.domain.limits import AUDIT_PART_ENTRIES
from budwood.domain.tree.leaf import Opening
from budwood.domain.tree.note import NoteKey
from budwood.domain.tree.proofs import Proof
from budwood.domain.tree.tiles import Tile

BUNDLE_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class AuditPart:
    """One file of a bundle; ``name`` is its path with '/'."""

    name: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SignedState:
    """A signed checkpoint and the size it speaks of."""

    size: int
    note: bytes


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """A leaf and the proof that it is in the tree of the newest checkpoint."""

    index: int
    leaf: bytes
    proof: Proof


@dataclass(frozen=True, slots=True)
class KeptOpening:
    """What is kept beside the leaf at ``index``."""

    index: int
    opening: Opening


def bundle_head(origin: str, keys: Sequence[NoteKey], newest: SignedState) -> Iterator[AuditPart]:
    """What every bundle begins with. The keys are named for comparison: only one from elsewhere proves anything."""
    head: Json = {"format": BUNDLE_FORMAT, "origin": origin, "size": newest.size}
    yield AuditPart("audit.json", canon.dumps(head) + b"\n")
    yield AuditPart("keys.txt", "".join(f"{key.text}\n" for key in keys).encode())
    yield AuditPart("checkpoint", newest.note)


def earlier_parts(states: Iterable[SignedState]) -> Iterator[AuditPart]:
    """Earlier checkpoints: the more there are, the closer a rewritten stretch is named."""
    yield from (AuditPart(f"checkpoints/{state.size:016}", state.note) for state in states)


def entry_parts(leaves: Iterable[bytes], first: int = 0) -> Iterator[AuditPart]:
    """Leaves one after the other, from the one at index ``first`` on."""
    for part in batched(leaves, AUDIT_PART_ENTRIES):
        yield AuditPart(f"entries/{first:016}.jsonl", b"\n".join(part) + b"\n")
        first += len(part)


def opening_parts(kept: Iterable[KeptOpening]) -> Iterator[AuditPart]:
    """What is still known of hidden fields, by rising index."""
    for part in batched(kept, AUDIT_PART_ENTRIES):
        yield AuditPart(f"openings/{part[0].index:016}.tsv", b"".join(map(_opening_line, part)))


def tile_parts(tiles: Iterable[Tile]) -> Iterator[AuditPart]:
    """The tree's own hashes: they tell which entry was changed, where the entries alone tell only that one was."""
    yield from (AuditPart(tile.place.path, tile.body) for tile in tiles)


def proof_parts(entries: Iterable[ProvenEntry]) -> Iterator[AuditPart]:
    """Single entries with their proofs, for a bundle that does not hold them all."""
    yield AuditPart("proofs.jsonl", b"".join(map(_proof_line, entries)))


def consistency_part(before: SignedState, proof: Proof) -> Iterator[AuditPart]:
    """That an earlier state is the beginning of the newest, for a bundle that does not hold all entries."""
    yield from earlier_parts([before])
    line = canon.dumps({"size": before.size, "hashes": _hashes(proof)}) + b"\n"
    yield AuditPart("consistency.jsonl", line)


def _opening_line(kept: KeptOpening) -> bytes:
    opening = kept.opening
    # Tabs cannot stand in canonical JSON, and the value is there as the very bytes that were hashed.
    name = canon.dumps(opening.field)
    return b"%d\t%s\t%s\t%s\n" % (kept.index, name, opening.salt.hex().encode(), canon.dumps(opening.value))


def _proof_line(entry: ProvenEntry) -> bytes:
    row: Json = {"index": entry.index, "leaf": entry.leaf.decode(), "hashes": _hashes(entry.proof)}
    return canon.dumps(row) + b"\n"


def _hashes(proof: Proof) -> list[Json]:
    return [base64.b64encode(step).decode() for step in proof]
