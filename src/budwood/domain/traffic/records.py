"""What is kept of endpoints and gateways. Times are milliseconds since the epoch, UTC; 0 where there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from budwood.domain.traffic.endpoint import Endpoint, Routing, Shadow
from budwood.domain.traffic.segments import Table


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """``text`` is the document as it was written. A removed endpoint keeps its history and its name stays taken by
    it until another is made. ``generation`` is the newest routing."""

    id: int
    namespace: str
    name: str
    text: str
    author: str
    created_ms: int
    generation: int = 0
    removed_ms: int = 0


@dataclass(frozen=True, slots=True)
class RoutingRecord:
    """One routing state of an endpoint: never changed, in force from ``at_ms`` until the next. ``rollout_id`` 0: a
    person asked for it. ``body`` is the whole endpoint as it was then."""

    endpoint_id: int
    generation: int
    at_ms: int
    actor: str
    reason: str
    body: Endpoint
    table: Table
    killed: bool = False
    shadow: Shadow | None = None
    rollout_id: int = 0

    @property
    def routing(self) -> Routing:
        """As a gateway is told it."""
        return Routing(self.body, self.generation, self.table, self.killed, self.shadow)


@dataclass(frozen=True, slots=True)
class GatewayRecord:
    """``took`` and ``refused`` are versions and messages by type of configuration. ``account`` is whose token it shows,
    empty where it shows none: a name is one account's.
    ``positions`` are how many bytes of each of its logs were taken in, by log; ``lost`` how many bytes it had to drop
    before anybody took them. ``is_free``: it was forgotten, and whoever comes with its name next has it."""

    name: str
    address: str = ""
    seen_ms: int = 0
    connected: bool = False
    took: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    positions: Mapping[str, int] = field(default_factory=dict)
    lost: int = 0
    is_free: bool = False


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """Who may ask an endpoint by a key. The key itself is read by the control plane and nobody else."""

    endpoint_id: int
    name: str
    author: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class Served:
    """One request that a gateway answered. ``number`` is that of the version, 0 when none was asked."""

    request: str
    at_ms: int
    endpoint_id: int
    generation: int
    number: int
    code: int
    latency_us: int
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """Something a business saw later. ``unit`` is the request it belongs to, or a user by what their name hashes to:
    the name itself is not kept. ``fields`` are what a report divides it by."""

    metric: str
    unit: str
    at_ms: int
    value: float
    by_request: bool = False
    received_ms: int = 0
    fields: Mapping[str, str] = field(default_factory=dict)
