"""Versions that arrived raw become functions of what they were made from when they go warm."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import budwood
from budwood.client.registry import Registry
from budwood.domain.storage_tiers.values import StorageTier
from budwood.store.encodings.registry import DERIVED, RAW
from budwood.verbs.derived import proofs

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
