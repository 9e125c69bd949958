"""One version's process: set its limits, load, warm, say so, answer until idle or told to stop.

The listening socket is inherited, and stays open in the host when this process ends. So what arrives while no process
is there waits in the kernel's queue until one is: loading on demand and unloading lose nothing.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from .batching import Batcher
from .binary import HEAD, parted
from .runtimes import Model, Tensors, load
from .tensors import Wrong, inputs_of, outputs_of

_STEP_S: Final = 0.05
_DRAIN_S: Final = 10.0
_KEPT_S: Final = 3600.0
_SERVER: Final = {"name": "budwood", "version": "1", "extensions": ["binary_tensor_data"]}


@dataclass(frozen=True)
class Told:
    """What the host says, as JSON. ``listen`` and ``pipe`` are inherited descriptors: the socket, and a socket to the
    host, which hears one line and whose end is ours."""

    listen: int
    pipe: int
    folder: str
    runtime: str
    file: str
    predictor: str
    path: str
    model: str
    version: str
    digest: str
    memory_bytes: int
    cores: int
    idle_s: float
    body_bytes: int
    connections: int
    warm: str
    batch: int = 0


def main() -> None:
    """Exit 0 when idle or told to end, 1 when it could not load; the line to the host says why."""
    told = Told(**json.loads(sys.argv[2]))
    host = socket.socket(fileno=told.pipe)
    began = time.monotonic()
    try:
        _limit(told)
        if told.path:
            sys.path.insert(0, told.path)
        if told.runtime == "mlserver":
            from .under_mlserver import serve

            serve(told, lambda said: _say(host, said), host)
            os._exit(0)
        model = load(told.runtime, Path(told.folder), told.file, told.predictor)
        warmed = _warm(model, told.warm)
    except BaseException as error:
        _say(host, {"failed": f"{type(error).__name__}: {error}"[:2_000]})
        sys.exit(1)
    server = Server(told, model)
    signal.signal(signal.SIGTERM, lambda *_: server.end())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(host, server), daemon=True).start()
    threading.Thread(target=server.end_when_idle, daemon=True).start()
    _say(host, {"ready": True, "warmed": warmed, "seconds": time.monotonic() - began})
    server.serve_forever(_STEP_S)
    server.drain()
    # Threads of keep-alive connections, and of the model's library, have nothing left to say.
    os._exit(0)


def _limit(told: Told) -> None:
    """Memory that it may write to, and the cores it runs on."""
    import resource

    if told.memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (told.memory_bytes, told.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        # Versions side by side shall not all sit on the first core.
        first = os.getpid() % len(allowed)
        turned = allowed[first:] + allowed[:first]
        os.sched_setaffinity(0, turned[: max(1, told.cores)])


def _warm(model: Model, request: str) -> bool:
    """One prediction, so that the first request does not pay for what libraries do late.

    A request that the user gave must succeed; tensors that we made up of zeros need not.
    """
    if request:
        outputs_of(model.predict(inputs_of(json.loads(Path(request).read_bytes()))))
        return True
    if model.sample is None:
        return False
    try:
        model.predict(model.sample)
    except Exception:
        return False
    return True


def _say(host: socket.socket, said: dict[str, Any]) -> None:
    host.sendall(json.dumps(said).encode() + b"\n")


def _end_with(host: socket.socket, server: "Server") -> None:
    with contextlib.suppress(OSError):
        host.recv(1)
    server.end()


class Server(ThreadingHTTPServer):
    """On the inherited socket. As many predictions at once as it has cores; the rest wait."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, told: Told, model: Model) -> None:
        super().__init__(("", 0), _Answers, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=told.listen)
        self.server_address = self.socket.getsockname()
        self.told, self.model = told, model
        turns = threading.Semaphore(max(1, told.cores))
        self.predict = Batcher(model.predict, turns, told.batch).predict if told.batch else _in_turn(model, turns)
        self._places = threading.Semaphore(told.connections)
        self._lock = threading.Lock()
        self._asked, self._busy = time.monotonic(), 0

    def end(self) -> None:
        """Take no more connections. From any thread, also from a signal."""
        threading.Thread(target=self.shutdown, daemon=True).start()

    def end_when_idle(self) -> None:
        """Requests for predictions keep it; questions after its health do not."""
        while self.told.idle_s:
            left_s = self._asked + self.told.idle_s - time.monotonic()
            if left_s <= 0 and not self._busy:
                self.end()
                return
            time.sleep(max(_STEP_S, min(left_s, 1.0)))

    def drain(self) -> None:
        """Wait for what is being answered."""
        until = time.monotonic() + _DRAIN_S
        while self._busy and time.monotonic() < until:
            time.sleep(_STEP_S / 5)

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """A request for a prediction is being answered."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1
                self._asked = time.monotonic()

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, while there is room."""
        if not self._places.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.sendall(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """And give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no matter of ours."""


def _in_turn(model: Model, turns: threading.Semaphore) -> Callable[[Tensors], Any]:
    def predict(tensors: Tensors) -> Any:
        with turns:
            return model.predict(tensors)

    return predict


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = _KEPT_S
    server: Server

    def do_GET(self) -> None:
        told, path = self.server.told, self.path.rstrip("/")
        at = (f"/v2/models/{told.model}", f"/v2/models/{told.model}/versions/{told.version}")
        if path in ("/v2/health/live", "/v2/health/ready", *(f"{each}/ready" for each in at)):
            self._answer(200, {})
        elif path == "/v2":
            self._answer(200, _SERVER)
        elif path in at:
            described = {
                "name": told.model,
                "versions": [told.version],
                "platform": told.runtime,
                "digest": told.digest,
            }
            self._answer(200, {**described, "inputs": self.server.model.takes, "outputs": []})
        else:
            self._answer(404, {"error": f"There is no {path[:200]} here."})

    def do_POST(self) -> None:
        told, path = self.server.told, self.path.rstrip("/")
        at = f"/v2/models/{told.model}"
        body = self._body()
        if body is None:
            return
        if path not in (f"{at}/infer", f"{at}/versions/{told.version}/infer"):
            self._answer(404, {"error": f"There is no {path[:200]} here."})
            return
        with self.server.busy():
            self._answer(*self._infer(body))

    def _infer(self, body: bytes) -> tuple[int, dict[str, Any], Sequence[bytes]]:
        """The status, what is said in JSON, and what is behind it."""
        told = self.server.told
        try:
            head, behind = parted(body, self.headers.get_all(HEAD, []))
            request = json.loads(head, parse_constant=_no_constant)
            tensors = inputs_of(request, behind)
        except (Wrong, ValueError, RecursionError) as error:
            return 400, {"error": str(error)}, ()
        try:
            outputs = outputs_of(self.server.predict(tensors), request)
        except Wrong as error:
            return 400, {"error": str(error)}, ()
        except Exception as error:
            # Whatever a model raises is its failure, and not the end of the process.
            return 500, {"error": f"The model failed: {type(error).__name__}: {error}"[:2_000]}, ()
        named = {"id": str(request["id"])} if "id" in request else {}
        said = {"model_name": told.model, "model_version": told.version, **named, "outputs": outputs.said}
        return 200, said, outputs.behind

    def _body(self) -> bytes | None:
        """None when it was answered already."""
        length = self.headers.get("content-length", "")
        if "transfer-encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self._refuse(411, "Say how long the body is: content-length.")
            return None
        if int(length) > self.server.told.body_bytes:
            self._refuse(413, f"A request has at most {self.server.told.body_bytes} bytes.")
            return None
        if self.headers.get("content-encoding", "identity") != "identity":
            self._refuse(415, "Bodies are not unpacked here: send it as it is, without content-encoding.")
            return None
        return self.rfile.read(int(length))

    def _refuse(self, status: int, text: str) -> None:
        """What was not read is in the way of a next request, so the connection ends."""
        self.close_connection = True
        self._answer(status, {"error": text})

    def _answer(self, status: int, said: dict[str, Any], behind: Sequence[bytes] = ()) -> None:
        head = json.dumps(said).encode()
        self.send_response_only(status)
        self.send_header("content-type", "application/octet-stream" if behind else "application/json")
        if behind:
            self.send_header(HEAD, str(len(head)))
        self.send_header("content-length", str(len(head) + sum(map(len, behind))))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        for piece in (head, *behind):
            self.wfile.write(piece)
        self.wfile.flush()


def _no_constant(text: str) -> None:
    raise Wrong(f"{text} is no JSON; write null for what is missing.")
