"""The control plane: what the catalog says of traffic goes to the gateways, what they took and wrote comes back.

One thread with a loop of its own speaks to the gateways, so that a slow one never holds up a request to the registry,
and a busy registry never holds up a roll-back. It looks at the catalog whenever the bell rings, which it does in every
process when any has moved traffic, and every ``LOOKING_S`` besides: nothing depends on the bell but how soon. Of
several control planes one runs the rollouts; when it falls silent another takes over, and what the first one still
writes is refused.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, TypeVar

from budwood.catalog.api import Transaction, View
from budwood.delivery.gateway.config import Place
from budwood.delivery.logs.wire import Answer, read_piece
from budwood.delivery.xds.service import Control, Node, code_of, let_in, serve, shown
from budwood.delivery.xds.snapshot import ROUTES, RUNTIME, Encoded, Snapshot, kill_switches
from budwood.delivery.xds.tls import Tls
from budwood.domain.rollout.next_action import Hold
from budwood.domain.traffic.endpoint import Routing
from budwood.domain.traffic.records import GatewayRecord, RoutingRecord
from budwood.errors import BadValue, BudwoodError
from budwood.server.gateway_door import Door
from budwood.server.gateway_logs import read_in_place, take_piece
from budwood.verbs.house import House
from budwood.verbs.observations import count_observations
from budwood.verbs.rate_sharing import sharers
from budwood.verbs.rollouts import advance, lead, take_over
from budwood.verbs.token_quotas import refused_now

if TYPE_CHECKING:
    import grpc.aio

T = TypeVar("T")
LOOKING_S: Final = 0.25
READING_S: Final = 0.25
PRESENT_S: Final = 10.0
_COUNTING_MS: Final = 1_000
Reach = frozenset[str] | None
_LOG: Final = logging.getLogger("budwood.control")


class ControlPlane:
    """``start`` it once, ``close`` it once. ``port`` is where gateways find it, from when it was started.

    Without ``tls`` it needs no tokens, and listens to this machine alone. Raises BadValue for another ``host``.
    """

    def __init__(self, house: House, host: str = "127.0.0.1", port: int = 0, tls: Tls | None = None) -> None:
        if tls is None and not is_loopback(host):
            hint = "Give --control-tls-cert and --control-tls-key, or --control-host 127.0.0.1."
            raise BadValue(f"Without TLS gateways are told at the loopback address only, not at {host}.", hint=hint)
        self._house = house
        self._tls = tls
        self._door = Door(house, is_open=tls is None)
        self._name = house.ids()
        self._address = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="budwood-control", daemon=True)
        # Whoever looks never waits for those who count and keep.
        self._looker = ThreadPoolExecutor(1, "budwood-looks")
        self._workers = ThreadPoolExecutor(4, "budwood-control")
        self._encoded: dict[Reach, Encoded] = {}
        self._routings: Mapping[str, Routing] = {}
        self._known: dict[int, RoutingRecord] = {}
        self._made: dict[int, _Made] = {}
        self._sent: dict[str, Snapshot] = {}
        self._told: dict[str, Mapping[str, int]] = {}
        self._taken: dict[str, Mapping[str, int]] = {}
        self._here: dict[str, int] = {}
        self._to_keep: dict[str, Node] = {}
        self._keeping = asyncio.Event()
        self._fences: dict[int, int] = {}
        self._counted_ms, self._shared = 0, 1
        self._waking = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.port = 0

    def start(self) -> None:
        """Listen. Raises OSError."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        self._stop_hearing = self._house.bell.hear(self.moved)

    def moved(self) -> None:
        """Traffic was moved: look now. From any thread."""
        self._loop.call_soon_threadsafe(self._waking.set)

    def generation(self, key: str) -> int:
        """What every connected gateway has of an endpoint: the oldest; 0 when one has none. From any thread."""
        nodes = [
            name
            for name, node in list(self._control.nodes.items())
            if node.is_connected and _is_within(key, self._door.namespaces(name))
        ]
        return min((self._taken.get(name, {}).get(key, 0) for name in nodes), default=0)

    def close(self) -> None:
        """The gateways go on with what they have."""
        self._stop_hearing()
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._looker.shutdown()
        self._workers.shutdown()
        self._loop.close()

    async def _start(self) -> None:
        self._control: Control = Control(self._heard, self._admit)
        self._server: grpc.aio.Server
        self._server, self.port = await serve(self._control, *self._address, self._tls, self._take_logs)
        works = (self._follow(), self._keep(), self._read(), self._advance(), self._say_who_is_here())
        self._tasks = [asyncio.create_task(each) for each in works]

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop(None)

    # What the catalog says goes to the gateways

    async def _follow(self) -> None:
        while True:
            try:
                self._routings, gone = await self._loop.run_in_executor(self._looker, self._look)
                await self._control.expel(gone)
                await self._tell_all()
            except BudwoodError as error:
                _LOG.warning("the gateways keep what they have: %s", error)
            except Exception:
                _LOG.exception("the gateways keep what they have")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._waking.wait(), LOOKING_S)
            self._waking.clear()

    def _look(self) -> tuple[Mapping[str, Routing], frozenset[str]]:
        """What is in force, and the tokens that are no good any more. Only what changed is read anew."""
        with self._house.catalog.read() as view:
            newest = view.generations()
            for id_, generation in newest.items():
                if id_ not in self._known or self._known[id_].generation != generation:
                    record = view.routing(id_, generation)
                    assert record is not None, "the newest generation was made with its endpoint"
                    self._known[id_] = record
            self._known = {id_: record for id_, record in self._known.items() if id_ in newest}
            keys = view.client_keys() if any(each.body.keys for each in self._known.values()) else {}
            refused, shared = refused_now(view, self._known.values(), self._house.clock()), self._sharers(view)
        self._made = {
            id_: _made(self._made.get(id_), record, keys.get(id_, {}), refused.get(id_, {}), shared)
            for id_, record in self._known.items()
        }
        return {made.routing.key: made.routing for made in self._made.values()}, self._door.look_again()

    def _sharers(self, view: View) -> int:
        """Looked up now and then, and only where somebody may only ask so often."""
        now_ms = self._house.clock()
        if now_ms >= self._counted_ms + _COUNTING_MS and any(each.body.is_rated for each in self._known.values()):
            self._counted_ms, self._shared = now_ms, sharers(view, now_ms)
        return self._shared

    async def _tell_all(self) -> None:
        """Every gateway hears what cannot wait before any hears the rest."""
        there: list[tuple[str, Place, Reach]] = []
        for name, node in list(self._control.nodes.items()):
            if node.is_connected and self._door.has_let_in(name) and (place := _place(node)) is not None:
                there.append((name, place, self._door.namespaces(name)))
        routings = {reach: _within(self._routings, reach) for _, _, reach in there}
        switches = {reach: kill_switches(of) for reach, of in routings.items()}
        for name, _, reach in there:
            if (had := self._sent.get(name)) is not None:
                await self._publish(name, Snapshot({**had.resources, RUNTIME: switches[reach]}))
        self._encoded = {reach: self._encoded.get(reach) or Encoded() for reach in routings}
        told = {reach: {key: each.generation for key, each in of.items()} for reach, of in routings.items()}
        for name, place, reach in there:
            wanted = self._encoded[reach].snapshot(place, routings[reach])
            self._told[name] = told[reach]
            await self._publish(name, wanted)
            # One that comes back with all of it has nothing to say.
            if self._taken.get(name) != told[reach]:
                self._heard(self._control.nodes[name])

    async def _publish(self, name: str, wanted: Snapshot) -> None:
        if wanted != self._sent.get(name):
            self._sent[name] = wanted
            await self._control.publish(name, wanted)
            await asyncio.sleep(0)  # It is on its way before more is made.

    # What the gateways say goes to the catalog

    def _heard(self, node: Node) -> None:
        """In the loop; what is to be kept is kept elsewhere."""
        if self._here.get(node.name) != node.connected:
            self._here[node.name] = node.connected
            self._waking.set()
        sent = self._sent.get(node.name)
        if sent is not None and all(node.has.get(kind) == sent.version(kind) for kind in (ROUTES, RUNTIME)):
            self._taken[node.name] = self._told[node.name]
        self._to_keep[node.name] = node
        self._keeping.set()

    async def _keep(self) -> None:
        """Of many words that come at once the last of each gateway is kept, in one transaction."""
        while True:
            await self._keeping.wait()
            self._keeping.clear()
            heard, self._to_keep = self._to_keep, {}
            said = [_Said.of(node, self._taken.get(name)) for name, node in heard.items()]
            try:
                await self._in_thread(self._keep_all, said)
            except BudwoodError as error:
                _LOG.warning("what %s said is not kept: %s", ", ".join(sorted(heard)), error)

    def _keep_all(self, said: Sequence["_Said"]) -> None:
        now = self._house.clock()

        def work(transaction: Transaction) -> None:
            for each in said:
                before = transaction.gateway(each.name)
                if before is not None and not before.is_free:  # Nobody forgot it meanwhile.
                    transaction.put_gateway(each.added_to(before, now))

        self._house.catalog.write(work)

    async def _say_who_is_here(self) -> None:
        """Again and again: when this is killed nobody says that they are gone."""
        while True:
            await asyncio.sleep(PRESENT_S)
            here = frozenset(name for name, node in self._control.nodes.items() if node.is_connected)
            try:
                await self._in_thread(self._seen, here)
            except BudwoodError as error:
                _LOG.warning("it is not kept which gateways are here: %s", error)

    def _seen(self, names: frozenset[str]) -> None:
        now = self._house.clock()

        def work(transaction: Transaction) -> None:
            for each in transaction.gateways():
                if each.name in names:
                    transaction.put_gateway(replace(each, seen_ms=now, connected=True))

        if names:
            self._house.catalog.write(work)

    # Who comes in, and what the gateways wrote is counted

    async def _admit(self, name: str, secret: str) -> None:
        await self._in_thread(self._door.admit, name, secret)

    async def _take_logs(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """What a gateway elsewhere sends of its logs, piece by piece. Each is asked who it is from."""
        secret = shown(context)
        await let_in(context, self._admit, "", secret)
        async for request in requests:
            try:
                taken = await self._in_thread(self._take_piece, request, secret)
            except BudwoodError as error:
                await context.abort(code_of(error), error.message)
            yield taken.packed()

    def _take_piece(self, request: bytes, secret: str) -> Answer:
        piece = read_piece(request)
        return take_piece(self._house, piece, self._door.admit(piece.gateway, secret).namespaces)

    async def _read(self) -> None:
        while True:
            for name, node in list(self._control.nodes.items()):
                place = _place(node)
                if place is None or node.place.get("sends") or not self._door.is_bare(name):
                    continue
                try:
                    await self._in_thread(read_in_place, self._house, name, place)
                except (BudwoodError, OSError) as error:
                    _LOG.warning("the log of %s is not read: %s", name, error)
                except Exception:
                    _LOG.exception("the log of %s is not read", name)
            await asyncio.sleep(READING_S)

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


@dataclass(frozen=True, slots=True)
class _Said:
    """What a gateway said last. ``generations`` None: it took nothing new."""

    name: str
    address: str
    connected: bool
    has: Mapping[str, str]
    refused: Mapping[str, str]
    generations: Mapping[str, int] | None

    @classmethod
    def of(cls, node: Node, generations: Mapping[str, int] | None) -> "_Said":
        place = _place(node)
        address = f"{place.host}:{place.port}" if place else ""
        return cls(node.name, address, node.is_connected, dict(node.has), dict(node.refused), generations)

    def added_to(self, before: GatewayRecord, now_ms: int) -> GatewayRecord:
        return replace(
            before,
            address=self.address or before.address,
            seen_ms=now_ms,
            connected=self.connected,
            took=self.has,
            refused=self.refused,
            generations=before.generations if self.generations is None else self.generations,
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _within(routings: Mapping[str, Routing], reach: Reach) -> Mapping[str, Routing]:
    """Those of the namespaces that a gateway may serve."""
    if reach is None:
        return routings
    return {key: routing for key, routing in routings.items() if routing.endpoint.namespace in reach}


def _is_within(key: str, reach: Reach) -> bool:
    return reach is None or key.rpartition(".")[0] in reach


@dataclass(frozen=True, slots=True)
class _Made:
    """A routing with what joins it here, and what it was made of."""

    of: tuple[RoutingRecord, Mapping[str, str], Mapping[str, int], int]
    routing: Routing


def _made(
    before: _Made | None, record: RoutingRecord, clients: Mapping[str, str], refused: Mapping[str, int], shared: int
) -> _Made:
    """The very same one while nothing of it changed: of a thousand endpoints that is nearly every one."""
    of = (record, clients, refused, shared)
    if before is not None and before.of[0] is record and before.of[1:] == of[1:]:
        return before
    return _Made(of, replace(_with_clients(record.routing, clients), refused=refused, sharers=shared))


def _with_clients(routing: Routing, clients: Mapping[str, str]) -> Routing:
    """Clients' keys are in no routing that is kept; they join it here."""
    body = routing.endpoint
    if body.keys is None:
        return routing
    return replace(routing, endpoint=replace(body, keys=replace(body.keys, clients=clients)))


def _place(node: Node) -> Place | None:
    """Where it said it is; None when it said nothing that could be."""
    host, port, log = (node.place.get(name) for name in ("host", "port", "log"))
    if not isinstance(host, str) or not isinstance(port, int | float) or not isinstance(log, str):
        return None
    return Place(host, int(port), log)
