"""Versions side by side: each has a listening socket that stays, and a process that comes and goes.

The socket is the host's. While a version's process lives it takes the connections; while there is none the host waits
for one and starts the process, which inherits the socket. So a version is loaded when somebody asks, and unloading it
loses nothing: what arrives meanwhile waits in the kernel's queue. When it cannot be loaded who waits is told so (503).
A process ends with the host.
"""

import contextlib
import hashlib
import json
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from budwood.delivery.serving.inside.worker import Told
from budwood.delivery.serving.kinds import Runtime
from budwood.domain.limits import (
    SERVING_BODY_BYTES,
    SERVING_CONNECTIONS,
    SERVING_LOAD_S,
    SERVING_RETRY_S,
)
from budwood.errors import Damaged, ModelDown

_STEP_S: Final = 0.1
_END_S: Final = 15.0
_BACKLOG: Final = 512
_INSIDE: Final = Path(__file__).with_name("inside")
# Another Python need not have budwood: the folder becomes a package of its own there.
_BEGIN: Final = (
    "import sys, types; inside = types.ModuleType('budwood_inside'); inside.__path__ = [sys.argv[1]];"
    "sys.modules['budwood_inside'] = inside; from budwood_inside.worker import main; main()"
)
_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n"


@dataclass(frozen=True, slots=True)
class Pulled:
    """A version's files where they lie, and what each must be: SHA-256 by path."""

    folder: Path
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one version's process. 0 is none."""

    memory_bytes: int
    cores: int
    idle_s: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A version to serve. ``path`` is where a predictor's module lies, ``warm`` a file with a request, ``batch`` how
    many rows of several requests may be predicted together; 0 for each alone."""

    model: str
    number: int
    digest: str
    pulled: Pulled
    runtime: Runtime
    limits: Limits
    predictor: str = ""
    path: str = ""
    python: str = ""
    warm: str = ""
    lazy: bool = False
    batch: int = 0


@dataclass(frozen=True, slots=True)
class Happened:
    """What a version's process did: loaded, unloaded, ended, failed."""

    name: str
    what: str
    detail: str = ""
    seconds: float = 0.0


