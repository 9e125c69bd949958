"""What the routes about people take and give where no record says it. Read ``domain/asks.py`` first.

In a change, what is None stays as it is. A page's cursor is the next page's ``after``; empty at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from budwood.domain.people import (
    Delivery,
    Grant,
    Group,
    NamespaceRecord,
    Principal,
    PrincipalKind,
    Quota,
    TokenRecord,
    Trust,
    Webhook,
    WebhookKind,
)

PAGE: int = 100


# Queries


@dataclass(frozen=True, slots=True)
class ListByName:
    """Those behind ``after``, by name."""

    after: str = ""
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class ListTokens:
    """Those of one person or account; empty: your own."""

    person: str = ""


@dataclass(frozen=True, slots=True)
class ListDeliveries:
    """Newest first; with ids below ``before``, when it is not 0."""

    before: int = 0
    limit: int = PAGE


# Requests


@dataclass(frozen=True, slots=True)
class AddNamespace:
    name: str
    quota: Quota = Quota()


@dataclass(frozen=True, slots=True)
class ChangeQuota:
    """0 takes a bound away."""

    bytes: int | None = None
    versions: int | None = None
    uploads: int | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class AddPerson:
    """``kind`` is person or service; ``owner`` is the person whom a service account answers to."""

    name: str
    kind: PrincipalKind = PrincipalKind.PERSON
    email: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class ChangePerson:
    email: str | None = None
    is_admin: bool | None = None
    disabled: bool | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class AddGroup:
    name: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetMembers:
    """All of them."""

    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MakeToken:
    """For ``person``, or for yourself. ``scopes`` None: all your own token may; ``good_s`` 0: as long as may be."""

    name: str
    person: str = ""
    scopes: tuple[str, ...] | None = None
    good_s: int = 0


@dataclass(frozen=True, slots=True)
class AddTrust:
    """Tokens of ``issuer`` for ``audience`` whose subject is exactly ``subject`` get ``role``."""

    issuer: str
    audience: str
    subject: str
    role: str
    claims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddWebhook:
    """``actions`` empty: all. ``*`` may end a pattern. ``key`` is what a receiver of OpenLineage asks for."""

    url: str
    actions: tuple[str, ...] = ()
    kind: WebhookKind = WebhookKind.LEDGER
    key: str = ""


@dataclass(frozen=True, slots=True)
class ChangeWebhook:
    url: str | None = None
    actions: tuple[str, ...] | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """A token that an identity provider gave to a workload."""

    token: str


@dataclass(frozen=True, slots=True)
class FinishLogin:
    """What came of a login in a browser: the code, and what it was asked for with (RFC 7636, OpenID Connect)."""

    code: str
    verifier: str
    nonce: str
    redirect_uri: str


# Answers


@dataclass(frozen=True, slots=True)
class NamespacePage:
    namespaces: tuple[NamespaceRecord, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class PeoplePage:
    people: tuple[Principal, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class GroupPage:
    groups: tuple[Group, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Grants:
    """All that are granted in a namespace; their ETag guards the next change."""

    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Newest first."""

    tokens: tuple[TokenRecord, ...]


@dataclass(frozen=True, slots=True)
class Trusts:
    trusts: tuple[Trust, ...]


@dataclass(frozen=True, slots=True)
class Webhooks:
    webhooks: tuple[Webhook, ...]


@dataclass(frozen=True, slots=True)
class MadeWebhook:
    """A new webhook. ``secret`` is shown this once; with it, receivers check signatures."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """``cursor`` is the next page's ``before``; 0 at the end."""

    deliveries: tuple[Delivery, ...]
    cursor: int = 0


@dataclass(frozen=True, slots=True)
class LoginOffer:
    """Where to log in with a browser, as which client, and what to ask for (OpenID Connect's ``scope``).
    All empty where people log in with tokens only."""

    issuer: str
    client_id: str
    authorize_url: str
    scope: str
