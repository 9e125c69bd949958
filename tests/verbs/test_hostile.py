"""Hostile and unlucky input at the verbs: odd folders, other writers, records that lie."""

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import budwood
from budwood.catalog.api import Transaction
from budwood.client.near import Near
from budwood.client.reading import read_array
from budwood.client.registry import Registry
from budwood.domain.limits import BLOCK_BYTES
from budwood.errors import (
    BadValue,
    BudwoodError,
    Invalid,
    LeaseLost,
    LimitExceeded,
    ManifestDamaged,
    NotOffered,
    PackDamaged,
    RegistryBusy,
    StillInUse,
    StorageFailed,
    TargetDiffers,
    UnsafeEntry,
)
from budwood.store.packs import pack_key
from budwood.verbs.lease import SWEEPING, Held
from budwood.verbs.publish import new_rows

MakeModel = Callable[..., Path]


def pushed_file(registry: Registry, folder: Path, content: bytes, model: str = "m") -> Path:
    target = folder / "w.bin"
    target.write_bytes(content)
    registry.push(target, model)
    return target


# Publishing


def test_a_row_in_force_is_never_replaced(near: Registry, tmp_path: Path) -> None:
    pushed_file(near, tmp_path, os.urandom(50_000))
    (first, *_) = near.house.catalog.write(lambda t: t.blocks())
    other = replace(first, pack="other", offset=99)
    assert near.house.catalog.write(lambda t: new_rows(t, [other])) == []


def test_a_base_that_was_written_anew_under_a_difference_is_not_leant_on(near: Registry, tmp_path: Path) -> None:
    pushed_file(near, tmp_path, os.urandom(50_000))
    base, *_ = near.house.catalog.write(lambda t: t.blocks())
    new = replace(base, id=b"\7" * 32, pack="other", base=base.id, depth=base.depth + 1)
    assert near.house.catalog.write(lambda t: new_rows(t, [new])) == [new]
    deeper = replace(base, id=b"\7" * 32, pack="other", base=base.id, depth=base.depth)
    gone = replace(new, base=b"\6" * 32)
    for wrong in (deeper, gone):
        with pytest.raises(LeaseLost):
            near.house.catalog.write(lambda t, wrong=wrong: new_rows(t, [wrong]))  # type: ignore[misc]


def test_a_version_deleted_while_its_files_are_pushed_again_is_made_anew(on_disk: Registry, tmp_path: Path) -> None:
    target = tmp_path / "w.bin"
    target.write_bytes(os.urandom(1000))
    os.utime(target, (1, 1))
    on_disk.push(target, "m")
    looks: list[int] = []
    house = on_disk.house

    class Deleting:
        """Deletes the version once the push has looked."""

        def __getattr__(self, name: str) -> Any:
            return getattr(house.catalog, name)

        def read(self) -> Any:
            looks.append(1)
            if len(looks) == 2:
                on_disk.delete("m@v1")
            return house.catalog.read()

    again = Registry(Near(replace(house, catalog=Deleting()), "", made=False, grace_s=0)).push(target, "m")
    assert (again.created, again.version.number) == (True, 2)
    assert on_disk.get("m@v2").read("w.bin") == target.read_bytes()


def test_a_newest_version_that_cannot_be_read_does_not_stop_the_next_push(on_disk: Registry, tmp_path: Path) -> None:
    target = pushed_file(on_disk, tmp_path, os.urandom(50_000))
    for pack in (tmp_path / "registry").rglob("*.pack"):
        pack.unlink()
    (tmp_path / "other.bin").write_bytes(os.urandom(100))
    on_disk.push(tmp_path / "other.bin", "m")
    assert on_disk.get("m@v2").files == ("other.bin",)
    assert target.exists()


def test_a_sketch_that_is_none_does_not_stop_a_push(near: Registry, model: MakeModel) -> None:
    """A bundle from a stranger may name any block as the sketch."""
    near.push(model(), "m")
    record = near.get("m").record

    def spoil(transaction: Transaction) -> None:
        number = 2
        transaction.add_version(_twin(transaction, record.model_id, near, number))

    near.house.catalog.write(spoil)
    assert near.push(model(seed=8), "m").created


def _twin(transaction: Transaction, model_id: int, registry: Registry, number: int) -> Any:
    from budwood.catalog.api import NewVersion

    record = registry.get("m@v1").record
    return NewVersion(
        model_id=model_id,
        digest=record.digest,
        label="",
        kind=record.kind,
        author="eve",
        created_ms=1,
        size_bytes=record.size_bytes,
        manifest_size=record.manifest_size,
        manifest_blocks=record.manifest_blocks,
        structure=record.structure,
        sketch=record.manifest_blocks[0],
    )


# Folders


