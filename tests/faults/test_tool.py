"""The fault tool is trusted because it passes a right store, catches every planted bug, and sees every call."""

import ctypes
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults.mini_store import Bug
from tests.faults.sweep import Call, Mode, Sweep, order_faults, spread

pytestmark = pytest.mark.faults

FOUND_BY_KILLING = [Bug.IN_PLACE, Bug.RECORD_FIRST, Bug.IGNORES_SHORT_WRITES, Bug.SWALLOWS_ERRORS]
FOUND_BY_ORDER = [Bug.NEVER_SYNCS, Bug.FORGETS_FOLDER]


def test_a_right_store_survives_every_fault(sweep: Sweep) -> None:
    assert [str(broken) for broken in sweep.broken("mini:none")] == []


@pytest.mark.parametrize("bug", FOUND_BY_KILLING)
def test_a_planted_bug_is_caught(sweep: Sweep, bug: Bug) -> None:
    assert sweep.broken(f"mini:{bug}") != []


@pytest.mark.parametrize("bug", FOUND_BY_ORDER)
def test_a_missing_sync_is_caught_by_the_order_of_calls(sweep: Sweep, bug: Bug) -> None:
    assert sweep.unordered(f"mini:{bug}") != []


def test_a_right_store_syncs_in_order(sweep: Sweep) -> None:
    assert sweep.unordered("mini:none") == []


ALL_CALLS = """
import ctypes, json, os, sys
library = ctypes.CDLL(None)
library.fault_count.restype = ctypes.c_long
library.fault_call.restype = ctypes.c_char_p
root, outside = sys.argv[1], sys.argv[2]
library.fault_arm(os.fsencode(root), ctypes.c_long(0), 1)
os.mkdir(root + "/folder")
inside = os.open(root + "/folder", os.O_RDONLY)
file = os.open("file", os.O_CREAT | os.O_RDWR, dir_fd=inside)
os.write(file, b"abc"); os.pwrite(file, b"abc", 0); os.writev(file, [b"a", b"b"]); os.pwritev(file, [b"c"], 0)
os.fsync(file); os.fdatasync(file); library.syncfs(file)
os.posix_fallocate(file, 0, 10); os.ftruncate(file, 100)
library.sync_file_range(file, ctypes.c_long(0), ctypes.c_long(1), 0)
library.fallocate(file, 0, ctypes.c_long(0), ctypes.c_long(10))
other = os.open(root + "/other", os.O_CREAT | os.O_RDWR)
os.copy_file_range(file, other, 4, 0, 0); os.sendfile(other, file, 0, 2)
os.link(root + "/other", root + "/linked"); os.symlink("x", root + "/symbolic")
os.rename(root + "/linked", root + "/moved"); os.replace("file", "renamed", src_dir_fd=inside, dst_dir_fd=inside)
os.unlink(root + "/moved"); os.unlink("renamed", dir_fd=inside); os.rmdir(root + "/folder")
open(root + "/other").read(); open(outside, "w").write("not counted")
library.fault_off()
open(root + "/other", "a").write("not counted")
print(json.dumps([library.fault_call(ctypes.c_long(i)).decode() for i in range(1, library.fault_count() + 1)]))
"""


