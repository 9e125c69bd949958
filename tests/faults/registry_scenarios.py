"""Every verb that changes a registry, as a scenario: a small registry before, one verb, and a strict reader after.

The reader verifies all data, pulls every version and hashes what it got, and lists versions, pointers, moves and
ledger. So a state is equal to another only when everything a person could see is.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.storage_tiers.values import Arrival
from budwood.store.backends.folder import FolderObjects
from budwood.store.backends.tiered import TieredObjects
from budwood.store.marks import is_cold
from budwood.store.packs import pack_key
from budwood.wiring import connect
from tests.faults.scenario import Scenario

MODEL = "encoder"
DATABASE = "catalog.sqlite3"


FAMILY = (("first", 0.0), ("second", 0.001), ("third", 0.002))
TIERING = """\
apiVersion: budwood.dev/v1
kind: Tiering
spec:
  rules:
    - {tier: cold, stages: [archived]}
"""
WARM = "apiVersion: budwood.dev/v1\nkind: Tiering\nspec: {rules: [{tier: warm, stages: [archived]}]}\n"


def opened(folder: Path, push_as: Arrival | None = None) -> Registry:
    """With a cold store in a folder of its own."""
    registry = connect(folder / "registry", author="mara@example.com", threads=2)
    house = registry.house
    objects = TieredObjects(house.objects, FolderObjects(folder / "cold"))
    tiered = replace(house, objects=objects, has_cold_store=True, push_as=push_as)
    return Registry(Near(tiered, registry.place, registry.made, grace_s=0))


def write_model(folder: Path, seed: int, *, noise: float = 0.0) -> Path:
    """A few tensors in a safetensors file and a configuration; noise makes a fine-tune of the same seed."""
    folder.mkdir(parents=True)
    chance, shift = np.random.default_rng(seed), np.random.default_rng(seed + 1000)
    tensors = {f"layer.{i}.weight": chance.normal(0, 0.05, (96, 64)).astype("<f4") for i in range(3)}
    header, body = {}, b""
    for name, value in tensors.items():
        moved = (value + shift.normal(0, noise or 1e-12, value.shape)).astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(body), len(body) + len(moved)]}
        body += moved
    written = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(written).to_bytes(8, "little") + written + body)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "seed": seed, "noise": noise}))
    return folder


# Before


def prepare_empty(folder: Path) -> None:
    write_model(folder / "new", 1)


def prepare_two(folder: Path) -> None:
    """Two versions; production has moved from the first to the second, and a third model waits outside."""
    first, second = write_model(folder / "first", 1), write_model(folder / "second", 1, noise=0.001)
    write_model(folder / "new", 1, noise=0.002)
    with opened(folder) as registry:
        registry.push(first, MODEL, label="1.0.0", aliases=["champion"])
        registry.push(second, MODEL, label="1.0.1")
        registry.stage(f"{MODEL}@1.0.0", "production")
        registry.stage(f"{MODEL}@1.0.1", "production")


def prepare_unneeded(folder: Path) -> None:
    """As before, but nothing points to the first version."""
    prepare_two(folder)
    with opened(folder) as registry:
        registry.alias(f"{MODEL}@1.0.1", "champion")


def prepare_garbage(folder: Path) -> None:
    """As before, and a deleted version of another model, of which nothing is needed any more."""
    prepare_two(folder)
    with opened(folder) as registry:
        registry.push(write_model(folder / "gone", 9), "other", label="0.1.0")
        registry.delete("other@0.1.0")


def prepare_bundle(folder: Path) -> None:
    """A bundle of one version from another registry, and a registry that holds its base under another name."""
    prepare_two(folder)
    with opened(folder) as registry:
        registry.export([f"{MODEL}@1.0.1"], folder / "one.bundle")
    (folder / "registry").rename(folder / "elsewhere")
    with opened(folder) as registry:
        registry.push(folder / "first", "mine", label="1.0.0")


def prepare_tiers(folder: Path) -> None:
    """As before, pushed as they are; the third is archived, and a policy sends that to a cold store."""
    first, second, third = (write_model(folder / name, 1, noise=noise) for name, noise in FAMILY)
    with opened(folder, push_as=Arrival.RAW) as registry:
        registry.push(first, MODEL, label="1.0.0")
        registry.push(second, MODEL, label="1.0.1")
        registry.push(third, MODEL, label="1.0.2")
        registry.stage(f"{MODEL}@1.0.2", "archived")
        registry.tiers.put_policy(TIERING)


def prepare_moved(folder: Path) -> None:
    """As it is once that was moved, and then production went to it."""
    prepare_tiers(folder)
    with opened(folder) as registry:
        registry.tiers.run()
        registry.sweep(grace_s=0)
        registry.stage(f"{MODEL}@1.0.2", "production")


def prepare_warm(folder: Path) -> None:
    """Three versions pushed as they are, and a policy that makes differences of the third."""
    prepare_tiers(folder)
    with opened(folder) as registry:
        registry.tiers.put_policy(WARM)


def prepare_damaged(folder: Path) -> None:
    """As it is once it is; then a byte of a difference turned over on the disk, and no sweep came since."""
    prepare_warm(folder)
    with opened(folder) as registry:
        registry.tiers.run()
        with registry.house.catalog.read() as view:
            row = max(view.blocks(), key=lambda row: (row.depth, row.length))
    pack = folder / "registry" / pack_key(row.pack)
    content = bytearray(pack.read_bytes())
    content[row.offset + row.length // 2] ^= 0xFF
    pack.chmod(0o600)
    pack.write_bytes(content)


# What is interrupted. Each looks first, as a person does who tries again without knowing how it ended.


def push(folder: Path) -> None:
    with opened(folder) as registry:
        registry.push(folder / "new", MODEL)


def stage(folder: Path) -> None:
    with opened(folder) as registry:
        if registry.get(f"{MODEL}@production").label != "1.0.0":
            registry.stage(f"{MODEL}@1.0.0", "production")


def roll_back(folder: Path) -> None:
    with opened(folder) as registry:
        if registry.get(f"{MODEL}@production").label != "1.0.0":
            registry.roll_back(MODEL, "production")


def delete(folder: Path) -> None:
    with opened(folder) as registry:
        if any(version.label == "1.0.0" for version in registry.log(MODEL).versions):
            registry.delete(f"{MODEL}@1.0.0")


def sweep(folder: Path) -> None:
    with opened(folder) as registry:
        registry.sweep(grace_s=0)
        registry.sweep(grace_s=0)


def tier(folder: Path) -> None:
    with opened(folder) as registry:
        registry.tiers.run(take_over=True)


def tier_and_sweep(folder: Path) -> None:
    tier(folder)
    sweep(folder)


def mend(folder: Path) -> None:
    with opened(folder) as registry:
        registry.verify(read_data=True, mend=True)


def take_in(folder: Path) -> None:
    with opened(folder) as registry:
        registry.import_bundle(folder / "one.bundle")


# After


def state(folder: Path) -> str:
    """Everything a reader can see, one line each; a registry that was never finished holds nothing."""
    if not (folder / "registry" / DATABASE).exists():
        return ""
    with opened(folder) as registry:
        problems = [f"{problem.code}: {problem.detail}" for problem in registry.verify(read_data=True).problems]
        assert problems == []
        lines = []
        for summary in registry.list():
            family = registry.log(summary.model.path)
            lines += [f"version {version.reference} {version.stage} {pulled(registry, version.reference)}"
                      for version in family.versions]  # fmt: skip
            lines += [f"pointer {move.pointer} {move.version_number}" for move in family.pointers]
            lines += [f"move {move.pointer} {move.version_number} {move.reason}" for move in family.moves]
        # A sweep may be cut in two, and then writes its entries twice; all else happens once.
        entries = [entry for entry in registry.ledger() if not entry.action.startswith("blocks.")]
        return "\n".join([*lines, *(f"ledger {entry.action} {entry.subject}" for entry in entries)])


def pulled(registry: Registry, reference: str) -> str:
    with tempfile.TemporaryDirectory() as target:
        registry.pull(reference, Path(target) / "out")
        digest = hashlib.sha256()
        for path in sorted(Path(target).rglob("*")):
            digest.update(path.name.encode() + (path.read_bytes() if path.is_file() else b"/"))
        return digest.hexdigest()[:12]


def tiered_state(folder: Path) -> str:
    """With the tier of each version, how deep the third lies, and how many blocks lie in the cold store."""
    with opened(folder) as registry:
        plan = registry.tiers.plan()
        placed = [f"{each.reference} is {each.is_in}, to {each.to}" for each in plan.rows]
        with registry.house.catalog.read() as view:
            rows = {row.id: row for row in view.blocks()}
        serving = set(registry.get(f"{MODEL}@1.0.2").manifest.block_ids())
        depth = max(rows[block].depth for block in serving)
        cold = sum(is_cold(row.pack) for row in rows.values())
    settled = not any(each.moves for each in plan.rows)
    # A run that was cut in two has moved some blocks, and says nothing of it before all are moved.
    return "\n".join([state(folder), *placed, *([f"depth {depth}", f"cold {cold}"] if settled else [])])


def warm_state(folder: Path) -> str:
    """With the tier of each version, and how many blocks lean on others."""
    with opened(folder) as registry:
        rows = registry.tiers.plan().rows
        with registry.house.catalog.read() as view:
            leaning = sum(row.depth > 0 for row in view.blocks())
    settled = not any(each.moves for each in rows)
    placed = [f"{each.reference} is {each.is_in}, to {each.to}" for each in rows]
    return "\n".join([state(folder), *placed, *([f"leaning {leaning}"] if settled else [])])


def mended_state(folder: Path) -> str:
    """That something is damaged, and whom it touches, or all that a reader can see."""
    with opened(folder) as registry:
        problems = registry.verify(read_data=True).problems
    touched = {version for problem in problems for version in problem.versions}
    return f"damaged: {sorted(touched)}" if problems else state(folder)


def swept_state(folder: Path) -> str:
    """With what is still to be freed, so that a sweep which forgets its work does not pass."""
    with opened(folder) as registry:
        usage = registry.stats()
    return f"{state(folder)}\nwaste {usage.waste_bytes > 0}"


def _scenario(
    prepare: Callable[[Path], None], act: Callable[[Path], None], look: Callable[[Path], str] = state
) -> Scenario:
    return Scenario(
        prepare, act, look, databases=(f"/registry/{DATABASE}-wal", f"/registry/{DATABASE}"), careless=("/cache",)
    )


REGISTRY_SCENARIOS: Mapping[str, Scenario] = {
    "first-push": _scenario(prepare_empty, push),
    "push": _scenario(prepare_two, push),
    "stage": _scenario(prepare_two, stage),
    "roll-back": _scenario(prepare_two, roll_back),
    "delete": _scenario(prepare_unneeded, delete),
    "sweep": _scenario(prepare_garbage, sweep, swept_state),
    "import": _scenario(prepare_bundle, take_in),
    "tier": _scenario(prepare_tiers, tier, tiered_state),
    "tier-back": _scenario(prepare_moved, tier_and_sweep, tiered_state),
    "tier-warm": _scenario(prepare_warm, tier, warm_state),
    "mend": _scenario(prepare_damaged, mend, mended_state),
}