def test_a_registry_is_never_pushed_into_itself(tmp_path: Path) -> None:
    home = tmp_path / "project"
    (home / "model").mkdir(parents=True)
    (home / "model" / "w").write_bytes(b"x")
    with budwood.connect(home / "store", author="mara") as registry:
        registry.push(home / "model", "m")
        for source in (home, home / "store", home / "store" / "packs"):
            with pytest.raises(Invalid, match="part of the registry"):
                registry.push(source, "n")
        registry.push(home, "n", exclude="store")
        assert registry.get("n").files == ("model/w",)
        next((home / "store").rglob("*.pack"))


def test_a_registry_around_the_model_may_push_it(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "w").write_bytes(b"x")
    with budwood.connect(tmp_path, author="mara") as registry:
        assert registry.push(tmp_path / "model", "m").created


def test_a_sparse_file_of_a_terabyte_is_refused_before_it_is_read(registry: Registry, tmp_path: Path) -> None:
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(LimitExceeded) as caught:
        registry.push(tmp_path / "huge.bin", "m")
    assert caught.value.facts["limit"] == "SPANS_PER_FILE"
    assert registry.list() == ()


def test_one_word_given_alone_is_one_word(registry: Registry, tmp_path: Path) -> None:
    for name in ("a", "b.tmp"):
        (tmp_path / name).write_text(name)
    registry.push([tmp_path / "a", tmp_path / "b.tmp"], "m", aliases="champion", datasets="pairs", exclude="*.log")
    assert registry.get("m@champion").detail().aliases == ("champion",)
    assert registry.get("m").facts.datasets == ("pairs",)
    assert registry.pull("m", tmp_path / "out", paths="a").files == 1
    assert registry.export("m", tmp_path / "b.budwood").versions == 1


