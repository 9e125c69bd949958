"""The part of the catalog's port that speaks of people: namespaces, who may do what, tokens, webhooks, usage.

``catalog.api`` joins it with the rest: verbs see one View and one Transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from budwood.domain.access import Role
from budwood.domain.manifest import BlockId
from budwood.domain.people import (
    Delivery,
    Grant,
    Group,
    NamespaceRecord,
    NamespaceUsage,
    Principal,
    PrincipalKind,
    Quota,
    TokenRecord,
    Trust,
    Webhook,
)

Reach = frozenset[str] | None
"""The namespaces a caller may know of; None: all."""


@dataclass(frozen=True, slots=True)
class Known:
    """Whose token it is, and what they are where; what groups give is included."""

    token: TokenRecord
    principal: Principal
    roles: Mapping[str, frozenset[Role]]


@dataclass(frozen=True, slots=True)
class Answered:
    """A write that was done before under the same idempotency key: what was asked, and what was answered."""

    digest: bytes
    at_ms: int
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret with which addresses are signed; retired ones still verify."""

    id: str
    secret: bytes
    created_ms: int
    retired_ms: int = 0


class PeopleView(Protocol):
    """What can be read about people."""

    def namespace(self, name: str) -> NamespaceRecord | None: ...
    def namespaces(self, *, after: str = "", limit: int = 100, reach: Reach = None) -> Sequence[NamespaceRecord]:
        """By name, those behind ``after``."""

    def usage(self, namespace: str, *, now_ms: int) -> NamespaceUsage | None:
        """What it holds now, and what its pushes under way have staged."""

    def recount(self, namespace: str, *, now_ms: int) -> NamespaceUsage | None:
        """The same, counted from its versions, packs and holdings and not from its counters: for verify."""

    def principal(self, name: str) -> Principal | None: ...
    def principal_by_subject(self, issuer: str, subject: str) -> Principal | None: ...
    def principals(self, *, after: str = "", limit: int = 100) -> Sequence[Principal]:
        """By name, those behind ``after``."""

    def group(self, name: str) -> Group | None: ...
    def groups(self, *, after: str = "", limit: int = 100) -> Sequence[Group]:
        """By name, those behind ``after``."""

    def grants(self, *, namespace: str = "", to: str = "", to_group: bool = False) -> Sequence[Grant]:
        """Those in a namespace, or those of one principal or group."""

    def roles_of(self, principal_id: int) -> Mapping[str, frozenset[Role]]:
        """By namespace; what groups give is included."""

    def known(self, token_hash: bytes, *, within: str = "") -> Known | None:
        """Who a token belongs to, expired or revoked ones too. With a namespace, only what they are there."""

    def token(self, token_id: str) -> TokenRecord | None: ...
    def tokens(self, principal: str) -> Sequence[TokenRecord]:
        """Newest first, at most a page."""

    def trusts(self, *, namespace: str = "", issuer: str = "", subject: str = "") -> Sequence[Trust]:
        """Those of a namespace, or those for one subject of an issuer."""

    def is_trusted(self, issuer: str) -> bool:
        """Whether any namespace trusts some subject of it."""

    def webhook(self, webhook_id: int) -> Webhook | None: ...
    def webhooks(self, namespace: str) -> Sequence[Webhook]: ...
    def webhook_secret(self, webhook_id: int) -> bytes | None: ...
    def deliveries(self, webhook_id: int, *, before: int = 0, limit: int = 100) -> Sequence[Delivery]:
        """Newest first, with ids below ``before`` when it is not 0."""

    def due_deliveries(self, *, now_ms: int, limit: int = 100, without: Collection[int] = ()) -> Sequence[Delivery]:
        """Those of active webhooks that wait and whose time has come, longest due first; ``without`` are webhooks
        that are left out."""

    def answered(self, principal_id: int, key: str) -> Answered | None: ...
    def pack_owner(self, pack: str) -> str:
        """The namespace a pack belongs to; empty where that is not known."""

    def staged_blocks(self, lease_id: str = "", *, now_ms: int = 0) -> Sequence[BlockId]:
        """Those staged under one lease, or under every lease that lives."""

    def signing_keys(self) -> Sequence[SigningKey]:
        """Newest first."""

    def meta(self, key: str) -> str:
        """Empty when it was never set."""


class PeopleTransaction(Protocol):
    """What can be changed about people. Names are checked by the domain before they come here."""

    def add_namespace(self, name: str, *, at_ms: int, quota: Quota = ...) -> NamespaceRecord: ...
    def set_quota(self, namespace: str, quota: Quota) -> NamespaceRecord: ...
    def remove_namespace(self, namespace: str) -> None:
        """With its grants, trusts and webhooks. Only when it has no models; asserted."""

    def add_principal(
        self,
        name: str,
        kind: PrincipalKind,
        *,
        at_ms: int,
        email: str = "",
        is_admin: bool = False,
        issuer: str = "",
        subject: str = "",
        owner: str = "",
    ) -> Principal: ...
    def change_principal(self, principal: Principal) -> None:
        """Email, admin, disabled, issuer, subject and whom it answers to become what the record says."""

    def add_group(self, name: str, *, at_ms: int) -> Group: ...
    def set_members(self, group: str, principal_ids: Sequence[int], *, at_ms: int = 0, by: str = "") -> None:
        """Exactly these. Who was in it stays in it since then; who comes is in it since ``at_ms``, let in ``by``."""

    def remove_group(self, name: str) -> None:
        """With its grants."""

    def put_grant(self, grant: Grant) -> None: ...
    def remove_grant(self, grant: Grant) -> bool:
        """Whether there was one."""

    def add_token(self, token: TokenRecord, token_hash: bytes) -> None: ...
    def revoke_token(self, token_id: str, *, at_ms: int) -> None: ...
    def touch_token(self, token_id: str, *, at_ms: int) -> None:
        """It was used now."""

    def forget_tokens(self, principal_id: int, *, before_ms: int) -> Sequence[str]:
        """Remove those of one principal that ran out or were revoked by then; their ids."""

    def add_trust(self, trust: Trust) -> Trust:
        """The trust with its id."""

    def remove_trust(self, trust_id: int) -> None: ...
    def add_webhook(self, webhook: Webhook, secret: bytes) -> Webhook:
        """The webhook with its id."""

    def change_webhook(self, webhook: Webhook) -> Webhook:
        """URL, actions and whether it is active; ``edit`` is counted up."""

    def remove_webhook(self, webhook_id: int) -> None:
        """With its deliveries."""

    def add_delivery(self, delivery: Delivery) -> Delivery:
        """One more than ``add_ledger`` made; with its id."""

    def change_delivery(self, delivery: Delivery) -> None: ...
    def forget_deliveries(self, *, before_ms: int) -> int:
        """Remove those made before, whatever became of them; some of them at a time: 0 when none is left."""

    def remember_answer(self, principal_id: int, key: str, answered: Answered) -> None: ...
    def forget_answers(self, *, before_ms: int) -> None: ...
    def stage_blocks(self, lease_id: str, ids: Sequence[BlockId]) -> None: ...
    def give_packs(self, packs: Sequence[str], namespace: str) -> None:
        """Packs of which nobody knew whose they are belong to the namespace, and count for it."""

    def hold_blocks(self, namespace: str, lengths: Mapping[BlockId, int]) -> None:
        """The namespace proved to have these blocks by sending so many bytes for each; they count for it."""

    def add_signing_key(self, key: SigningKey) -> None: ...
    def retire_signing_key(self, key_id: str, *, at_ms: int) -> None: ...
    def set_meta(self, key: str, value: str) -> None: ...
