"""Searching MCP servers, their versions and their endpoints: comparisons and orders become SQL.

First comes a page of ids in order, and what each takes, so that the page is cut by bytes before anything large is read.
A comparison with what a row does not say is false, also with ``!=``.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, false, func, or_, select
from sqlalchemy.engine import Dialect

from budwood.catalog.mcp_api import McpSearch
from budwood.catalog.sql.mcp_tables import mcp_alias, mcp_endpoint, mcp_server, mcp_tag, mcp_version
from budwood.catalog.sql.session import Session, Statement, compile_for
from budwood.catalog.sql.tracking_search import Sorted, compared_number, compared_text, paged
from budwood.catalog.sql.tracking_view import in_parts, widened
from budwood.domain.limits import MCP_PAGE_BYTES
from budwood.domain.mcp.records import LATEST, McpStatus
from budwood.domain.mcp.releases import release_key
from budwood.domain.tracking.fields import TAG
from budwood.domain.tracking.filters import Comparison, Operator, Order
from budwood.domain.tracking.tokens import read_token, write_token

Condition = ColumnElement[bool]
Fields = Mapping[str, ColumnElement[Any]]
_RANKS: Final[Mapping[Operator, Callable[[Any, Any], Condition]]] = {
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
}
_RELEASE: Final = (mcp_version.c.major, mcp_version.c.minor, mcp_version.c.patch, mcp_version.c.key)
_TEXTS: Final = frozenset({"name", "version", "id", "server_name", mcp_version.c.key.name})


def led(server: FromClause = mcp_server) -> Condition:
    """Whether these are an endpoint, its server, and the version it leads to; one that leads nowhere has none."""
    pointed = select(mcp_alias.c.version_id).where(
        mcp_alias.c.server_id == mcp_endpoint.c.server_id, mcp_alias.c.alias == mcp_endpoint.c.alias
    )
    leads_to = case(
        (mcp_endpoint.c.version_id != 0, mcp_endpoint.c.version_id),
        (mcp_endpoint.c.alias == LATEST, server.c.newest_id),
        else_=pointed.correlate(mcp_endpoint).scalar_subquery(),
    )
    return and_(
        server.c.id == mcp_endpoint.c.server_id,
        mcp_version.c.id == leads_to,
        mcp_version.c.status != str(McpStatus.DELETED),
    )


_SERVER_FIELDS: Final[Fields] = {
    "name": mcp_server.c.name,
    "display_name": func.coalesce(mcp_server.c.display_name, ""),
    "status": mcp_server.c.newest_status,
    "created_at": mcp_server.c.created_ms,
    "last_updated_at": mcp_server.c.updated_ms,
}
_VERSION_FIELDS: Final[Fields] = {
    "name": mcp_server.c.name,
    "version": mcp_version.c.version,
    "status": mcp_version.c.status,
    "created_at": mcp_version.c.created_ms,
    "last_updated_at": mcp_version.c.updated_ms,
}
_ENDPOINT_FIELDS: Final[Fields] = {
    "id": mcp_endpoint.c.endpoint,
    "server_name": mcp_server.c.name,
    "status": mcp_version.c.status,
    "transport_type": mcp_endpoint.c.transport,
    "created_at": mcp_endpoint.c.created_ms,
    "last_updated_at": mcp_endpoint.c.updated_ms,
}


def _length(name: str) -> ColumnElement[int]:
    return func.length(func.coalesce(mcp_server.c[name], ""))


_SERVER_SIZES: Final = widened(
    lambda each: select(
        mcp_server.c.id,
        _length("description") + _length("icons") + _length("newest_description") + _length("newest_icons"),
    ).where(mcp_server.c.id.in_(each))
)
_LED_SIZES: Final = widened(
    lambda each: (
        select(mcp_endpoint.c.server_id, func.sum(mcp_version.c.size))
        .where(mcp_endpoint.c.server_id.in_(each), led())
        .group_by(mcp_endpoint.c.server_id)
    )
)
_VERSION_SIZES: Final = widened(
    lambda each: select(mcp_version.c.id, mcp_version.c.size).where(mcp_version.c.id.in_(each))
)
_ENDPOINT_SIZES: Final = widened(
    lambda each: select(mcp_endpoint.c.id, mcp_version.c.size).where(mcp_endpoint.c.id.in_(each), led())
)


def find_server_ids(session: Session, room: int, search: McpSearch, token: str, limit: int) -> tuple[list[int], str]:
    """Ids in order, and the token behind the last. Raises BadValue."""
    order = (*_ordered(search.orders, _SERVER_FIELDS), *_tie(search.orders, "name", mcp_server.c.name))
    rows = select(mcp_server.c.id).where(
        mcp_server.c.namespace_id == room, *(_server_condition(each, session.dialect) for each in search.comparisons)
    )
    return _page(session, (room, search), rows, order, token, limit, (_SERVER_SIZES, _LED_SIZES))


def find_version_ids(
    session: Session, server_id: int, search: McpSearch, token: str, limit: int
) -> tuple[list[int], str]:
    """The same of a server's versions."""
    order = (
        *_ordered(search.orders, _VERSION_FIELDS),
        *_tie(search.orders, "created_at", mcp_version.c.created_ms),
        *_tie(search.orders, "version", mcp_version.c.version),
        Sorted(mcp_version.c.id, False, int),
    )
    rows = (
        select(mcp_version.c.id)
        .join(mcp_server, mcp_server.c.id == mcp_version.c.server_id)
        .where(mcp_version.c.server_id == server_id, mcp_version.c.status != str(McpStatus.DELETED))
        .where(*(_version_condition(each, session.dialect) for each in search.comparisons))
    )
    return _page(session, (server_id, search), rows, order, token, limit, (_VERSION_SIZES,))


