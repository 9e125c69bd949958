"""Changing what was used of quotas, for every SQL database. ``delivery_transaction.py`` takes it in."""

from typing import Final

from sqlalchemy import bindparam, delete, select, tuple_

from budwood.catalog.sql.changes import upsert
from budwood.catalog.sql.quota_tables import token_use
from budwood.catalog.sql.quota_view import QuotaReads
from budwood.catalog.sql.session import Statement
from budwood.domain.traffic.quotas import TokenUse

_PUT: Final = upsert(token_use, "endpoint_id", "tenant", "from_ms")
_key: Final = (token_use.c.endpoint_id, token_use.c.tenant, token_use.c.from_ms)
_FORGET: Final = Statement(
    delete(token_use).where(
        tuple_(*_key).in_(
            select(*_key)
            .where(token_use.c.until_ms < bindparam("before_ms"))
            .order_by(token_use.c.until_ms)
            .limit(bindparam("limit"))
        )
    )
)


class QuotaWrites(QuotaReads):
    """``catalog.quotas_api.QuotasTransaction`` over one session."""

    __slots__ = ()

    def put_token_use(self, use: TokenUse) -> None:
        self._session.change(
            _PUT,
            endpoint_id=use.endpoint_id,
            tenant=use.tenant,
            from_ms=use.from_ms,
            until_ms=use.until_ms,
            tokens=use.tokens,
            refused_until_ms=use.refused_until_ms,
        )

    def forget_token_uses(self, *, before_ms: int, limit: int = 10_000) -> int:
        return self._session.change(_FORGET, before_ms=before_ms, limit=limit)
