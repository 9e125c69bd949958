"""Logging in to a real server from the command line, and what is kept of it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

Shell = dict[str, str]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("BUDWOOD_", "XDG_"))}
    return {**kept, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config"), "NO_COLOR": "1"}


@pytest.fixture
def server(tmp_path: Path, shell: Shell) -> Iterator[dict[str, str]]:
    """What ``budwood serve --json`` says first: its address, and the bootstrap token."""
    words = [sys.executable, "-m", "budwood", "--registry", str(tmp_path / "served"), "serve", "--port", "0", "--json"]
    with subprocess.Popen(words, env=shell, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0


def typed(shell: Shell, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "budwood", *words], env=shell, input=given, capture_output=True, text=True, check=False
    )


def test_the_first_to_log_in_becomes_the_admin(server: dict[str, str], shell: Shell, tmp_path: Path) -> None:
    url = server["address"]
    first = typed(shell, "login", url, "--token-stdin", "--name", "ada", given=server["bootstrap"] + "\n")
    assert (first.returncode, first.stdout) == (0, "ada (admin)\n"), first.stderr
    kept = tmp_path / "config" / "budwood" / "credentials.json"
    assert kept.stat().st_mode & 0o077 == 0
    assert re.fullmatch(r"bw_[A-Za-z0-9_-]{43}", json.loads(kept.read_text())[url])
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert typed(shell, "--registry", url, "push", str(tmp_path / "model.bin"), "m").returncode == 0
    shown = json.loads(typed(shell, "--registry", url, "show", "m", "--json").stdout)
    assert shown["version"]["author"] == "ada"
    assert typed(shell, "--registry", url, "pull", "m", str(tmp_path / "out")).returncode == 0
    assert (tmp_path / "out" / "model.bin").read_bytes() == b"weights"

    again = typed(shell, "login", url, "--token-stdin", "--name", "eve", given=server["bootstrap"] + "\n")
    assert again.returncode == 5
    assert "bw_" not in again.stderr.replace("bw_…", "")
    assert typed(shell, "logout", url).returncode == 0
    assert json.loads(kept.read_text()) == {}
    assert typed(shell, "--registry", url, "whoami").returncode == 5


def test_what_is_no_token_is_not_kept(server: dict[str, str], shell: Shell, tmp_path: Path) -> None:
    for given, code in (("", 2), ("bw_" + "x" * 43 + "\n", 5), ("a b\n", 5), ("é\n", 2)):
        assert typed(shell, "login", server["address"], "--token-stdin", given=given).returncode == code
    assert typed(shell, "login", server["address"]).returncode == 2
    assert typed(shell, "login", "ftp://host", "--token-stdin", given="bw_\n").returncode == 2
    assert not (tmp_path / "config").exists()


def test_nobody_is_known_in_a_folder(shell: Shell, tmp_path: Path) -> None:
    answered = typed(shell, "--registry", str(tmp_path / "folder"), "whoami")
    assert (answered.returncode, "--registry URL" in answered.stderr) == (8, True)


def test_a_server_that_is_not_there_is_said_so(shell: Shell) -> None:
    answered = typed(shell, "--registry", "http://127.0.0.1:9", "list", "--json")
    assert answered.returncode == 7
    assert json.loads(answered.stdout)["error"]["code"] == "server_unreachable"
