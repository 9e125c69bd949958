"""Disks that are full or read-only, catalogs that are damaged or too new, caches that vanish."""

import errno
import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import budwood
from budwood.client.registry import Registry
from budwood.errors import (
    BudwoodError,
    CatalogDamaged,
    RegistryNotFound,
    StorageFailed,
    StorageFull,
    TooNew,
    Unavailable,
)

MakeModel = Callable[..., Path]
MIB = 1 << 20


def mount(folder: Path, *options: str) -> bool:
    command = ["mount", *options, str(folder)]
    return (
        shutil.which("mount") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB; skipped where this user may not mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    if not mount(folder, "-t", "tmpfs", "-o", "size=6m", "tmpfs"):
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def random_file(path: Path, size: int, seed: int = 1) -> Path:
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


def fill(path: Path) -> None:
    """Take all the room there is."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    finally:
        os.close(descriptor)


def test_a_push_to_a_full_disk_loses_nothing_and_works_once_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    little = random_file(tmp_path / "little.bin", 100_000)
    with budwood.connect(small_disk / "registry", author="mara") as registry:
        registry.push(little, "m")
        with pytest.raises(StorageFull):
            registry.push(random_file(tmp_path / "large.bin", 12 * MIB), "m")
        assert [v.number for v in registry.log("m").versions] == [1]
        assert registry.get("m").read("little.bin") == little.read_bytes()
        assert not registry.verify(read_data=True).problems
        assert registry.push(random_file(tmp_path / "other.bin", 100_000, 2), "m").version.number == 2
        assert not registry.verify(read_data=True).problems


def test_a_disk_filled_by_others_is_said_so_and_reading_goes_on(small_disk: Path, tmp_path: Path) -> None:
    little = random_file(tmp_path / "little.bin", 100_000)
    with budwood.connect(small_disk / "registry", author="mara") as registry:
        registry.push(little, "m")
        ballast = small_disk / "ballast"
        fill(ballast)
        assert registry.get("m").read("little.bin") == little.read_bytes()
        with pytest.raises(StorageFull):
            registry.push(random_file(tmp_path / "other.bin", 100_000, 2), "m")
        ballast.unlink()
        registry.push(tmp_path / "other.bin", "m")
        assert not registry.verify(read_data=True).problems


def test_a_pull_to_a_full_disk_leaves_nothing_half_written(small_disk: Path, tmp_path: Path) -> None:
    with budwood.in_memory() as registry:
        registry.push(random_file(tmp_path / "large.bin", 12 * MIB), "m")
        with pytest.raises(StorageFull):
            registry.pull("m", small_disk / "out")
        assert [path for path in small_disk.rglob("*") if path.is_file()] == []
        with pytest.raises(StorageFull):
            registry.export(["m"], small_disk / "bundle")
        assert [path for path in small_disk.rglob("*") if path.is_file()] == []


def test_a_registry_on_a_read_only_disk_can_be_read(small_disk: Path, tmp_path: Path) -> None:
    little = random_file(tmp_path / "little.bin", 100_000)
    with budwood.connect(small_disk / "registry", author="mara") as registry:
        registry.push(little, "m", aliases=["champion"])
    assert mount(small_disk, "-o", "remount,ro")
    with budwood.connect(small_disk / "registry", author="mara", create=False) as registry:
        assert registry.get("m@champion").read("little.bin") == little.read_bytes()
        registry.pull("m", tmp_path / "out")
        assert not registry.verify(read_data=True).problems
        assert registry.stats().versions == 1
        with pytest.raises(StorageFailed):
            registry.push(random_file(tmp_path / "other.bin", 1000, 2), "m")
        with pytest.raises(StorageFailed):
            registry.alias("m@v1", "other")


def test_the_cache_may_be_deleted_at_any_time(on_disk: Registry, model: MakeModel, tmp_path: Path) -> None:
    source = model()
    for path in source.iterdir():
        os.utime(path, (1, 1))
    on_disk.push(source, "m")
    shutil.rmtree(tmp_path / "registry" / "cache", ignore_errors=True)
    assert not on_disk.push(source, "m").created

    def delete(_: int) -> None:
        shutil.rmtree(tmp_path / "registry" / "cache", ignore_errors=True)

    assert on_disk.push(model(seed=4), "m", progress=delete).created
    assert not on_disk.verify(read_data=True).problems


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000, bytes(8192)])
def test_a_file_that_is_no_catalog_is_named_as_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "catalog.sqlite3").write_bytes(content)
    with pytest.raises(CatalogDamaged):
        budwood.connect(tmp_path / "r", author="mara")


@pytest.mark.parametrize("seed", range(10))
def test_a_catalog_with_damaged_pages_gives_errors_of_ours_and_no_wrong_bytes(tmp_path: Path, seed: int) -> None:
    content = random_file(tmp_path / "w.bin", 50_000).read_bytes()
    with budwood.connect(tmp_path / "r", author="mara") as registry:
        registry.push(tmp_path / "w.bin", "m", aliases=["champion"], tags={"a": "b"})
        registry.push(tmp_path / "w.bin", "n")
    place = tmp_path / "r" / "catalog.sqlite3"
    spoiled, chance = bytearray(place.read_bytes()), random.Random(seed)
    for _ in range(200):
        spoiled[chance.randrange(100, len(spoiled))] ^= 1 << chance.randrange(8)
    place.write_bytes(spoiled)
    acts: list[Callable[[Registry], object]] = [
        lambda r: r.verify(read_data=True),
        lambda r: r.get("m@champion").read("w.bin"),
        lambda r: r.stats(),
        lambda r: r.log("m"),
        lambda r: r.search("tags.a = b"),
        lambda r: r.sweep(grace_s=0),
        lambda r: r.push(tmp_path / "w.bin", "o", metrics={"a": 1.0}),
    ]
    try:
        registry = budwood.connect(tmp_path / "r", author="mara")
    except BudwoodError:
        return
    with registry:
        for act in acts:
            try:
                found = act(registry)
            except BudwoodError:
                continue
            assert not isinstance(found, bytes) or found == content


def test_a_catalog_from_a_newer_budwood_is_left_alone(tmp_path: Path) -> None:
    budwood.connect(tmp_path / "r", author="mara").close()
    place = tmp_path / "r" / "catalog.sqlite3"
    with sqlite3.connect(place) as database:
        database.execute("update alembic_version set version_num = '9999'")
    database.close()
    before = place.read_bytes()
    with pytest.raises(TooNew):
        budwood.connect(tmp_path / "r", author="mara")
    assert place.read_bytes() == before


def test_where_no_registry_can_be_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageFailed):
        budwood.connect(tmp_path / "file", author="mara")
    with pytest.raises(StorageFailed):
        budwood.connect(tmp_path / "file" / "below", author="mara")
    with pytest.raises(RegistryNotFound):
        budwood.connect(tmp_path / "nothing", author="mara", create=False)
    with pytest.raises(Unavailable):
        budwood.connect(tmp_path / ("n" * 300), author="mara")
