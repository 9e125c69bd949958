"""What a folder promises beyond the port: durability, full and failing disks, crashes, few open files."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.errors import PackDamaged, StorageFailed, StorageFull
from budwood.store.api import ObjectWriter
from budwood.store.backends.folder import OPEN_FILES, FolderObjects
from budwood.store.testing import publish

MIB = 1 << 20
KEY = "packs/ab/one.pack"
SIZES = pytest.mark.parametrize("size", [1_000, 30 * MIB], ids=["small", "large"])


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[FolderObjects]:
    store = FolderObjects(tmp_path)
    yield store
    store.close()


def _write(writer: ObjectWriter, parts: list[bytes]) -> None:
    for part in parts:
        writer.append([part])
    writer.publish()


def visible(store: FolderObjects) -> list[str]:
    return [stored.key for stored in store.list()]


def staged(root: Path) -> list[Path]:
    return [*(root / "tmp").iterdir()]


@SIZES
def test_a_full_disk_discards_the_object_and_says_so(small_disk: Path, size: int) -> None:
    store = FolderObjects(small_disk)
    filler = small_disk / ".filler"
    filler.write_bytes(bytes(7 * MIB))
    (small_disk / ".rest").write_bytes(bytes(MIB - 64 * 1024))
    with store.create(KEY) as writer, pytest.raises(StorageFull) as raised:
        _write(writer, [os.urandom(min(size, MIB))] * 200)
    with pytest.raises(StorageFull):
        writer.publish()
    with pytest.raises(StorageFull):
        writer.append([b"more"])
    assert raised.value.exit_code == 7
    assert (visible(store), staged(small_disk)) == ([], [])
    filler.unlink()
    publish(store, KEY, b"there is room again")
    assert store.read(KEY, 0, 5) == b"there"
    store.close()


@SIZES
def test_a_file_size_limit_counts_as_a_full_disk(tmp_path: Path, size: int) -> None:
    program = f"""
import resource, pathlib
from budwood.errors import StorageFull
from budwood.store.backends.folder import FolderObjects
from budwood.store.testing import publish
store = FolderObjects(pathlib.Path({str(tmp_path)!r}))
limit = {size} // 2
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    publish(store, {KEY!r}, bytes({size}))
except StorageFull:
    print("full", [stored.key for stored in store.list()])
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "full []"
    assert staged(tmp_path) == []


def test_a_read_only_folder_can_be_read_and_refuses_writes(small_disk: Path) -> None:
    publish(FolderObjects(small_disk), KEY, b"kept")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    store = FolderObjects(small_disk)
    assert store.read(KEY, 0, 4) == b"kept"
    with pytest.raises(StorageFailed):
        store.create("packs/ab/two.pack")
    with pytest.raises(StorageFailed):
        store.delete(KEY)
    assert visible(store) == [KEY]
    store.close()


@pytest.mark.skipif(sys.platform == "darwin", reason="syncs by fcntl there")
@SIZES
def test_a_failed_sync_at_any_point_publishes_nothing_and_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    real_sync = os.fsync
    for failing in range(1, 20):
        calls = 0

        def sync(descriptor: int, failing: int = failing) -> None:
            nonlocal calls
            calls += 1
            if calls == failing:
                raise OSError(errno.EIO, "planned")
            real_sync(descriptor)

        root = tmp_path / str(failing)
        store = FolderObjects(root)
        monkeypatch.setattr(os, "fsync", sync)
        if calls_needed := _publishes(store, size):
            assert calls < failing, "a failed sync was ignored"
            assert calls_needed == [KEY]
            # The root, tmp, the file, packs, packs/ab, and the new name: each was synced.
            assert calls == 6
            return
        assert calls == failing, "after a failed sync nothing more is written"
        monkeypatch.setattr(os, "fsync", real_sync)
        assert visible(store) == []
        publish(store, KEY, b"second try")
        assert store.read(KEY, 0, 10) == b"second try"
        store.close()
    raise AssertionError("publishing never succeeded")


def _publishes(store: FolderObjects, size: int) -> list[str]:
    try:
        publish(store, KEY, bytes(size))
    except StorageFailed:
        return []
    return visible(store)