def test_every_changing_call_is_seen_and_no_other(shim: Path, tmp_path: Path) -> None:
    root = tmp_path.resolve() / "watched"
    root.mkdir()
    words = [sys.executable, "-c", ALL_CALLS, str(root), str(tmp_path / "outside")]
    ran = subprocess.run(
        words, env={**os.environ, "LD_PRELOAD": str(shim)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    expected = """
        mkdir open write pwrite writev pwritev fsync fdatasync syncfs fallocate ftruncate sync_file_range fallocate
        open copy_file_range sendfile link symlink rename rename unlink unlink rmdir
    """
    assert json.loads(ran.stdout) == expected.split()


@pytest.mark.parametrize(
    ("mode", "left", "code"),
    [
        (Mode.KILL, b"", -9),
        (Mode.KILL_AFTER, b"12345678", -9),
        (Mode.TORN, b"1234", -9),
        (Mode.SHORT, b"1234", 4),
        (Mode.EIO_ONCE, b"", 100 + 5),
        (Mode.NOSPC_ONCE, b"", 100 + 28),
        (Mode.FULL, b"", 100 + 28),
        (Mode.BROKEN, b"", 100 + 5),
    ],
)
def test_each_mode_does_what_it_says(shim: Path, tmp_path: Path, mode: Mode, left: bytes, code: int) -> None:
    program = (
        "import os, sys\n"
        "file = os.open(sys.argv[1] + '/file', os.O_CREAT | os.O_WRONLY)\n"
        "try: ended = os.write(file, b'12345678')\n"
        "except OSError as error: ended = 100 + error.errno\n"
        "os._exit(ended)\n"
    )
    root = tmp_path.resolve()
    faults = {"FAULT_UNDER": str(root), "FAULT_AT": "2", "FAULT_MODE": str(int(mode))}
    ran = subprocess.run(
        [sys.executable, "-c", program, str(root)], env={**os.environ, "LD_PRELOAD": str(shim), **faults}, check=False
    )
    assert (ran.returncode, (root / "file").read_bytes()) == (code, left)


def test_a_full_disk_stays_full_and_a_broken_one_broken(shim: Path, tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "root, failed = sys.argv[1], 0\n"
        "for act in (lambda: os.mkdir(root + '/a'), lambda: os.mkdir(root + '/b'), lambda: os.unlink(root + '/old')):\n"
        "    try: act()\n"
        "    except OSError: failed += 1\n"
        "os._exit(failed)\n"
    )
    root = tmp_path.resolve()
    for mode, failures in ((Mode.FULL, 2), (Mode.BROKEN, 3)):
        (root / "old").touch()
        faults = {"FAULT_UNDER": str(root), "FAULT_AT": "1", "FAULT_MODE": str(int(mode)), "LD_PRELOAD": str(shim)}
        ran = subprocess.run([sys.executable, "-c", program, str(root)], env={**os.environ, **faults}, check=False)
        assert ran.returncode == failures


def test_a_sample_is_spread_and_keeps_the_last_call() -> None:
    assert list(spread(range(1, 6), 12, 1)) == [1, 2, 3, 4, 5]
    assert list(spread(range(1, 6), None, 1)) == [1, 2, 3, 4, 5]
    chosen = spread(range(1, 1001), 10, 3)
    assert len(chosen) == 10
    assert chosen[-1] == 1000
    assert max(b - a for a, b in pairwise(chosen)) < 220
    assert spread(range(1, 1001), 10, 3) != spread(range(1, 1001), 10, 4)


def test_order_rules_ask_for_the_sync_of_new_folders_too() -> None:
    write, sync = Call("write", "/s/tmp/a"), Call("fsync", "/s/tmp/a")
    moved, commit = Call("rename", "/s/tmp/a", "/s/new/a"), Call("pwrite", "/s/meta.db-wal")
    made, folder, above = Call("mkdir", "/s/new"), Call("fsync", "/s/new"), Call("fsync", "/s")
    assert order_faults([made, above, write, sync, moved, folder, commit], ["-wal"]) == []
    assert order_faults([made, write, sync, moved, Call("syncfs", "/s"), commit], ["-wal"]) == []
    assert len(order_faults([made, write, sync, moved, folder, commit], ["-wal"])) == 1
    assert len(order_faults([made, above, write, sync, moved, commit], ["-wal"])) == 1
    assert len(order_faults([made, above, write, moved, folder, commit], ["-wal"])) == 1


def test_the_shim_is_not_loaded_here() -> None:
    assert not hasattr(ctypes.CDLL(None), "fault_arm")
