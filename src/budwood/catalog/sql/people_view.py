"""Reading about people, for every SQL database. ``view.py`` joins it with the rest."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain, islice, repeat
from typing import Final

from sqlalchemy import and_, bindparam, func, literal_column, select, union_all
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from budwood.catalog.people_api import Answered, Known, Reach, SigningKey
from budwood.catalog.sql.index import IndexView
from budwood.catalog.sql.people_tables import (
    answer,
    delivery,
    granted,
    holding,
    member,
    meta,
    namespace,
    principal,
    signing_key,
    staged,
    team,
    token,
    trust,
    webhook,
)
from budwood.catalog.sql.session import Row, Statement, known, opaque
from budwood.catalog.sql.tables import block, lease, model, pack, version
from budwood.domain.access import Role
from budwood.domain.limits import GROUP_MEMBERS, PAGE_ROWS
from budwood.domain.manifest import BlockId
from budwood.domain.people import (
    Delivery,
    DeliveryState,
    Grant,
    Group,
    Joined,
    NamespaceRecord,
    NamespaceUsage,
    Principal,
    PrincipalKind,
    Quota,
    TokenRecord,
    Trust,
    Webhook,
    WebhookKind,
)

_namespaces: Final = select(
    namespace.c.id,
    namespace.c.name,
    namespace.c.created_ms,
    namespace.c.quota_bytes,
    namespace.c.quota_versions,
    namespace.c.quota_uploads,
    namespace.c.quota_requests,
    namespace.c.edit,
)
_NAMESPACE: Final = Statement(_namespaces.where(namespace.c.name == bindparam("name")))
_NAMESPACES: Final = Statement(
    _namespaces.where(namespace.c.name > bindparam("after")).order_by(namespace.c.name).limit(bindparam("limit"))
)
_COUNTED: Final = Statement(
    select(namespace.c.bytes, namespace.c.versions).where(namespace.c.name == bindparam("name"))
)
_STAGED_BYTES: Final = Statement(
    select(func.coalesce(func.sum(block.c.length), 0))
    .join_from(lease, staged, staged.c.lease_id == lease.c.id)
    .join(block, block.c.id == staged.c.block_id)
    .where(lease.c.namespace == bindparam("name"), lease.c.expires_ms > bindparam("now_ms"))
)
_OPEN_UPLOADS: Final = Statement(
    select(func.count()).where(lease.c.namespace == bindparam("name"), lease.c.expires_ms > bindparam("now_ms"))
)
_VERSIONS_OF: Final = Statement(
    select(func.count())
    .select_from(model)
    .join(version, version.c.model_id == model.c.id)
    .where(model.c.namespace == bindparam("name"))
)
_PACKED_BYTES: Final = Statement(
    select(func.coalesce(func.sum(block.c.length), 0))
    .join_from(pack, block, block.c.pack_id == pack.c.id)
    .where(pack.c.namespace_id == bindparam("namespace_id"))
)
_HELD_BYTES: Final = Statement(
    select(func.coalesce(func.sum(holding.c.length), 0)).where(holding.c.namespace_id == bindparam("namespace_id"))
)
_principals: Final = select(*principal.c)
_PRINCIPAL: Final = Statement(_principals.where(principal.c.name == bindparam("name")))
# Written out, not bound: only then is it seen to match the partial index.
_has_issuer: Final = principal.c.issuer != literal_column("''")
_BY_SUBJECT: Final = Statement(
    _principals.where(
        principal.c.issuer == bindparam("issuer"), principal.c.subject == bindparam("subject"), _has_issuer
    )
)
_PRINCIPALS: Final = Statement(
    _principals.where(principal.c.name > bindparam("after")).order_by(principal.c.name).limit(bindparam("limit"))
)
_GROUP: Final = Statement(select(*team.c).where(team.c.name == bindparam("name")))
_GROUPS: Final = Statement(
    select(*team.c).where(team.c.name > bindparam("after")).order_by(team.c.name).limit(bindparam("limit"))
)
_MEMBERS: Final = Statement(
    select(principal.c.name, member.c.since_ms, member.c.added_by)
    .join_from(member, principal, principal.c.id == member.c.principal_id)
    .where(member.c.team_id == bindparam("team_id"))
    .order_by(principal.c.name)
    .limit(bindparam("limit"))
)
_granted_here: Final = (
    select(namespace.c.name, granted.c.role, granted.c.to_team, granted.c.granted_by, granted.c.granted_ms)
    .join_from(granted, namespace, namespace.c.id == granted.c.namespace_id)
    .order_by(namespace.c.name, granted.c.role)
)
_GRANTED_TO: Final = {
    0: Statement(
        _granted_here.add_columns(principal.c.name)
        .join(principal, principal.c.id == granted.c.to_id)
        .where(granted.c.to_team == 0, principal.c.name == bindparam("to"))
    ),
    1: Statement(
        _granted_here.add_columns(team.c.name)
        .join(team, team.c.id == granted.c.to_id)
        .where(granted.c.to_team == 1, team.c.name == bindparam("to"))
    ),
}
_GRANTED_IN: Final = (
    Statement(
        _granted_here.add_columns(principal.c.name)
        .join(principal, principal.c.id == granted.c.to_id)
        .where(granted.c.to_team == 0, namespace.c.name == bindparam("name"))
    ),
    Statement(
        _granted_here.add_columns(team.c.name)
        .join(team, team.c.id == granted.c.to_id)
        .where(granted.c.to_team == 1, namespace.c.name == bindparam("name"))
    ),
)
_ROLES: Final = Statement(
    union_all(
        select(namespace.c.name, granted.c.role)
        .join_from(granted, namespace, namespace.c.id == granted.c.namespace_id)
        .where(granted.c.to_team == 0, granted.c.to_id == bindparam("principal_id")),
        select(namespace.c.name, granted.c.role)
        .join_from(member, granted, granted.c.to_id == member.c.team_id)
        .join(namespace, namespace.c.id == granted.c.namespace_id)
        .where(granted.c.to_team == 1, member.c.principal_id == bindparam("principal_id")),
    )
)
_tokens: Final = select(
    token.c.id,
    token.c.principal_id,
    principal.c.name,
    token.c.name,
    token.c.created_ms,
    token.c.expires_ms,
    token.c.revoked_ms,
    token.c.used_ms,
    token.c.scopes,
).join_from(token, principal, principal.c.id == token.c.principal_id)
_KNOWN: Final = Statement(_tokens.add_columns(*principal.c).where(token.c.hash == bindparam("hash")))


def _known_within(dialect: Dialect) -> ClauseElement:
    """Token, principal, and the words of their roles in one namespace, joined: those given to them, to their groups."""
    joined = "string_agg" if dialect.name == "postgresql" else "group_concat"
    words = (
        select(getattr(func, joined)(granted.c.role, literal_column("','")))
        .join_from(granted, namespace, namespace.c.id == granted.c.namespace_id)
        .where(namespace.c.name == bindparam("name"))
    )
    direct = words.where(granted.c.to_team == 0, granted.c.to_id == principal.c.id)
    by_groups = words.join(member, member.c.team_id == granted.c.to_id).where(
        granted.c.to_team == 1, member.c.principal_id == principal.c.id
    )
    held = (each.correlate(principal).scalar_subquery() for each in (direct, by_groups))
    return _tokens.add_columns(*principal.c, *held).where(token.c.hash == bindparam("hash"))


_KNOWN_WITHIN: Final = Statement(_known_within)
_TOKEN: Final = Statement(_tokens.where(token.c.id == bindparam("token_id")))
_TOKENS: Final = Statement(
    _tokens.where(principal.c.name == bindparam("name"))
    .order_by(token.c.created_ms.desc(), token.c.id)
    .limit(bindparam("limit"))
)
_trusts: Final = select(
    trust.c.id,
    namespace.c.name,
    trust.c.issuer,
    trust.c.audience,
    trust.c.subject,
    trust.c.role,
    trust.c.claims,
    trust.c.created_ms,
    trust.c.created_by,
).join_from(trust, namespace, namespace.c.id == trust.c.namespace_id)
_IS_TRUSTED: Final = Statement(select(trust.c.id).where(trust.c.issuer == bindparam("issuer")).limit(1))
_TRUSTS_OF: Final = Statement(_trusts.where(namespace.c.name == bindparam("name")).order_by(trust.c.id))
_TRUSTS_FOR: Final = Statement(
    _trusts.where(trust.c.issuer == bindparam("issuer"), trust.c.subject == bindparam("subject")).order_by(trust.c.id)
)
_webhooks: Final = select(
    webhook.c.id,
    namespace.c.name,
    webhook.c.url,
    webhook.c.actions,
    webhook.c.active,
    webhook.c.created_ms,
    webhook.c.created_by,
    webhook.c.edit,
    webhook.c.kind,
).join_from(webhook, namespace, namespace.c.id == webhook.c.namespace_id)
_WEBHOOK: Final = Statement(_webhooks.where(webhook.c.id == bindparam("webhook_id")))
_WEBHOOKS: Final = Statement(_webhooks.where(namespace.c.name == bindparam("name")).order_by(webhook.c.id))
_SECRET: Final = Statement(select(webhook.c.secret).where(webhook.c.id == bindparam("webhook_id")))
_DELIVERIES: Final = Statement(
    select(*delivery.c)
    .where(delivery.c.webhook_id == bindparam("webhook_id"), delivery.c.id < bindparam("before"))
    .order_by(delivery.c.id.desc())
    .limit(bindparam("limit"))
)


@cache
def _due(width: int) -> Statement:
    """Without those of so many webhooks."""
    return Statement(
        select(*delivery.c)
        .join_from(delivery, webhook, webhook.c.id == delivery.c.webhook_id)
        .where(
            delivery.c.state == str(DeliveryState.WAITING),
            delivery.c.next_ms <= bindparam("now_ms"),
            # Not a column alone: SQLite would begin at the webhooks, and sort.
            opaque(and_(webhook.c.active == 1, *(webhook.c.id != bindparam(f"not{n}") for n in range(width)))),
        )
        .order_by(delivery.c.next_ms, delivery.c.id)
        .limit(bindparam("limit"))
    )


_ANSWERED: Final = Statement(
    select(answer.c.digest, answer.c.at_ms, answer.c.status, answer.c.body).where(
        answer.c.principal_id == bindparam("principal_id"), answer.c.key == bindparam("key")
    )
)
_STAGED_OF: Final = Statement(select(staged.c.block_id).where(staged.c.lease_id == bindparam("lease_id")))
_STAGED_ALIVE: Final = Statement(
    select(staged.c.block_id)
    .join_from(lease, staged, staged.c.lease_id == lease.c.id)
    .where(lease.c.expires_ms > bindparam("now_ms"))
)
_PACK_OWNER: Final = Statement(
    select(namespace.c.name)
    .join_from(pack, namespace, namespace.c.id == pack.c.namespace_id)
    .where(pack.c.name == bindparam("name"))
)
_SIGNING: Final = Statement(select(*signing_key.c).order_by(signing_key.c.created_ms.desc(), signing_key.c.id.desc()))
_META: Final = Statement(select(meta.c.value).where(meta.c.key == bindparam("key")))
_FAR: Final = 1 << 62


class PeopleReads(IndexView):
    """``catalog.people_api.PeopleView`` over one session."""

    __slots__ = ()

    def namespace(self, name: str) -> NamespaceRecord | None:
        row = self._session.one(_NAMESPACE, name=name)
        return _namespace_from(row) if row else None

    def namespaces(self, *, after: str = "", limit: int = 100, reach: Reach = None) -> Sequence[NamespaceRecord]:
        count = max(0, min(limit, PAGE_ROWS))
        if reach is not None:
            near = sorted(name for name in reach if name > after)[:count]
            return [found for name in near if (found := self.namespace(name)) is not None]
        return [_namespace_from(row) for row in self._session.all(_NAMESPACES, after=after, limit=count)]

    def usage(self, namespace: str, *, now_ms: int) -> NamespaceUsage | None:
        record, counted = self.namespace(namespace), self._session.one(_COUNTED, name=namespace)
        if record is None or counted is None:
            return None
        staged_bytes = self._session.all(_STAGED_BYTES, name=namespace, now_ms=now_ms)[0][0]
        uploads = self._session.all(_OPEN_UPLOADS, name=namespace, now_ms=now_ms)[0][0]
        return NamespaceUsage(namespace, counted[0], counted[1], int(staged_bytes), uploads, record.quota)

    def recount(self, namespace: str, *, now_ms: int) -> NamespaceUsage | None:
        record, usage = self.namespace(namespace), self.usage(namespace, now_ms=now_ms)
        if record is None or usage is None:
            return None
        packed, held = (self._session.all(sent, namespace_id=record.id)[0][0] for sent in (_PACKED_BYTES, _HELD_BYTES))
        versions = self._session.all(_VERSIONS_OF, name=namespace)[0][0]
        return replace(usage, bytes=int(packed) + int(held), versions=versions)

    def principal(self, name: str) -> Principal | None:
        row = self._session.one(_PRINCIPAL, name=name)
        return _principal_from(row) if row else None

    def principal_by_subject(self, issuer: str, subject: str) -> Principal | None:
        row = self._session.one(_BY_SUBJECT, issuer=issuer, subject=subject)
        return _principal_from(row) if row else None

    def principals(self, *, after: str = "", limit: int = 100) -> Sequence[Principal]:
        return [_principal_from(row) for row in self._session.all(_PRINCIPALS, after=after, limit=_page(limit))]

    def group(self, name: str) -> Group | None:
        row = self._session.one(_GROUP, name=name)
        return self._group_from(row) if row else None

    def groups(self, *, after: str = "", limit: int = 100) -> Sequence[Group]:
        return [self._group_from(row) for row in self._session.all(_GROUPS, after=after, limit=_page(limit))]

    def grants(self, *, namespace: str = "", to: str = "", to_group: bool = False) -> Sequence[Grant]:
        if namespace:
            rows = [row for statement in _GRANTED_IN for row in self._session.all(statement, name=namespace)]
        else:
            rows = self._session.all(_GRANTED_TO[int(to_group)], to=to)
        found = [
            Grant(room, name, known(Role, role), bool(to_team), granted_by, granted_ms)
            for room, role, to_team, granted_by, granted_ms, name in rows
        ]
        return [grant for grant in found if not to or (grant.to, grant.to_group) == (to, to_group)]

    def roles_of(self, principal_id: int) -> dict[str, frozenset[Role]]:
        roles: dict[str, frozenset[Role]] = {}
        for room, role in self._session.all(_ROLES, principal_id=principal_id):
            roles[room] = roles.get(room, frozenset()) | {known(Role, role)}
        return roles

    def known(self, token_hash: bytes, *, within: str = "") -> Known | None:
        if within:
            return self._known_within(token_hash, within)
        row = self._session.one(_KNOWN, hash=token_hash)
        if row is None:
            return None
        whose = _principal_from(row[9:])
        return Known(_token_from(row[:9]), whose, {} if whose.is_admin else self.roles_of(whose.id))

    def _known_within(self, token_hash: bytes, namespace: str) -> Known | None:
        row = self._session.one(_KNOWN_WITHIN, hash=token_hash, name=namespace)
        if row is None:
            return None
        *rest, direct, by_groups = row
        words = {word for words in (direct, by_groups) if words for word in words.split(",")}
        roles = {namespace: frozenset(known(Role, word) for word in words)} if words else {}
        return Known(_token_from(tuple(rest[:9])), _principal_from(tuple(rest[9:])), roles)

    def token(self, token_id: str) -> TokenRecord | None:
        row = self._session.one(_TOKEN, token_id=token_id)
        return _token_from(row) if row else None

    def tokens(self, principal: str) -> Sequence[TokenRecord]:
        return [_token_from(row) for row in self._session.all(_TOKENS, name=principal, limit=PAGE_ROWS)]

    def trusts(self, *, namespace: str = "", issuer: str = "", subject: str = "") -> Sequence[Trust]:
        if namespace:
            rows = self._session.all(_TRUSTS_OF, name=namespace)
        else:
            rows = self._session.all(_TRUSTS_FOR, issuer=issuer, subject=subject)
        return [_trust_from(row) for row in rows]

    def is_trusted(self, issuer: str) -> bool:
        return self._session.one(_IS_TRUSTED, issuer=issuer) is not None

    def webhook(self, webhook_id: int) -> Webhook | None:
        row = self._session.one(_WEBHOOK, webhook_id=webhook_id)
        return _webhook_from(row) if row else None

    def webhooks(self, namespace: str) -> Sequence[Webhook]:
        return [_webhook_from(row) for row in self._session.all(_WEBHOOKS, name=namespace)]

    def webhook_secret(self, webhook_id: int) -> bytes | None:
        row = self._session.one(_SECRET, webhook_id=webhook_id)
        return bytes(row[0]) if row else None

    def deliveries(self, webhook_id: int, *, before: int = 0, limit: int = 100) -> Sequence[Delivery]:
        rows = self._session.all(_DELIVERIES, webhook_id=webhook_id, before=before or _FAR, limit=_page(limit))
        return [_delivery_from(row) for row in rows]

    def due_deliveries(self, *, now_ms: int, limit: int = 100, without: Collection[int] = ()) -> Sequence[Delivery]:
        # Statements of few widths: filled up with an id that no webhook has.
        width = 1 << (len(without) - 1).bit_length() if without else 0
        names = islice(chain(without, repeat(0)), width)
        left_out = {f"not{n}": each for n, each in enumerate(names)}
        rows = self._session.all(_due(width), now_ms=now_ms, limit=_page(limit), **left_out)
        return [_delivery_from(row) for row in rows]

    def answered(self, principal_id: int, key: str) -> Answered | None:
        row = self._session.one(_ANSWERED, principal_id=principal_id, key=key)
        return Answered(bytes(row[0]), row[1], row[2], bytes(row[3])) if row else None

    def pack_owner(self, pack: str) -> str:
        row = self._session.one(_PACK_OWNER, name=pack)
        return str(row[0]) if row else ""

    def staged_blocks(self, lease_id: str = "", *, now_ms: int = 0) -> Sequence[BlockId]:
        if lease_id:
            rows = self._session.all(_STAGED_OF, lease_id=lease_id)
        else:
            rows = self._session.all(_STAGED_ALIVE, now_ms=now_ms)
        return [bytes(row[0]) for row in rows]

    def signing_keys(self) -> Sequence[SigningKey]:
        return [SigningKey(row[0], bytes(row[1]), row[2], row[3]) for row in self._session.all(_SIGNING)]

    def meta(self, key: str) -> str:
        row = self._session.one(_META, key=key)
        return str(row[0]) if row else ""

    def _group_from(self, row: Row) -> Group:
        rows = self._session.all(_MEMBERS, team_id=row[0], limit=GROUP_MEMBERS)
        joined = {name: Joined(since_ms, added_by) for name, since_ms, added_by in rows}
        return Group(row[0], row[1], row[2], tuple(joined), joined)


def actions_text(actions: Sequence[str]) -> str:
    """The column of a webhook's actions."""
    return json.dumps(list(actions))


