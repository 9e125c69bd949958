"""The service that gateways hold a stream to: what they should have goes down, what they took or refused comes up.

State of the world over one aggregated stream (ADS). A gateway says who it is and which types it wants; it gets each
type when it asks and whenever it changes, and answers with the version it has. An answer with an error is a refusal:
the old configuration stays in force there, and the refusal is kept for people to see. Of tables of routes only those
that changed are sent: one endpoint's is all that a change of it costs, however many there are.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import grpc.aio

from budwood.delivery.logs import wire
from budwood.delivery.tls import Tls
from budwood.delivery.xds.messages import REQUEST, RESPONSE, TYPE, kind_of
from budwood.delivery.xds.snapshot import ORDER, ROUTES, Resource, Resources, Snapshot
from budwood.domain.limits import GATEWAY_STREAMS
from budwood.errors import BudwoodError, Refused, Unauthenticated, Unavailable

METHOD: Final = "StreamAggregatedResources"
SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
FIRST_S: Final = 10.0
"""How long a stream may be silent before it says who it is."""

_OPTIONS: Final = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", 16 << 20))
Admit = Callable[[str, str], Awaitable[None]]
"""Given a gateway's name ("" before it said one) and the token it shows. Raises BudwoodError for who may not come."""
Stream = Callable[[AsyncIterator[Any], Any], AsyncIterator[Any]]


async def anybody(name: str, secret: str) -> None:
    """Everybody comes in."""


@dataclass(slots=True)
class Node:
    """One gateway as its streams know it: where it says it is, the version it has of each type, and what it refused
    of which."""

    name: str
    place: Mapping[str, str | float] = field(default_factory=dict)
    connected: int = 0
    has: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def is_connected(self) -> bool:
        """Whether it holds a stream now."""
        return self.connected > 0


