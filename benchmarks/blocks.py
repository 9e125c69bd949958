"""``python -m benchmarks.blocks --room DIR [--blocks 10000000]``: a registry of as many blocks of their own, and what
its index costs: bytes a row, look-ups, a push, the sweep's mark, verify, work on tiers, rebuilding.

The rows are synthetic, the code is not. A version is one tensor of a thousand blocks that claim two megabytes each,
every second one a difference from the version before it; in the place of their bytes lie 64 of chance, which name them
and can be decoded: so ids are chance, too. They go through ``PackSet`` into packs in a folder, their rows through
``add_blocks`` into SQLite, and each version has a manifest that is read again like any other. Rows are added by half a
million at a time while the registry is filled, because 500,000 at once touch each page of the index once and not 500
times; what a push pays is measured afterwards. Each act runs in a process of its own, so that its memory is its own.

Ten million take some twenty minutes and 8 GB.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from blake3 import blake3

import budwood
from budwood.catalog.api import NewVersion, Transaction
from budwood.client.registry import Registry
from budwood.domain.facts import Facts
from budwood.domain.limits import BLOCK_BYTES
from budwood.domain.manifest import BlockId, FileEntry, Manifest, Span
from budwood.domain.names import Kind
from budwood.store.api import BlockRow, Buffer
from budwood.store.encodings import encode_block
from budwood.store.encodings.registry import DELTA_PCO, ENCODINGS, RAW, Plan
from budwood.store.packs import NewBlock, PackSet, pack_key
from budwood.verbs.tiers.standing import block_levels, placed_versions

A_VERSION: Final = 1_000
A_MODEL: Final = 100
AT_ONCE: Final = 500
NOW_MS: Final = 1_795_000_000_000
BATCHES: Final = {1_000: 200, 10_000: 50}
PUSHES: Final = 50
DELETED: Final = 0.01
LOST_PACKS: Final = 0.02
RAW_BYTES: Final = 64
CHANGED_BYTES: Final = 8
"""So many of a block are others than its base's."""


