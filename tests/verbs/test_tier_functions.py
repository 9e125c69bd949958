"""Versions that arrived raw become functions of what they were made from when they go warm."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import budwood
from budwood.client.registry import Registry
from budwood.domain.storage_tiers.values import TIME_OVER, StorageTier
from budwood.store.encodings.registry import DERIVED, RAW
from budwood.store.fingerprints import Sample, read_prints, written_prints
from budwood.verbs.derived import proofs
from budwood.verbs.tiers.pace import Pace
from budwood.verbs.tiers.worker import run_tiers
from tests.verbs.test_derived import quantised

Tensors = dict[str, torch.Tensor]
WARM = "apiVersion: budwood.dev/v1\nkind: Tiering\nspec:\n  push: raw\n  rules:\n    - {tier: warm}\n"


@pytest.fixture
def base() -> Tensors:
    chance = torch.Generator().manual_seed(9)
    shapes = {"wide": (1100, 1024), "narrow": (96, 128)}
    return {name: torch.randn(*shape, generator=chance) * 0.02 for name, shape in shapes.items()}


def saved(folder: Path, name: str, held: Tensors) -> Path:
    (folder / name).mkdir()
    save_file(held, folder / name / "model.safetensors")
    return folder / name


def narrowed(held: Tensors) -> Tensors:
    return {name: each.bfloat16() for name, each in held.items()}


def encodings(registry: Registry, reference: str) -> dict[str, set[int]]:
    spans = [span for entry in registry.get(reference).manifest.files for span in entry.tensors]
    find = registry.house.index.find
    return {span.name: {row.encoding for row in find(span.blocks).values()} for span in spans}


def came_back(registry: Registry, reference: str, source: Path, folder: Path) -> bool:
    registry.pull(reference, folder)
    return (folder / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()


def test_a_copy_that_arrived_raw_is_derived_when_it_goes_warm(near: Registry, tmp_path: Path, base: Tensors) -> None:
    near.tiers.put_policy(WARM)
    near.push(saved(tmp_path, "base", base), "base")
    copy = saved(tmp_path, "copy", narrowed(base))
    near.push(copy, "copy")
    assert encodings(near, "copy") == {"wide": {RAW}, "narrow": {RAW}}
    assert near.get("copy").detail().computed == ()

    assert near.tiers.run().left == 0
    assert encodings(near, "copy") == {"wide": {DERIVED}, "narrow": {DERIVED}}
    assert near.get("copy").detail().computed[0].startswith("BF16 of base@v1, 99.")
    assert [parent.reference for parent in near.get("copy").detail().parents] == ["base@v1"]
    near.sweep(grace_s=0)
    assert near.verify(read_data=True).problems == ()
    assert came_back(near, "copy", copy, tmp_path / "out")


def test_a_source_that_came_later_is_none(near: Registry, tmp_path: Path, base: Tensors) -> None:
    near.tiers.put_policy(WARM)
    near.push(saved(tmp_path, "copy", narrowed(base)), "copy")
    near.push(saved(tmp_path, "base", base), "base")
    near.tiers.run()
    assert not any(DERIVED in each for each in encodings(near, "copy").values())


def test_what_others_lean_on_is_not_derived(tmp_path: Path, base: Tensors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDWOOD_PUSH_AS", "raw")
    with budwood.connect(tmp_path / "registry") as registry:
        registry.push(saved(tmp_path, "base", base), "base")
        registry.push(saved(tmp_path, "copy", narrowed(base)), "copy")
    monkeypatch.setenv("BUDWOOD_PUSH_AS", "small")
    tuned = {name: (each + 1e-4 * each.abs().mean()).bfloat16() for name, each in base.items()}
    with budwood.connect(tmp_path / "registry") as registry:
        registry.push(saved(tmp_path, "tuned", tuned), "tuned", parents=["copy"])
        registry.tiers.put_policy(WARM)
        registry.tiers.run()
        assert DERIVED not in encodings(registry, "copy")["wide"]
        assert registry.verify(read_data=True).problems == ()
        assert came_back(registry, "tuned", tmp_path / "tuned", tmp_path / "out")


def test_what_others_are_derived_from_is_not_derived(
    tmp_path: Path, base: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDWOOD_PUSH_AS", "raw")
    with budwood.connect(tmp_path / "registry") as registry:
        registry.push(saved(tmp_path, "base", base), "base")
        registry.push(saved(tmp_path, "copy", narrowed(base)), "copy")
    monkeypatch.setenv("BUDWOOD_PUSH_AS", "small")
    turned = {f"{name}.T": each.T.contiguous() for name, each in narrowed(base).items()}
    with budwood.connect(tmp_path / "registry") as registry:
        source = saved(tmp_path, "turned", turned)
        registry.push(source, "turned")
        # Each of its blocks is made of all those of the copy.
        assert encodings(registry, "turned")["wide.T"] == {DERIVED}
        registry.tiers.put_policy(WARM)
        registry.tiers.run()
        assert DERIVED not in encodings(registry, "copy")["wide"]
        assert registry.verify(read_data=True).problems == ()
        assert came_back(registry, "turned", source, tmp_path / "out")


def test_a_source_from_before_there_were_prints_gets_them_on_its_way(
    near: Registry, tmp_path: Path, base: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    near.tiers.put_policy(WARM)
    with monkeypatch.context() as before:
        before.setattr("budwood.verbs.choose_base.written_prints", lambda *_: b"")
        near.push(saved(tmp_path, "base", base), "base")
        near.push(saved(tmp_path, "copy", narrowed(base)), "copy")
    near.tiers.run()
    assert encodings(near, "copy") == {"wide": {DERIVED}, "narrow": {DERIVED}}
    near.sweep(grace_s=0)
    assert near.verify(read_data=True).problems == ()
    # From now on a push finds it, too.
    near.tiers.put_policy(WARM.replace("raw", "small"))
    near.push(saved(tmp_path, "halves", {name: each.half() for name, each in base.items()}), "halves")
    assert encodings(near, "halves") == {"wide": {DERIVED}, "narrow": {DERIVED}}


def without_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pushes as releases did that made none."""
    monkeypatch.setattr("budwood.verbs.choose_base.written_prints", lambda *_: b"")


