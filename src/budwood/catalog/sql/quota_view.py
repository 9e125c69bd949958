"""Reading what was used of quotas, for every SQL database. ``delivery_view.py`` takes it in."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import and_, bindparam, or_, select

from budwood.catalog.sql.people_view import PeopleReads
from budwood.catalog.sql.quota_tables import token_use
from budwood.catalog.sql.session import Statement
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.traffic.quotas import TokenUse

_use: Final = token_use.c
_uses: Final = select(*_use)
_USE: Final = Statement(
    _uses.where(
        _use.endpoint_id == bindparam("endpoint_id"),
        _use.tenant == bindparam("tenant"),
        _use.from_ms == bindparam("from_ms"),
    )
)
_USES: Final = Statement(
    _uses.where(
        _use.endpoint_id == bindparam("endpoint_id"),
        _use.until_ms > bindparam("at_ms"),
        _use.from_ms <= bindparam("at_ms"),
    )
    .order_by(_use.tenant, _use.until_ms)
    .limit(bindparam("limit"))
)
_REACHED: Final = Statement(
    _uses.where(
        or_(
            _use.refused_until_ms > bindparam("after_ms"),
            and_(
                _use.refused_until_ms == bindparam("after_ms"),
                or_(
                    _use.endpoint_id > bindparam("after_id"),
                    and_(_use.endpoint_id == bindparam("after_id"), _use.tenant > bindparam("after_tenant")),
                ),
            ),
        )
    )
    .order_by(_use.refused_until_ms, _use.endpoint_id, _use.tenant)
    .limit(bindparam("limit"))
)


class QuotaReads(PeopleReads):
    """``catalog.quotas_api.QuotasView`` over one session."""

    __slots__ = ()

    def token_use(self, endpoint_id: int, tenant: str, from_ms: int) -> TokenUse | None:
        row = self._session.one(_USE, endpoint_id=endpoint_id, tenant=tenant, from_ms=from_ms)
        return TokenUse(*row) if row else None

    def token_uses(self, endpoint_id: int, at_ms: int, *, limit: int = 1_000) -> Sequence[TokenUse]:
        rows = self._session.all(_USES, endpoint_id=endpoint_id, at_ms=at_ms, limit=max(0, min(limit, PAGE_ROWS)))
        return [TokenUse(*row) for row in rows]

    def quotas_reached(self, now_ms: int) -> Sequence[TokenUse]:
        found: list[TokenUse] = []
        after, id_, tenant = now_ms, 1 << 62, ""
        while rows := self._session.all(_REACHED, after_ms=after, after_id=id_, after_tenant=tenant, limit=PAGE_ROWS):
            found += [TokenUse(*row) for row in rows]
            after, id_, tenant = found[-1].refused_until_ms, found[-1].endpoint_id, found[-1].tenant
        return found
