"""The ledger's tree alone, without a database: ``python -m benchmarks.ledger --out DIR``; in one with ``--catalog``.

Entries are sealed, hashed and put into tiles in batches as the catalog's writer would; proofs are made from tiles in
memory; then everything is exported as an audit bundle and checked by the stand-alone verifier in a process of its own.
DIR is made, and takes about half a kilobyte an entry. With ``--catalog`` they are written to a catalog in SQLite there,
signed, proven and checked as ``budwood audit`` does. Seconds are CPU seconds: nothing here waits, and other
work on the machine moves them less.
"""

import argparse
import gc
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from budwood.catalog.api import Transaction
from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.domain.canon import Json
from budwood.domain.records import LedgerEntry
from budwood.domain.tree.bundle import (
    AuditPart,
    KeptOpening,
    SignedState,
    bundle_head,
    entry_parts,
    opening_parts,
    tile_parts,
)
from budwood.domain.tree.checkpoint import Checkpoint
from budwood.domain.tree.hashes import Frontier, leaf_hash
from budwood.domain.tree.leaf import SALT_BYTES, Sealed, seal
from budwood.domain.tree.note import Note, NoteKey, sign_note
from budwood.domain.tree.proofs import consistency_proof, inclusion_proof, verify_inclusion
from budwood.domain.tree.tiles import Tile, TilePlace, grow, places_of
from budwood.govern.ledger_check import check_ledger
from budwood.govern.log_key import kept_key
from budwood.govern.sequencer import sequence, tiles_of
from budwood.verifier import budwood_verify

ORIGIN = "benchmark.example/ledger"
BATCHES = (128, 10_000)
PROOFS = 2_000


@dataclass(slots=True)
class Log:
    """What a registry would keep: leaves with their openings, tiles, and the right edge."""

    sealed: list[Sealed] = field(default_factory=list)
    tiles: dict[TilePlace, bytes] = field(default_factory=dict)
    frontier: Frontier = field(default_factory=Frontier)

    def append(self, entries: Sequence[LedgerEntry]) -> None:
        sealed = [seal(entry, salt) for entry in entries]
        hashes = [leaf_hash(one.leaf) for one in sealed]
        self.tiles |= {tile.place: tile.body for tile in grow(self.frontier.size, hashes, self.read)}
        self.frontier = self.frontier.extend(hashes)
        self.sealed += sealed

    def read(self, place: TilePlace) -> bytes:
        return self.tiles[place]


def salt() -> bytes:
    return os.urandom(SALT_BYTES)


def entries(first: int, count: int) -> Iterator[LedgerEntry]:
    """Such as pointing an alias writes, with a reason."""
    for n in range(first, first + count):
        body: dict[str, Json] = {
            "alias": "champion",
            "version": n % 50,
            "before": n % 50 - 1,
            "reason": "better recall on the holdout",
        }
        yield LedgerEntry(n + 1, 1_790_000_000_000 + n, f"person{n % 90}", "alias.set", f"encoder@v{n}", body, "vision")


def fill(log: Log, count: int, batch: int) -> float:
    """Entries a second."""
    coming = entries(log.frontier.size, count)
    batches = []
    while taken := list(islice(coming, batch)):
        batches.append(taken)
    began = time.process_time()
    for taken in batches:
        log.append(taken)
    return count / (time.process_time() - began)


def timed(work: Callable[[int], object], choices: Sequence[int]) -> str:
    """Median and 99th percentile."""
    times = []
    for choice in choices:
        began = time.process_time()
        work(choice)
        times.append((time.process_time() - began) * 1e3)
    return f"p50 and p99: {median(times):.3f}, {sorted(times)[len(times) * 99 // 100]:.3f} ms"


def export(log: Log, folder: Path) -> str:
    """Writes the bundle; the key that signed it."""
    private = Ed25519PrivateKey.generate()
    key = NoteKey(ORIGIN, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    text = Checkpoint(ORIGIN, log.frontier.size, log.frontier.root()).text
    state = SignedState(log.frontier.size, sign_note(Note(text), key, private.sign).encode())
    for part in parts(log, key, state):
        path = folder / part.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(part.body)
    return key.text


def parts(log: Log, key: NoteKey, state: SignedState) -> Iterator[AuditPart]:
    yield from bundle_head(ORIGIN, [key], state)
    yield from entry_parts(one.leaf for one in log.sealed)
    yield from opening_parts(KeptOpening(n, opening) for n, one in enumerate(log.sealed) for opening in one.openings)
    yield from tile_parts(Tile(place, log.tiles[place]) for place in places_of(log.frontier.size))


def in_catalog(folder: Path, count: int) -> None:
    """What ``budwood audit`` costs on a registry of so many entries; one that is there is used again."""
    folder.mkdir(parents=True, exist_ok=True)
    catalog = SqliteCatalog(folder / "catalog.sqlite3")
    with catalog.read() as view:
        there = view.leaf_count()
    began = time.process_time()
    coming = entries(there, count - there)
    while taken := list(islice(coming, 5_000)):
        catalog.write(partial(append, taken))
    spent = time.process_time() - began
    began = time.process_time()
    sequence(catalog, lambda: 1_790_000_000_000)
    if there < count:
        print(f"append in transactions of 5,000: {(count - there) / spent:,.0f} entries/s")
        print(f"put them into the tree and sign: {(count - there) / (time.process_time() - began):,.0f} entries/s")
    with catalog.read() as view:
        key, chance = kept_key(view), random.Random(4)
        chosen = [chance.randrange(count) for _ in range(PROOFS)]
        print("inclusion proof, " + timed(lambda index: inclusion_proof(index, count, tiles_of(view)), chosen))
        began = time.process_time()
        found = check_ledger(view, key.public if key else None, None, None)
        print(f"verify all of it: {time.process_time() - began:.1f} s")
        assert not found.problems, found
    catalog.close()


def append(taken: Sequence[LedgerEntry], transaction: Transaction) -> None:
    """As changes do, an entry each."""
    for each in taken:
        transaction.add_ledger(each.at_ms, each.actor, each.action, each.subject, each.body, "default")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="an empty folder for the bundle")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--catalog", action="store_true", help="in a database, as a registry has it")
    asked = parser.parse_args()
    if asked.catalog:
        in_catalog(asked.out, asked.entries)
        return 0
    for batch in BATCHES:
        rates = [fill(Log(), 100_000, batch) for _ in range(3)]
        print(f"append in batches of {batch:,}: {median(rates):,.0f} entries/s")
    log = Log()
    print(f"append {asked.entries:,} in batches of 10,000: {fill(log, asked.entries, 10_000):,.0f} entries/s")
    chance, size, root = random.Random(4), log.frontier.size, log.frontier.root()
    chosen = [chance.randrange(1, size) for _ in range(PROOFS)]
    for index in chosen[:100]:
        assert verify_inclusion(
            leaf_hash(log.sealed[index].leaf), index, size, inclusion_proof(index, size, log.read), root
        )
    # A server does not hold a million leaves in memory; without this, collecting garbage walks over them all.
    gc.freeze()
    print("inclusion proof, " + timed(lambda index: inclusion_proof(index, size, log.read), chosen))
    print("consistency proof, " + timed(lambda before: consistency_proof(before, size, log.read), chosen))
    key = export(log, asked.out)
    subprocess.run([sys.executable, budwood_verify.__file__, str(asked.out), "--key", key], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"verify all of it offline: {used.ru_utime + used.ru_stime:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
