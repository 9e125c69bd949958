"""A backup is consistent, taken beside writers, verified before it is restored, and gives everything back."""

import contextlib
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import budwood
from budwood.client.registry import Registry
from budwood.errors import BackupDamaged, NoBackup, RegistryBusy, RegistryNotEmpty, TargetDiffers
from budwood.store.archive import RECORD, read_record


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 4096)
    (folder / "config.json").write_text('{"layers": 2}')
    return folder


@pytest.fixture
def kept(tmp_path: Path, models: Path) -> Registry:
    registry = budwood.connect(tmp_path / "registry", author="mara")
    registry.push(models, "encoder", label="1.0.0", aliases=["champion"], tags={"note": "ünïcode"}, metrics={"f1": 0.5})
    (models / "config.json").write_text('{"layers": 3}')
    registry.push(models, "encoder", parents=["encoder@v1"], params={"lr": "0.1"})
    registry.stage("encoder@v1", "production")
    registry.push(models, "risk/other")
    return registry


def everything(near: Registry) -> object:
    with near.house.catalog.read() as view:
        return {shape.name: [row for page in view.dump(shape.name) for row in page] for shape in view.shapes()}


def test_a_restored_registry_is_the_one_that_was_backed_up(kept: Registry, tmp_path: Path) -> None:
    made = kept.backup(tmp_path / "backup")
    assert (made.versions, made.packs, made.copied_packs) == (3, 3, 3)
    restored = budwood.restore(tmp_path / "backup", tmp_path / "again")
    assert (restored.versions, restored.packs) == (3, 3)
    with budwood.connect(tmp_path / "again", create=False) as again:
        assert everything(again) == everything(kept)
        assert again.verify(read_data=True).problems == ()
        pulled = again.pull("encoder@champion", tmp_path / "out")
        assert pulled.files == 2
        assert (tmp_path / "out" / "config.json").read_text() == '{"layers": 2}'


def test_numbers_go_on_where_they_were(kept: Registry, models: Path, tmp_path: Path) -> None:
    kept.delete("encoder@v2")
    kept.backup(tmp_path / "backup")
    budwood.restore(tmp_path / "backup", tmp_path / "again")
    ids = []
    for registry in (kept, budwood.connect(tmp_path / "again", author="mara")):
        (models / "config.json").write_text('{"layers": 4}')
        ids.append((registry.push(models, "encoder").version.number, registry.get("encoder@v3").record.id))
    assert ids[0] == ids[1] == (3, ids[0][1])


def test_a_second_backup_copies_what_is_new_only(kept: Registry, models: Path, tmp_path: Path) -> None:
    kept.backup(tmp_path / "backup")
    (models / "more.bin").write_bytes(b"more" * 1000)
    kept.push(models, "encoder")
    made = kept.backup(tmp_path / "backup")
    assert (made.packs, made.copied_packs) == (4, 1)
    assert len(list((tmp_path / "backup").glob("catalog-*"))) == 1
    assert budwood.restore(tmp_path / "backup", tmp_path / "again").versions == 4


def test_a_backup_beside_writers_and_sweeps_holds_all_it_names(kept: Registry, tmp_path: Path) -> None:
    done, failures = threading.Event(), []

    def write() -> None:
        number = 0
        try:
            while not done.is_set():
                number += 1
                file = tmp_path / f"w{number % 3}.bin"
                file.write_bytes(number.to_bytes(8, "big") * 5000)
                kept.delete(kept.push([file], "busy").version.reference)
                kept.sweep(grace_s=0)
        except Exception as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            taken = False
            while not taken:
                with contextlib.suppress(RegistryBusy):
                    taken = bool(kept.backup(tmp_path / f"backup{number}"))
    finally:
        done.set()
        writer.join()
    assert not failures
    for number in range(5):
        budwood.restore(tmp_path / f"backup{number}", tmp_path / f"again{number}")
        with budwood.connect(tmp_path / f"again{number}") as again:
            assert again.verify(read_data=True).problems == ()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: flip(next(iter((folder / "packs").iterdir()))),
        lambda folder: next(iter((folder / "packs").iterdir())).unlink(),
        lambda folder: flip(next(folder.glob("catalog-*/version.jsonl.zst"))),
        lambda folder: next(folder.glob("catalog-*/version.jsonl.zst")).unlink(),
        lambda folder: flip(folder / RECORD),
        lambda folder: (folder / RECORD).write_text("{}"),
    ],
)
def test_a_damaged_backup_restores_nothing(spoil: Callable[[Path], object], kept: Registry, tmp_path: Path) -> None:
    kept.backup(tmp_path / "backup")
    spoil(tmp_path / "backup")
    with pytest.raises(BackupDamaged):
        budwood.restore(tmp_path / "backup", tmp_path / "again")
    with budwood.connect(tmp_path / "again") as again:
        assert again.list() == ()
        assert list(again.house.objects.list("packs/")) == []


def test_a_live_registry_is_never_overwritten(kept: Registry, tmp_path: Path) -> None:
    kept.backup(tmp_path / "backup")
    before = everything(kept)
    with pytest.raises(RegistryNotEmpty):
        budwood.restore(tmp_path / "backup", tmp_path / "registry")
    assert everything(kept) == before


def test_what_is_no_backup_is_left_alone(kept: Registry, tmp_path: Path) -> None:
    with pytest.raises(NoBackup):
        budwood.restore(tmp_path / "model", tmp_path / "again")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(TargetDiffers):
        kept.backup(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_an_interrupted_backup_leaves_the_one_before(kept: Registry, models: Path, tmp_path: Path) -> None:
    kept.backup(tmp_path / "backup")
    before = read_record(tmp_path / "backup")
    (models / "more.bin").write_bytes(b"more" * 1000)
    kept.push(models, "encoder")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.backup(tmp_path / "backup", progress=stop)
    assert read_record(tmp_path / "backup") == before
    assert budwood.restore(tmp_path / "backup", tmp_path / "again").versions == 3
    assert kept.backup(tmp_path / "backup").versions == 4


def test_a_backup_is_for_its_owner_alone(kept: Registry, tmp_path: Path) -> None:
    kept.backup(tmp_path / "backup")
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "backup").rglob("*")}
    assert modes == {0}
    shutil.rmtree(tmp_path / "backup")
