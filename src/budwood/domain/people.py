"""The records of a registry that several people share: namespaces, principals, groups, grants, tokens, hooks, usage.

They are values; times are milliseconds since the epoch, UTC. A secret is never in a record: only its SHA-256 is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from budwood.domain.access import Role


class PrincipalKind(StrEnum):
    """What acts: a human being, a program with an account, or a job that an issuer vouches for."""

    PERSON = "person"
    SERVICE = "service"
    WORKLOAD = "workload"


@dataclass(frozen=True, slots=True)
class Quota:
    """What a namespace may hold; 0 means no bound. ``requests`` is a rate per second over all its callers."""

    bytes: int = 0
    versions: int = 0
    uploads: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class NamespaceRecord:
    """A tenant's room. ``edit`` changes with every edit and is its ETag."""

    id: int
    name: str
    created_ms: int
    quota: Quota = Quota()
    edit: int = 0


@dataclass(frozen=True, slots=True)
class NamespaceUsage:
    """What a namespace holds now. ``bytes`` are encoded bytes it sent in full, whoever else has them too;
    ``staged_bytes`` belong to pushes that are not published yet."""

    namespace: str
    bytes: int
    versions: int
    staged_bytes: int
    open_uploads: int
    quota: Quota = Quota()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. ``issuer`` and ``subject`` tie it to an identity provider; both empty for one made here.

    ``owner`` is the person whom a service account or workload answers to, "" while nobody said; ``earlier_owners`` are
    those it answered to before, who made what it did then.
    """

    id: int
    name: str
    kind: PrincipalKind
    created_ms: int
    email: str = ""
    is_admin: bool = False
    disabled_ms: int = 0
    issuer: str = ""
    subject: str = ""
    owner: str = ""
    earlier_owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """Since when somebody is in a group, and who let them in."""

    at_ms: int
    by: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Principals that are given roles together."""

    id: int
    name: str
    created_ms: int
    members: tuple[str, ...] = ()
    joined: Mapping[str, Joined] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that a principal, or a group when ``to_group``, holds in a namespace."""

    namespace: str
    to: str
    role: Role
    to_group: bool = False
    granted_by: str = ""
    granted_ms: int = 0


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token, without its secret. ``scopes`` are as ``Scope.parse`` reads them; None means all its principal may do.

    ``expires_ms`` and ``revoked_ms`` are 0 when it never does, or was not.
    """

    id: str
    principal_id: int
    principal: str
    name: str
    created_ms: int
    expires_ms: int = 0
    revoked_ms: int = 0
    used_ms: int = 0
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Trust:
    """A workload issuer that a namespace trusts: tokens of ``issuer`` for ``audience`` whose subject is exactly
    ``subject`` and whose other claims equal ``claims`` get ``role`` there, for a short time."""

    id: int
    namespace: str
    issuer: str
    audience: str
    subject: str
    role: Role
    claims: tuple[tuple[str, str], ...] = ()
    created_ms: int = 0
    created_by: str = ""


class WebhookKind(StrEnum):
    """What is sent: entries of the ledger as they are, signed; or what they mean as events of OpenLineage, or of MLflow
    for those that its clients made."""

    LEDGER = "ledger"
    OPENLINEAGE = "openlineage"
    MLFLOW = "mlflow"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the ledger entries of a namespace are sent. ``actions`` empty means all; ``*`` may end a word."""

    id: int
    namespace: str
    url: str
    actions: tuple[str, ...] = ()
    active: bool = True
    created_ms: int = 0
    created_by: str = ""
    edit: int = 0
    kind: WebhookKind = WebhookKind.LEDGER


class DeliveryState(StrEnum):
    """Where a delivery stands: waiting for its (next) try, done, or given up and kept to be looked at."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One ledger entry on its way to one hook."""

    id: int
    webhook_id: int
    sequence: int
    state: DeliveryState
    attempts: int = 0
    next_ms: int = 0
    status: int = 0
    error: str = ""
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class WhoAmI:
    """What a caller is told about themselves: name, kind, where they may do what, and their token."""

    name: str
    kind: PrincipalKind
    is_admin: bool
    permissions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    token: TokenRecord | None = None
