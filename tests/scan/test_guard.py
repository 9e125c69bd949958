"""The process that looks can open nothing, is ended when it takes too long, and is believed in one form only."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from budwood.domain.limits import MIB, SCAN_READ_BYTES
from budwood.scan import guarded
from budwood.scan.guarded import Guard
from budwood.scan.report import FileReport, Verdict
from budwood.store.formats.bounded import Memory
from tests.scan import corpus

CHILD = Path(guarded.__file__).with_name("_child.py")
CONFINED = f"""
import os, socket, subprocess, sys
sys.path.insert(0, {str(CHILD.parents[2])!r})
from budwood.scan import _child
_child._confine()
for name, act in (
    ("open", lambda: open(sys.argv[1], "w")),
    ("socket", lambda: socket.socket()),
    ("pipe", lambda: os.pipe()),
    ("memory", lambda: bytearray(8 << 30)),
):
    try:
        act()
    except (OSError, MemoryError):
        continue
    os.write(1, name.encode())
"""


class Slow:
    """A source that a disk gives slowly."""

    path = "weights.bin"
    size = 4 * MIB

    def read(self, offset: int, length: int) -> bytes:
        time.sleep(0.3)
        return bytes(length)

    def read_into(self, offset: int, target: memoryview) -> None:
        target[:] = self.read(offset, len(target))


class Counting(Memory):
    """A source that counts what is read of it."""

    taken = 0

    def read(self, offset: int, length: int) -> bytes:
        self.taken += length
        assert length <= SCAN_READ_BYTES
        return super().read(offset, length)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse less")
def test_the_process_can_open_neither_file_nor_socket_nor_much_memory(tmp_path: Path) -> None:
    words = [sys.executable, "-c", CONFINED, str(tmp_path / "written")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == ""
    assert not (tmp_path / "written").exists()


def test_a_process_that_takes_too_long_is_ended() -> None:
    with Guard(time_s=0.2) as guard:
        report = guard.scan(Slow())
    assert [finding.rule for finding in report.findings] == ["scanner-stopped"]
    assert report.verdict is Verdict.ERROR


def test_the_next_file_is_looked_at_by_a_fresh_process() -> None:
    bad = corpus.call("os", "system", "true")
    with Guard() as guard:
        assert guard.scan(Memory(bad, "a.pkl")).verdict is Verdict.BLOCKED
        assert guard._process is not None
        guard._process.kill()
        guard._process.wait()
        assert guard.scan(Memory(bad, "b.pkl")).findings[0].rule == "scanner-stopped"
        assert guard.scan(Memory(bad, "c.pkl")).findings[0].rule == "pickle-global"


REPLIES = {
    "no JSON": b"nonsense",
    "another shape": b'{"verdict": "clean"}',
    "more than asked": b'{"format": "", "findings": [], "verdict": "clean"}',
    "an unknown rule": b'{"format": "", "findings": [["", 0, "all-is-well", ""]]}',
    "too long a text": b'{"format": "", "findings": [["", 0, "pickle-global", "' + b"a" * 5000 + b'"]]}',
    "too many findings": b'{"format": "", "findings": [' + b",".join([b'["", 0, "script", ""]'] * 101) + b"]}",
    "an escape in the format": b'{"format": "\\u001b[2J", "findings": []}',
    "broken text": b'{"format": "\xff", "findings": []}',
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_an_answer_of_another_form_is_no_answer(reply: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = guarded._ASK.pack(b"D", 0, len(reply)) + reply
    assert is_stopped(frame, tmp_path, monkeypatch)


FRAMES = {
    "bytes that are not there": guarded._ASK.pack(b"R", 1 << 40, 10),
    "bytes behind the end": guarded._ASK.pack(b"R", 0, 1000),
    "no bytes": guarded._ASK.pack(b"R", 0, 0),
    "an unknown word": guarded._ASK.pack(b"X", 0, 0),
    "an answer too long": guarded._ASK.pack(b"D", 0, 1 << 31),
    "half a frame": b"R\0\0",
    "nothing": b"",
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_process_that_breaks_a_frame_is_ended(frame: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_stopped(frame, tmp_path, monkeypatch)


def is_stopped(frame: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a process that was taken over, and says this, is not believed."""
    child = folder / "child.py"
    child.write_text(f"import os\nos.read(0, 65536)\nos.write(1, {frame!r})\n")
    monkeypatch.setattr(guarded, "_CHILD", child)
    with Guard(time_s=10) as guard:
        report = guard.scan(Memory(b"abc", "a.bin"))
    return report.verdict is Verdict.ERROR and [each.rule for each in report.findings] == ["scanner-stopped"]


def test_neither_folder_nor_environment_choose_what_the_process_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Guard() as guard:
        assert guard.scan(Memory(b"abc", "a.bin")) == FileReport("a.bin", "")


def test_of_weights_only_the_header_is_read() -> None:
    header = b'{"w":{"dtype":"F32","shape":[2097152],"data_offsets":[0,8388608]}}'
    source = Counting(len(header).to_bytes(8, "little") + header + bytes(8 * MIB), "model.safetensors")
    with Guard() as guard:
        assert guard.scan(source).verdict is Verdict.CLEAN
    assert source.taken < MIB


def test_no_process_is_left_behind() -> None:
    with Guard() as guard:
        guard.scan(Memory(b"abc", "a.bin"))
        assert guard._process is not None
        number = guard._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