def main() -> int:
    """Fill, measure each act in a process of its own, and print one JSON document."""
    asked = _parser().parse_args()
    folder = asked.room / "registry"
    if asked.act:
        with budwood.connect(folder, author="bench") as registry:
            sys.stdout.write(json.dumps(measured(partial(ACTS[asked.act], registry))))
        return 0
    found: dict[str, object] = {"blocks": asked.blocks, "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    if not folder.exists():
        with budwood.connect(folder, author="bench") as registry:
            found["fill"] = measured(lambda: fill(registry, asked.blocks))
    found["sizes"] = sizes(folder, asked.blocks)
    for act in asked.acts.split(",") if asked.acts else ACTS:
        command = [sys.executable, "-m", "benchmarks.blocks", "--room", str(asked.room), "--act", act]
        done = subprocess.run(command, capture_output=True, text=True)
        found[act] = json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()[-600:]
        sys.stderr.write(f"{act}: {found[act]}\n")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


# Filling


def fill(registry: Registry, blocks: int) -> Mapping[str, object]:
    chance = random.Random(7)
    before: Sequence[bytes] = ()
    for first in range(0, blocks // A_VERSION, AT_ONCE):
        rows: list[BlockRow] = []
        made: list[_Made] = []
        for number in range(first, min(first + AT_ONCE, blocks // A_VERSION)):
            # Every second one leans on the one before it.
            one = write_version(registry, number, before if number % 2 else (), chance)
            before = one.raws
            rows += one.rows
            made.append(one)
        registry.house.catalog.write(partial(add, rows=rows, made=made))
        sys.stderr.write(f"{first + len(made)} versions\n")
    return {}


@dataclass(frozen=True, slots=True)
class _Made:
    """A version whose packs are written."""

    number: int
    manifest: Manifest
    raws: Sequence[bytes]
    manifest_blocks: tuple[BlockId, ...]
    rows: Sequence[BlockRow]


def write_version(registry: Registry, number: int, bases: Sequence[bytes], chance: random.Random) -> _Made:
    """Its blocks and its manifest, in packs of their own that are durable."""
    raws = [chance.randbytes(CHANGED_BYTES) + base[CHANGED_BYTES:] for base in bases]
    raws = raws or [chance.randbytes(RAW_BYTES) for _ in range(A_VERSION)]
    blocks = tuple(map(_named, raws))
    size = A_VERSION * BLOCK_BYTES
    span = Span(0, size, blocks, "weight", "BF16", (size // 2,))
    entry = FileEntry("model.safetensors", size, hashlib.sha256(blocks[0]).hexdigest(), (span,), "safetensors")
    manifest = Manifest((entry,), Facts(author="bench", created_ms=NOW_MS + number))
    names = (f"{number:08d}-{count:04d}" for count in range(1, 1_000))
    with PackSet(registry.house.objects, names) as packs:
        for at, raw in enumerate(raws):
            _add(packs, blocks[at], raw, bases[at] if bases else b"")
        written = manifest.canonical
        kept = []
        for start in range(0, len(written), BLOCK_BYTES):
            part = memoryview(written)[start : start + BLOCK_BYTES]
            encoded = encode_block(part, dtype="")
            kept.append(_named(part))
            packs.add(NewBlock(kept[-1], len(part), encoded.tag, is_manifest=True), encoded.parts, encoded.length)
        rows = packs.finish()
    return _Made(number, manifest, raws, tuple(kept), tuple(rows))


def add(transaction: Transaction, *, rows: Sequence[BlockRow], made: Sequence[_Made]) -> None:
    transaction.add_blocks(rows, "default")
    for one in made:
        name = f"model-{one.number // A_MODEL:05d}"
        model = transaction.model("default", name) or transaction.add_model("default", name, Kind.MODEL, "x", NOW_MS)
        size = len(one.manifest.canonical)
        born = one.manifest.facts.created_ms
        new = NewVersion(
            model.id, one.manifest.digest, "", Kind.MODEL, "bench", born, one.manifest.size_bytes, size,
            one.manifest_blocks,
        )  # fmt: skip
        transaction.add_version(new)


def _add(packs: PackSet, block: BlockId, raw: bytes, base: bytes) -> None:
    if not base:
        packs.add(NewBlock(block, RAW_BYTES, RAW), [raw], RAW_BYTES)
        return
    parts = ENCODINGS[DELTA_PCO].encode(memoryview(raw), memoryview(base), Plan(DELTA_PCO, 2))
    packs.add(NewBlock(block, RAW_BYTES, DELTA_PCO, _named(base), 1), parts, sum(map(len, parts)))


def _named(raw: Buffer) -> BlockId:
    return blake3(raw).digest()


def sizes(folder: Path, blocks: int) -> Mapping[str, float]:
    """Bytes a block, of what is on the disk."""
    catalog = sum(path.stat().st_size for path in folder.glob("catalog.sqlite3*"))
    packs = sum(path.stat().st_size for path in (folder / "packs").rglob("*.pack"))
    return {"catalog": catalog / blocks, "packs": packs / blocks}


# Acts


def find(registry: Registry) -> Mapping[str, object]:
    """have/want: batches of ids, half of them known; first as they come from the disk or its cache, then again."""
    chance, several = random.Random(1), set[BlockId]()
    with registry.house.catalog.read() as view:
        for _ in range(100):
            several.update(view.block_ids(after=chance.randbytes(32), limit=1_000))
    known, found = sorted(several), dict[str, object]()
    for size, count in BATCHES.items():
        took = []
        for _ in range(count):
            asked = [*chance.sample(known, size // 2), *(chance.randbytes(32) for _ in range(size // 2))]
            began = time.perf_counter()
            rows = registry.house.index.find(asked)
            took.append(time.perf_counter() - began)
            assert len(rows) == size // 2
        took.sort()
        found[str(size)] = {"p50_ms": took[len(took) // 2] * 1e3, "p99_ms": took[int(len(took) * 0.99)] * 1e3}
    return found


def push(registry: Registry) -> Mapping[str, object]:
    """Versions of a thousand new blocks, each a durable pack and a durable transaction."""
    chance, took = random.Random(os.getpid()), []
    for number in range(PUSHES):
        began = time.perf_counter()
        one = write_version(registry, 50_000_000 + os.getpid() * 100 + number, (), chance)
        written = time.perf_counter()
        registry.house.catalog.write(partial(add, rows=one.rows, made=[one]))
        took.append((time.perf_counter() - written, written - began))
    took.sort()
    return {"transaction_p50_ms": took[PUSHES // 2][0] * 1e3, "transaction_worst_ms": took[-1][0] * 1e3}


def look(registry: Registry) -> Mapping[str, object]:
    """What a sweep would free: the mark and one look at every row."""
    return {"condemned": registry.sweep(dry_run=True).condemned_blocks}


def sweep(registry: Registry) -> Mapping[str, object]:
    """One version in a hundred is deleted, and all of it freed at once."""
    deleted = 0
    for model in registry.list(limit=1_000):
        for version in registry.log(model.model.path, limit=1).versions[: round(A_MODEL * DELETED)]:
            registry.delete(version.reference)
            deleted += 1
    swept = registry.sweep(grace_s=0)
    return {"deleted_versions": deleted, "freed": swept.freed_blocks, "deleted_packs": swept.deleted_packs}


def verify(registry: Registry) -> Mapping[str, object]:
    """All but the data: manifests, rows, every pack's own index, and SQLite's check of itself."""
    verified = registry.verify()
    return {"blocks": verified.blocks, "packs": verified.packs, "problems": len(verified.problems)}


def scrub(registry: Registry) -> Mapping[str, object]:
    """Likewise, and every block is decoded and hashed; of each there are few bytes, so this is what a block costs."""
    verified = registry.verify(read_data=True)
    return {"blocks": verified.blocks, "packs": verified.packs, "problems": len(verified.problems)}


def levels(registry: Registry) -> Mapping[str, object]:
    """What a run of work on tiers must know of every block before it moves any."""
    placed = {version.id: each for version, each in placed_versions(registry.house)}
    block_levels(registry.house, placed)
    return {"versions": len(placed)}


def stats(registry: Registry) -> Mapping[str, object]:
    """What each model, kind and tier holds, alone and together."""
    usage = registry.stats()
    return {"models": len(usage.by_model), "blocks": usage.blocks}


def costs(registry: Registry) -> Mapping[str, object]:
    """What each version costs a month, of what it shares with others its part."""
    return {"versions": len(registry.tiers.costs().rows)}


def rebuild(registry: Registry) -> Mapping[str, object]:
    """The rows of some packs are gone; all packs are read for them."""
    with registry.house.catalog.read() as view:
        packs = [pack for pack in view.named_packs() if registry.house.objects.size(pack_key(pack))]
        lost = packs[:: round(1 / LOST_PACKS)]
        ids = [row.id for pack in lost for row in view.blocks(pack=pack, limit=100_000)]
    for at in range(0, len(ids), 100_000):
        few = ids[at : at + 100_000]
        registry.house.catalog.write(partial(_lose, few))
    return {"lost": len(ids), "found": registry.rebuild_index()}


def _lose(ids: Sequence[BlockId], transaction: Transaction) -> None:
    transaction.condemn(ids, at_ms=1)
    transaction.forget_blocks(ids)


ACTS: Final[Mapping[str, Callable[[Registry], Mapping[str, object]]]] = {
    "find": find,
    "push": push,
    "look": look,
    "sweep": sweep,
    "levels": levels,
    "stats": stats,
    "costs": costs,
    "verify": verify,
    "scrub": scrub,
    "rebuild": rebuild,
}


def measured(act: Callable[[], Mapping[str, object]]) -> dict[str, object]:
    """What it gave; seconds by the clock and of this process; the peak of all resident memory beyond what it began
    with."""
    idle = _status("VmRSS")
    cpu, wall = time.process_time(), time.perf_counter()
    found = dict(act())
    found |= {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    return found | {"memory_mb": (_status("VmHWM") - idle) / 1e6}


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blocks", description=__doc__)
    parser.add_argument("--room", type=Path, default=Path("benchmarks/data/blocks"))
    parser.add_argument("--blocks", type=int, default=10_000_000)
    parser.add_argument("--acts", default="", help="some of them, by commas")
    parser.add_argument("--act", default="", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
