"""A real server that speaks S3 and checks signatures: OpenStack Swift, one node of it, for this machine only.

It is installed from requirements/swift.txt into ``swift`` below the virtual environment when a test first asks for
it, and kept. Its four servers store files with extended attributes in a temporary folder.
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "swift.txt"
HOME = Path(sys.prefix) / "swift"
ACCESS_KEY, SECRET_KEY, REGION = "test:tester", "testing", "us-east-1"
RINGS = ("account", "container", "object")
# s3api needs symlink and versioned_writes for its own records, slo for uploads in parts.
PIPELINE = "catch_errors gatekeeper listing_formats s3api tempauth bulk slo copy dlo versioned_writes symlink"
FILTERS: Mapping[str, Mapping[str, str]] = {
    "s3api": {"location": REGION, "s3_acl": "no", "check_bucket_owner": "no"},
    "tempauth": {"user_test_tester": f"{SECRET_KEY} .admin"},
    "versioned_writes": {"allow_versioned_writes": "true", "allow_object_versioning": "true"},
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of one test's own. ``options`` are for RemoteObjects, ``environment`` for whole processes."""

    name: str
    endpoint: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    @property
    def options(self) -> dict[str, str]:
        return {
            "endpoint": self.endpoint,
            "region": REGION,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
        }

    @property
    def environment(self) -> dict[str, str]:
        return {f"AWS_{key.upper()}": value for key, value in self.options.items()}


class S3Server:
    """The running server."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._made = 0

    def make_bucket(self) -> Bucket:
        self._made += 1
        bucket = Bucket(f"bucket-{os.getpid()}-{self._made}", self.endpoint)
        # The library makes no buckets, but it signs what does.
        store = S3Store(
            bucket.name,
            endpoint=self.endpoint,
            region=REGION,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            client_options={"allow_http": True},
        )
        address = obstore.sign(store, "PUT", "", timedelta(minutes=5))
        asked = urllib.request.Request(address, method="PUT")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=30).close()
        return bucket


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    if not sys.platform.startswith("linux"):
        pytest.skip("Swift runs on Linux only")
    _install()
    folder = Path(tempfile.mkdtemp(prefix="budwood-s3-"))
    try:
        with _running(folder) as endpoint:
            yield S3Server(endpoint)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def s3_bucket(s3_server: S3Server) -> Bucket:
    """An empty bucket."""
    return s3_server.make_bucket()


# Installing


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
    assert done.returncode == 0, done.stdout[-4000:]


# Running


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[str]:
    """The four servers over a folder; their address while they run."""
    ports = dict(zip((*RINGS, "proxy"), _free_ports(4), strict=True))
    for name in ("etc", "srv/d1", "cache", "lock"):
        (folder / name).mkdir(parents=True)
    _configure(folder, ports)
    with contextlib.ExitStack() as stack:
        for name in ports:
            stack.enter_context(_started(folder, name))
        for port in ports.values():
            _wait_for(port, folder)
        yield f"http://127.0.0.1:{ports['proxy']}"


@contextlib.contextmanager
def _started(folder: Path, name: str) -> Iterator[None]:
    words = [str(HOME / f"venv/bin/swift-{name}-server"), str(folder / f"etc/{name}.conf")]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def _configure(folder: Path, ports: Mapping[str, int]) -> None:
    etc = folder / "etc"
    hashing = {"swift_hash_path_suffix": "s", "swift_hash_path_prefix": "p"}
    _write(etc / "swift.conf", {"swift-hash": hashing, "storage-policy:0": {"name": "gold", "default": "yes"}})
    for ring in RINGS:
        _make_ring(etc, ring, ports[ring])
        place = {"devices": str(folder / "srv"), "mount_check": "false", "recon_cache_path": str(folder / "cache")}
        app = {"use": f"egg:swift#{ring}", "recon_lock_path": str(folder / "lock")}
        _write(etc / f"{ring}.conf", {**_common(etc, ports[ring], f"{ring}-server", place), f"app:{ring}-server": app})
    filters = {f"filter:{name}": {"use": f"egg:swift#{name}", **FILTERS.get(name, {})} for name in PIPELINE.split()}
    app = {"use": "egg:swift#proxy", "allow_account_management": "true", "account_autocreate": "true"}
    common = _common(etc, ports["proxy"], f"{PIPELINE} proxy-server", {})
    _write(etc / "proxy.conf", {**common, **filters, "app:proxy-server": app})


def _common(etc: Path, port: int, pipeline: str, more: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    here = {"bind_ip": "127.0.0.1", "bind_port": str(port), "swift_dir": str(etc), "workers": "0", "log_level": "ERROR"}
    return {"DEFAULT": {**here, "user": _own_name(), **more}, "pipeline:main": {"pipeline": pipeline}}


def _make_ring(etc: Path, ring: str, port: int) -> None:
    builder = [str(HOME / "venv/bin/swift-ring-builder"), str(etc / f"{ring}.builder")]
    _call(*builder, "create", "4", "1", "1")
    _call(*builder, "add", f"r1z1-127.0.0.1:{port}/d1", "1")
    _call(*builder, "rebalance")


def _write(path: Path, sections: Mapping[str, Mapping[str, str]]) -> None:
    lines = [line for name, values in sections.items() for line in (f"[{name}]", *_pairs(values), "")]
    path.write_text("\n".join(lines))


def _pairs(values: Mapping[str, str]) -> Iterator[str]:
    return (f"{key} = {value}" for key, value in values.items())


def _own_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _wait_for(port: int, folder: Path) -> None:
    give_up = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            if time.monotonic() > give_up:
                logs = "".join(log.read_text()[-2000:] for log in folder.glob("*.log"))
                raise AssertionError(f"Swift did not start: {logs}") from None
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]
