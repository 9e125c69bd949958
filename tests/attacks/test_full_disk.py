"""A server whose disk is full, at whatever step: it says so, reads go on, and it works again once there is room."""

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import budwood
from budwood.domain.limits import BALLAST_BYTES_LEAST
from budwood.errors import StorageFull
from tests.attacks.sending import pack_of, pushing
from tests.attacks.siege import Siege
from tests.attacks.wire import PATIENCE_S
from tests.server.conftest import Start, token_of

ENCODER = "/v1/models/ours/encoder"
ROOM = 24 << 20


Mount = Callable[[int], Siege]


@pytest.fixture
def mounted(
    start: Start, make_team: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mount]:
    """A server on a file system of its own, so large; skipped where this user may not mount one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    disk = tmp_path / "disk"
    sieges = []

    def mount(size: int) -> Siege:
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
        shutil.copytree(made := make_team(), disk / "registry")
        shutil.rmtree(made)
        sieges.append(Siege(start(disk / "registry")))
        return sieges[0]

    yield mount
    for siege in sieges:
        siege.end()
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def full(mounted: Mount) -> Siege:
    """A small one."""
    return mounted(ROOM)


def ballast(siege: Siege) -> Path:
    return siege.server.registry.parent / "ballast"


def fill(path: Path, leave: int = 0) -> None:
    """Take all the room there is but so much."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        with suppress(OSError):
            while True:
                os.write(descriptor, bytes(4096))
        os.ftruncate(descriptor, max(os.fstat(descriptor).st_size - leave, 0))
    finally:
        os.close(descriptor)


def works_again(siege: Siege) -> None:
    """By itself, and soon."""
    until = time.monotonic() + 3 * PATIENCE_S
    while True:
        reply = siege.ask("PATCH", f"{ENCODER}/versions/v1/tags", by="writer", json={"put": {"again": "yes"}})
        if reply.status == 200:
            return
        assert reply.status in (503, 507), reply
        assert time.monotonic() < until
        time.sleep(0.1)


def test_reads_go_on_and_writes_say_that_there_is_no_room(full: Siege, tmp_path: Path) -> None:
    seen = full.seen()
    content = pack_of(random.Random(1).randbytes(1_500_000))[1]
    with pushing(full) as push:
        address = push.begin(push.new_name(), len(content))
        fill(ballast(full))
        writes = [
            full.ask("PUT", f"{ENCODER}/aliases/next", by="writer", json={"version": "v2"}),
            full.ask("PATCH", f"{ENCODER}/versions/v1/tags", by="writer", json={"put": {"k": "v" * 8_000}}),
            full.ask("POST", "/v1/tokens", by="owner", json={"name": "t"}),
            full.ask("POST", "/v1/groups", by="admin", json={"name": "g"}),
            push.put(address, content),
        ]
        assert {(reply.status, reply.problem["code"]) for reply in writes} == {(507, "storage_full")}
        for _ in range(20):
            assert full.seen() == seen
        assert full.ask("GET", "/v1/search?q=", by="reader").status == 200
        assert full.ask("GET", "/healthz").status == 200
        with budwood.connect(full.server.url, token=token_of("reader")) as registry:
            registry.pull("ours/encoder@v1", tmp_path / "out")
        ballast(full).unlink()
        works_again(full)
        assert push.put(address, content).status == 204
    full.assert_well()


@pytest.mark.parametrize("leave_kib", [0, 16, 128, 1_024, 2_048])
def test_wherever_it_fills_up_what_was_answered_is_what_is_there(leave_kib: int, full: Siege, tmp_path: Path) -> None:
    (folder := tmp_path / "m").mkdir()
    fill(ballast(full), leave_kib << 10)
    pushed = 0
    with budwood.connect(full.server.url, token=token_of("owner"), threads=2) as registry:
        for number in range(4):
            (folder / "a.bin").write_bytes(random.Random(number).randbytes(700_000))
            try:
                registry.push(folder, "ours/filling", aliases=["newest"])
                pushed += 1
            except StorageFull:
                break
    assert pushed < 4
    ballast(full).unlink()
    works_again(full)
    with budwood.connect(full.server.url, token=token_of("owner"), threads=2) as registry:
        there = [version.number for version in registry.log("ours/filling").versions] if pushed else []
        assert len(there) == pushed
        version = registry.push(folder, "ours/filling", aliases=["newest"]).version
        assert version.number == pushed + 1
        registry.pull("ours/filling@newest", tmp_path / "out")
    assert (tmp_path / "out" / "a.bin").read_bytes() == (folder / "a.bin").read_bytes()
    found = full.ask("POST", "/v1/registry/verify", by="admin", json={"read_data": True}).value
    assert found["problems"] == []
    full.assert_well()


def test_a_push_that_found_no_room_goes_on_where_it_was(full: Siege, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a.bin").write_bytes(random.Random(9).randbytes(6_000_000))
    fill(ballast(full), 4 << 20)
    with budwood.connect(full.server.url, token=token_of("owner"), threads=2) as registry:
        with pytest.raises(StorageFull):
            registry.push(tmp_path / "m", "ours/large")
        ballast(full).unlink()
        works_again(full)
        pushed = registry.push(tmp_path / "m", "ours/large")
        assert (pushed.version.number, pushed.stored_bytes < 5_000_000) == (1, True)
        registry.pull("ours/large", tmp_path / "out")
    assert (tmp_path / "out" / "a.bin").read_bytes() == (tmp_path / "m" / "a.bin").read_bytes()
    full.assert_well()


def test_what_is_full_to_the_last_byte_can_be_deleted_from_and_swept(mounted: Mount, tmp_path: Path) -> None:
    siege = mounted(64 << 20)
    kept = siege.server.registry / "ballast"
    assert kept.stat().st_size == kept.stat().st_blocks * 512 == BALLAST_BYTES_LEAST
    (folder := tmp_path / "m").mkdir()
    with budwood.connect(siege.server.url, token=token_of("owner"), threads=2) as registry:
        for number in range(4):
            (folder / "a.bin").write_bytes(random.Random(number).randbytes(5_000_000))
            registry.push(folder, "ours/large")
    fill(ballast(siege))
    assert tagged(siege) == 507
    for number in (1, 2):
        assert siege.ask("DELETE", f"/v1/models/ours/large/versions/v{number}", by="owner").status == 200
    # What deleting was lent comes back at once: nobody else gets it.
    assert kept.stat().st_size > BALLAST_BYTES_LEAST // 2
    fill(ballast(siege))
    assert tagged(siege) == 507
    swept = siege.ask("POST", "/v1/registry/sweep", by="admin", json={"dry_run": False, "grace_s": 0})
    assert (swept.status, swept.value["freed_bytes"] > 9_000_000) == (200, True)
    assert kept.stat().st_size == BALLAST_BYTES_LEAST
    assert tagged(siege) == 200
    assert siege.ask("POST", "/v1/registry/verify", by="admin", json={"read_data": True}).value["problems"] == []
    siege.assert_well()


def tagged(siege: Siege) -> int:
    """The status of a write that needs some pages."""
    words = {f"k{number}": "v" * 8_000 for number in range(20)}
    return siege.ask("PATCH", f"{ENCODER}/versions/v1/tags", by="writer", json={"put": words}).status
