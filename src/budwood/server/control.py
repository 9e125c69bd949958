"""The control plane: what the catalog says of traffic goes to the gateways, what they took and wrote comes back.

One thread with a loop of its own speaks to the gateways, so that a slow one never holds up a request to the registry,
and a busy registry never holds up a roll-back. The bell rings in every process when any has moved traffic: then the
control plane glances at the endpoints that it names and tells all gateways what cannot wait, and the rest after that.
Every ``LOOKING_S`` it looks at everything: nothing depends on the bell but how soon. Of several control planes one runs
the rollouts; when it falls silent another takes over, and what the first one still writes is refused.
"""

import asyncio
import gc
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, TypeVar

from budwood.delivery.gateway.config import Place
from budwood.delivery.logs.wire import Answer, read_piece
from budwood.delivery.tls import Tls
from budwood.delivery.xds.service import Control, Node, code_of, let_in, serve, shown
from budwood.delivery.xds.snapshot import ROUTES, RUNTIME, Encoded, Resources, Snapshot, kill_switches
from budwood.domain.rollout.next_action import Hold
from budwood.domain.traffic.endpoint import Routing
from budwood.errors import BadValue, BudwoodError
from budwood.server.gateway_door import Door
from budwood.server.gateway_logs import read_in_place, take_piece
from budwood.server.gateway_words import Word, keep_who_is_here, keep_words, place_of
from budwood.server.in_force import InForce
from budwood.verbs.house import House
from budwood.verbs.observations import count_observations
from budwood.verbs.rollouts import advance, lead, take_over

if TYPE_CHECKING:
    import grpc.aio

