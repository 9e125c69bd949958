"""The control plane: what the catalog says of traffic goes to the gateways, what they took and wrote comes back.

One thread with a loop of its own speaks to the gateways, so that a slow one never holds up a request to the registry,
and a busy registry never holds up a roll-back. It looks at the catalog whenever it is told that traffic was moved
(``moved``), and every ``LOOKING_S`` besides, because another process may have moved it. Of several control planes one
runs the rollouts; when it falls silent another takes over, and what the first one still writes is refused.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from budwood.catalog.api import Transaction
from budwood.delivery.gateway.config import Place
from budwood.delivery.shadow.capture import captures_path
from budwood.delivery.xds.snapshot import ROUTES, RUNTIME, Encoded, Snapshot, at_once
from budwood.domain.rollout.next_action import Hold
from budwood.domain.traffic.endpoint import Routing
from budwood.domain.traffic.records import GatewayRecord, RoutingRecord
from budwood.errors import BudwoodError
from budwood.verbs.house import House
from budwood.verbs.observations import count_observations
from budwood.verbs.rollouts import advance, lead, take_over
from budwood.verbs.shadows import take_captures
from budwood.verbs.taking_lines import take_lines
from budwood.verbs.token_quotas import refused_now

if TYPE_CHECKING:
    import grpc.aio

    from budwood.delivery.xds.service import Node

T = TypeVar("T")
LOOKING_S: Final = 0.25
READING_S: Final = 0.25
_PIECE_BYTES: Final = 1 << 20
_CAPTURES_BYTES: Final = 4 << 20
_LOG: Final = logging.getLogger("budwood.control")


class ControlPlane:
    """``start`` it once, ``close`` it once. ``port`` is where gateways find it, from when it was started."""

    def __init__(self, house: House, host: str = "127.0.0.1", port: int = 0) -> None:
        self._house = house
        self._name = house.ids()
        self._address = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="budwood-control", daemon=True)
        self._workers = ThreadPoolExecutor(2, "budwood-control")
        self._encoded: dict[str, Encoded] = {}
        self._routings: Mapping[str, Routing] = {}
        self._known: dict[int, RoutingRecord] = {}
        self._sent: dict[str, Snapshot] = {}
        self._taken: dict[str, Mapping[str, int]] = {}
        self._fences: dict[int, int] = {}
        self._waking = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.port = 0

    def start(self) -> None:
        """Listen. Raises OSError."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    def moved(self) -> None:
        """Traffic was moved: look now. From any thread."""
        self._loop.call_soon_threadsafe(self._waking.set)

    def generation(self, key: str) -> int:
        """What every connected gateway has of an endpoint: the oldest; 0 when one has none. From any thread."""
        nodes = [name for name, node in list(self._control.nodes.items()) if node.is_connected]
        return min((self._taken.get(name, {}).get(key, 0) for name in nodes), default=0)

    def close(self) -> None:
        """The gateways go on with what they have."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._workers.shutdown()
        self._loop.close()

    async def _start(self) -> None:
        from budwood.delivery.xds.service import Control, serve

        self._control: Control = Control(self._heard)
        self._server: grpc.aio.Server
        self._server, self.port = await serve(self._control, *self._address)
        self._tasks = [asyncio.create_task(each) for each in (self._follow(), self._read(), self._advance())]

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop(None)

    # What the catalog says goes to the gateways

    async def _follow(self) -> None:
        while True:
            try:
                self._routings = await self._in_thread(self._look)
                for name, node in list(self._control.nodes.items()):
                    await self._tell(name, node)
            except BudwoodError as error:
                _LOG.warning("the gateways keep what they have: %s", error)
            except Exception:
                _LOG.exception("the gateways keep what they have")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._waking.wait(), LOOKING_S)
            self._waking.clear()

    def _look(self) -> Mapping[str, Routing]:
        """Only what changed is read anew."""
        with self._house.catalog.read() as view:
            newest = view.generations()
            for id_, generation in newest.items():
                if id_ not in self._known or self._known[id_].generation != generation:
                    record = view.routing(id_, generation)
                    assert record is not None, "the newest generation was made with its endpoint"
                    self._known[id_] = record
            self._known = {id_: record for id_, record in self._known.items() if id_ in newest}
            keys = view.client_keys() if any(each.body.keys for each in self._known.values()) else {}
            refused = refused_now(view, self._known.values(), self._house.clock())
        routings = (
            replace(_with_clients(record.routing, keys.get(id_, {})), refused=refused.get(id_, {}))
            for id_, record in self._known.items()
        )
        return {routing.key: routing for routing in routings}

    async def _tell(self, name: str, node: "Node") -> None:
        place = _place(node)
        if place is None or not node.is_connected:
            return
        if (had := self._sent.get(name)) is not None:
            await self._publish(name, at_once(had, self._routings))
        await self._publish(name, self._encoded.setdefault(name, Encoded()).snapshot(place, self._routings))

    async def _publish(self, name: str, wanted: Snapshot) -> None:
        if wanted != self._sent.get(name):
            self._sent[name] = wanted
            await self._control.publish(name, wanted)
            await asyncio.sleep(0)  # It is on its way before more is made.

    # What the gateways say goes to the catalog

    def _heard(self, node: "Node") -> None:
        """In the loop; what is to be kept is kept elsewhere."""
        self._waking.set()
        sent = self._sent.get(node.name)
        took = sent is not None and all(node.has.get(kind) == sent.version(kind) for kind in (ROUTES, RUNTIME))
        generations = {key: routing.generation for key, routing in self._routings.items()} if took else None
        if generations is not None:
            self._taken[node.name] = generations
        self._workers.submit(self._keep, node.name, node.is_connected, dict(node.has), dict(node.refused), generations)

    def _keep(
        self,
        name: str,
        connected: bool,
        has: Mapping[str, str],
        refused: Mapping[str, str],
        generations: Mapping[str, int] | None,
    ) -> None:
        def work(transaction: Transaction) -> None:
            known = {each.name: each for each in transaction.gateways()}
            before = known.get(name, GatewayRecord(name))
            after = replace(
                before,
                seen_ms=self._house.clock(),
                connected=connected,
                took=has,
                refused=refused,
                generations=before.generations if generations is None else generations,
            )
            transaction.put_gateway(after)

        try:
            self._house.catalog.write(work)
        except BudwoodError as error:
            _LOG.warning("what %s said is not kept: %s", name, error)

    # What the gateways wrote is counted

    async def _read(self) -> None:
        while True:
            for name, node in list(self._control.nodes.items()):
                try:
                    await self._in_thread(self._take, name, node)
                except (BudwoodError, OSError) as error:
                    _LOG.warning("the log of %s is not read: %s", name, error)
                except Exception:
                    _LOG.exception("the log of %s is not read", name)
            await asyncio.sleep(READING_S)

    def _take(self, name: str, node: "Node") -> None:
        """Of a gateway on this machine; others send theirs."""
        place = _place(node)
        path = Path(place.log) if place else None
        if path is None or not path.is_file():
            return
        with self._house.catalog.read() as view:
            known = {each.name: each for each in view.gateways()}.get(name, GatewayRecord(name))
        with path.open("rb") as log:
            number = f"{path.stat().st_ino:x}"
            start = known.read if known.log == number else 0
            log.seek(start)
            piece = log.read(_PIECE_BYTES)
        whole = piece[: piece.rfind(b"\n") + 1]
        if whole:
            take_lines(self._house, name, number, start, whole)
        self._take_captures(name, known, Path(captures_path(str(path))))

    def _take_captures(self, name: str, known: GatewayRecord, path: Path) -> None:
        if not path.is_file():
            return
        number = f"{path.stat().st_ino:x}"
        start = known.captures_read if known.captures == number else 0
        with path.open("rb") as log:
            log.seek(start)
            piece = log.read(_CAPTURES_BYTES)
        whole = piece[: piece.rfind(b"\n") + 1]
        if whole:
            take_captures(self._house, name, number, start, whole)
        elif len(piece) == _CAPTURES_BYTES:  # One line longer than any that is read: it says nothing.
            take_captures(self._house, name, number, start, b"\n" * len(piece))

    # Rollouts take their steps

    async def _advance(self) -> None:
        while True:
            try:
                if await self._in_thread(self._turn):
                    self._waking.set()
            except BudwoodError as error:
                _LOG.warning("rollouts wait: %s", error)
            except Exception:
                _LOG.exception("rollouts wait")
            await asyncio.sleep(READING_S)

    def _turn(self) -> bool:
        """One turn of every rollout; whether traffic was moved."""
        moved = False
        if not lead(self._house, self._name):
            self._fences.clear()
            return moved
        with self._house.catalog.read() as view:
            running = view.running_rollouts()
        for rollout in running:
            if rollout.id not in self._fences:
                self._fences[rollout.id] = take_over(self._house, rollout.id)
            count_observations(self._house, rollout.id)
            done = advance(self._house, rollout.id, self._fences[rollout.id])
            moved |= done is not None and not isinstance(done, Hold)
        return moved

    async def _in_thread(self, work: Callable[..., T], *given: object) -> T:
        return await self._loop.run_in_executor(self._workers, partial(work, *given))


def _with_clients(routing: Routing, clients: Mapping[str, str]) -> Routing:
    """Clients' keys are in no routing that is kept; they join it here."""
    body = routing.endpoint
    if body.keys is None:
        return routing
    return replace(routing, endpoint=replace(body, keys=replace(body.keys, clients=clients)))


def _place(node: "Node") -> Place | None:
    """Where it said it is; None when it said nothing that could be."""
    host, port, log = (node.place.get(name) for name in ("host", "port", "log"))
    if not isinstance(host, str) or not isinstance(port, int | float) or not isinstance(log, str):
        return None
    return Place(host, int(port), log)
