"""The service that gateways hold a stream to: what they should have goes down, what they took or refused comes up.

State of the world over one aggregated stream (ADS). A gateway says who it is and which types it wants; it gets each
type when it asks and whenever it changes, and answers with the version it has. An answer with an error is a refusal:
the old configuration stays in force there, and the refusal is kept for people to see.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import grpc.aio

from budwood.delivery.xds.messages import REQUEST, RESPONSE, TYPE, kind_of
from budwood.delivery.xds.snapshot import ORDER, Resources, Snapshot

METHOD: Final = "StreamAggregatedResources"
SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_UNBOUNDED: Final = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", 16 << 20))


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

    def __init__(self, heard: Callable[[Node], None] = lambda node: None) -> None:
        self.nodes: dict[str, Node] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._changed: dict[str, asyncio.Condition] = {}
        self._heard = heard

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

    async def stream(self, requests: AsyncIterator[Any], context: object) -> AsyncIterator[Any]:
        """One gateway's. It ends when the gateway goes."""
        first = await anext(aiter(requests), None)
        if first is None or not first.node.id:
            return
        said = dict(first.node.metadata)
        # Who only reads hears what the gateway hears, and says nothing of it.
        reads = bool(said.get("reads"))
        node = Node(first.node.id) if reads else self._node(first.node.id)
        talk = _Talk(node, _nobody if reads else self._heard)
        node.place = said
        node.connected += 1
        talk.heard(node)
        hearing = asyncio.create_task(self._hear(talk, first, requests))
        try:
            async for answer in self._answers(talk, hearing):
                yield answer
        finally:
            hearing.cancel()
            node.connected -= 1
            talk.heard(node)

    async def _answers(self, talk: "_Talk", hearing: "asyncio.Task[None]") -> AsyncIterator[Any]:
        condition = self._condition(talk.node.name)
        while not hearing.done():
            due = self._due(talk)
            if due is None:
                async with condition:
                    await condition.wait_for(lambda: hearing.done() or self._due(talk) is not None)
                continue
            kind, resources = due
            talk.sent[kind] = resources.version
            talk.nonce += 1
            talk.nonces[kind] = (str(talk.nonce), resources.version)
            yield _response(kind, resources, str(talk.nonce))

    def _due(self, talk: "_Talk") -> tuple[str, Resources] | None:
        """The first type that the gateway wants and was not sent as it is now."""
        snapshot = self._snapshots.get(talk.node.name)
        if snapshot is None:
            return None
        for kind in ORDER:
            resources = snapshot.resources.get(kind)
            if resources is not None and kind in talk.wants and talk.sent.get(kind) != resources.version:
                return kind, resources
        return None

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
        nonce, version = talk.nonces.get(kind, ("", ""))
        if nonce and request.response_nonce == nonce:
            if request.HasField("error_detail"):
                talk.node.refused[kind] = f"{version} {request.error_detail.message[:2_000]}"
            else:
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


@dataclass(slots=True)
class _Talk:
    """One stream: what it wants, the version of what it was sent, and the last nonce of each type."""

    node: Node
    heard: Callable[[Node], None]
    wants: set[str] = field(default_factory=set)
    sent: dict[str, str] = field(default_factory=dict)
    nonces: dict[str, tuple[str, str]] = field(default_factory=dict)
    nonce: int = 0


def _nobody(node: Node) -> None:
    """What a reader does is nobody's business."""


async def serve(control: Control, host: str, port: int) -> tuple[grpc.aio.Server, int]:
    """The service and the port it listens on. Stop it with ``server.stop(grace)``."""
    server = grpc.aio.server(options=_UNBOUNDED)
    handler = grpc.stream_stream_rpc_method_handler(
        control.stream,
        request_deserializer=kind_of(REQUEST).FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    bound = server.add_insecure_port(f"{host}:{port}")
    await server.start()
    return server, bound


def _response(kind: str, resources: Resources, nonce: str) -> Any:
    response: Any = kind_of(RESPONSE)()
    response.version_info, response.type_url, response.nonce = resources.version, TYPE + kind, nonce
    for body in resources.bodies:
        holder = response.resources.add()
        holder.type_url, holder.value = TYPE + kind, body
    return response
