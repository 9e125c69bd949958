"""What the documents show can be typed: every fence marked ``console`` is run, as a new user would run it.

Lines that begin with ``$ `` are commands, the others are what they print. The commands of one document run in
order in one shell, in an empty folder that holds ``encoder/`` and ``tuned/``, two small versions of one model.
A command must succeed, unless its line ends in ``# exit N``. A line that ends in a backslash goes on in the next.
The fences marked ``python`` of one document are run in order as one program, in a folder like that of its own.
"""

import json
import os
import re
import shlex
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.servers.stock import HOME as MLFLOW
from tests.servers.stock import SWITCHES
from tests.servers.stock import install as install_mlflow

ROOT = Path(__file__).resolve().parents[2]
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if path.exists()]
FENCE = re.compile(r"^```console[^\n]*\n(.*?)^```$", re.M | re.S)
SNIPPET = re.compile(r"^```python[^\n]*\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Shown:
    """One command of a document and the exit code it promises."""

    words: str
    code: int = 0


def shown_commands(page: str) -> list[Shown]:
    commands = []
    for fence in FENCE.findall(page):
        for typed in re.findall(r"^\$ ((?:.*\\\n)*.*)$", fence, re.M):
            promise = re.search(r"\s#\s*exit (\d+)\s*$", typed)
            commands.append(Shown(typed, int(promise.group(1)) if promise else 0))
    return commands


def run_shown(commands: list[Shown], folder: Path) -> subprocess.CompletedProcess[str]:
    """All of them in one shell; stops at the first that does not end as promised."""
    lines = []
    for command in commands:
        lines += [f"echo {shlex.quote('$ ' + command.words)}", command.words, "ended=$?"]
        lines.append(f'[ "$ended" = {command.code} ] || {{ echo "ended with $ended, not {command.code}"; exit 1; }}')
    return subprocess.run(
        ["bash"], input="\n".join(lines), cwd=folder, env=surroundings(folder), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=400, check=False,
    )  # fmt: skip


def with_mlflow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a server of MLflow's has its program, and nothing else of it, on the path."""
    install_mlflow()
    (folder.parent / "home" / "bin").mkdir(parents=True, exist_ok=True)
    (folder.parent / "home" / "bin" / "mlflow").symlink_to(MLFLOW / "venv" / "bin" / "mlflow")
    for name, value in SWITCHES.items():
        monkeypatch.setenv(name, value)


def surroundings(folder: Path) -> dict[str, str]:
    """A new user's: this Python's commands first, no settings, a home of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("BUDWOOD_", "XDG_", "PYTEST_"))}
    return kept | {
        "PATH": os.pathsep.join(
            (str(folder.parent / "home/bin"), str(Path(sys.executable).parent), os.environ["PATH"])
        ),
        "HOME": str(folder.parent / "home"),
        "NO_COLOR": "1",
        "COLUMNS": "120",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty place to type in, with two versions of a small encoder."""
    (tmp_path / "home").mkdir()
    chance = np.random.default_rng(7)
    tensors = {f"encoder.layer.{i}.weight": chance.normal(0, 0.05, (64, 64)).astype("<f4") for i in range(4)}
    save_model(tmp_path / "typed" / "encoder", tensors)
    tuned = {name: (value + chance.normal(0, 0.001, value.shape)).astype("<f4") for name, value in tensors.items()}
    save_model(tmp_path / "typed" / "tuned", tuned)
    return tmp_path / "typed"


def save_model(folder: Path, tensors: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    header, at = {}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(written)) + written)
        for value in tensors.values():
            file.write(value.tobytes())
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 4}))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_document_shows_can_be_typed(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = shown_commands(page.read_text("utf-8"))
    if not commands:
        pytest.skip("it shows no commands")
    if any(command.words.startswith("mlflow server") for command in commands):
        with_mlflow(folder, monkeypatch)
    ran = run_shown(commands, folder)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_python_a_document_shows_runs(page: Path, folder: Path) -> None:
    program = "\n".join(SNIPPET.findall(page.read_text("utf-8")))
    if not program:
        pytest.skip("it shows no Python")
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=surroundings(folder), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=400, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout


def test_a_command_that_does_not_end_as_promised_is_noticed(folder: Path) -> None:
    page = (
        "```console\n$ test -d encoder\n$ false  # exit 1\n$ cd tuned && \\\n  test -e config.json\nsome output\n```\n"
    )
    commands = shown_commands(page)
    assert [command.code for command in commands] == [0, 1, 0]
    assert run_shown(commands, folder).returncode == 0
    assert run_shown([Shown("false")], folder).returncode == 1
    assert run_shown([Shown("true", code=3)], folder).returncode == 1


def test_fences_that_are_not_consoles_are_left_alone() -> None:
    assert shown_commands("```sh\n$ rm -rf /\n```\n```python\nprint()\n```\n") == []


def test_the_test_command_of_the_readme_is_what_a_fresh_machine_runs() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    run = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "python3 run.py tour" in readme
    assert "python3 run.py test" in readme
    assert run.rstrip().endswith("python3 run.py test")
