"""The example every tutorial begins with, unchanged, by the client of today and by older ones, each in a process of its
own that knows nothing but the address of the server and a token.

Older clients are installed from requirements/mlflow-*.txt when a test first asks for one, below the virtual
environment, and kept; what they need besides themselves is there already.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers.running import TOKEN

LOCKS = Path(__file__).resolve().parents[3] / "requirements"
TUTORIAL = Path(__file__).with_name("tutorial.py")
OLDER = ("3.12.0", "3.17.1")


def walked(home: Any, *before: Path) -> str:
    """What the tutorial prints."""
    words = {
        "MLFLOW_TRACKING_URI": home.uri,
        "MLFLOW_TRACKING_TOKEN": TOKEN,
        "PYTHONPATH": os.pathsep.join(map(str, before)),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, str(TUTORIAL)], env={**os.environ, **words}, text=True, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.strip().splitlines()[-1]


def older_client(version: str) -> Path:
    """Where it lies; of several test processes one installs it and the others wait."""
    folder, lock = Path(sys.prefix) / f"mlflow-{version}", LOCKS / f"mlflow-{version}.txt"
    folder.mkdir(exist_ok=True)
    stamp, wanted = folder / "installed.txt", hashlib.sha256(lock.read_bytes()).hexdigest()
    with (folder / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
            words = [*pip, "--require-hashes", "--requirement", str(lock), "--target", str(folder), "--upgrade"]
            done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert done.returncode == 0, done.stdout[-4000:]
            stamp.write_text(wanted)
    return folder


def test_the_tutorial_runs_unchanged(home: Any) -> None:
    assert walked(home).split() == ["3.17.2", "Production"]
    found = home.ask("GET", "/api/2.0/mlflow/registered-models/get?name=iris-classifier")["registered_model"]
    assert [(each["version"], each["current_stage"]) for each in found["latest_versions"]] == [("1", "Production")]


@pytest.mark.parametrize("version", OLDER)
def test_the_tutorial_runs_with_a_client_of(version: str, home: Any) -> None:
    assert walked(home, older_client(version)).split() == [version, "Production"]
