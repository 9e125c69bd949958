"""Trees, ledgers and bundles that the tests make, signed by real keys from fixed seeds."""

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from budwood.domain.canon import Json
from budwood.domain.records import LedgerEntry
from budwood.domain.tree.bundle import (
    AuditPart,
    KeptOpening,
    SignedState,
    bundle_head,
    earlier_parts,
    entry_parts,
    opening_parts,
    tile_parts,
)
from budwood.domain.tree.checkpoint import Checkpoint
from budwood.domain.tree.hashes import leaf_hash, node_hash, tree_root
from budwood.domain.tree.leaf import Sealed, seal
from budwood.domain.tree.note import KeyKind, Note, NoteKey, sign_note
from budwood.domain.tree.tiles import Tile, TilePlace, grow, places_of

ORIGIN = "registry.example/ledger"


@dataclass(frozen=True, slots=True)
class Signer:
    """A key pair and its name."""

    key: NoteKey
    private: Ed25519PrivateKey

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


def signer(name: str = ORIGIN, kind: KeyKind = KeyKind.LOG, seed: int = 1) -> Signer:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return Signer(NoteKey(name, public, kind), private)


def check(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


def hashes(count: int, salt: str = "") -> list[bytes]:
    return [leaf_hash(f"{salt}{number}".encode()) for number in range(count)]


@dataclass(slots=True)
class Shelf:
    """Tiles as a registry keeps them."""

    tiles: dict[TilePlace, bytes] = field(default_factory=dict)
    size: int = 0

    def read(self, place: TilePlace) -> bytes:
        return self.tiles[place]

    def append(self, leaves: Sequence[bytes]) -> None:
        self.tiles |= {tile.place: tile.body for tile in grow(self.size, leaves, self.read)}
        self.size += len(leaves)

    def in_force(self) -> list[Tile]:
        return [Tile(place, self.tiles[place]) for place in places_of(self.size)]


def shelf_of(leaves: Sequence[bytes]) -> Shelf:
    shelf = Shelf()
    shelf.append(leaves)
    return shelf


def sealed_entries(count: int, seed: int = 7) -> list[Sealed]:
    chance = random.Random(seed)
    body: dict[str, Json] = {"alias": "champion", "version": 3, "reason": "better recall"}
    entries = (
        LedgerEntry(n + 1, 1_790_000_000_000 + n, f"mara{n}", "alias.set", f"encoder@v{n}", body, "default")
        for n in range(count)
    )
    return [seal(entry, lambda: chance.randbytes(32)) for entry in entries]


def signed(size: int, leaves: Sequence[bytes], by: Sequence[Signer]) -> SignedState:
    note = Note(Checkpoint(ORIGIN, size, tree_root([leaf_hash(leaf) for leaf in leaves[:size]])).text)
    for one in by:
        note = sign_note(note, one.key, one.sign, at_s=1_790_000_000)
    return SignedState(size, note.encode())


def bundle(sealed: Sequence[Sealed], *, earlier: Iterable[int] = (), by: Sequence[Signer] = ()) -> list[AuditPart]:
    """A whole ledger as an audit bundle."""
    leaves, by = [one.leaf for one in sealed], by or [signer()]
    kept = (KeptOpening(index, opening) for index, one in enumerate(sealed) for opening in one.openings)
    return [
        *bundle_head(ORIGIN, [one.key for one in by], signed(len(leaves), leaves, by)),
        *earlier_parts(signed(size, leaves, by) for size in earlier),
        *entry_parts(leaves),
        *opening_parts(kept),
        *tile_parts(shelf_of([leaf_hash(leaf) for leaf in leaves]).in_force()),
    ]


def write(parts: Iterable[AuditPart], folder: Path) -> Path:
    for part in parts:
        path = folder / part.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part.body)
    return folder