def find_endpoint_ids(session: Session, room: int, search: McpSearch, token: str, limit: int) -> tuple[list[int], str]:
    """The same of endpoints that lead to a version."""
    order = (*_ordered(search.orders, _ENDPOINT_FIELDS), *_tie(search.orders, "id", mcp_endpoint.c.endpoint))
    rows = select(mcp_endpoint.c.id).where(mcp_endpoint.c.namespace_id == room, led(), *_led_as(search))
    if search.server_id:
        rows = rows.where(mcp_endpoint.c.server_id == search.server_id)
    rows = rows.where(*(_compared(_ENDPOINT_FIELDS, each, session.dialect) for each in search.comparisons))
    return _page(session, (room, search), rows, order, token, limit, (_ENDPOINT_SIZES,))


def _page(
    session: Session,
    search: object,
    rows: Select[Any],
    order: Sequence[Sorted],
    token: str,
    limit: int,
    sizes: Sequence[Mapping[int, Statement]],
) -> tuple[list[int], str]:
    """As many as fit, but one, and the token behind the last. Raises BadValue."""
    after = read_token(search, token, [each.kind for each in order]) if token else None
    statement = paged(rows.add_columns(*(each.value for each in order)), order, after, limit + 1, session.dialect)
    found = session.run(compile_for(session.dialect, statement))
    kept = found[: _fitting([row[0] for row in found[:limit]], _sizes(session, [row[0] for row in found], sizes))]
    more = len(kept) < len(found) and bool(kept)
    return [row[0] for row in kept], write_token(search, kept[-1][1:]) if more else ""


def _sizes(session: Session, ids: Sequence[int], statements: Sequence[Mapping[int, Statement]]) -> Mapping[int, int]:
    found: dict[int, int] = {}
    for statement in statements:
        for width, each in in_parts(ids):
            for id_, size in session.all(statement[width], **each):
                found[id_] = found.get(id_, 0) + int(size)
    return found


def _fitting(ids: Sequence[int], sizes: Mapping[int, int]) -> int:
    """How many of them make a page."""
    taken = 0
    for at, id_ in enumerate(ids):
        taken += sizes.get(id_, 0)
        if taken > MCP_PAGE_BYTES and at:
            return at
    return len(ids)


def _ordered(orders: Sequence[Order], fields: Fields) -> list[Sorted]:
    found: list[Sorted] = []
    for each in orders:
        key = each.place.key
        columns = _RELEASE if fields[key] is mcp_version.c.version else (fields[key],)
        found += [Sorted(column, each.descends, str if column.name in _TEXTS else int) for column in columns]
    return found


def _tie(orders: Sequence[Order], key: str, column: ColumnElement[Any]) -> list[Sorted]:
    """What an order ends by, where it does not say it already."""
    said = any(each.place.key == key for each in orders)
    return [] if said else [Sorted(column, False, int if key == "created_at" else str)]


def _led_as(search: McpSearch) -> list[Condition]:
    """Endpoints that say this version, or this alias; none says both."""
    if search.version is not None and search.alias is not None:
        return [false()]
    if search.version is not None:
        return [mcp_endpoint.c.version_id != 0, mcp_version.c.version == search.version]
    return [mcp_endpoint.c.version_id == 0, mcp_endpoint.c.alias == search.alias] if search.alias is not None else []


def _server_condition(each: Comparison, dialect: Dialect) -> Condition:
    if each.place.family == TAG:
        of_it = select(mcp_tag.c.key).where(
            mcp_tag.c.server_id == mcp_server.c.id,
            mcp_tag.c.key == each.place.key,
            _compared_text(mcp_tag.c.value, each, dialect),
        )
        return of_it.correlate(mcp_server).exists()
    if each.place.key == "has_access_endpoints":
        inside = mcp_server.alias()
        reached = select(mcp_endpoint.c.id).where(mcp_endpoint.c.server_id == mcp_server.c.id, led(inside))
        there = reached.correlate(mcp_server).exists()
        return there if str(each.value).lower() == "true" else ~there
    return _compared(_SERVER_FIELDS, each, dialect)


def _version_condition(each: Comparison, dialect: Dialect) -> Condition:
    if each.place.key == "version" and each.operator in _RANKS:
        return _ranked(each.operator, release_key(str(each.value), "filter_string version"))
    return _compared(_VERSION_FIELDS, each, dialect)


def _ranked(by: Operator, key: Sequence[int | str]) -> Condition:
    """Whether a version comes before, or behind, in precedence."""
    strictly = Operator(by.value.rstrip("="))
    equal = and_(*(column == value for column, value in zip(_RELEASE, key, strict=True)))
    chain: Condition = equal if by is not strictly else false()
    for column, value in reversed(list(zip(_RELEASE, key, strict=True))):
        chain = or_(_RANKS[strictly](column, value), and_(column == value, chain))
    return chain


def _compared(fields: Fields, each: Comparison, dialect: Dialect) -> Condition:
    column = fields[each.place.key]
    if isinstance(each.value, float):
        return compared_number(column, each)
    return and_(column != "", _compared_text(column, each, dialect))


def _compared_text(column: ColumnElement[Any], each: Comparison, dialect: Dialect) -> Condition:
    if each.operator in _RANKS:
        return _RANKS[each.operator](column, str(each.value))
    return compared_text(column, each, dialect)