class Control:
    """Snapshots by node. Every method but ``stream`` is called in the loop the service runs in.

    ``heard(node)`` is called whenever a gateway came, went, took or refused something.
    """

    def __init__(self, heard: Callable[[Node], None] = lambda node: None, admit: Admit = anybody) -> None:
        self.nodes: dict[str, Node] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._changed: dict[str, asyncio.Condition] = {}
        self._heard = heard
        self._admit = admit
        self._talks: set[_Talk] = set()

    async def publish(self, name: str, snapshot: Snapshot) -> None:
        """What the gateway should have from now on."""
        self._snapshots[name] = snapshot
        await self._wake(name)

    async def taken(self, name: str, snapshot: Snapshot, kinds: tuple[str, ...] = ORDER) -> Mapping[str, str]:
        """Waits until the gateway has these types, or refused one: what it refused, empty when it took all. Cancel it
        to stop waiting."""
        node = self._node(name)
        condition = self._condition(name)
        async with condition:
            await condition.wait_for(lambda: all(self._is_settled(node, snapshot, kind) for kind in kinds))
        return {kind: node.refused[kind] for kind in kinds if self._refuses(node, snapshot, kind)}

    async def expel(self, secrets: Container[str]) -> None:
        """End the streams of these tokens. What their gateways have, they keep."""
        for talk in list(self._talks):
            if talk.secret in secrets:
                talk.is_over = True
                await self._wake(talk.node.name)

    async def stream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        """One gateway's. It ends when the gateway goes."""
        secret = shown(context)
        # Strangers are sent away before they are listened to.
        await let_in(context, self._admit, "", secret)
        first = await _first(requests)
        if first is None or not first.node.id:
            return
        await let_in(context, self._admit, first.node.id, secret)
        said = dict(first.node.metadata)
        # Who only reads hears what the gateway hears, and says nothing of it.
        reads = bool(said.get("reads"))
        node = Node(first.node.id) if reads else self._node(first.node.id)
        talk = _Talk(node, _nobody if reads else self._heard, secret, reads)
        node.place = said
        node.connected += 1
        self._talks.add(talk)
        talk.heard(node)
        hearing = asyncio.create_task(self._hear(talk, first, requests))
        try:
            async for answer in self._answers(talk, hearing):
                yield answer
        finally:
            hearing.cancel()
            node.connected -= 1
            self._talks.discard(talk)
            talk.heard(node)
        if talk.is_over:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "The token is not good any more.")

    async def _answers(self, talk: "_Talk", hearing: "asyncio.Task[None]") -> AsyncIterator[Any]:
        condition = self._condition(talk.node.name)
        while not hearing.done() and not talk.is_over:
            due = self._due(talk)
            if due is None:
                if self._lost_some(talk):
                    await self._wake(talk.node.name)
                async with condition:
                    await condition.wait_for(
                        lambda: hearing.done() or talk.is_over or self._due(talk) or self._is_behind(talk)
                    )
                continue
            kind, version, every = due
            talk.sent[kind] = version
            talk.nonce += 1
            talk.nonces[kind] = (str(talk.nonce), version)
            if kind == ROUTES:
                talk.given(every)
            yield _response(kind, version, every, str(talk.nonce))

    def _due(self, talk: "_Talk") -> tuple[str, str, Sequence[Resource]] | None:
        """The first type that the gateway wants and was not sent as it is now: its version, and what of it is sent."""
        for kind in ORDER:
            resources = self._wanted(talk, kind)
            if resources is None:
                continue
            if kind == ROUTES and (every := talk.lacks(resources)):
                return kind, resources.version, every
            if kind != ROUTES and talk.sent.get(kind) != resources.version:
                return kind, resources.version, resources.every
        return None

    def _wanted(self, talk: "_Talk", kind: str) -> Resources | None:
        """What the other side should have of a type that it asked for. Who reads hears what the gateway took."""
        snapshot = self._snapshots.get(talk.node.name)
        resources = snapshot.resources.get(kind) if snapshot and kind in talk.wants else None
        if resources is None or (talk.reads and self._node(talk.node.name).has.get(kind) != resources.version):
            return None
        return resources

    def _is_behind(self, talk: "_Talk") -> bool:
        """Whether there are fewer tables of routes than before, and no other change: nothing is sent then."""
        resources = self._wanted(talk, ROUTES)
        return (
            resources is not None
            and talk.sent.get(ROUTES) not in (None, resources.version)
            and talk.asks_for_all(resources)
            and not talk.lacks(resources)
        )

    def _lost_some(self, talk: "_Talk") -> bool:
        if not self._is_behind(talk):
            return False
        resources = self._wanted(talk, ROUTES)
        assert resources is not None, "it is behind something"
        talk.sent[ROUTES] = talk.node.has[ROUTES] = resources.version
        # What it says next with the nonce it heard last, such as that it needs a table no more, is about this.
        talk.nonces[ROUTES] = (talk.nonces.get(ROUTES, ("", ""))[0], resources.version)
        talk.heard(talk.node)
        return True

    async def _hear(self, talk: "_Talk", first: Any, requests: AsyncIterator[Any]) -> None:
        try:
            await self._take(talk, first)
            async for request in requests:
                await self._take(talk, request)
        finally:
            asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(self._wake(talk.node.name)))

    async def _take(self, talk: "_Talk", request: Any) -> None:
        kind = request.type_url.removeprefix(TYPE)
        if kind not in talk.wants:
            talk.wants.add(kind)
            if request.version_info:  # It comes back and has something already.
                talk.sent[kind] = talk.node.has[kind] = request.version_info
                talk.remember(request.version_info, self._wanted(talk, kind))
                talk.heard(talk.node)
        if kind == ROUTES:
            talk.ask(request.resource_names)
        nonce, version = talk.nonces.get(kind, ("", ""))
        if nonce and request.response_nonce == nonce:
            if request.HasField("error_detail"):
                talk.node.refused[kind] = f"{version} {request.error_detail.message[:2_000]}"
                talk.refused(kind)
            elif kind != ROUTES or talk.asks_for_all(self._wanted(talk, kind)):
                talk.node.has[kind] = version
                talk.node.refused.pop(kind, None)
            talk.heard(talk.node)
        await self._wake(talk.node.name)

    def _is_settled(self, node: Node, snapshot: Snapshot, kind: str) -> bool:
        return node.has.get(kind) == snapshot.version(kind) or self._refuses(node, snapshot, kind)

    def _refuses(self, node: Node, snapshot: Snapshot, kind: str) -> bool:
        return node.refused.get(kind, "").partition(" ")[0] == snapshot.version(kind)

    def _node(self, name: str) -> Node:
        return self.nodes.setdefault(name, Node(name))

    def _condition(self, name: str) -> asyncio.Condition:
        return self._changed.setdefault(name, asyncio.Condition())

    async def _wake(self, name: str) -> None:
        condition = self._condition(name)
        async with condition:
            condition.notify_all()