class Served:
    """One version: its socket, and its process while it has one. ``start`` once, ``close`` once."""

    def __init__(
        self,
        asked: Asked,
        listener: socket.socket,
        environment: Mapping[str, str],
        tell: Callable[[Happened], None] = lambda _: None,
    ) -> None:
        self.asked = asked
        self.name = f"{asked.model}@v{asked.number}"
        self._listener, self._environment, self._tell = listener, environment, tell
        self._ending = threading.Event()
        self._settled = threading.Event()
        self._failed = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=f"serving {self.name}", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def reached(self) -> str:
        """At which address who is on this machine reaches it."""
        host: str = self._listener.getsockname()[0]
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (it is looked up, not bound)

    @property
    def pid(self) -> int:
        """Its process; 0 while there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else 0

    def start(self) -> None:
        """Take connections; begin to load it, unless it is lazy."""
        self._thread.start()

    def wait(self) -> None:
        """Until it was loaded and warmed, or is lazy. Raises ModelDown."""
        if self.asked.lazy:
            return
        self._settled.wait()
        if self._failed:
            raise ModelDown(f"{self.name} cannot be served: {self._failed}", hint="See what its process wrote.")

    def close(self) -> None:
        """End it: what it is answering is answered."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        self._listener.close()

    def _keep(self) -> None:
        wanted = not self.asked.lazy
        while not self._ending.is_set():
            if not wanted and not self._is_asked():
                continue
            self._failed = self._load()
            self._settled.set()
            if self._failed:
                self._tell(Happened(self.name, "failed", self._failed))
                self._refuse_for(SERVING_RETRY_S)
            wanted = False

    def _is_asked(self) -> bool:
        return bool(select.select([self._listener], [], [], _STEP_S)[0])

    def _load(self) -> str:
        """One life of its process. Why it never began to answer, or nothing."""
        try:
            check(self.asked.pulled)
        except (Damaged, OSError) as error:
            return str(error)
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = self._process = self._begin(theirs)
            try:
                said = self._heard(ours, process)
                if "ready" not in said:
                    return str(said.get("failed") or f"its process ended ({_ended(process)}) before it was loaded")
                warmed = "warmed" if said["warmed"] else "not warmed"
                self._tell(Happened(self.name, "loaded", warmed, float(str(said["seconds"]))))
                self._settled.set()
                self._until_ended(process)
            finally:
                _end(process)
        return ""

    def _begin(self, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        asked, handed = self.asked, (self._listener.fileno(), theirs.fileno())
        told = Told(
            listen=handed[0],
            pipe=handed[1],
            folder=str(asked.pulled.folder),
            runtime=asked.runtime.name,
            file=asked.runtime.file,
            predictor=asked.runtime.implementation or asked.predictor,
            path=asked.path,
            model=asked.model,
            version=str(asked.number),
            digest=asked.digest,
            memory_bytes=asked.limits.memory_bytes,
            cores=asked.limits.cores,
            idle_s=asked.limits.idle_s,
            body_bytes=SERVING_BODY_BYTES,
            connections=SERVING_CONNECTIONS,
            warm=asked.warm,
            batch=asked.batch,
        )
        cores = str(asked.limits.cores)
        threads = (
            {} if cores == "0" else dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), cores)
        )
        # -I: neither the folder we are in nor the environment chooses what it imports.
        words = [asked.python or sys.executable, "-I", "-c", _BEGIN, str(_INSIDE), json.dumps(asdict(told))]
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=2, pass_fds=handed, env={**self._environment, **threads}
        )

    def _heard(self, ours: socket.socket, process: "subprocess.Popen[bytes]") -> dict[str, object]:
        """Its one line. Empty when it ended, or took too long."""
        until, line = time.monotonic() + SERVING_LOAD_S, b""
        while not line.endswith(b"\n") and not self._ending.is_set():
            if time.monotonic() > until:
                return {"failed": f"it was not loaded within {SERVING_LOAD_S} s"}
            if select.select([ours], [], [], _STEP_S)[0]:
                piece = ours.recv(1 << 16)
                if not piece:
                    break
                line += piece
        if not line.endswith(b"\n"):
            return {}
        found: dict[str, object] = json.loads(line)
        return found

    def _until_ended(self, process: "subprocess.Popen[bytes]") -> None:
        while not self._ending.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(_STEP_S)
                self._tell(
                    Happened(self.name, "unloaded" if code == 0 else "ended", "" if code == 0 else _ended(process))
                )
                return

    def _refuse_for(self, seconds: float) -> None:
        """Who waits is told, rather than left waiting."""
        body = json.dumps({"error": f"{self.name} cannot be loaded: {self._failed}"}).encode()
        answer = _BUSY + f"content-length: {len(body)}\r\n\r\n".encode() + body
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._ending.is_set():
            if not self._is_asked():
                continue
            connection, _ = self._listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(_STEP_S)
                connection.recv(1 << 16)
                connection.sendall(answer)


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections before anybody answers them. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def check(pulled: Pulled) -> None:
    """The folder holds these files, bit for bit, and no others. Raises Damaged, OSError."""
    there = {str(path.relative_to(pulled.folder)) for path in pulled.folder.rglob("*") if not path.is_dir()}
    if strange := sorted(there ^ set(pulled.files)):
        what = "is not part of the version" if strange[0] in there else "is missing"
        raise Damaged(f"{pulled.folder / strange[0]} {what}.", hint="Remove the folder and serve it again.")
    for path, wanted in pulled.files.items():
        at = pulled.folder / path
        with at.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != wanted or at.is_symlink():
            raise Damaged(f"{at} is not what was pushed.", hint="Remove the folder and serve it again.")


def close_all(served: Sequence[Served]) -> None:
    """All at once, because each waits for what it answers."""
    threads = [threading.Thread(target=each.close) for each in served]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ended(process: "subprocess.Popen[bytes]") -> str:
    """How, in words."""
    code = process.wait()
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
