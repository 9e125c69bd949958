"""A story measures what a tool does, and believes nothing it gives back."""

import sys
from pathlib import Path

import pytest

from benchmarks.meter import CommandFailed, folder_bytes, measure, parse_anonymous_bytes
from benchmarks.peers import TOOLS, Act, Tool
from benchmarks.peers.install import available
from benchmarks.stories import Story, lay, tell

linux_only = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


class Copier(Tool):
    """The simplest tool there is: cp."""

    name = "cp"

    @property
    def store(self) -> Path:
        return self.room / "store"

    def set_up(self) -> None:
        self.store.mkdir()

    def push(self, number: int) -> Act:
        return self.act(("cp", "-r", "-T", str(self.model), str(self.store / f"v{number}")))

    def pull(self, number: int, into: Path) -> Act:
        return self.act(("cp", "-r", "-T", str(self.store / f"v{number}"), str(into)))


class Forger(Copier):
    """Gives back something of the right name and size."""

    name = "forger"

    def pull(self, number: int, into: Path) -> Act:
        return self.act(("sh", "-c", f"printf xxx > {into}/model.bin"))


class Refuser(Copier):
    """Takes the first version and no other."""

    name = "refuser"

    def push(self, number: int) -> Act:
        return super().push(number) if number == 1 else self.act(("false",))


@linux_only
def test_a_whole_story_has_a_sample_for_every_act(tmp_path: Path, story: Story) -> None:
    told = list(tell(story, Copier, tmp_path / "rooms", tmp_path / "peers"))
    assert [sample.step for sample in told] == ["push 1", "push 2", "again", "unchanged", "pull first", "pull last"]
    assert [sample.fault for sample in told] == [""] * 6
    assert [sample.stored_bytes for sample in told[:2]] == [3, 6]
    assert told[0].raw_bytes == 3


def test_bytes_that_differ_are_a_fault_and_not_a_figure(tmp_path: Path, story: Story) -> None:
    told = list(tell(story, Forger, tmp_path / "rooms", tmp_path / "peers"))
    assert told[-1].step == "gave up"
    assert "other bytes" in told[-1].fault


def test_a_tool_that_gives_up_leaves_what_it_did_before(tmp_path: Path, story: Story) -> None:
    told = list(tell(story, Refuser, tmp_path / "rooms", tmp_path / "peers"))
    assert [(sample.step, bool(sample.fault)) for sample in told] == [("push 1", False), ("gave up", True)]


def test_rooms_are_cleared_away(tmp_path: Path, story: Story) -> None:
    list(tell(story, Copier, tmp_path / "rooms", tmp_path / "peers"))
    assert list((tmp_path / "rooms").iterdir()) == []


def test_files_of_the_version_before_do_not_stay(tmp_path: Path) -> None:
    model, first, second = tmp_path / "model", tmp_path / "one.bin", tmp_path / "two.npz"
    model.mkdir()
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    lay((first,), model)
    lay((second,), model)
    assert [path.name for path in model.iterdir()] == ["model.npz"]


@linux_only
def test_memory_of_a_grandchild_is_counted(tmp_path: Path) -> None:
    hold = "import time; held = bytearray(64 << 20); time.sleep(0.4)"
    command = (sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])")
    assert measure(command, tmp_path, {}).anonymous_bytes >= 64 << 20


@linux_only
def test_memory_mapped_from_a_file_is_not_counted(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(64 << 20))
    code = (
        "import mmap, time; file = open('large', 'rb');"
        "seen = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ); sum(seen[::4096]); time.sleep(0.3)"
    )
    assert measure((sys.executable, "-c", code), tmp_path, {}).anonymous_bytes < 48 << 20


def test_a_command_that_fails_says_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="exited with 3: so it is"):
        measure(("sh", "-c", "echo so it is >&2; exit 3"), tmp_path, {"PATH": "/usr/bin:/bin"})


def test_anonymous_bytes_are_read_from_the_status_of_a_process() -> None:
    assert parse_anonymous_bytes("Name:\tcat\nRssAnon:\t     100 kB\nRssFile:\t 900 kB\n") == 102_400
    assert parse_anonymous_bytes("") == 0


def test_a_folder_weighs_what_its_files_weigh(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(b"1234")
    (tmp_path / "link").symlink_to(tmp_path / "inner" / "file")
    assert folder_bytes(tmp_path) == 4
    assert folder_bytes(tmp_path / "missing") == 0


def test_peers_that_are_not_installed_are_named_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packaged = [tool for tool in TOOLS if tool.package]
    assert available(packaged, tmp_path) == []
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(packaged)
    assert all(" on PATH" in line or "python -m benchmarks.peers" in line for line in printed)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    versions = []
    for number, text in enumerate((b"one", b"two"), 1):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(text)
        versions.append((path,))
    return Story("small", tuple(versions), whole=True)
