"""A gateway's logs: whoever is killed between whichever two steps, each line is sent once, and the disk is bounded."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.delivery.logs.files import QUIET_S, Bounds, LogFiles, positions_beyond, whole_lines
from budwood.delivery.logs.wire import Answer, Piece, read_answer, read_piece
from budwood.errors import BadValue

WORDS = ["write", "half", "turn", "killed", "restart", "send", "reopen", "later"]
STEPS = st.lists(st.sampled_from(WORDS), max_size=60)


class Killed(Exception):
    """In the middle of it."""


class World:
    """A gateway that writes, somebody who sends, somebody who counts."""

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        self.folder, self.bounds = folder, bounds
        self.ids: Iterator[str] = (f"id-{number}" for number in itertools.count())
        self.numbers = itertools.count()
        self.positions: dict[str, int] = {}  # Kept where lines are counted: no crash of ours loses it.
        self.counted: list[bytes] = []
        self.written: list[bytes] = []
        self.now_s = 0.0
        self.out = (folder / "access.log").open("ab", buffering=0)
        self.files = self.started()

    def started(self) -> LogFiles:
        files = LogFiles(self.folder, "access", self.ids.__next__, self.bounds)
        files.settle()
        return files

    def step(self, name: str) -> None:
        match name:
            case "write":
                line = b"line %d" % next(self.numbers)
                self.out.write(line + b"\n")
                self.written.append(line)
            case "half":
                self.half()
            case "reopen":
                self.reopen()
            case "turn":
                self.files.settle()
                self.files.turn()
            case "killed":
                self.killed()
            case "restart":
                self.files = self.started()
            case "send":
                self.send()
            case "later":
                self.now_s += QUIET_S
                self.files.drop(self.positions, self.now_s)

    def half(self) -> None:
        """A line that comes in two pieces."""
        line = b"whole %d" % next(self.numbers)
        self.out.write(line[:3])
        self.send()
        self.out.write(line[3:] + b"\n")
        self.written.append(line)

    def reopen(self) -> None:
        if not (self.folder / "access.log").exists():
            self.out.close()
            self.out = (self.folder / "access.log").open("ab", buffering=0)

    def killed(self) -> None:
        """While a file is put away: the list says so already, the disk does not."""
        self.files.settle()
        before = Path.rename

        def dies(path: Path, target: Path) -> Path:
            raise Killed

        Path.rename = dies  # type: ignore[method-assign,assignment]
        try:
            with suppress(Killed):
                self.files.turn()
        finally:
            Path.rename = before  # type: ignore[method-assign]
        self.files = self.started()

    def send(self) -> None:
        self.files.settle()
        for file in self.files.files:
            path = self.files.path(file)
            if path.exists():
                start = self.positions.get(file.id, 0)
                content = whole_lines(path, start, 64)
                self.counted += content.split(b"\n")[:-1]
                self.positions[file.id] = start + len(content)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_every_line_is_sent_once_whoever_is_killed_when(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), Bounds(file_bytes=40, disk_bytes=1 << 20, files=1))
        for name in steps:
            world.step(name)
        world.step("restart")
        world.reopen()
        for _ in range(len(world.written) + 2):
            world.send()
        world.out.close()
        assert sorted(world.counted) == sorted(world.written)
        assert world.files.lost == 0


def test_files_that_were_counted_are_dropped_when_nobody_writes_to_them_any_more(tmp_path: Path) -> None:
    world = World(tmp_path, Bounds(file_bytes=10, disk_bytes=1 << 20, files=2))
    for _ in range(6):
        for name in ("write", "write", "turn", "reopen", "send", "send"):
            world.step(name)
    world.files.drop(world.positions, 0.0)
    assert len(list(tmp_path.glob("access.log.*"))) == 6
    world.files.drop(world.positions, QUIET_S)
    assert sorted(path.name for path in tmp_path.glob("access.log.*")) == ["access.log.5", "access.log.6"]
    assert len(world.files.kept) == 3
    world.out.close()


def test_what_nobody_takes_is_bounded_and_the_loss_is_counted(tmp_path: Path) -> None:
    world = World(tmp_path, Bounds(file_bytes=100, disk_bytes=1_000, files=2))
    for _ in range(100):
        for name in ("write", "write", "turn", "reopen"):
            world.step(name)
        world.files.drop(world.positions, 0.0)
        assert sum(path.stat().st_size for path in tmp_path.glob("access.log*")) <= 1_000
    whole = sum(len(line) + 1 for line in world.written)
    there = sum(path.stat().st_size for path in tmp_path.glob("access.log*"))
    assert world.files.lost == whole - there > 0
    assert world.started().lost == world.files.lost
    world.out.close()


def test_a_file_that_was_cut_is_put_away_so_that_no_position_means_two_things(tmp_path: Path) -> None:
    world = World(tmp_path, Bounds())
    world.step("write")
    world.step("send")
    os.truncate(tmp_path / "access.log", 3)
    (cut,) = positions_beyond(world.files, world.positions)
    world.files.turn(at_once=True)
    world.reopen()
    for name in ("write", "send", "send"):
        world.step(name)
    world.out.close()
    assert world.counted == world.written
    assert world.files.files[-1].id != cut.id


def test_a_log_that_was_read_in_place_keeps_the_name_it_had(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_bytes(b"one\n")
    files = LogFiles(tmp_path, "access", lambda: "new")
    files.settle()
    assert files.kept == (f"{(tmp_path / 'access.log').stat().st_ino:x}",)


def test_a_line_that_is_too_long_reads_as_nothing_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 100 + b"\nshort\n")
    read, start = b"", 0
    while content := whole_lines(path, start, 30):
        read, start = read + content, start + len(content)
    assert [line for line in read.split(b"\n") if line and not line.startswith(b"x")] == [b"short"]
    assert start == path.stat().st_size


@given(st.binary(max_size=200))
def test_what_is_no_piece_is_refused_in_words(garbage: bytes) -> None:
    for read in (read_piece, read_answer):
        with suppress(BadValue):
            read(garbage)


def test_a_piece_comes_out_as_it_went_in() -> None:
    piece = Piece("edge-1", "ab12", 7, b'{"a": 1}\n\n\x00', captures=True, kept=("ab12", "cd34"), lost=3)
    assert read_piece(piece.packed()) == piece
    assert read_answer(Answer(9).packed()) == Answer(9)
    for field in ({"start": -1}, {"start": 1.5}, {"captures": 1}, {"kept": "ab"}, {"gateway": "x" * 300}, {"log": "é"}):
        said = {"gateway": "e", "log": "l", "start": 0, "captures": False, "kept": [], "lost": 0, **field}
        with pytest.raises(BadValue):
            read_piece(str(said).replace("'", '"').replace("False", "false").encode() + b"\n")
