"""A server that speaks Azure's blob protocol and checks signatures: Azurite, for this machine only.

It is installed by npm from requirements/azurite into ``azurite`` below the virtual environment when a test first asks
for it, and kept. Where there is no Node, its tests are skipped.
"""

import base64
import contextlib
import email.utils
import fcntl
import hashlib
import hmac
import os
import shutil
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

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "azurite"
HOME = Path(sys.prefix) / "azurite"
ACCOUNT = "devstoreaccount1"
# Every Azurite in the world has this key.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, slots=True)
class Container:
    """A container of one test's own. ``options`` are for RemoteObjects."""

    name: str
    endpoint: str

    @property
    def url(self) -> str:
        return f"az://{self.name}"

    @property
    def options(self) -> dict[str, str]:
        return {"account_name": ACCOUNT, "account_key": KEY, "endpoint": self.endpoint}

    def tier(self, key: str) -> str:
        """The tier of an object."""
        asked = _signed("HEAD", f"{self.endpoint}/{self.name}/{key}", f"{self.name}/{key}")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=30) as answer:
            return str(answer.headers["x-ms-access-tier"])


@pytest.fixture(scope="session")
def azure_endpoint() -> Iterator[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Azurite needs Node and npm")
    _install(npm)
    folder = Path(tempfile.mkdtemp(prefix="budwood-azure-"))
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = HOME / "node_modules/azurite/dist/src/blob/main.js"
    words = [
        node,
        str(program),
        "--silent",
        "--skipApiVersionCheck",
        "--location",
        str(folder),
        "--blobPort",
        str(port),
    ]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}/{ACCOUNT}"
    finally:
        process.kill()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def azure_container(azure_endpoint: str, request: pytest.FixtureRequest) -> Container:
    """An empty container."""
    name = f"c{hashlib.sha256(f'{os.getpid()} {request.node.nodeid}'.encode()).hexdigest()[:24]}"
    asked = _signed("PUT", f"{azure_endpoint}/{name}?restype=container", f"{name}\nrestype:container")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=30).close()
    return Container(name, azure_endpoint)


def _signed(method: str, address: str, resource: str) -> urllib.request.Request:
    date = email.utils.formatdate(usegmt=True)
    version = "2021-08-06"
    said = [method, *[""] * 11, f"x-ms-date:{date}", f"x-ms-version:{version}", f"/{ACCOUNT}/{ACCOUNT}/{resource}"]
    signed = hmac.new(base64.b64decode(KEY), "\n".join(said).encode(), hashlib.sha256).digest()
    headers = {
        "x-ms-date": date,
        "x-ms-version": version,
        "Content-Length": "0",
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}",
    }
    return urllib.request.Request(address, method=method, headers=headers)


def _install(npm: str) -> None:
    """Bring HOME to the lock; of several test processes one installs and the others wait."""
    stamp, wanted = HOME / "installed.txt", hashlib.sha256((LOCK / "package-lock.json").read_bytes()).hexdigest()
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCK / name, HOME / name)
        words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        done = subprocess.run(words, cwd=HOME, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout[-4000:]
        stamp.write_text(wanted)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, "Azurite ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("Azurite does not listen")
