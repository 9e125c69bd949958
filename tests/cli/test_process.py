"""The program as the system sees it: started, piped, and behind a real terminal."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from budwood import __version__

Run = Any
PROGRAM = [sys.executable, "-m", "budwood"]
HEAVY = ("numpy", "sqlalchemy", "alembic", "msgspec", "obstore", "fsspec", "yaml", "pcodec", "rich.console")


def start(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *map(str, words)], capture_output=True, text=True, check=False, **options)


def behind_a_terminal(*words: str | Path, columns: int = 80, typed: bytes = b"") -> tuple[int, str]:
    """Run the program with a terminal of that width; the exit code and everything it showed."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "TERM": "xterm-256color", "NO_COLOR": ""}
    program = subprocess.Popen(
        [*PROGRAM, *map(str, words)], stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True, env=environment
    )
    os.close(theirs)
    os.write(ours, typed)
    shown = bytearray()
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        if not select.select([ours], [], [], 1)[0]:
            continue
        try:
            part = os.read(ours, 1 << 16)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return program.wait(10), shown.decode()


def bare(shown: str) -> list[str]:
    """The lines without colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "").splitlines()


def test_the_version_is_told() -> None:
    assert start("--version").stdout == f"budwood {__version__}\n"


def test_without_a_command_a_first_day_is_explained() -> None:
    out = start().stdout
    for command in ("push", "log", "diff", "stage", "roll-back", "pull"):
        assert f"  budwood {command} " in out
    assert max(map(len, out.splitlines())) <= 80


def test_help_loads_nothing_heavy() -> None:
    words = (
        "import sys; from budwood.cli.main import run; run(['--help']); run(['push', '--help']); run([]);"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_a_closed_pipe_is_no_error(here: Path) -> None:
    for words in ("ledger", "list --json", "--help"):
        piped = f"{sys.executable} -m budwood --registry registry {words} | true"
        ran = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=False)
        assert ran.stderr == ""


def test_a_pipe_gets_no_colours_and_no_wrapping(here: Path) -> None:
    ran = start("--registry", "registry", "diff", "encoder@v1", "encoder@v2", env=os.environ | {"COLUMNS": "40"})
    assert "\x1b" not in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) > 80
    assert not [line for line in ran.stdout.splitlines() if line != line.rstrip()]


def test_an_output_that_cannot_show_an_arrow_is_no_reason_to_fail(here: Path) -> None:
    ran = start("--registry", "registry", "list", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert ran.returncode == 0
    assert "champion ? v1" in ran.stdout


@pytest.mark.parametrize("words", ["list", "log encoder --moves", "search", "ledger", "stats", "show encoder --files"])
def test_tables_fit_a_terminal_of_eighty_columns(here: Path, words: str) -> None:
    code, shown = behind_a_terminal("--registry", "registry", *words.split())
    assert code == 0
    assert "\x1b[1m" in shown
    assert [line for line in bare(shown) if len(line) > 80 and "sha256:" not in line] == []


def test_a_terminal_is_told_how_long_ago_and_a_pipe_when(here: Path) -> None:
    shown = behind_a_terminal("--registry", "registry", "list")[1]
    assert " ago" in shown or "just now" in shown
    assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", start("--registry", "registry", "list").stdout)


def test_a_bar_is_shown_only_behind_a_terminal(here: Path) -> None:
    shown = behind_a_terminal("--registry", "registry", "verify", "--read-data")[1]
    assert "Verifying" in shown
    assert bare(shown)[-1].endswith("all is well")
    assert start("--registry", "registry", "verify", "--read-data").stderr == ""


def test_deleting_asks_and_no_means_no(here: Path) -> None:
    code, shown = behind_a_terminal("--registry", "registry", "delete", "encoder@v2", typed=b"n\n")
    assert code == 1
    assert "Delete encoder@1.1.0 (v2), " in shown
    assert "Nothing was deleted." in shown
    code, shown = behind_a_terminal("--registry", "registry", "delete", "encoder@v2", typed=b"y\n")
    assert code == 0
    assert "encoder@1.1.0 (v2) is deleted" in shown


def test_the_nearest_registry_upwards_is_used(here: Path) -> None:
    (here / "registry").rename(here / ".budwood")
    (here / "deep/er").mkdir(parents=True)
    assert "encoder" in start("list", cwd=here / "deep/er").stdout
    (here / ".budwood").rename(here / "elsewhere")
    assert "encoder" in start("list", env=os.environ | {"BUDWOOD_REGISTRY": str(here / "elsewhere")}).stdout


def test_without_any_registry_one_is_made_in_the_users_folder_and_said_so(here: Path) -> None:
    ran = start("push", "encoder", "encoder")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith(f"Made a new registry at {os.environ['XDG_DATA_HOME']}")
    assert start("push", "encoder", "encoder").stderr == ""


def test_ctrl_c_stops_a_push_and_publishes_nothing(here: Path) -> None:
    with Path("encoder/large.bin").open("wb") as large:
        for _ in range(120):
            large.write(os.urandom(1 << 22))
    program = subprocess.Popen(
        [*PROGRAM, "--registry", "new", "push", "encoder", "encoder"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell that starts the tests in the background has them ignore Ctrl-C, and we would hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert program.stderr is not None
    assert program.stderr.readline().startswith("Made a new registry")
    time.sleep(0.05)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=60)
    # Where the signal arrives during an import, Python ends by the signal itself; a shell says 130 to both.
    assert program.returncode in (130, -signal.SIGINT), said
    assert "Nothing was published" in said
    assert start("--registry", "new", "list", "--json").stdout.split() == [
        "{",
        '"models":',
        "[],",
        '"after":',
        '""',
        "}",
    ]
    assert "all is well" in start("--registry", "new", "verify").stdout
