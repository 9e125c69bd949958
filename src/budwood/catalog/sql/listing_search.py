"""Searching models and versions as MLflow does: comparisons and orders become SQL that reads little more than a page.

A page begins behind the last row's keys. Where a tag or a run must be equal to something and few versions are so, the
page is chosen among those; otherwise versions are walked in the order of their last change, within one model where
the search names it. A comparison with a tag that is not there is false, also with ``!=``; only a prompt's mark is
taken for 'false' where it is missing, for that is how MLflow's clients leave prompts out.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from budwood.catalog.listing_api import ListingSearch
from budwood.catalog.sql.listing_tables import model_listing, model_tag, version_listing, version_text
from budwood.catalog.sql.session import Row, Session, compile_for, opaque
from budwood.catalog.sql.tables import model, tag, version
from budwood.catalog.sql.tracking_search import Sorted, compared_number, compared_text, cut_page, paged
from budwood.domain.listing import PROMPT_MARK, is_short
from budwood.domain.tracking.fields import TAG
from budwood.domain.tracking.filters import ATTRIBUTE, Comparison, Operator, Order, Place
from budwood.domain.tracking.tokens import read_token

Condition = ColumnElement[bool]
_RARE: Final = 2_000
LISTED_MODEL_COLUMNS: Final = (
    *(model.c.id, model.c.namespace, model.c.name, model_listing.c.title, model.c.kind, model.c.owner),
    *(model.c.created_ms, model_listing.c.updated_ms, model_listing.c.description),
)
LISTED_VERSION_COLUMNS: Final = (
    *(version.c.id, version.c.model_id, model.c.namespace, model.c.name, model_listing.c.title, version.c.number),
    *(version.c.kind, version.c.stage, version.c.author, version.c.created_ms, version_listing.c.updated_ms),
    *(version.c.message, version.c.size_bytes, version_listing.c.description),
    *(version_listing.c.source, version_listing.c.location, version_listing.c.run, version_listing.c.logged),
    version_listing.c.run_link,
)
listed_models: Final = select(*LISTED_MODEL_COLUMNS).join_from(
    model_listing, model, model.c.id == model_listing.c.model_id
)
_joined: Final = (
    version_listing.join(version, version.c.id == version_listing.c.version_id)
    .join(model, model.c.id == version_listing.c.model_id)
    .join(model_listing, model_listing.c.model_id == version_listing.c.model_id)
)
listed_versions: Final = select(*LISTED_VERSION_COLUMNS).select_from(_joined)
_MODEL_FIELDS: Final[Mapping[str, ColumnElement[Any]]] = {
    "name": model_listing.c.title,
    "creation_timestamp": model.c.created_ms,
    "last_updated_timestamp": model_listing.c.updated_ms,
}
_VERSION_FIELDS: Final[Mapping[str, ColumnElement[Any]]] = {
    "name": model_listing.c.title,
    "run_id": version_listing.c.run,
    "source_path": version_listing.c.source,
    "version_number": version.c.number,
    "creation_timestamp": version.c.created_ms,
    "last_updated_timestamp": version_listing.c.updated_ms,
}
_NAME: Final = Place(ATTRIBUTE, "name")
_NUMBER: Final = Place(ATTRIBUTE, "version_number")
_UPDATED: Final = Place(ATTRIBUTE, "last_updated_timestamp")


def find_model_rows(
    session: Session, room: int, search: ListingSearch, token: str, limit: int
) -> tuple[list[Row], str]:
    """Rows of ``LISTED_MODEL_COLUMNS`` and the token behind the last. Raises BadValue."""
    order = _sorted((*search.orders, Order(_NAME)), _MODEL_FIELDS)
    rows = listed_models.where(
        model_listing.c.namespace_id == room, *(_of_model(each, session) for each in search.comparisons)
    )
    return _page(session, (room, search), rows, order, token, limit)


def find_version_rows(
    session: Session, room: int, search: ListingSearch, token: str, limit: int
) -> tuple[list[Row], str]:
    """Rows of ``LISTED_VERSION_COLUMNS`` and the token behind the last. Raises BadValue."""
    first = search.orders or (Order(_UPDATED, descends=True),)
    order = _sorted((*first, Order(_NAME), Order(_NUMBER, descends=True)), _VERSION_FIELDS)
    here: Condition = version_listing.c.namespace_id == room
    led = _led(session, room, search)
    rows = listed_versions.where(*((opaque(here), led) if led is not None else (here,)))
    rows = rows.where(*(_of_version(each, session) for each in search.comparisons))
    return _page(session, (room, search), rows, order, token, limit)


def _page(
    session: Session, search: object, rows: Select[Any], order: tuple[Sorted, ...], token: str, limit: int
) -> tuple[list[Row], str]:
    after = read_token(search, token, [each.kind for each in order]) if token else None
    width = len(rows.selected_columns)
    keyed = rows.add_columns(*(each.value for each in order))
    found = session.run(compile_for(session.dialect, paged(keyed, order, after, limit + 1, session.dialect)))
    return cut_page(search, found, width, limit)


def _sorted(orders: tuple[Order, ...], fields: Mapping[str, ColumnElement[Any]]) -> tuple[Sorted, ...]:
    """Each field once: what comes again changes nothing."""
    found: dict[str, Sorted] = {}
    for each in orders:
        key = each.place.key
        found.setdefault(key, Sorted(fields[key], each.descends, str if key == "name" else int))
    return tuple(found.values())


def _led(session: Session, room: int, search: ListingSearch) -> Condition | None:
    """What an index should begin with instead of the namespace, where few versions pass it."""
    for each in search.comparisons:
        if each.place == _NAME and each.operator is Operator.EQ:
            titled = model_listing.alias()
            of_model = select(titled.c.model_id).where(titled.c.namespace_id == room, titled.c.title == each.value)
            return version_listing.c.model_id == of_model.scalar_subquery()
    for each in search.comparisons:
        ids = _ids_of(each, room)
        if ids is not None and _is_rare(session, ids):
            return version_listing.c.version_id.in_(ids)
    return None


def _ids_of(each: Comparison, room: int) -> Select[Any] | None:
    if each.operator is not Operator.EQ:
        return None
    if each.place.family == TAG and not _passes_unmarked(each):
        odd = select(version_text.c.version_id).where(
            version_text.c.key == each.place.key, version_text.c.value == each.value
        )
        plain = select(tag.c.version_id).where(
            tag.c.namespace_id == room, tag.c.key == each.place.key, tag.c.value == each.value
        )
        return plain if is_short(each.place.key, str(each.value)) else odd
    if each.place.key == "run_id":
        run = version_listing.alias()
        return select(run.c.version_id).where(run.c.namespace_id == room, run.c.run == each.value)
    return None


def _is_rare(session: Session, ids: Select[Any]) -> bool:
    probe = select(func.count()).select_from(ids.limit(_RARE + 1).subquery())
    return bool(session.run(compile_for(session.dialect, probe))[0][0] <= _RARE)


def _of_model(each: Comparison, session: Session) -> Condition:
    if each.place.family != TAG:
        return _compared(_MODEL_FIELDS[each.place.key], each, session)
    has = select(model_tag.c.key).where(
        model_tag.c.model_id == model_listing.c.model_id, model_tag.c.key == each.place.key
    )
    has = has.correlate(model_listing)
    passes = has.where(compared_text(model_tag.c.value, each, session.dialect)).exists()
    return or_(passes, ~has.exists()) if _passes_unmarked(each) else passes


def _of_version(each: Comparison, session: Session) -> Condition:
    if each.place.family != TAG:
        return _compared(_VERSION_FIELDS[each.place.key], each, session)
    both = []
    there = []
    for table in (tag, version_text):
        has = select(table.c.key).where(
            table.c.version_id == version_listing.c.version_id, table.c.key == each.place.key
        )
        has = has.correlate(version_listing)
        there.append(has.exists())
        both.append(has.where(compared_text(table.c.value, each, session.dialect)).exists())
    passes = or_(*both)
    return or_(passes, and_(*(~each for each in there))) if _passes_unmarked(each) else passes


def _passes_unmarked(each: Comparison) -> bool:
    """Whether what has no mark of a prompt passes, as 'false' would."""
    if each.place.key != PROMPT_MARK:
        return False
    return (each.operator, each.value) in ((Operator.EQ, "false"), (Operator.NE, "true"))


def _compared(column: ColumnElement[Any], each: Comparison, session: Session) -> Condition:
    if isinstance(each.value, float):
        return compared_number(column, each)
    return compared_text(column, each, session.dialect)