@dataclass(slots=True, eq=False)
class _Talk:
    """One stream: what it wants, the version of what it was sent, and the last nonce of each type."""

    node: Node
    heard: Callable[[Node], None]
    secret: str = field(default="", repr=False)
    reads: bool = False
    is_over: bool = False
    wants: set[str] = field(default_factory=set)
    sent: dict[str, str] = field(default_factory=dict)
    nonces: dict[str, tuple[str, str]] = field(default_factory=dict)
    nonce: int = 0
    names: frozenset[str] = frozenset()
    tables: dict[str, bytes] = field(default_factory=dict)
    last: Sequence[Resource] = ()

    def ask(self, names: Iterable[str]) -> None:
        """For these tables of routes; for all where none is named."""
        self.names = frozenset(names)
        if self.names:
            self.tables = {name: digest for name, digest in self.tables.items() if name in self.names}

    def asks_for_all(self, resources: Resources | None) -> bool:
        """Whether it knows of every table: a new one is asked for when the scopes that lead to it came."""
        return resources is None or not self.names or all(each.name in self.names for each in resources.every)

    def lacks(self, resources: Resources) -> Sequence[Resource]:
        """The tables that it asks for and was not sent as they are."""
        asked = (each for each in resources.every if not self.names or each.name in self.names)
        return [each for each in asked if self.tables.get(each.name) != each.digest]

    def given(self, tables: Sequence[Resource]) -> None:
        """They were sent."""
        self.last = tables
        self.tables.update((each.name, each.digest) for each in tables)

    def refused(self, kind: str) -> None:
        """What was sent last is not in force there: it is sent again with the next change."""
        if kind == ROUTES:
            for each in self.last:
                self.tables[each.name] = b""

    def remember(self, version: str, resources: Resources | None) -> None:
        """It comes back with a version: where that is still the one, it has every table."""
        if resources is not None and resources.version == version:
            self.given(resources.every)


def _nobody(node: Node) -> None:
    """What a reader does is nobody's business."""


def shown(context: Any) -> str:
    """The token that a call brought; empty when there is none."""
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str) and value.lower().startswith("bearer "):
            return value[7:].strip()
    return ""


async def let_in(context: Any, admit: Admit, name: str, secret: str) -> None:
    """Or end the call, with the reason in words."""
    try:
        await admit(name, secret)
    except BudwoodError as error:
        await context.abort(code_of(error), error.message)


def code_of(error: BudwoodError) -> grpc.StatusCode:
    """As gRPC says it."""
    if isinstance(error, Unauthenticated):
        return grpc.StatusCode.UNAUTHENTICATED
    if isinstance(error, Refused):
        return grpc.StatusCode.PERMISSION_DENIED
    return grpc.StatusCode.UNAVAILABLE if isinstance(error, Unavailable) else grpc.StatusCode.INVALID_ARGUMENT


async def _first(requests: AsyncIterator[Any]) -> Any:
    try:
        return await asyncio.wait_for(anext(aiter(requests), None), FIRST_S)
    except TimeoutError:
        return None


async def serve(
    control: Control, host: str, port: int, tls: Tls | None = None, takes_logs: Stream | None = None
) -> tuple[grpc.aio.Server, int]:
    """The service and the port it listens on. Stop it with ``server.stop(grace)``. Raises OSError, BadValue."""
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=GATEWAY_STREAMS)
    handler = grpc.stream_stream_rpc_method_handler(
        control.stream,
        request_deserializer=kind_of(REQUEST).FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    if takes_logs is not None:
        logs = {wire.METHOD: grpc.stream_stream_rpc_method_handler(takes_logs)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(wire.SERVICE, logs),))
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    bound = server.add_secure_port(address, tls.credentials()) if tls else server.add_insecure_port(address)
    await server.start()
    return server, bound


def _response(kind: str, version: str, every: Sequence[Resource], nonce: str) -> Any:
    response: Any = kind_of(RESPONSE)()
    response.version_info, response.type_url, response.nonce = version, TYPE + kind, nonce
    for each in every:
        holder = response.resources.add()
        holder.type_url, holder.value = TYPE + kind, each.body
    return response
