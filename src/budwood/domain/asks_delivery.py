"""What is asked and answered about endpoints and rollouts, as values that travel."""

from collections.abc import Mapping
from dataclasses import dataclass

from budwood.domain.asks_serving import Behind
from budwood.domain.rollout.records import Rollout, RolloutEvent
from budwood.domain.rollout.verdict import Verdict
from budwood.domain.traffic.endpoint import Endpoint, Shadow
from budwood.domain.traffic.records import ClientRecord


@dataclass(frozen=True, slots=True)
class PutEndpoint:
    """``text`` is the document, YAML or JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class SetSplit:
    """Basis points by arm."""

    split: Mapping[str, int]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SendBack:
    """Everything to the baseline, at once."""

    reason: str


@dataclass(frozen=True, slots=True)
class AtMoment:
    """Milliseconds since the epoch; 0 is now."""

    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """What one gateway has taken of an endpoint, and so how it divides its traffic. ``refused``: it refused something,
    and where its words are."""

    gateway: str
    connected: bool
    generation: int
    split: Mapping[str, int]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class EndpointShown:
    """Where an endpoint stands. ``split`` is what is desired, ``observed`` what each gateway took. The salt is not
    told: who knows it can choose their arm."""

    namespace: str
    name: str
    generation: int
    since_ms: int
    actor: str
    reason: str
    body: Endpoint
    split: Mapping[str, int]
    killed: bool = False
    shadow: Shadow | None = None
    observed: tuple[Observed, ...] = ()
    rollout: int = 0
    text: str = ""
    removed_ms: int = 0


@dataclass(frozen=True, slots=True)
class EndpointList:
    """By name."""

    endpoints: tuple[EndpointShown, ...]


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """What a tenant used of its tokens in a period; ``limit`` 0 where it has no quota now. The tenant is empty where
    nobody says who asks."""

    tenant: str
    tokens: int
    limit: int
    from_ms: int
    until_ms: int
    refused: bool = False


@dataclass(frozen=True, slots=True)
class EndpointUsage:
    """Of the periods that a moment falls into, by tenant."""

    namespace: str
    name: str
    at_ms: int
    tenants: tuple[TenantUsage, ...]


@dataclass(frozen=True, slots=True)
class AddClient:
    """``name`` becomes the tenant of what it asks."""

    name: str


@dataclass(frozen=True, slots=True)
class MadeClient:
    """A new client. ``key`` is told this once."""

    client: ClientRecord
    key: str


@dataclass(frozen=True, slots=True)
class EndpointClients:
    """By name."""

    clients: tuple[ClientRecord, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """Which version answered a request, and what stood behind it."""

    request: str
    at_ms: int
    endpoint: str
    generation: int
    version: str
    digest: str
    code: int
    latency_us: int
    split: Mapping[str, int]
    routed_by: str
    reason: str
    behind: Behind | None = None


@dataclass(frozen=True, slots=True)
class StartRollout:
    """``candidate`` is a reference; ``plan`` the document. ``backends`` are URLs of the candidate's servers, where the
    endpoint has no arm for it yet; ``alias`` moves to the candidate when it is promoted."""

    candidate: str
    plan: str
    backends: tuple[str, ...] = ()
    alias: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ListRollouts:
    """Those with numbers below ``before`` when it is not 0."""

    before: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class RolloutPage:
    """Newest first; ``next`` is the ``before`` of the following page, 0 after the last."""

    rollouts: tuple[Rollout, ...]
    next: int = 0


@dataclass(frozen=True, slots=True)
class Steer:
    """``act`` is pause, resume, promote or abort."""

    act: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """Of one arm since the rollout began. Latencies in microseconds."""

    requests: int
    failed: int
    units: int
    p50_us: int
    p95_us: int
    p99_us: int


@dataclass(frozen=True, slots=True)
class DriftFigures:
    """Where the values of a metric fall in the step that runs: how many of the candidate and of the baseline up to each
    edge, and above the last. ``psi`` is how far apart they are; null where one has none yet."""

    metric: str
    psi: float | None
    edges: tuple[float, ...] = ()
    candidate: tuple[int, ...] = ()
    baseline: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RolloutShown:
    """A rollout with what it decided, what it saw, and what each guardrail says now. ``copied`` are the figures of the
    candidate and the baseline on the same requests, where a shadow copied them; ``drifts`` are by metric watched."""

    rollout: Rollout
    split: Mapping[str, int]
    candidate: ArmFigures
    baseline: ArmFigures
    verdicts: tuple[Verdict, ...] = ()
    events: tuple[RolloutEvent, ...] = ()
    steps: tuple[str, ...] = ()
    pairs: int = 0
    disagreed: int = 0
    copied: tuple[ArmFigures, ...] = ()
    observed: tuple[Observed, ...] = ()
    drifts: tuple[DriftFigures, ...] = ()
