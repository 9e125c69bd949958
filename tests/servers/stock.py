"""MLflow's own server, unchanged, for this machine only: what is imported from, and exported to.

It is installed from requirements/mlflow.txt into ``mlflow`` below the virtual environment when a test first asks for
it, and kept. Its jobs are switched off: they are other processes, and no test asks for one.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "mlflow.txt"
HOME = Path(sys.prefix) / "mlflow"
STARTING_S = 180
SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}


@dataclass(frozen=True, slots=True)
class Stock:
    """A running server, and the folder it keeps everything in."""

    uri: str
    folder: Path

    @property
    def database(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"


@contextlib.contextmanager
def stock_server() -> Iterator[Stock]:
    """An empty one, until the block ends."""
    install()
    folder = Path(tempfile.mkdtemp(prefix="budwood-mlflow-"))
    try:
        with _running(folder) as uri:
            yield Stock(uri, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def install() -> None:
    """Bring HOME to the lock; of several test processes one installs and the others wait."""
    stamp, wanted = HOME / "installed.txt", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        _call(sys.executable, "-m", "venv", "--clear", "--without-pip", str(HOME / "venv"))
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(HOME / "venv/bin/python")]
        _call(*pip, "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", str(LOCK))
        stamp.write_text(wanted)


def _call(*words: str) -> None:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if "NewConnectionError" in done.stdout or "Could not find a version" in done.stdout:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stdout[-4000:]


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [str(HOME / "venv/bin/mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    words += ["--artifacts-destination", str(folder / "artifacts")]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHON"))}
    with (folder / "log").open("wb") as log:
        # It starts others: they are stopped together.
        child = subprocess.Popen(
            words, stdout=log, stderr=log, cwd=folder, env={**kept, **SWITCHES}, start_new_session=True
        )
        try:
            _wait(child, f"http://127.0.0.1:{port}", folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _wait(child: "subprocess.Popen[bytes]", uri: str, log: Path) -> None:
    until = time.monotonic() + STARTING_S
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < until:
        assert child.poll() is None, log.read_text()[-4000:]
        with contextlib.suppress(OSError), opener.open(f"{uri}/health", timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(f"it does not answer: {log.read_text()[-4000:]}")
