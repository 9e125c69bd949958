"""The process of an evaluation: what it is given, what is taken from it, and that nothing of it stays behind."""

import os
import sys
import time
from pathlib import Path

import pytest

from budwood.client.evaluating.running import Entry, Limits, Ran, run
from budwood.domain.limits import EVALUATION_LOG_BYTES, MIB

ROOMY = Limits(60, 2_048 * MIB)


def ran(code: str, tmp_path: Path, limits: Limits = ROOMY, entry: str = "") -> Ran:
    (tmp_path / "bench.py").write_text(code)
    for name in ("model", "data"):
        (tmp_path / name).mkdir(exist_ok=True)
    where = entry or str(tmp_path / "bench.py")
    return run(Entry(where), tmp_path / "model", tmp_path / "data", tmp_path, "", limits, os.urandom(8).hex())


def is_gone(number: int) -> bool:
    """Dead, or dead and not yet fetched by whoever adopted it."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_a_script_is_given_two_folders_and_says_lines(tmp_path: Path) -> None:
    found = ran("import sys; print(sys.argv[1:]); print('log', file=sys.stderr)", tmp_path)
    assert found.results.decode() == f"['{tmp_path / 'model'}', '{tmp_path / 'data'}']\n"
    assert (found.code, found.stopped, found.log) == (0, "", "log\n")


def test_results_in_the_file_leave_what_is_printed_to_the_log(tmp_path: Path) -> None:
    found = ran("import os; print('epoch 1'); open(os.environ['BUDWOOD_RESULTS'], 'w').write('{}')", tmp_path)
    assert (found.results, found.log) == (b"{}", "epoch 1\n")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def go(m, d): return {'auc': 0.5}", b'{"metrics": {"auc": 0.5}}\n'),
        ("def go(m, d): return {'metrics': {'auc': 0.5}, 'samples': 3}", b'{"metrics": {"auc": 0.5}, "samples": 3}\n'),
        ("def go(m, d): return [{'ok': True}, {'ok': False}]", b'{"ok": true}\n{"ok": false}\n'),
        ("def go(m, d):\n    print('x')\n    yield {'n': 1}", b'{"n": 1}\n'),
        ("import numpy\ndef go(m, d): return {'n': numpy.float32(0.5), 'k': numpy.int64(3)}",
         b'{"metrics": {"n": 0.5, "k": 3}}\n'),
        ("class Suite:\n    @staticmethod\n    def go(m, d): return {'has': (m / 'x').parent.is_dir()}",
         b'{"metrics": {"has": true}}\n'),
    ],
)  # fmt: skip
def test_a_function_returns_its_results(
    code: str, said: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = ran(code, tmp_path, entry="bench:Suite.go" if "Suite" in code else "bench:go")
    assert (found.code, found.results) == (0, said), found.log


def test_a_module_of_the_user_is_found_before_what_lies_beside_the_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "running.py").write_text("def go(m, d): return {'mine': 1}")
    assert b"mine" in ran("", tmp_path, entry="running:go").results


def test_a_token_is_not_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDWOOD_TOKEN", "bw_secret")
    assert ran("import os; print('BUDWOOD_TOKEN' in os.environ)", tmp_path).results == b"False\n"


def test_a_crash_keeps_its_code_and_the_end_of_its_log(tmp_path: Path) -> None:
    found = ran("import sys; sys.stderr.write('x' * 200_000 + '\\nlast'); sys.exit(7)", tmp_path)
    assert (found.code, len(found.log), found.log[-5:]) == (7, EVALUATION_LOG_BYTES, "\nlast")


def test_time_ends_it_with_its_children_also_those_that_left_the_session(tmp_path: Path) -> None:
    code = """
import os, subprocess, sys, time
where = sys.argv[2] + "/pids"
kids = [subprocess.Popen(["sleep", "300"], start_new_session=new) for new in (False, True)]
open(where, "w").write(" ".join(str(each) for each in (os.getpid(), *[kid.pid for kid in kids])))
time.sleep(300)
"""
    began = time.monotonic()
    found = ran(code, tmp_path, Limits(2, 2_048 * MIB))
    assert (found.stopped, time.monotonic() - began < 60) == ("time", True)
    numbers = [int(each) for each in (tmp_path / "data" / "pids").read_text().split()]
    until = time.monotonic() + 10
    while not all(map(is_gone, numbers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(numbers) == 3
    assert all(map(is_gone, numbers))


def test_a_child_that_holds_the_pipes_does_not_hold_us(tmp_path: Path) -> None:
    code = "import subprocess; subprocess.Popen(['sleep', '300'], start_new_session=True); print('{}', flush=True)"
    began = time.monotonic()
    found = ran(code, tmp_path)
    assert (found.code, found.results, found.stopped) == (0, b"{}\n", "")
    assert time.monotonic() - began < 60


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux only")
def test_memory_is_bounded_for_one_process_and_for_all_together(tmp_path: Path) -> None:
    alone = ran("x = bytearray(400 << 20)", tmp_path, Limits(60, 200 * MIB))
    assert (alone.code != 0, "MemoryError" in alone.log) == (True, True)
    code = """
import subprocess, sys, time
eat = "import time; x = bytearray(120 << 20); time.sleep(60)"
kids = [subprocess.Popen([sys.executable, "-c", eat]) for _ in range(4)]
time.sleep(60)
"""
    assert ran(code, tmp_path, Limits(50, 300 * MIB)).stopped == "memory"


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nwhile True: sys.stdout.write('x' * 65536)",
        "import os\nf = open(os.environ['BUDWOOD_RESULTS'], 'w')\nwhile f.tell() < 10**9: f.write('x' * 65536)",
    ],
)
def test_results_without_end_are_ended(code: str, tmp_path: Path) -> None:
    found = ran(code, tmp_path, Limits(100, 2_048 * MIB))
    assert found.stopped == "results"


def test_input_is_closed(tmp_path: Path) -> None:
    assert ran("import sys; print(repr(sys.stdin.read()))", tmp_path).results == b"''\n"
