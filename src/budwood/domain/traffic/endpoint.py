"""An endpoint: where traffic for a model arrives, the arms that may answer it, and the rules between the two.

Values only. ``reading.py`` makes them from a document, ``delivery/gateway`` makes a gateway's configuration from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from budwood.domain.traffic.fields import FieldRule, Schema
from budwood.domain.traffic.segments import Table
from budwood.domain.traffic.trust import BackendTrust

TENANT_HEADER: Final = "x-budwood-tenant"
USER_HEADER: Final = "x-budwood-user"
"""Who asks, once it is known: written by the gateway, never by clients."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One server of an arm."""

    host: str
    port: int
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Arm:
    """One version receiving part of the traffic. ``names`` are the references it answers to: 2.1.3, champion.
    ``health`` is the path that says whether a backend may be asked. ``shadow_only``: no policy let it through to
    answer, so it may hear copies of requests and nothing else. ``trust`` is of https backends."""

    name: str
    number: int
    digest: str
    backends: tuple[Backend, ...]
    names: tuple[str, ...] = ()
    health: str = ""
    shadow_only: bool = False
    trust: BackendTrust = BackendTrust()


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests whose header has this value (or any, when it is empty) go to the arm, whatever the split."""

    header: str
    value: str
    arm: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one gateway lets through of a rate."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` in ``seconds``, refilled all the time."""

    count: int
    seconds: int

    def shared(self, by: int) -> Part:
        """One of so many equal parts of it: what does not divide is made up for by time."""
        count = -(-self.count // by)
        return Part(count, self.seconds * by * count / self.count)


@dataclass(frozen=True, slots=True)
class Quota:
    """``tokens`` of language models, asked and answered together, in every period of ``seconds``."""

    tokens: int
    seconds: int


@dataclass(frozen=True, slots=True)
class KeyAuth:
    """Who may ask, by an API key in ``header``: client names by key. The client's name becomes the tenant."""

    header: str = "x-api-key"
    clients: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TokenAuth:
    """Who may ask, by a JSON Web Token: ``jwks`` as JSON text. ``tenant_claim`` and ``user_claim`` say who they are."""

    issuer: str
    jwks: str
    audience: str = ""
    tenant_claim: str = ""
    user_claim: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed request is sent again, to another backend of the same arm."""

    times: int = 0
    on_server_errors: bool = False


@dataclass(frozen=True, slots=True)
class Breaker:
    """What an arm takes at once before the gateway refuses. After ``ejects_after`` errors in a row a backend rests."""

    connections: int = 1_024
    pending: int = 1_024
    requests: int = 1_024
    ejects_after: int = 5


@dataclass(frozen=True, slots=True)
class Sticky:
    """Users keep their arm. ``header`` names the user; ``salt`` is the endpoint's own, and a secret."""

    header: str
    salt: str


@dataclass(frozen=True, slots=True)
class Shadow:
    """``points`` basis points of the requests are copied to ``arm``, and both answers kept for comparing: so many bytes
    of them, 0 where only whether they were answered is compared."""

    arm: str
    points: int
    body_bytes: int = 65_536


@dataclass(frozen=True, slots=True)
class Capture:
    """What is kept of copied requests and their answers: at most ``body_bytes`` of each, without the values of the
    fields ``redact`` names."""

    redact: tuple[str, ...] = ()
    body_bytes: int = 65_536


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``baseline`` is the arm that answers when nothing else may. ``asks_at`` is the path that every backend is asked
    at, the same for all arms because a gateway chooses the arm after the path; empty to leave it as it came.
    ``rate`` is for every tenant that is not in ``tenant_rates``, ``quota`` likewise; None is none. ``guarded_by`` is
    the stage or alias whose policies an arm must have passed to answer. ``adapters`` are other names that a body may
    call it by."""

    namespace: str
    name: str
    model: str
    baseline: str
    arms: tuple[Arm, ...]
    asks_at: str = ""
    sticky: Sticky | None = None
    rules: tuple[Rule, ...] = ()
    keys: KeyAuth | None = None
    tokens: TokenAuth | None = None
    rate: Rate | None = None
    tenant_rates: Mapping[str, Rate] = field(default_factory=dict)
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    timeout_s: float = 30.0
    add_request_headers: Mapping[str, str] = field(default_factory=dict)
    add_response_headers: Mapping[str, str] = field(default_factory=dict)
    guarded_by: str = "production"
    adapters: tuple[str, ...] = ()
    capture: Capture = Capture()
    quota: Quota | None = None
    tenant_quotas: Mapping[str, Quota] = field(default_factory=dict)
    request_fields: tuple[FieldRule, ...] = ()
    response_fields: tuple[FieldRule, ...] = ()
    rename_request_headers: Mapping[str, str] = field(default_factory=dict)
    rename_response_headers: Mapping[str, str] = field(default_factory=dict)
    schema: Schema | None = None

    @property
    def is_rated(self) -> bool:
        """Whether somebody may only ask so often."""
        return self.rate is not None or bool(self.tenant_rates)

    def arm(self, name: str) -> Arm:
        """One of its arms, by name."""
        return next(arm for arm in self.arms if arm.name == name)


@dataclass(frozen=True, slots=True)
class Routing:
    """What a gateway is to do for an endpoint: immutable, and named by its generation. ``killed``: the baseline answers
    everything, whatever the table says. ``refused`` is not the generation's: which tenants used up their tokens, and
    until when (milliseconds since the epoch). Nor are ``sharers``: how many gateways share its rates."""

    endpoint: Endpoint
    generation: int
    table: Table
    killed: bool = False
    shadow: Shadow | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    sharers: int = 1

    @property
    def key(self) -> str:
        """Of the endpoint, among all."""
        return f"{self.endpoint.namespace}.{self.endpoint.name}"