T = TypeVar("T")
LOOKING_S: Final = 0.25
READING_S: Final = 0.25
PRESENT_S: Final = 10.0
TURN_S: Final = 0.0005
"""How long a thread of this process may keep the others waiting: a roll-back passes through four threads, and each may
have to wait for one that reads logs."""
COLLECTING_S: Final = 0.1
"""What gateways say within this time is kept in one transaction."""
KEEPING_S: Final = 0.25
"""The least time from one such transaction to the next: a roll-back waits for whoever writes."""
AGAIN_S: Final = 1.0
"""How long to wait for a catalog that did not take it."""
OBEYING_S: Final = 0.005
"""How long nothing else is made while gateways take a kill switch; most have it after one or two milliseconds."""
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
        # Whoever looks never waits for those who count and keep, and whoever glances not for who looks.
        self._glancer = ThreadPoolExecutor(1, "budwood-glances")
        self._looker = ThreadPoolExecutor(1, "budwood-looks")
        self._workers = ThreadPoolExecutor(4, "budwood-control")
        self._in_force = InForce(house)
        self._encoded: dict[Reach, Encoded] = {}
        self._tellings = _Tellings({})
        self._places: dict[str, Place] = {}
        self._sent: dict[str, Snapshot] = {}
        self._told: dict[str, _Telling] = {}
        self._taken: dict[str, _Telling] = {}
        self._kept: dict[str, _Telling] = {}
        self._here: dict[str, int] = {}
        self._to_keep: dict[str, Node] = {}
        self._keeping, self._writing = asyncio.Event(), asyncio.Lock()
        self._fences: dict[int, int] = {}
        self._waking, self._hurrying = asyncio.Event(), asyncio.Event()
        self._has_seen_all = False
        self._tasks: list[asyncio.Task[None]] = []
        self.port = 0

    def start(self) -> None:
        """Listen. Raises OSError."""
        sys.setswitchinterval(TURN_S)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        self._stop_hearing = self._house.bell.hear(self.moved)

    def moved(self, endpoints: Collection[int] = ()) -> None:
        """Traffic was moved, of these endpoints or of any: look now. From any thread."""
        with suppress(RuntimeError):  # It was closed meanwhile.
            if endpoints:
                self._glancer.submit(self._glance, tuple(endpoints))
            else:
                self._loop.call_soon_threadsafe(self._look_soon)

    def generation(self, key: str) -> int:
        """What every connected gateway has of an endpoint: the oldest; 0 when one has none. From any thread."""
        nodes = [
            name
            for name, node in list(self._control.nodes.items())
            if node.is_connected and _is_within(key, self._door.namespaces(name))
        ]
        return min((_generation(self._taken.get(name), key) for name in nodes), default=0)

    def close(self) -> None:
        """The gateways go on with what they have."""
        self._stop_hearing()
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._glancer.shutdown()
        self._looker.shutdown()
        self._workers.shutdown()
        self._loop.close()

    async def _start(self) -> None:
        self._control: Control = Control(self._heard, self._admit)
        self._server: grpc.aio.Server
        self._server, self.port = await serve(self._control, *self._address, self._tls, self._take_logs)
        works = (
            *(self._hurry(), self._follow(), self._keep()),
            *(self._read(), self._advance(), self._say_who_is_here()),
        )
        self._tasks = [asyncio.create_task(each) for each in works]

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop(None)

    # What the catalog says goes to the gateways

    def _glance(self, endpoints: Collection[int]) -> None:
        is_all = False
        try:
            is_all = self._in_force.glance(endpoints)
        except BudwoodError as error:
            _LOG.warning("the gateways hear of it a little later: %s", error)
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._glanced, is_all)

    def _glanced(self, is_all: bool) -> None:
        self._has_seen_all &= is_all
        self._hurrying.set()

    def _look_soon(self) -> None:
        self._has_seen_all = False
        self._waking.set()

    async def _hurry(self) -> None:
        """Every gateway hears what cannot wait before any hears the rest."""
        while True:
            await self._hurrying.wait()
            self._hurrying.clear()
            await self._switch()
            self._waking.set()

    async def _switch(self) -> None:
        """Tell the kill switches, and give those who are told a moment to obey."""
        tellings, taking = self._tell(), []
        for name, _, reach in self._there():
            had = self._sent.get(name)
            # Whoever moved traffic meanwhile tells it themselves.
            if had is not None and tellings.routings is self._in_force.routings:
                wanted = Snapshot({**had.resources, RUNTIME: tellings.of(reach).switches})
                if await self._publish(name, wanted):
                    taking.append(self._control.taken(name, wanted, (RUNTIME,)))
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*taking), OBEYING_S)

    async def _follow(self) -> None:
        looks_at = 0.0  # By the loop's clock: at everything.
        while True:
            try:
                if not self._has_seen_all or self._loop.time() >= looks_at:
                    looks_at, self._has_seen_all = self._loop.time() + LOOKING_S, True
                    await self._control.expel(await self._loop.run_in_executor(self._looker, self._look))
                await self._switch()
                await self._tell_all()
            except BudwoodError as error:
                _LOG.warning("the gateways keep what they have: %s", error)
            except Exception:
                _LOG.exception("the gateways keep what they have")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._waking.wait(), max(0.0, looks_at - self._loop.time()))
            self._waking.clear()

    def _look(self) -> frozenset[str]:
        """The tokens that are no good any more."""
        self._in_force.look()
        return self._door.look_again()

    async def _tell_all(self) -> None:
        tellings, there = self._tell(), self._there()
        behind = [
            (name, place, reach)
            for name, place, reach in there
            if self._told.get(name) is not tellings.of(reach) or self._places.get(name) != place
        ]
        if not behind:
            return
        reaches = {reach for _, _, reach in there}
        snapshots = await self._loop.run_in_executor(self._looker, self._snapshots, behind, reaches, tellings)
        for name, place, reach in behind:
            if tellings.routings is not self._in_force.routings:
                self._waking.set()
                return
            self._told[name], self._places[name] = tellings.of(reach), place
            await self._publish(name, snapshots[name])
            # One that comes back with all of it has nothing to say.
            if self._has_taken(name):
                self._keep_soon(self._control.nodes[name])

    def _there(self) -> "list[tuple[str, Place, Reach]]":
        """Gateways that may be told something: where they are, and what they may serve."""
        return [
            (name, place, self._door.namespaces(name))
            for name, node in list(self._control.nodes.items())
            if node.is_connected and self._door.has_let_in(name) and (place := place_of(node)) is not None
        ]

    def _tell(self) -> "_Tellings":
        """What is told while these routings are in force."""
        if self._tellings.routings is not self._in_force.routings:
            self._tellings = _Tellings(self._in_force.routings)
        return self._tellings

    def _snapshots(
        self, behind: "Sequence[tuple[str, Place, Reach]]", reaches: AbstractSet[Reach], tellings: "_Tellings"
    ) -> Mapping[str, Snapshot]:
        """Of those that are behind. What was encoded is kept for all who are there."""
        are_known = reaches <= self._encoded.keys()
        self._encoded = {reach: self._encoded.get(reach) or Encoded() for reach in reaches}
        made = {
            name: self._encoded[reach].snapshot(place, tellings.of(reach).routings) for name, place, reach in behind
        }
        if not are_known:
            # All that lives as long as its endpoints do, and looking through it again takes up to 200 ms.
            gc.freeze()
        return made

    async def _publish(self, name: str, wanted: Snapshot) -> bool:
        """Whether that is something new."""
        if wanted == self._sent.get(name):
            return False
        self._sent[name] = wanted
        await self._control.publish(name, wanted)
        await asyncio.sleep(0)  # It is on its way before more is made.
        return True

    # What the gateways say goes to the catalog

    def _heard(self, node: Node) -> None:
        """In the loop; what is to be kept is kept elsewhere."""
        if self._here.get(node.name) != node.connected:
            self._here[node.name] = node.connected
            self._kept.pop(node.name, None)
            self._waking.set()
        self._has_taken(node.name)
        self._keep_soon(node)

    def _has_taken(self, name: str) -> bool:
        """Whether it took something new of what it was told. What it has is remembered."""
        sent, has = self._sent.get(name), self._control.nodes[name].has
        if sent is None or any(has.get(kind) != sent.version(kind) for kind in (ROUTES, RUNTIME)):
            return False
        before, self._taken[name] = self._taken.get(name), self._told[name]
        return before is not self._taken[name]

    def _keep_soon(self, node: Node) -> None:
        self._to_keep[node.name] = node
        self._keeping.set()

    async def _keep(self) -> None:
        while True:
            await self._keeping.wait()
            await asyncio.sleep(COLLECTING_S)
            self._keeping.clear()
            heard, self._to_keep = self._to_keep, {}
            try:
                await self._keep_all(heard)
            except BudwoodError as error:
                _LOG.warning("what %s said is kept later: %s", ", ".join(sorted(heard)), error)
                self._to_keep = heard | self._to_keep
                self._keeping.set()
                await asyncio.sleep(AGAIN_S)
            except Exception:
                _LOG.exception("what %s said is not kept", ", ".join(sorted(heard)))
            await asyncio.sleep(KEEPING_S - COLLECTING_S)

    async def _keep_all(self, heard: Mapping[str, Node]) -> None:
        """Raises BudwoodError."""
        async with self._writing:
            new = {name: self._taken[name] for name in heard if self._taken.get(name) is not self._kept.get(name)}
            words = [Word.of(node, new[name].generations if name in new else None) for name, node in heard.items()]
            await self._in_thread(keep_words, self._house, words)
            self._kept.update(new)

    async def _say_who_is_here(self) -> None:
        while True:
            await asyncio.sleep(PRESENT_S)
            try:
                # Else one that leaves meanwhile would be written as gone first and as here last.
                async with self._writing:
                    here = frozenset(name for name, node in self._control.nodes.items() if node.is_connected)
                    await self._in_thread(keep_who_is_here, self._house, here)
            except BudwoodError as error:
                _LOG.warning("it is not kept which gateways are here: %s", error)
            # Nobody waited until it was on the disk, so a database that crashed may have lost what was kept last.
            self._kept.clear()
            for node in list(self._control.nodes.values()):
                if node.is_connected:
                    self._keep_soon(node)

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
                place = place_of(node)
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


@dataclass(frozen=True, slots=True, eq=False)
class _Telling:
    """What gateways are told that may serve the same: routings by key, their generations by endpoint."""

    routings: Mapping[str, Routing]
    generations: Mapping[int, int]
    switches: Resources


class _Tellings:
    """What gateways are told while these routings, by endpoint, are in force."""

    def __init__(self, routings: Mapping[int, Routing]) -> None:
        self.routings = routings
        self._made: dict[Reach, _Telling] = {}

    def of(self, reach: Reach) -> _Telling:
        """Those of the namespaces that a gateway may serve."""
        if reach not in self._made:
            within = {id_: of for id_, of in self.routings.items() if reach is None or of.endpoint.namespace in reach}
            routings = {routing.key: routing for routing in within.values()}
            generations = {id_: routing.generation for id_, routing in within.items()}
            self._made[reach] = _Telling(routings, generations, kill_switches(routings))
        return self._made[reach]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_within(key: str, reach: Reach) -> bool:
    return reach is None or key.rpartition(".")[0] in reach


def _generation(taken: _Telling | None, key: str) -> int:
    routing = taken.routings.get(key) if taken else None
    return routing.generation if routing else 0