def test_a_metric_that_is_no_number_is_named(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(BadValue, match="auc"):
        registry.push(tmp_path / "a", "m", metrics={"auc": "high"})  # type: ignore[dict-item]


# Pulling


def test_two_pulls_into_one_folder_both_finish(registry: Registry, tmp_path: Path) -> None:
    content = os.urandom(3 * BLOCK_BYTES)
    pushed_file(registry, tmp_path, content)
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            out = tmp_path / f"out-{random.random()}"
            pulls = [pool.submit(registry.pull, "m", out, overwrite=True) for _ in range(6)]
            assert {pull.result().files for pull in pulls} == {1}
            assert [path.name for path in out.iterdir()] == ["w.bin"]
            assert (out / "w.bin").read_bytes() == content


@pytest.mark.parametrize("name", ["a" * 255, "\u6a21" * 85, "\U0001f333" * 63])
def test_a_name_as_long_as_a_file_system_allows_comes_back(registry: Registry, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(b"x")
    registry.push(tmp_path / "in", "m")
    registry.pull("m", tmp_path / "out")
    assert (tmp_path / "out" / name).read_bytes() == b"x"


def test_the_rights_of_pulled_files_are_the_users_own(registry: Registry, tmp_path: Path) -> None:
    pushed_file(registry, tmp_path, b"secret")
    before = os.umask(0o077)
    try:
        registry.pull("m", tmp_path / "out")
    finally:
        os.umask(before)
    assert (tmp_path / "out" / "w.bin").stat().st_mode & 0o777 == 0o600


def test_files_where_folders_belong_and_folders_where_files_belong(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "w").write_bytes(b"x")
    registry.push(tmp_path / "in", "m")
    file_for_folder, folder_for_file = tmp_path / "1", tmp_path / "2"
    file_for_folder.mkdir()
    (file_for_folder / "sub").write_text("mine")
    (folder_for_file / "sub" / "w").mkdir(parents=True)
    for overwrite in (False, True):
        with pytest.raises(TargetDiffers, match="file where the version has a folder") as caught:
            registry.pull("m", file_for_folder, overwrite=overwrite)
        assert "--overwrite" not in caught.value.hint
        with pytest.raises(UnsafeEntry, match="not a plain file"):
            registry.pull("m", folder_for_file, overwrite=overwrite)
    assert (file_for_folder / "sub").read_text() == "mine"


def test_a_target_that_cannot_be_looked_at_is_an_error_of_ours(registry: Registry, tmp_path: Path) -> None:
    pushed_file(registry, tmp_path, b"x")
    with pytest.raises(StorageFailed):
        registry.pull("m", tmp_path / ("n" * 300))


# Rebuilding


def tuned(count: int) -> Iterator[dict[str, "np.ndarray[Any, Any]"]]:
    chance = np.random.default_rng(5)
    values = chance.normal(0, 0.05, (200, 300)).astype(np.float32)
    for _ in range(count):
        yield {"w": values}
        values = values + chance.normal(0, 1e-6, values.shape).astype(np.float32)


def test_a_rebuilt_index_names_no_difference_without_its_base(near: Registry) -> None:
    first, second = tuned(2)
    near.push(first, "m")
    near.push(second, "m")
    rows = list(near.house.catalog.write(lambda t: t.blocks()))
    base = {row.base for row in rows if row.base}
    assert base
    packs = {row.pack for row in rows if row.id in base}

    def lose(transaction: Transaction) -> None:
        transaction.condemn([row.id for row in rows], at_ms=1)
        transaction.forget_blocks([row.id for row in rows])

    near.house.catalog.write(lose)
    for pack in packs:
        near.house.objects.delete(pack_key(pack))
    near.rebuild_index()
    held = {row.id for row in near.house.catalog.write(lambda t: t.blocks())}
    assert held
    assert not any(row.id in held for row in rows if row.base)


def test_a_damaged_pack_does_not_keep_the_others_out_of_a_rebuilt_index(on_disk: Registry, tmp_path: Path) -> None:
    pushed_file(on_disk, tmp_path, os.urandom(5000))
    pushed_file(on_disk, tmp_path, os.urandom(5000))
    rows = list(on_disk.house.catalog.write(lambda t: t.blocks()))
    pack = min({row.pack for row in rows})

    def lose(transaction: Transaction) -> None:
        transaction.condemn([row.id for row in rows], at_ms=1)
        transaction.forget_blocks([row.id for row in rows])

    on_disk.house.catalog.write(lose)
    path = tmp_path / "registry" / pack_key(pack)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(PackDamaged, match="1 pack"):
        on_disk.rebuild_index()
    held = {row.id for row in on_disk.house.catalog.write(lambda t: t.blocks())}
    assert held == {row.id for row in rows if row.pack != pack}


def test_a_rebuild_keeps_out_of_a_sweep(near: Registry, tmp_path: Path) -> None:
    pushed_file(near, tmp_path, b"x")
    lease = Held(near.house, SWEEPING)
    with pytest.raises(RegistryBusy):
        near.rebuild_index()
    lease.drop()
    assert near.rebuild_index() > 0


# Looking while others change


def test_verify_and_stats_hold_while_versions_come_and_go(registry: Registry, tmp_path: Path) -> None:
    pushed_file(registry, tmp_path, os.urandom(300_000), "kept")
    stop = threading.Event()
    surprises: list[str] = []

    def churn() -> None:
        for number in range(12):
            pushed_file(registry, tmp_path, os.urandom(20_000), "gone")
            registry.delete(f"gone@v{number + 1}")
            registry.sweep(grace_s=0)
        stop.set()

    def look() -> None:
        while not stop.is_set():
            try:
                surprises.extend(p.detail for p in registry.verify(read_data=True).problems)
                registry.stats()
            except BudwoodError as error:
                surprises.append(error.message)

    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(look)
        pool.submit(churn).result()
        looking.result()
    assert surprises == []


def test_deleting_names_who_holds_a_version(registry: Registry, tmp_path: Path) -> None:
    pushed_file(registry, tmp_path, b"x")
    registry.alias("m@v1", "champion")
    with pytest.raises(StillInUse, match="champion"):
        registry.delete("m@v1")


def test_a_manifest_in_a_missing_pack_is_a_damaged_manifest(on_disk: Registry, tmp_path: Path) -> None:
    pushed_file(on_disk, tmp_path, b"x")
    for pack in (tmp_path / "registry").rglob("*.pack"):
        pack.unlink()
    with pytest.raises(ManifestDamaged):
        _ = on_disk.get("m").manifest
    assert {problem.code for problem in on_disk.verify().problems} >= {"manifest"}


def test_a_full_set_of_aliases_can_still_be_moved(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("budwood.verbs.pointers.ALIASES_PER_MODEL", 2)
    pushed_file(registry, tmp_path, b"1")
    pushed_file(registry, tmp_path, b"2")
    registry.stage("m@v1", "production")
    registry.alias("m@v1", "a")
    registry.alias("m@v1", "b")
    assert registry.alias("m@v2", "a").before is not None
    registry.stage("m@v2", "staging")
    (tmp_path / "w.bin").write_bytes(b"3")
    with pytest.raises(LimitExceeded):
        registry.alias("m@v2", "c")
    with pytest.raises(LimitExceeded):
        registry.push(tmp_path / "w.bin", "m", aliases=["c"])
    registry.remove_alias("m", "b")
    registry.alias("m@v2", "c")
    with pytest.raises(LimitExceeded):
        registry.alias("m@v2", "b")


@pytest.mark.parametrize("shape", [(-1, -6), (1,) * 65 + (6,), (7,)])
def test_a_shape_that_cannot_be_is_not_offered_as_an_array(near: Registry, shape: tuple[int, ...]) -> None:
    near.push({"w": np.arange(6, dtype=np.float32)}, "m")
    _, span = near.get("m").manifest.tensor("w")
    with pytest.raises(NotOffered):
        read_array(near.house, replace(span, shape=shape))
