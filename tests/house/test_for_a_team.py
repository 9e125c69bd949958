"""The README's section for a team is typed as it stands: a fence marked ``shell NAME`` goes into the shell NAME.

Each shell is a real one at a terminal of its own. The port alone is another, because tests run side by side. A
command that promises to fail (``# exit N``) is one that something happens to: it is typed, the next fence is typed
when the server has taken some of what it sends, and then it is waited for.
"""

import json
import os
import re
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```shell (\w+)\n(.*?)^```$", re.M | re.S)
PROMISE = re.compile(r"\s+# exit (\d+)$")
TAKEN = 3
LONG_S = 60.0
# Makes the terminal on standard input the shell's own, so that a password can be asked for.
AT_A_TERMINAL = (
    "import fcntl, os, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execvp('bash', ['bash', '--norc', '--noprofile', '--noediting'])"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One command, whose shell it is typed into, and what it promises."""

    shell: str
    words: str
    code: int
    shown: tuple[str, ...]


def steps(section: str) -> list[Step]:
    found = []
    for shell, fence in FENCE.findall(section):
        for typed, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", fence, re.M):
            promise = PROMISE.search(typed)
            code = int(promise.group(1)) if promise else 0
            found.append(Step(shell, PROMISE.sub("", typed), code, tuple(shown.splitlines())))
    return found


class Shell:
    """Bash at a terminal; what it prints is kept."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._ours, theirs = os.openpty()
        quiet = termios.tcgetattr(theirs)
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, quiet)
        self._child = subprocess.Popen(
            [sys.executable, "-c", AT_A_TERMINAL], stdin=theirs, stdout=theirs, stderr=theirs,
            cwd=folder, env=environment | {"PS1": "", "PS2": "", "TERM": "dumb"}, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.printed = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def type(self, words: str) -> None:
        os.write(self._ours, words.encode() + b"\n")

    def ended(self, since: int) -> int:
        """How the command that was typed then ended."""
        self.type("printf '\\n@ended %s\\n' $?")
        return int(self.wait_for(r"@ended (\d+)", since))

    def wait_for(self, pattern: str, since: int) -> str:
        give_up = time.monotonic() + LONG_S
        while not (found := re.search(pattern, self.printed[since:])):
            assert time.monotonic() < give_up, f"no {pattern!r} in {self.printed[since:]!r}"
            time.sleep(0.01)
        return found.group(1)

    def close(self) -> None:
        self.type("kill $(jobs -p) 2> /dev/null; wait; exit")
        try:
            self._child.wait(LONG_S)
        finally:
            self._child.kill()
            os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                got = os.read(self._ours, 65536)
            except OSError:
                return
            self.printed += got.decode("utf-8", "replace").replace("\r\n", "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With two models that are large enough to be killed in the middle of."""
    chance = np.random.default_rng(7)
    for name in ("encoder", "tuned"):
        made = tmp_path / "typed" / name
        made.mkdir(parents=True)
        weights = chance.normal(0, 0.05, (32, 512, 1024)).astype("<f4")
        header = json.dumps({"weight": {"dtype": "F32", "shape": weights.shape, "data_offsets": [0, weights.nbytes]}})
        padded = header.encode() + b" " * (-len(header) % 8)
        (made / "model.safetensors").write_bytes(struct.pack("<Q", len(padded)) + padded + weights.tobytes())
    (tmp_path / "home").mkdir()
    return tmp_path / "typed"


@pytest.fixture
def shells(folder: Path) -> Iterator[dict[str, Shell]]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("BUDWOOD_", "XDG_", "PYTEST_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = kept | {"PATH": path, "HOME": str(folder.parent / "home"), "NO_COLOR": "1", "COLUMNS": "120"}
    names = sorted({step.shell for step in steps(section())})
    opened = {name: Shell(folder, environment) for name in names}
    yield opened
    for shell in opened.values():
        shell.close()


def section() -> str:
    readme = (ROOT / "README.md").read_text("utf-8")
    return readme.partition("\n## For a team\n")[2].partition("\n## ")[0]


@pytest.mark.slow
def test_what_the_readme_shows_for_a_team_can_be_typed(folder: Path, shells: dict[str, Shell]) -> None:
    typist = Typist(folder, shells, free_port())
    for step in steps(section()):
        typist.type(step)
    # The two models are of one size, and share nothing. The log was begun anew with the second start.
    assert 0 < sent(folder) < typist.whole_push * 0.95


class Typist:
    """Types step after step; ``whole_push`` is what the last push sent that nothing happened to."""

    def __init__(self, folder: Path, shells: dict[str, Shell], port: int) -> None:
        self._folder, self._shells, self._port = folder, shells, port
        self._token = ""
        self._hurt: tuple[Step, int, int] | None = None
        self.whole_push = 0

    def type(self, step: Step) -> None:
        shell, since = self._shells[step.shell], len(self._shells[step.shell].printed)
        if step.code:
            self.whole_push = sent(self._folder)
            self._hurt = (step, since, taken(self._folder))
            shell.type(on_port(step.words, self._port))
            return
        if self._hurt:
            wait_until_taken(self._folder, self._hurt[2])
        shell.type(on_port(step.words, self._port))
        self._answer(step, shell, since)
        assert shell.ended(since) == 0, shell.printed
        if self._hurt:
            failed, began, _ = self._hurt
            assert self._shells[failed.shell].ended(began) == failed.code, self._shells[failed.shell].printed
            self._hurt = None
        if "verify" in step.words:
            assert "all is well" in shell.printed[since:]

    def _answer(self, step: Step, shell: Shell, since: int) -> None:
        if "Token:" in step.shown:
            shell.wait_for(r"(Token: ?)", since)
            shell.type(self._token)
            # What is typed ahead of it is thrown away with the rest of the line.
            shell.wait_for(f"({re.escape(step.shown[-1])})", since)
        if any(line.startswith("Serving") for line in step.shown):
            shell.wait_for(rf"Serving .*/team at http://127\.0\.0\.1:({self._port})\n", since)
        if any(line.startswith("Bootstrap") for line in step.shown):
            self._token = shell.wait_for(r"Bootstrap token, good for one use: (bw_boot_\S+)\n", since)


def test_the_section_uses_three_shells_and_kills_a_server() -> None:
    typed = steps(section())
    assert len({step.shell for step in typed}) == 3
    assert [step.code for step in typed if step.code] == [7]
    assert any(step.words.startswith("kill -9") for step in typed)


def on_port(words: str, port: int) -> str:
    return re.sub(r"\bserve\b(?!r|\.)", f"serve --port {port}", words).replace(":8484", f":{port}")


def lines(folder: Path) -> list[dict[str, object]]:
    """The server's log, but for a last line that was cut."""
    log = folder / "serve.log"
    whole = [line for line in log.read_text("utf-8").splitlines() if line.endswith("}")] if log.exists() else []
    return [json.loads(line) for line in whole]


def taken(folder: Path) -> int:
    """How many packs the server has checked and kept."""
    return sum(line.get("route") == "pushes.complete" and line["status"] == 200 for line in lines(folder))


def sent(folder: Path) -> int:
    """How many bytes of packs were sent to it."""
    return sum(int(str(line["bytes_in"])) for line in lines(folder) if line.get("route") == "blobs.put")


def wait_until_taken(folder: Path, before: int) -> None:
    give_up = time.monotonic() + LONG_S
    while taken(folder) < before + TAKEN:
        assert time.monotonic() < give_up
        time.sleep(0.005)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