def claims_text(claims: Sequence[tuple[str, str]]) -> str:
    """The column of a trust's claims."""
    return json.dumps([list(pair) for pair in claims])


def scopes_text(scopes: Sequence[str] | None) -> str | None:
    """The column of a token's scopes; NULL for all its principal may do."""
    return None if scopes is None else json.dumps(list(scopes))


def _page(limit: int) -> int:
    return max(0, min(limit, PAGE_ROWS))


def _namespace_from(row: Row) -> NamespaceRecord:
    return NamespaceRecord(row[0], row[1], row[2], Quota(*row[3:7]), row[7])


def _principal_from(row: Row) -> Principal:
    id_, name, kind, created_ms, email, is_admin, disabled_ms, issuer, subject, owner, earlier = row
    return Principal(
        id_,
        name,
        known(PrincipalKind, kind),
        created_ms,
        email,
        bool(is_admin),
        disabled_ms,
        issuer,
        subject,
        owner,
        tuple(json.loads(earlier)),
    )


def _token_from(row: Row) -> TokenRecord:
    id_, principal_id, whose, name, created_ms, expires_ms, revoked_ms, used_ms, scopes = row
    held = None if scopes is None else tuple(json.loads(scopes))
    return TokenRecord(id_, principal_id, whose, name, created_ms, expires_ms, revoked_ms, used_ms, held)


def _trust_from(row: Row) -> Trust:
    id_, room, issuer, audience, subject, role, claims, created_ms, created_by = row
    pairs: Sequence[Mapping[int, str]] = json.loads(claims)
    wanted = tuple((pair[0], pair[1]) for pair in pairs)
    return Trust(id_, room, issuer, audience, subject, known(Role, role), wanted, created_ms, created_by)


def _webhook_from(row: Row) -> Webhook:
    id_, room, url, actions, active, created_ms, created_by, edit, kind = row
    wanted = tuple(json.loads(actions))
    return Webhook(id_, room, url, wanted, bool(active), created_ms, created_by, edit, known(WebhookKind, kind))


def _delivery_from(row: Row) -> Delivery:
    id_, webhook_id, sequence, state, attempts, next_ms, status, error, at_ms = row
    return Delivery(id_, webhook_id, sequence, DeliveryState(state), attempts, next_ms, status, error, at_ms)