@SIZES
def test_what_a_killed_writer_leaves_is_invisible_harmless_and_cleaned_when_old(
    objects: FolderObjects, tmp_path: Path, size: int
) -> None:
    program = f"""
import os, pathlib
from budwood.store.backends.folder import FolderObjects
writer = FolderObjects(pathlib.Path({str(tmp_path)!r})).create({KEY!r})
writer.append([bytes({size})])
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == -9
    assert visible(objects) == []
    assert len(staged(tmp_path)) == 1
    publish(objects, KEY, b"second try")
    now_ms = time.time_ns() // 1_000_000
    left = sum(path.stat().st_size for path in staged(tmp_path))
    assert objects.clean(older_than_ms=now_ms - 60_000) == 0
    assert objects.clean(older_than_ms=now_ms + 60_000) == left
    assert (visible(objects), staged(tmp_path)) == ([KEY], [])


def test_a_crash_between_the_new_name_and_the_old_one_leaves_nothing_to_repair(
    objects: FolderObjects, tmp_path: Path
) -> None:
    publish(objects, KEY, b"kept")
    (tmp_path / "tmp" / "packs~ab~one.pack.0").hardlink_to(tmp_path / KEY)
    assert objects.clean(older_than_ms=1 << 45) == 0
    assert (visible(objects), staged(tmp_path)) == ([KEY], [])
    assert objects.read(KEY, 0, 4) == b"kept"


def test_published_files_are_read_only_and_have_their_true_size(objects: FolderObjects, tmp_path: Path) -> None:
    for size in (0, 1, MIB, 8 * MIB, 8 * MIB + 1):
        key = f"packs/ab/{size}.pack"
        publish(objects, key, bytes(size))
        found = (tmp_path / key).stat()
        assert (found.st_size, found.st_mode & 0o222) == (size, 0)
    assert staged(tmp_path) == []


def test_a_truncated_file_is_damage(objects: FolderObjects, tmp_path: Path) -> None:
    publish(objects, KEY, bytes(10_000))
    assert objects.read(KEY, 9_000, 1_000) == bytes(1_000)
    (tmp_path / KEY).chmod(0o644)
    os.truncate(tmp_path / KEY, 9_500)
    with pytest.raises(PackDamaged):
        objects.read(KEY, 9_000, 1_000)
    with pytest.raises(PackDamaged):
        objects.read_into(KEY, 9_000, memoryview(bytearray(1_000)))


def test_strangers_in_the_folder_are_not_objects(objects: FolderObjects, tmp_path: Path) -> None:
    publish(objects, KEY, b"one")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "packs" / "a b").write_bytes(b"x")
    (tmp_path / "packs" / "link.pack").symlink_to(tmp_path / KEY)
    (tmp_path / "packs" / "elsewhere").symlink_to(tmp_path.parent, target_is_directory=True)
    os.mkfifo(tmp_path / "packs" / "pipe")
    (tmp_path / "tmp" / "left.pack").write_bytes(b"x")
    assert visible(objects) == [KEY]
    assert objects.size(f"{KEY}/deeper") is None


def test_many_objects_need_few_open_files(objects: FolderObjects) -> None:
    for turn in range(3 * OPEN_FILES):
        publish(objects, f"packs/ab/{turn}.pack", b"%d" % turn)
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208 - counted, not walked
    for turn in range(3 * OPEN_FILES):
        assert objects.read(f"packs/ab/{turn}.pack", 0, 1) == str(turn)[:1].encode()
    assert len(os.listdir("/dev/fd")) <= before + OPEN_FILES + 1  # noqa: PTH208
    objects.close()
    assert len(os.listdir("/dev/fd")) <= before  # noqa: PTH208


def test_an_object_deleted_while_it_is_read_leaves_no_open_file(objects: FolderObjects) -> None:
    for turn in range(50):
        publish(objects, f"packs/ab/{turn}.pack", bytes(100))
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208
    for turn in range(50):
        objects.read(f"packs/ab/{turn}.pack", 0, 100)
        objects.delete(f"packs/ab/{turn}.pack")
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208


def test_small_objects_need_no_thread(tmp_path: Path) -> None:
    store = FolderObjects(tmp_path)
    before = threading.active_count()
    publish(store, KEY, bytes(MIB))
    assert threading.active_count() == before
    publish(store, "packs/ab/two.pack", bytes(MIB + 1))
    assert threading.active_count() == before + 1
    store.close()
    assert threading.active_count() == before


def test_an_object_being_written_holds_at_most_its_staging_buffers(tmp_path: Path) -> None:
    program = f"""
import pathlib, re
from budwood.store.backends.folder import FolderObjects
def anonymous_kib(): return int(re.search(r"RssAnon:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
part = bytes(1 << 20)
with FolderObjects(pathlib.Path({str(tmp_path)!r})).create({KEY!r}) as writer:
    before = anonymous_kib()
    for _ in range(100):
        writer.append([part])
    print((anonymous_kib() - before) // 1024)
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc to see anonymous memory")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(ended.stdout) <= 16
