"""Reading about retention and holds, for every SQL database. ``view.py`` joins it with the rest."""

import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, func, or_, select

from budwood.catalog.sql.ledger_view import LedgerReads
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.retention_tables import gone, held, hold, retention_class, retention_rules
from budwood.catalog.sql.session import Row, Statement, known
from budwood.catalog.sql.tables import move
from budwood.domain.canon import unpack
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.retention import ClassSaid, Gone, Hold, RulesRecord, Scope, Service
from budwood.errors import CatalogDamaged

_HIGHEST: Final = (1 << 63) - 1
_in_namespace: Final = namespace.c.name == bindparam("namespace")
_EDITIONS: Final = Statement(
    select(
        namespace.c.name,
        retention_rules.c.number,
        retention_rules.c.body,
        retention_rules.c.author,
        retention_rules.c.at_ms,
        retention_rules.c.reason,
    )
    .join_from(retention_rules, namespace, namespace.c.id == retention_rules.c.namespace_id)
    .where(_in_namespace)
    .order_by(retention_rules.c.number.desc())
    .limit(bindparam("limit"))
)
_SAID: Final = Statement(
    select(*retention_class.c).where(
        retention_class.c.model_id == bindparam("model_id"), retention_class.c.version_id == bindparam("version_id")
    )
)
_next = move.alias("next_move")
_SERVICES: Final = Statement(
    select(
        move.c.pointer,
        move.c.at_ms,
        # Of the move that came after it, whatever that points at.
        select(_next.c.at_ms)
        .where(_next.c.model_id == move.c.model_id, _next.c.pointer == move.c.pointer, _next.c.id > move.c.id)
        .order_by(_next.c.id)
        .limit(1)
        .correlate(move)
        .scalar_subquery(),
        move.c.author,
    )
    .where(move.c.version_id == bindparam("version_id"))
    .order_by(move.c.id)
)
_GONE: Final = Statement(select(gone.c.body).where(gone.c.version_id == bindparam("version_id")))
_holds: Final = select(
    hold.c.id, namespace.c.name, *[column for column in hold.c if column.name not in ("id", "namespace_id")]
).join_from(hold, namespace, namespace.c.id == hold.c.namespace_id)
_HOLD: Final = Statement(_holds.where(hold.c.id == bindparam("hold_id")))
_newest_first: Final = (
    _holds.where(_in_namespace, hold.c.id < bindparam("before")).order_by(hold.c.id.desc()).limit(bindparam("limit"))
)
_HOLDS: Final = Statement(_newest_first)
_IN_FORCE: Final = Statement(_newest_first.where(hold.c.lifted_ms == 0))
_ON_ROOM: Final = Statement(
    _holds.where(
        _in_namespace,
        hold.c.lifted_ms == 0,
        # Those that name versions one by one are found by them.
        hold.c.versions == 0,
        or_(hold.c.model_id == 0, hold.c.model_id == bindparam("model_id")),
    ).order_by(hold.c.id)
)
_ON_VERSION: Final = Statement(
    _holds.join(held, held.c.hold_id == hold.c.id)
    .where(_in_namespace, held.c.version_id == bindparam("version_id"), hold.c.lifted_ms == 0)
    .order_by(hold.c.id)
)
_HELD: Final = Statement(
    select(held.c.version_id)
    .where(held.c.hold_id == bindparam("hold_id"), held.c.version_id > bindparam("after_id"))
    .order_by(held.c.version_id)
    .limit(bindparam("limit"))
)
_COUNT: Final = Statement(select(func.count()).select_from(hold).where(hold.c.lifted_ms == 0))


class RetentionReads(LedgerReads):
    """``catalog.retention_api.RetentionView`` over one session, but for ``versions_in``."""

    __slots__ = ()

    def retention_rules(self, namespace: str) -> RulesRecord | None:
        row = self._session.one(_EDITIONS, namespace=namespace, limit=1)
        return RulesRecord(*row) if row else None

    def retention_editions(self, namespace: str) -> Sequence[RulesRecord]:
        return [RulesRecord(*row) for row in self._session.all(_EDITIONS, namespace=namespace, limit=PAGE_ROWS)]

    def class_said(self, model_id: int, version_id: int = 0) -> ClassSaid | None:
        row = self._session.one(_SAID, model_id=model_id, version_id=version_id)
        return ClassSaid(*row) if row else None

    def services(self, version_id: int) -> Sequence[Service]:
        rows = self._session.all(_SERVICES, version_id=version_id)
        return [Service(pointer, from_ms, until_ms or 0, author) for pointer, from_ms, until_ms, author in rows]

    def gone(self, version_id: int) -> Gone | None:
        row = self._session.one(_GONE, version_id=version_id)
        return gone_from(row[0]) if row else None

    def hold(self, hold_id: int) -> Hold | None:
        row = self._session.one(_HOLD, hold_id=hold_id)
        return _hold_from(row) if row else None

    def holds(self, namespace: str, *, every: bool = False, before: int = 0, limit: int = 100) -> Sequence[Hold]:
        count = max(0, min(limit, PAGE_ROWS))
        asked = _HOLDS if every else _IN_FORCE
        rows = self._session.all(asked, namespace=namespace, before=before or _HIGHEST, limit=count)
        return [_hold_from(row) for row in rows]

    def holds_on(self, namespace: str, model_id: int = 0, version_id: int = 0) -> Sequence[Hold]:
        rows = self._session.all(_ON_ROOM, namespace=namespace, model_id=model_id)
        if version_id:
            rows = [*rows, *self._session.all(_ON_VERSION, namespace=namespace, version_id=version_id)]
        return sorted((_hold_from(row) for row in rows), key=lambda each: each.id)

    def held_versions(self, hold_id: int, *, after_id: int = 0, limit: int = 1000) -> Sequence[int]:
        count = max(0, min(limit, PAGE_ROWS))
        return [row[0] for row in self._session.all(_HELD, hold_id=hold_id, after_id=after_id, limit=count)]

    def holds_anywhere(self) -> int:
        count: int = self._session.all(_COUNT)[0][0]
        return count


def gone_from(body: str) -> Gone:
    """Raises CatalogDamaged."""
    try:
        return unpack(Gone, json.loads(body))
    except ValueError as error:
        raise CatalogDamaged("The catalog says of a version that its bytes went, and not how.") from error


def _hold_from(row: Row) -> Hold:
    values = list(row)
    values[2] = known(Scope, values[2])
    return Hold(*values)
