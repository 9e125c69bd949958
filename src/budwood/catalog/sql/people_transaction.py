"""Changing what is known about people, and counting what a namespace holds, for every SQL database."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from sqlalchemy import and_, bindparam, delete, func, or_, select, update

from budwood.catalog.people_api import Answered, SigningKey
from budwood.catalog.sql.changes import insert_numbered, insert_row, upsert
from budwood.catalog.sql.index import HOLDERS, OWNERS
from budwood.catalog.sql.lineage_tables import outside
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
from budwood.catalog.sql.people_view import PeopleReads, actions_text, claims_text, scopes_text
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.tables import block, model, pack
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.manifest import BlockId
from budwood.domain.people import (
    Delivery,
    DeliveryState,
    Grant,
    Group,
    NamespaceRecord,
    Principal,
    PrincipalKind,
    Quota,
    TokenRecord,
    Trust,
    Webhook,
)
from budwood.domain.webhooks import wants
from budwood.store.api import BlockRow

_NO_QUOTA: Final = Quota()
_ADD_NAMESPACE: Final = insert_numbered(namespace)
_NAMESPACE_ID: Final = Statement(select(namespace.c.id).where(namespace.c.name == bindparam("name")))
_SET_QUOTA: Final = Statement(
    update(namespace)
    .where(namespace.c.name == bindparam("of_name"))
    .values(
        quota_bytes=bindparam("to_bytes"),
        quota_versions=bindparam("to_versions"),
        quota_uploads=bindparam("to_uploads"),
        quota_requests=bindparam("to_requests"),
        edit=namespace.c.edit + 1,
    )
)
_HAS_MODELS: Final = Statement(select(model.c.id).where(model.c.namespace == bindparam("name")).limit(1))
_REMOVE_NAMESPACE: Final = tuple(
    Statement(delete(table).where(column == bindparam("of_id")))
    for table, column in (
        (granted, granted.c.namespace_id),
        (trust, trust.c.namespace_id),
        (webhook, webhook.c.namespace_id),
        (outside, outside.c.namespace_id),
        (namespace, namespace.c.id),
    )
)
_COUNT_BYTES: Final = Statement(
    update(namespace).where(namespace.c.id == bindparam("of_id")).values(bytes=namespace.c.bytes + bindparam("more"))
)
_COUNT_VERSION: Final = Statement(
    update(namespace)
    .where(namespace.c.name == bindparam("of_name"))
    .values(versions=namespace.c.versions + bindparam("more"))
)
_GIVE_PACK: Final = Statement(
    update(pack)
    .where(pack.c.name == bindparam("of_name"), pack.c.namespace_id == 0)
    .values(namespace_id=bindparam("to_owner"))
)
_BYTES_OF_PACK: Final = Statement(
    select(func.coalesce(func.sum(block.c.length), 0))
    .join_from(pack, block, block.c.pack_id == pack.c.id)
    .where(pack.c.name == bindparam("name"))
)
_FORGET_HELD: Final = Statement(delete(holding).where(holding.c.block_id == bindparam("of_id")))
_HOLD: Final = upsert(holding, "block_id", "namespace_id")
_ADD_PRINCIPAL: Final = insert_numbered(principal)
_CHANGED: Final = ("email", "is_admin", "disabled_ms", "issuer", "subject", "owner", "earlier_owners")
_CHANGE_PRINCIPAL: Final = Statement(
    update(principal)
    .where(principal.c.id == bindparam("of_id"))
    .values({name: bindparam(f"to_{name}") for name in _CHANGED})
)
_ADD_TEAM: Final = insert_numbered(team)
_TEAM_ID: Final = Statement(select(team.c.id).where(team.c.name == bindparam("name")))
_MEMBERSHIPS: Final = Statement(
    select(member.c.principal_id, member.c.since_ms, member.c.added_by).where(member.c.team_id == bindparam("team_id"))
)
_CLEAR_TEAM: Final = Statement(delete(member).where(member.c.team_id == bindparam("of_team")))
_ADD_MEMBER: Final = insert_row(member)
_REMOVE_TEAM: Final = (
    Statement(delete(granted).where(granted.c.to_team == 1, granted.c.to_id == bindparam("of_team"))),
    _CLEAR_TEAM,
    Statement(delete(team).where(team.c.id == bindparam("of_team"))),
)
_PRINCIPAL_ID: Final = Statement(select(principal.c.id).where(principal.c.name == bindparam("name")))
_PUT_GRANT: Final = upsert(granted, "namespace_id", "to_team", "to_id", "role")
_REMOVE_GRANT: Final = Statement(
    delete(granted).where(
        and_(
            granted.c.namespace_id == bindparam("of_namespace"),
            granted.c.to_team == bindparam("of_team"),
            granted.c.to_id == bindparam("of_id"),
            granted.c.role == bindparam("of_role"),
        )
    )
)
_ADD_TOKEN: Final = insert_row(token)
_REVOKE_TOKEN: Final = Statement(
    update(token).where(token.c.id == bindparam("of_id"), token.c.revoked_ms == 0).values(revoked_ms=bindparam("to_ms"))
)
_DEAD_TOKENS: Final = Statement(
    select(token.c.id)
    .where(
        token.c.principal_id == bindparam("principal_id"),
        or_(
            and_(token.c.expires_ms > 0, token.c.expires_ms <= bindparam("before_ms")),
            and_(token.c.revoked_ms > 0, token.c.revoked_ms <= bindparam("before_ms")),
        ),
    )
    .order_by(token.c.created_ms, token.c.id)
    .limit(bindparam("limit"))
)
_FORGET_TOKEN: Final = Statement(delete(token).where(token.c.id == bindparam("of_id")))
_TOUCH_TOKEN: Final = Statement(
    update(token).where(token.c.id == bindparam("of_id")).values(used_ms=bindparam("to_ms"))
)
_ADD_TRUST: Final = insert_numbered(trust)
_REMOVE_TRUST: Final = Statement(delete(trust).where(trust.c.id == bindparam("of_id")))
_ADD_WEBHOOK: Final = insert_numbered(webhook)
_CHANGE_WEBHOOK: Final = Statement(
    update(webhook)
    .where(webhook.c.id == bindparam("of_id"))
    .values(
        url=bindparam("to_url"),
        actions=bindparam("to_actions"),
        active=bindparam("to_active"),
        edit=webhook.c.edit + 1,
    )
)
_REMOVE_WEBHOOK: Final = Statement(delete(webhook).where(webhook.c.id == bindparam("of_id")))
_LISTENING: Final = Statement(
    select(webhook.c.id, webhook.c.actions)
    .join_from(webhook, namespace, namespace.c.id == webhook.c.namespace_id)
    .where(namespace.c.name == bindparam("name"), webhook.c.active == 1)
)
_ADD_DELIVERY: Final = insert_numbered(delivery)
_CHANGE_DELIVERY: Final = Statement(
    update(delivery)
    .where(delivery.c.id == bindparam("of_id"))
    .values({name: bindparam(f"to_{name}") for name in ("state", "attempts", "next_ms", "status", "error")})
)
_OLDEST_DELIVERIES: Final = Statement(
    select(delivery.c.id, delivery.c.at_ms)
    .where(delivery.c.id > bindparam("after"))
    .order_by(delivery.c.id)
    .limit(PAGE_ROWS)
)
_FORGET_DELIVERIES: Final = Statement(delete(delivery).where(delivery.c.id <= bindparam("last")))
_REMEMBER: Final = insert_row(answer)
_FORGET_ANSWERS: Final = Statement(delete(answer).where(answer.c.at_ms < bindparam("before_ms")))
_STAGE: Final = upsert(staged, "lease_id", "block_id")
_ADD_KEY: Final = insert_row(signing_key)
_RETIRE_KEY: Final = Statement(
    update(signing_key).where(signing_key.c.id == bindparam("of_id")).values(retired_ms=bindparam("to_ms"))
)
_SET_META: Final = upsert(meta, "key")


class Listener(NamedTuple):
    """A webhook that is told of some actions in its namespace."""

    webhook_id: int
    actions: Sequence[str]


class PeopleWrites(PeopleReads):
    """``catalog.people_api.PeopleTransaction`` over one session."""

    __slots__ = ()

    def add_namespace(self, name: str, *, at_ms: int, quota: Quota = _NO_QUOTA) -> NamespaceRecord:
        id_ = self._session.add(
            _ADD_NAMESPACE,
            name=name,
            created_ms=at_ms,
            bytes=0,
            versions=0,
            quota_bytes=quota.bytes,
            quota_versions=quota.versions,
            quota_uploads=quota.uploads,
            quota_requests=quota.requests,
            edit=0,
        )
        self._forget_rooms()
        return NamespaceRecord(id_, name, at_ms, quota)

    def set_quota(self, namespace: str, quota: Quota) -> NamespaceRecord:
        self._session.change(
            _SET_QUOTA,
            of_name=namespace,
            to_bytes=quota.bytes,
            to_versions=quota.versions,
            to_uploads=quota.uploads,
            to_requests=quota.requests,
        )
        self._forget_rooms()
        changed = self.namespace(namespace)
        assert changed is not None, "a quota belongs to a namespace"
        return changed

    def remove_namespace(self, namespace: str) -> None:
        assert self._session.one(_HAS_MODELS, name=namespace) is None, "a namespace with models stays"
        for statement in _REMOVE_NAMESPACE:
            self._session.change(statement, of_id=self._namespace_id(namespace))
        self._forget_rooms()

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
    ) -> Principal:
        id_ = self._session.add(
            _ADD_PRINCIPAL,
            name=name,
            kind=str(kind),
            created_ms=at_ms,
            email=email,
            is_admin=int(is_admin),
            disabled_ms=0,
            issuer=issuer,
            subject=subject,
            owner=owner,
            earlier_owners="[]",
        )
        return Principal(id_, name, kind, at_ms, email, is_admin, 0, issuer, subject, owner)

    def change_principal(self, principal: Principal) -> None:
        self._session.ring()
        self._session.change(
            _CHANGE_PRINCIPAL,
            of_id=principal.id,
            to_email=principal.email,
            to_is_admin=int(principal.is_admin),
            to_disabled_ms=principal.disabled_ms,
            to_issuer=principal.issuer,
            to_subject=principal.subject,
            to_owner=principal.owner,
            to_earlier_owners=json.dumps(list(principal.earlier_owners)),
        )

    def add_group(self, name: str, *, at_ms: int) -> Group:
        return Group(self._session.add(_ADD_TEAM, name=name, created_ms=at_ms), name, at_ms)

    def set_members(self, group: str, principal_ids: Sequence[int], *, at_ms: int = 0, by: str = "") -> None:
        self._session.ring()
        team_id = self._id(_TEAM_ID, group)
        before = {row[0]: (row[1], row[2]) for row in self._session.all(_MEMBERSHIPS, team_id=team_id)}
        self._session.change(_CLEAR_TEAM, of_team=team_id)
        rows = []
        for each in dict.fromkeys(principal_ids):
            since_ms, added_by = before.get(each, (at_ms, by))
            rows.append({"team_id": team_id, "principal_id": each, "since_ms": since_ms, "added_by": added_by})
        self._session.change_many(_ADD_MEMBER, rows)

    def remove_group(self, name: str) -> None:
        self._session.ring()
        for statement in _REMOVE_TEAM:
            self._session.change(statement, of_team=self._id(_TEAM_ID, name))

    def put_grant(self, grant: Grant) -> None:
        self._session.ring()
        self._session.change(
            _PUT_GRANT,
            namespace_id=self._id(_NAMESPACE_ID, grant.namespace),
            to_team=int(grant.to_group),
            to_id=self._grantee(grant),
            role=str(grant.role),
            granted_by=grant.granted_by,
            granted_ms=grant.granted_ms,
        )

    def remove_grant(self, grant: Grant) -> bool:
        self._session.ring()
        removed = self._session.change(
            _REMOVE_GRANT,
            of_namespace=self._id(_NAMESPACE_ID, grant.namespace),
            of_team=int(grant.to_group),
            of_id=self._grantee(grant),
            of_role=str(grant.role),
        )
        return removed > 0

    def add_token(self, token: TokenRecord, token_hash: bytes) -> None:
        self._session.change(
            _ADD_TOKEN,
            id=token.id,
            hash=token_hash,
            principal_id=token.principal_id,
            name=token.name,
            scopes=scopes_text(token.scopes),
            created_ms=token.created_ms,
            expires_ms=token.expires_ms,
            revoked_ms=token.revoked_ms,
            used_ms=token.used_ms,
        )

    def revoke_token(self, token_id: str, *, at_ms: int) -> None:
        self._session.ring()
        self._session.change(_REVOKE_TOKEN, of_id=token_id, to_ms=at_ms)

    def touch_token(self, token_id: str, *, at_ms: int) -> None:
        self._session.change(_TOUCH_TOKEN, of_id=token_id, to_ms=at_ms)

    def forget_tokens(self, principal_id: int, *, before_ms: int) -> Sequence[str]:
        found = self._session.all(_DEAD_TOKENS, principal_id=principal_id, before_ms=before_ms, limit=PAGE_ROWS)
        self._session.change_many(_FORGET_TOKEN, ({"of_id": row[0]} for row in found))
        return [row[0] for row in found]

    def add_trust(self, trust: Trust) -> Trust:
        id_ = self._session.add(
            _ADD_TRUST,
            namespace_id=self._id(_NAMESPACE_ID, trust.namespace),
            issuer=trust.issuer,
            audience=trust.audience,
            subject=trust.subject,
            role=str(trust.role),
            claims=claims_text(trust.claims),
            created_ms=trust.created_ms,
            created_by=trust.created_by,
        )
        return replace(trust, id=id_)

    def remove_trust(self, trust_id: int) -> None:
        self._session.change(_REMOVE_TRUST, of_id=trust_id)

    def add_webhook(self, webhook: Webhook, secret: bytes) -> Webhook:
        id_ = self._session.add(
            _ADD_WEBHOOK,
            namespace_id=self._id(_NAMESPACE_ID, webhook.namespace),
            url=webhook.url,
            actions=actions_text(webhook.actions),
            active=int(webhook.active),
            secret=secret,
            created_ms=webhook.created_ms,
            created_by=webhook.created_by,
            edit=webhook.edit,
            kind=str(webhook.kind),
        )
        self._forget_rooms()
        return replace(webhook, id=id_)

    def change_webhook(self, webhook: Webhook) -> Webhook:
        self._session.change(
            _CHANGE_WEBHOOK,
            of_id=webhook.id,
            to_url=webhook.url,
            to_actions=actions_text(webhook.actions),
            to_active=int(webhook.active),
        )
        self._forget_rooms()
        changed = self.webhook(webhook.id)
        assert changed is not None, "a webhook that is changed is there"
        return changed

    def remove_webhook(self, webhook_id: int) -> None:
        self._session.change(_REMOVE_WEBHOOK, of_id=webhook_id)
        self._forget_rooms()

    def add_delivery(self, delivery: Delivery) -> Delivery:
        id_ = self._session.add(
            _ADD_DELIVERY,
            webhook_id=delivery.webhook_id,
            sequence=delivery.sequence,
            state=str(delivery.state),
            attempts=delivery.attempts,
            next_ms=delivery.next_ms,
            status=delivery.status,
            error=delivery.error,
            at_ms=delivery.at_ms,
        )
        return replace(delivery, id=id_)

    def change_delivery(self, delivery: Delivery) -> None:
        self._session.change(
            _CHANGE_DELIVERY,
            of_id=delivery.id,
            to_state=str(delivery.state),
            to_attempts=delivery.attempts,
            to_next_ms=delivery.next_ms,
            to_status=delivery.status,
            to_error=delivery.error,
        )

    def forget_deliveries(self, *, before_ms: int) -> int:
        old = [row[0] for row in self._session.all(_OLDEST_DELIVERIES, after=0) if row[1] < before_ms]
        return self._session.change(_FORGET_DELIVERIES, last=max(old)) if old else 0

    def remember_answer(self, principal_id: int, key: str, answered: Answered) -> None:
        self._session.change_soon(
            _REMEMBER,
            principal_id=principal_id,
            key=key,
            digest=answered.digest,
            at_ms=answered.at_ms,
            status=answered.status,
            body=answered.body,
        )

    def forget_answers(self, *, before_ms: int) -> None:
        self._session.change(_FORGET_ANSWERS, before_ms=before_ms)

    def stage_blocks(self, lease_id: str, ids: Sequence[BlockId]) -> None:
        self._session.change_many(_STAGE, ({"lease_id": lease_id, "block_id": each} for each in sorted(set(ids))))

    def give_packs(self, packs: Sequence[str], namespace: str) -> None:
        owner = self._id(_NAMESPACE_ID, namespace)
        more: Counter[int] = Counter()
        for name in packs:
            if self._session.change(_GIVE_PACK, of_name=name, to_owner=owner):
                more[owner] += int(self._session.all(_BYTES_OF_PACK, name=name)[0][0])
        self._count_bytes(more)

    def hold_blocks(self, namespace: str, lengths: Mapping[BlockId, int]) -> None:
        owner = self._id(_NAMESPACE_ID, namespace)
        held = {each for each, holder, _ in self._ask(HOLDERS, tuple(lengths)) if holder == owner}
        new = {each: length for each, length in lengths.items() if each not in held}
        rows = ({"block_id": each, "namespace_id": owner, "length": new[each]} for each in sorted(new))
        self._session.change_many(_HOLD, rows)
        self._count_bytes(Counter({owner: sum(new.values())}))

    def add_signing_key(self, key: SigningKey) -> None:
        self._session.change(
            _ADD_KEY, id=key.id, secret=key.secret, created_ms=key.created_ms, retired_ms=key.retired_ms
        )

    def retire_signing_key(self, key_id: str, *, at_ms: int) -> None:
        self._session.change(_RETIRE_KEY, of_id=key_id, to_ms=at_ms)

    def set_meta(self, key: str, value: str) -> None:
        self._session.change(_SET_META, key=key, value=value)

    # What the rest of a transaction tells: blocks, versions and ledger entries that came or went

    def _count_blocks(self, rows: Sequence[BlockRow], owners: Mapping[str, int]) -> None:
        """Rows that come, and the places of those that were elsewhere before. ``owners`` says whose each pack is."""
        more: Counter[int] = Counter()
        for _, owner, length, _ in self._ask(OWNERS, [row.id for row in rows]):
            more[owner] -= length
        for row in {row.id: row for row in rows}.values():
            more[owners[row.pack]] += row.length
        self._count_bytes(more)

    def _forget_counted(self, ids: Sequence[BlockId]) -> None:
        """Condemned blocks are about to be forgotten: they count no longer, and nobody holds them."""
        less: Counter[int] = Counter()
        leaving = []
        for each, owner, length, condemned_ms in self._ask(OWNERS, ids):
            if condemned_ms:
                less[owner] -= length
                leaving.append(each)
        held = list(self._ask(HOLDERS, leaving))
        for _, owner, length in held:
            less[owner] -= length
        self._session.change_many(_FORGET_HELD, ({"of_id": each} for each in sorted({row[0] for row in held})))
        self._count_bytes(less)

    def _count_bytes(self, more: Mapping[int, int]) -> None:
        for owner, change in more.items():
            if owner and change:
                self._session.change(_COUNT_BYTES, of_id=owner, more=change)

    def _count_versions(self, namespace: str, more: int) -> None:
        self._session.change_soon(_COUNT_VERSION, of_name=namespace, more=more)

    def _announce(self, namespace: str, action: str, sequence: int, at_ms: int) -> None:
        for each in self._listening(namespace):
            if wants(each.actions, action):
                waiting = Delivery(0, each.webhook_id, sequence, DeliveryState.WAITING, next_ms=at_ms, at_ms=at_ms)
                self.add_delivery(waiting)

    def _listening(self, namespace: str) -> Sequence[Listener]:
        rows = self._session.all(_LISTENING, name=namespace)
        return [Listener(webhook_id, json.loads(actions)) for webhook_id, actions in rows]

    def _forget_rooms(self) -> None:
        """What was learnt of namespaces, their quotas, webhooks and standards is not so any more."""

    def _namespace_id(self, name: str) -> int:
        """0 for one that is not there."""
        row = self._session.one(_NAMESPACE_ID, name=name) if name else None
        return int(row[0]) if row else 0

    def _grantee(self, grant: Grant) -> int:
        return self._id(_TEAM_ID if grant.to_group else _PRINCIPAL_ID, grant.to)

    def _id(self, statement: Statement, name: str) -> int:
        row = self._session.one(statement, name=name)
        assert row is not None, f"there is no {name!r}"
        return int(row[0])
