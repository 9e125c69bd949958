"""The load generator: reads a plan on standard input, asks over kept connections, prints what it saw.

    python -m benchmarks.server.load < plan.json

A *talk* is what one client says before the next may begin: one raw request, or several of which the later ones name
the ``id`` that the first was answered with. With a ``rate`` talks begin when they are due, whether or not others are
done, and their time counts from then: a server that stalls is charged for all who had to wait. Without one each
connection begins the next talk as soon as the last is done.
"""

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

ID = "@" * 32
"""Stands in later requests of a talk for the id that the first was answered with; as long as one."""
_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)\r\n", re.I)

Talk = Sequence[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """``talks`` are asked in order, over and over unless ``once``; ``seconds`` bounds it either way."""

    host: str
    port: int
    talks: Sequence[Talk]
    connections: int = 16
    seconds: float = 10.0
    rate: float = 0.0
    once: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """``failed`` talks count for nothing else; ``fault`` is what the first of them was answered with.

    ``cpu_s`` is what asking cost the generator itself.
    """

    count: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_s: float
    fault: str = ""

    @property
    def rate(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0


def ask(plan: Plan) -> Seen:
    """Run the plan in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.server.load"]
    done = subprocess.run(words, input=json.dumps(asdict(plan)), capture_output=True, text=True, check=True)
    return Seen(**json.loads(done.stdout))


def ceiling(plan: Plan, answer_bytes: int) -> Seen:
    """What the generator can do at best: the same plan against a server that does nothing but answer."""
    body = b"x" * answer_bytes
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    words = [sys.executable, "-m", "benchmarks.server.load", "--same"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(answer)
        server.stdin.close()
        try:
            return ask(replace(plan, host="127.0.0.1", port=int(server.stdout.readline())))
        finally:
            server.kill()


class Client(asyncio.Protocol):
    """One connection, which asks one request at a time."""

    def __init__(self, crowd: "Crowd") -> None:
        self._crowd = crowd
        self._got = b""
        self._wanted = 0
        self._rest: list[bytes] = []
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._crowd.is_free(self)

    def begin(self, talk: Sequence[bytes], due: float) -> None:
        """Ask the first request; ``due`` is when it should have been asked."""
        self._rest, self._due = list(talk[1:]), due
        self._transport.write(talk[0])

    def data_received(self, data: bytes) -> None:
        self._got = self._got + data if self._got else data
        if not self._wanted:
            head = self._got.find(b"\r\n\r\n")
            if head < 0:
                return
            length = _LENGTH.search(self._got, 0, head + 2)
            self._wanted = head + 4 + (int(length[1]) if length else 0)
        if len(self._got) >= self._wanted:
            answer, self._got, self._wanted = self._got, b"", 0
            self._answered(answer)

    def _answered(self, answer: bytes) -> None:
        if answer[9:10] != b"2":
            self._crowd.is_done(self, self._due, answer)
        elif self._rest:
            if ID.encode() in self._rest[0]:
                found = json.loads(answer.partition(b"\r\n\r\n")[2])["id"].encode()
                self._rest = [request.replace(ID.encode(), found) for request in self._rest]
            self._transport.write(self._rest.pop(0))
        else:
            self._crowd.is_done(self, self._due, None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.is_gone()


class Crowd:
    """All connections, and the talks they share."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._talks = [[request.encode("latin-1") for request in talk] for talk in plan.talks]
        self._next = 0
        self._free: deque[Client] = deque()
        self._waiting: deque[float] = deque()
        self._took: list[float] = []
        self._failed, self._fault = 0, ""
        self._open = plan.connections
        self._stopped = False

    async def run(self) -> Seen:
        loop = asyncio.get_running_loop()
        clients = [
            await loop.create_connection(lambda: Client(self), self._plan.host, self._plan.port)
            for _ in range(self._plan.connections)
        ]
        gc.disable()
        self._took.clear()
        began, cpu = time.perf_counter(), time.process_time()
        await (self._pace(began) if self._plan.rate else self._rush(began))
        self._stopped = True
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        for transport, _ in clients:
            transport.abort()
        return _summary(self._took, self._failed, seconds, cpu_s, self._fault)

    async def _rush(self, began: float) -> None:
        for client in list(self._free):
            self._free.remove(client)
            self._begin(client, time.perf_counter())
        while time.perf_counter() - began < self._plan.seconds and self._open and not self._is_over():
            await asyncio.sleep(0.01)

    async def _pace(self, began: float) -> None:
        gap, due, until = 1 / self._plan.rate, began, began + self._plan.seconds
        while (now := time.perf_counter()) < until and self._open and not self._is_over():
            while due <= now:
                if self._free:
                    self._begin(self._free.popleft(), due)
                else:
                    self._waiting.append(due)
                due += gap
            await asyncio.sleep(max(due - time.perf_counter(), 0))
        # Those still waiting were never answered in time; they count with the time they have waited.
        self._took.extend(until - due for due in self._waiting)

    def _is_over(self) -> bool:
        return self._plan.once and self._next >= len(self._talks) and len(self._free) == self._open

    def _begin(self, client: Client, due: float) -> None:
        if self._stopped or (self._plan.once and self._next >= len(self._talks)):
            self._free.append(client)
            return
        talk = self._talks[self._next % len(self._talks)]
        self._next += 1
        client.begin(talk, due)

    def is_free(self, client: Client) -> None:
        self._free.append(client)

    def is_gone(self) -> None:
        self._open -= 1

    def is_done(self, client: Client, due: float, failure: bytes | None) -> None:
        """A talk ended."""
        if failure is None:
            self._took.append(time.perf_counter() - due)
        else:
            self._failed += 1
            self._fault = self._fault or failure.decode("latin-1")[:600]
        if not self._plan.rate:
            self._begin(client, time.perf_counter())
        elif self._waiting:
            self._begin(client, self._waiting.popleft())
        else:
            self._free.append(client)


def _summary(took: list[float], failed: int, seconds: float, cpu_s: float, fault: str) -> Seen:
    ordered = sorted(took) or [0.0]
    half, high = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    return Seen(len(took), failed, seconds, half * 1e3, high * 1e3, ordered[-1] * 1e3, cpu_s, fault)


class Same(asyncio.Protocol):
    """Answers everything with the same bytes at once."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answer)


async def same(answer: bytes) -> None:
    """Serve it until killed; the port is the first thing printed."""
    server = await asyncio.get_running_loop().create_server(lambda: Same(answer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> int:
    """Run the plan on standard input; with ``--same`` be the server that does nothing."""
    told = sys.stdin.buffer.read()
    if "--same" in sys.argv:
        asyncio.run(same(told))
    else:
        print(json.dumps(asdict(asyncio.run(Crowd(Plan(**json.loads(told))).run()))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
