"""Running the application: one process or several on one socket, from the first line said to the last answer given.

The parent of several processes opens nothing itself: it makes the socket, starts the others, starts again what died,
and passes on the signal to stop. A process that is told to stop refuses what comes with 503 for a moment, so that
whoever shares out the load notices, finishes what runs, and ends; all within ``limits.STOPPING_S``.
"""

import asyncio
import gc
import logging
import os
import random
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import uvicorn

from budwood.domain.limits import STOPPING_S
from budwood.errors import BadValue, FrameworkMissing
from budwood.server.app import make_app, make_service
from budwood.server.guard import Guard
from budwood.server.keyed import KEPT_MS
from budwood.server.logs import JsonFormatter, Write
from budwood.server.memory import give_back
from budwood.server.outgoing import Outgoing
from budwood.server.protocol import BACKLOG, server_settings
from budwood.server.sender import Sender
from budwood.server.sequencing import Sequencing
from budwood.server.service import Service
from budwood.server.tier_work import TierWork
from budwood.server.tracing import provider
from budwood.verbs.promotions import flag_overdue
from budwood.wiring import Served

if TYPE_CHECKING:
    from budwood.server.control import ControlPlane

REFUSING_S: Final = 1.0
TENDING_S: Final = 30.0
BORN_DEAD_S: Final = 2.0
NEW_OBJECTS: Final = 20_000
"""After so many Python looks for garbage. Its own threshold, 700, is reached by two requests."""


@dataclass(frozen=True, slots=True)
class ControlAt:
    """Where gateways are told what to do. With a ``certificate`` and its ``key`` over TLS, and each shows a token."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. ``open`` opens the registry, once in each process; ``write`` takes lines of the log. ``control`` is
    where gateways are told what to do, if anywhere."""

    open: Callable[[], Served]
    listener: socket.socket
    write: Write
    hosts: Sequence[str] = ()
    processes: int = 1
    traces: bool = False
    control: ControlAt | None = None
    now: Callable[[], float] = field(default=time.time)


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for connections. Raises BadValue for an address that is none of ours, or taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadValue(
            f"Nothing can listen at {host}:{port}: {reason}.", hint="Give another --host or --port."
        ) from error
    listener.set_inheritable(True)
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL at which it is reached."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def run(plan: Plan) -> int:
    """Serve until told to stop; the exit code."""
    _log_to(plan.write)
    if plan.processes == 1:
        return run_one(plan, plan.open(), None)
    with tempfile.TemporaryDirectory(prefix="budwood-serve-") as shared:
        return _Parent(plan, Path(shared)).run()


def run_one(plan: Plan, served: Served, shared: Path | None) -> int:
    """Serve in this process."""
    service = make_service(served)
    spans = provider(service.version) if plan.traces else None
    app = make_app(
        service,
        plan.write,
        process=str(os.getpid()),
        started=plan.now(),
        hosts=plan.hosts,
        shared=shared,
        now=plan.now,
        traces=spans,
    )
    config = uvicorn.Config(
        app, lifespan="off", loop="asyncio", timeout_graceful_shutdown=STOPPING_S, **server_settings(app.limits)
    )
    sender = Sender(served.house, Outgoing(served.allow_networks), random.SystemRandom().random)
    sequencing = Sequencing(served.house)
    tier_work = TierWork(served.house, served.tier_share)
    control = _control(plan, served, service)
    sender.start()
    sequencing.start()
    tier_work.start()
    # What lives as long as the server is not looked at again: that took 60 ms a time, in which nobody was answered.
    # What requests make is looked at seldom: nearly all of it goes by itself.
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
    gc.enable()
    try:
        Server(config, app, service, sender).run(sockets=[plan.listener])
    finally:
        sender.close()
        sequencing.close()
        tier_work.close()
        if control is not None:
            control.close()
        if spans is not None:
            spans.shutdown()
        service.threads.close()
        served.house.close()
    return 0


def _control(plan: Plan, served: Served, service: Service) -> "ControlPlane | None":
    """Where gateways are told what to do, when the plan says so. Raises FrameworkMissing, BadValue."""
    if plan.control is None:
        return None
    try:
        from budwood.delivery.tls import Tls
        from budwood.server.control import ControlPlane
    except ImportError as error:
        hint = "pip install 'budwood[gateway]'"
        raise FrameworkMissing("Telling gateways needs libraries that are not installed.", hint=hint) from error
    at = plan.control
    tls = Tls(at.certificate, at.key) if at.certificate and at.key else None
    control = ControlPlane(served.house, at.host, at.port, tls)
    try:
        control.start()
    except (OSError, RuntimeError) as error:
        said = f"Gateways cannot be told at {at.host}:{at.port}."
        raise BadValue(said, hint="Choose another --control-port.") from error
    service.moved = control.moved
    return control


class Server(uvicorn.Server):
    """uvicorn, but that it refuses what comes for a moment before it stops listening, and tends what needs it."""

    def __init__(self, config: uvicorn.Config, app: Guard, service: Service, sender: Sender) -> None:
        super().__init__(config)
        self._guard = app
        self._service = service
        self._sender = sender

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not raised again afterwards, as uvicorn does: what is open must be closed, and to be told is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def main_loop(self) -> None:
        """Until told to stop."""
        tending = asyncio.create_task(self._tend())
        await super().main_loop()
        tending.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse, finish, stop."""
        self._service.stopping = True
        self._sender.stop()
        loop = asyncio.get_running_loop()
        until = loop.time() + STOPPING_S
        if not self.force_exit:
            await asyncio.sleep(REFUSING_S)
        while self._guard.in_flight and loop.time() < until and not self.force_exit:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    async def _tend(self) -> None:
        """Now and then: the figures of this process for the others, answers that nobody will ask for again, what went
        past the gates and was not looked at in time, and memory that nothing uses."""
        house, loop = self._service.house, asyncio.get_running_loop()

        def tend() -> None:
            before_ms = house.clock() - KEPT_MS
            house.catalog.write(lambda transaction: transaction.forget_answers(before_ms=before_ms))
            self._service.overdue = flag_overdue(house)
            give_back()

        while True:
            with suppress(Exception):  # Next time will do; whoever needs the catalog meanwhile hears of it.
                await loop.run_in_executor(self._service.threads.short, tend)
            self._service.metrics()
            await asyncio.sleep(TENDING_S)


class _Parent:
    """Keeps so many processes running."""

    def __init__(self, plan: Plan, shared: Path) -> None:
        self._plan = plan
        self._shared = shared
        self._children: dict[int, float] = {}
        self._stopping = False

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        for _ in range(self._plan.processes):
            self._start()
        code = 0
        while self._children:
            try:
                child, status = os.wait()
            except InterruptedError:
                continue
            born = self._children.pop(child, 0.0)
            if self._stopping:
                continue
            if self._plan.now() - born < BORN_DEAD_S:
                # It cannot live here; another would die of the same.
                code = abs(os.waitstatus_to_exitcode(status)) or 1
                self._stop(signal.SIGTERM, None)
            else:
                self._start()
        return code

    def _start(self) -> None:
        child = os.fork()
        if child:
            self._children[child] = self._plan.now()
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        code = 1
        try:
            code = run_one(self._plan, self._plan.open(), self._shared)
        except Exception:
            logging.getLogger("budwood.serve").exception("a process of the server failed")
        finally:
            os._exit(code)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        for child in self._children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)


def _log_to(write: Write) -> None:
    """What libraries have to say goes where our own lines go."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            write(self.format(record).encode("ascii", "replace") + b"\n")

    lines = Lines(logging.WARNING)
    lines.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(lines)