def test_what_no_policy_moves_gets_prints_when_somebody_asks(
    registry: Registry, tmp_path: Path, base: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        without_prints(before)
        source = saved(tmp_path, "base", base)
        registry.push(source, "base")
        registry.push(saved(tmp_path, "held", {name: each * 3 for name, each in base.items()}), "held")
    registry.holds.place("A claim was made", "LEG-1", version="held@v1")
    assert registry.tiers.run().printed == 0
    missed = registry.push(saved(tmp_path, "missed", narrowed(base)), "missed")
    assert missed.stored_bytes > 0.5 * missed.logical_bytes

    assert registry.tiers.run(prints=True).printed == 1
    assert registry.tiers.run(prints=True).printed == 0
    copy = saved(tmp_path, "copy", {name: each.half() for name, each in base.items()})
    assert registry.push(copy, "copy").stored_bytes < 60_000
    assert registry.get("copy").detail().computed[0].startswith("F16 of base@v1, 99.")
    assert registry.verify(read_data=True).problems == ()
    assert came_back(registry, "copy", copy, tmp_path / "out")
    assert came_back(registry, "base", source, tmp_path / "out-base")


def test_making_prints_stops_between_versions_and_goes_on_there(
    near: Registry, tmp_path: Path, base: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        without_prints(before)
        for number in range(3):
            near.push(saved(tmp_path, f"{number}", {name: each * (1 + number) for name, each in base.items()}), "base")
    first = run_tiers(near.house, Pace(0.5, wait=lambda _: True), prints=True)
    assert (first.printed, first.stopped) == (1, TIME_OVER)
    near.tiers.pause("a disk is full")
    assert near.tiers.run(prints=True).printed == 0
    near.tiers.resume()
    assert near.tiers.run(prints=True).printed == 2
    near.push(saved(tmp_path, "copy", narrowed(base)), "copy")
    assert encodings(near, "copy") == {"wide": {DERIVED}, "narrow": {DERIVED}}


def test_prints_of_fewer_kinds_are_made_anew(
    near: Registry, tmp_path: Path, base: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_eight_kinds(samples: Sequence[Sample], logical_bytes: int) -> bytes:
        prints = read_prints(written_prints(samples, logical_bytes))
        eight = {name: (prints.dtype[name].base, (8,)) for name in ("flat", "heads", "seconds")}
        names = prints.dtype.names or ()
        old = np.zeros(len(prints), np.dtype([(name, eight.get(name, prints.dtype[name])) for name in names]))
        for name in names:
            old[name] = prints[name][:, :8] if name in eight else prints[name]
        return len(old).to_bytes(4, "little") + old.tobytes()

    with monkeypatch.context() as before:
        before.setattr("budwood.verbs.choose_base.written_prints", of_eight_kinds)
        near.push(saved(tmp_path, "base", base), "base")
    assert near.tiers.run(prints=True).printed == 1
    near.push(quantised(tmp_path, "MXFP4", base), "quantised")
    assert near.get("quantised").detail().computed[0].startswith("MXFP4 of base@v1, 99.")
    near.sweep(grace_s=0)
    assert near.verify(read_data=True).problems == ()


def test_what_goes_hot_again_is_whole_and_its_proof_stays(near: Registry, tmp_path: Path, base: Tensors) -> None:
    near.tiers.put_policy(WARM)
    near.push(saved(tmp_path, "base", base), "base")
    copy = saved(tmp_path, "copy", narrowed(base))
    near.push(copy, "copy")
    near.tiers.run()
    near.stage("copy@v1", "production")
    assert [each.tier for each in near.tiers.run().versions] == [StorageTier.HOT]
    assert not any(DERIVED in each for each in encodings(near, "copy").values())
    with near.house.catalog.read() as view:
        version = view.version_by_id(near.get("copy").record.id)
        assert version is not None
        assert len(proofs(view, version)) == 1
    assert came_back(near, "copy", copy, tmp_path / "out")
