"""A server that speaks S3 and keeps storage classes: Moto, for this machine only.

What lies in an archive cannot be read there before it is restored, as with Amazon. It checks no signature; Swift does
(``swift.py``). It is installed from requirements/moto.txt into ``moto`` below the virtual environment when a test first
asks for it, and kept.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "moto.txt"
HOME = Path(sys.prefix) / "moto"
REGION = "us-east-1"
# Whoever says who they are is believed, and reads what is private.
SOMEBODY = {"Authorization": f"AWS4-HMAC-SHA256 Credential=key/20300101/{REGION}/s3/aws4_request"}
RESTORE = b"<RestoreRequest><Days>1</Days></RestoreRequest>"
STARTING_S = 120.0


@dataclass(frozen=True, slots=True)
class ClassyBucket:
    """A bucket of one test's own. ``options`` are for RemoteObjects, ``environment`` for whole processes."""

    name: str
    endpoint: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    @property
    def options(self) -> dict[str, str]:
        keys = {"access_key_id": "key", "secret_access_key": "secret"}
        return {"endpoint": self.endpoint, "region": REGION, **keys}

    @property
    def environment(self) -> dict[str, str]:
        return {f"AWS_{key.upper()}": value for key, value in self.options.items()}

    def classes(self) -> Mapping[str, str]:
        """The storage class of every object, by its key."""
        listed = _asked("GET", f"{self.endpoint}/{self.name}?list-type=2").decode()
        found = re.findall(r"<Key>([^<]+)</Key>.*?<StorageClass>([^<]+)</StorageClass>", listed, re.DOTALL)
        return dict(found)

    def restore(self, key: str) -> None:
        """From its archive, at once."""
        _asked("POST", f"{self.endpoint}/{self.name}/{key}?restore", RESTORE)


@pytest.fixture(scope="session")
def s3_archives() -> Iterator[str]:
    """The address of the running server."""
    _install()
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [str(HOME / "venv/bin/moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(30)


@pytest.fixture
def classy_bucket(s3_archives: str, request: pytest.FixtureRequest) -> ClassyBucket:
    """An empty bucket."""
    name = f"b{hashlib.sha256(f'{os.getpid()} {request.node.nodeid}'.encode()).hexdigest()[:24]}"
    _asked("PUT", f"{s3_archives}/{name}")
    return ClassyBucket(name, s3_archives)


def _install() -> None:
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


def _asked(method: str, address: str, content: bytes | None = None) -> bytes:
    headers = {**SOMEBODY, "Content-Type": "application/xml"}
    asked = urllib.request.Request(address, method=method, data=content, headers=headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=60) as answer:
        return bytes(answer.read())


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + STARTING_S
    while time.monotonic() < until:
        assert process.poll() is None, "Moto ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("Moto does not listen")
