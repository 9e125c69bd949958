"""Damage is named with every version it touches, never served, and put right where the bytes can still be had."""

from collections.abc import Callable
from pathlib import Path

import pytest

from budwood.client.registry import Registry
from budwood.errors import Damaged, NoBackup
from budwood.store.packs import pack_key

MakeModel = Callable[..., Path]
POLICY = "apiVersion: budwood.dev/v1\nkind: Tiering\nspec: {push: raw, rules: [{tier: warm}]}\n"


def hurt(registry: Registry, root: Path, reference: str) -> bytes:
    """Change a byte of the largest block of a version, on disk; the block."""
    rows = registry.house.index.find(tuple(registry.get(reference).manifest.block_ids()))
    row = max(rows.values(), key=lambda each: each.length)
    path = root / pack_key(row.pack)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(row.offset + row.length // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    return row.id


def comes_back(registry: Registry, reference: str, source: Path) -> None:
    version = registry.get(reference)
    for path in version.files:
        assert version.read(path) == (source / path).read_bytes()


def test_a_damaged_block_is_named_with_its_versions_and_never_served(on_disk: Registry, model: MakeModel) -> None:
    on_disk.push(model(), "encoder")
    on_disk.push(model(moved=0.01), "encoder")
    block = hurt(on_disk, Path(on_disk.place), "encoder@v1")
    found = on_disk.verify(read_data=True)
    touched = {version for problem in found.problems for version in problem.versions}
    assert touched == {"encoder@v1", "encoder@v2"}
    assert any(block.hex()[:16] in problem.detail for problem in found.problems)
    for reference in ("encoder@v1", "encoder@v2"):
        version = on_disk.get(reference)
        with pytest.raises(Damaged):
            [version.read(path) for path in version.files]


def test_what_no_copy_has_stays_damaged_and_is_still_named(on_disk: Registry, model: MakeModel) -> None:
    on_disk.push(model(), "encoder")
    hurt(on_disk, Path(on_disk.place), "encoder@v1")
    found = on_disk.verify(read_data=True, mend=True)
    assert found.mended == ()
    assert [problem.versions for problem in found.problems] == [("encoder@v1",)]


def test_a_block_is_mended_from_a_pack_that_no_sweep_has_deleted_yet(on_disk: Registry, model: MakeModel) -> None:
    on_disk.tiers.put_policy(POLICY)
    source = model()
    on_disk.push(source, "encoder")
    on_disk.tiers.run()  # the packs of the push still lie there
    hurt(on_disk, Path(on_disk.place), "encoder@v1")
    found = on_disk.verify(read_data=True, mend=True)
    assert found.problems == ()
    assert [problem.versions for problem in found.mended] == [("encoder@v1",)]
    comes_back(on_disk, "encoder@v1", source)
    on_disk.sweep(grace_s=0)
    assert on_disk.verify(read_data=True).problems == ()


def test_blocks_are_mended_from_a_backup_and_what_leans_on_them_with_them(
    on_disk: Registry, model: MakeModel, tmp_path: Path
) -> None:
    sources = {"encoder@v1": model(), "encoder@v2": model(moved=0.01)}
    for source in sources.values():
        on_disk.push(source, "encoder")
    on_disk.backup(tmp_path / "backup")
    hurt(on_disk, Path(on_disk.place), "encoder@v1")
    hurt(on_disk, Path(on_disk.place), "encoder@v2")
    found = on_disk.verify(read_data=True, backup=tmp_path / "backup")
    assert found.problems == ()
    assert found.mended
    for reference, source in sources.items():
        comes_back(on_disk, reference, source)


def test_a_pack_that_is_gone_is_mended_from_a_backup(on_disk: Registry, model: MakeModel, tmp_path: Path) -> None:
    source = model()
    on_disk.push(source, "encoder")
    on_disk.backup(tmp_path / "backup")
    for path in Path(on_disk.place).rglob("*.pack"):
        path.unlink()
    assert on_disk.verify().problems
    found = on_disk.verify(backup=tmp_path / "backup")
    assert found.problems == ()
    comes_back(on_disk, "encoder@v1", source)


def test_a_copy_that_is_damaged_too_mends_nothing(on_disk: Registry, model: MakeModel, tmp_path: Path) -> None:
    on_disk.push(model(), "encoder")
    hurt(on_disk, Path(on_disk.place), "encoder@v1")
    on_disk.backup(tmp_path / "backup")
    found = on_disk.verify(read_data=True, backup=tmp_path / "backup")
    assert found.problems
    assert found.mended == ()


def test_a_folder_that_is_no_backup_is_refused(on_disk: Registry, tmp_path: Path) -> None:
    with pytest.raises(NoBackup):
        on_disk.verify(backup=tmp_path)


def test_mending_what_is_whole_changes_nothing(registry: Registry, model: MakeModel) -> None:
    registry.push(model(), "encoder")
    before = [entry.action for entry in registry.ledger()]
    found = registry.verify(read_data=True, mend=True)
    assert (found.problems, found.mended) == ((), ())
    assert [entry.action for entry in registry.ledger()] == before
