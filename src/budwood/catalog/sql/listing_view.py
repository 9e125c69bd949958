"""Reading listings, for every SQL database. ``view.py`` joins it with the rest; ``listing_search.py`` searches."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import bindparam, literal, select, union_all

from budwood.catalog.listing_api import ListedModels, ListedVersions, ListingSearch
from budwood.catalog.sql.ledger_view import LedgerReads
from budwood.catalog.sql.listing_search import (
    find_model_rows,
    find_version_rows,
    listed_models,
    listed_versions,
)
from budwood.catalog.sql.listing_tables import model_listing, model_tag, version_listing, version_text, webhook_listing
from budwood.catalog.sql.people_tables import namespace, webhook
from budwood.catalog.sql.rooms import room_of
from budwood.catalog.sql.session import Row, Statement, known
from budwood.catalog.sql.tables import Text, model, move, pointer, tag, version
from budwood.catalog.sql.tracking_view import in_parts, widened
from budwood.domain.listing import ListedModel, ListedVersion, ListedWebhook, Named, Origin, Texts
from budwood.domain.names import Kind, Stage

_room: Final = select(namespace.c.id).where(namespace.c.name == bindparam("namespace")).scalar_subquery()
_titled: Final = (model_listing.c.namespace_id == _room, model_listing.c.title == bindparam("title"))
_MODEL_TITLED: Final = Statement(listed_models.where(*_titled))
_MODEL_LISTED: Final = Statement(listed_models.where(model_listing.c.model_id == bindparam("model_id")))
_VERSION_TITLED: Final = Statement(
    listed_versions.where(
        *_titled, version.c.model_id == model_listing.c.model_id, version.c.number == bindparam("number")
    )
)
_VERSION_LISTED: Final = Statement(listed_versions.where(version_listing.c.version_id == bindparam("version_id")))
_VERSION_AT: Final = Statement(
    listed_versions.join(pointer, pointer.c.version_id == version.c.id).where(
        *_titled, pointer.c.model_id == model_listing.c.model_id, pointer.c.pointer == bindparam("pointer")
    )
)
_stages: Final = union_all(*(select(literal(str(each), Text).label("stage")) for each in Stage)).subquery("stages")
_other: Final = version.alias("other")
_NEWEST: Final = widened(
    lambda each: (
        listed_versions.join(
            _stages,
            version.c.id
            == select(_other.c.id)
            .where(_other.c.model_id == model.c.id, _other.c.stage == _stages.c.stage)
            .order_by(_other.c.number.desc())
            .limit(1)
            .correlate(model, _stages)
            .scalar_subquery(),
        )
        .where(model.c.id.in_(each))
        .order_by(model.c.id, version.c.number)
    )
)
_IN_STAGE: Final = Statement(
    select(version.c.id)
    .where(version.c.model_id == bindparam("model_id"), version.c.stage == bindparam("stage"))
    .order_by(version.c.number)
)
_MODEL_TAGS: Final = widened(
    lambda each: (
        select(model_tag.c.model_id, model_tag.c.key, model_tag.c.value)
        .where(model_tag.c.model_id.in_(each))
        .order_by(model_tag.c.model_id, model_tag.c.key)
    )
)
_TAGS: Final = widened(
    lambda each: (
        select(tag.c.version_id, tag.c.key, tag.c.value)
        .where(tag.c.version_id.in_(each))
        .order_by(tag.c.version_id, tag.c.key)
    )
)
_TEXTS: Final = widened(
    lambda each: (
        select(version_text.c.version_id, version_text.c.key, version_text.c.value)
        .where(version_text.c.version_id.in_(each))
        .order_by(version_text.c.version_id, version_text.c.key)
    )
)
_NAMES: Final = widened(
    lambda each: (
        select(pointer.c.model_id, pointer.c.pointer, move.c.version_number)
        .join_from(pointer, move, move.c.id == pointer.c.move_id)
        .where(pointer.c.model_id.in_(each), pointer.c.version_id.is_not(None))
        .order_by(pointer.c.model_id, pointer.c.pointer)
    )
)
_WEBHOOKS: Final = Statement(
    select(*webhook_listing.c)
    .join_from(webhook, webhook_listing, webhook_listing.c.webhook_id == webhook.c.id)
    .where(webhook.c.namespace_id == _room)
    .order_by(webhook.c.id)
)


class ListingReads(LedgerReads):
    """``catalog.listing_api.ListingView`` over one session."""

    __slots__ = ()

    def model_titled(self, namespace: str, title: str) -> ListedModel | None:
        row = self._session.one(_MODEL_TITLED, namespace=namespace, title=title)
        return _model(row) if row else None

    def model_listed(self, model_id: int) -> ListedModel | None:
        row = self._session.one(_MODEL_LISTED, model_id=model_id)
        return _model(row) if row else None

    def version_titled(self, namespace: str, title: str, number: int) -> ListedVersion | None:
        row = self._session.one(_VERSION_TITLED, namespace=namespace, title=title, number=number)
        return _version(row) if row else None

    def version_listed(self, version_id: int) -> ListedVersion | None:
        row = self._session.one(_VERSION_LISTED, version_id=version_id)
        return _version(row) if row else None

    def version_titled_at(self, namespace: str, title: str, pointer: str) -> ListedVersion | None:
        row = self._session.one(_VERSION_AT, namespace=namespace, title=title, pointer=pointer)
        return _version(row) if row else None

    def newest_in_stages(self, model_ids: Sequence[int]) -> Sequence[ListedVersion]:
        parts = in_parts(model_ids)
        return [_version(row) for width, values in parts for row in self._session.all(_NEWEST[width], **values)]

    def ids_in_stage(self, model_id: int, stage: Stage) -> Sequence[int]:
        return [row[0] for row in self._session.all(_IN_STAGE, model_id=model_id, stage=str(stage))]

    def find_models(self, namespace: str, search: ListingSearch, *, token: str = "", limit: int = 100) -> ListedModels:
        rows, following = find_model_rows(self._session, room_of(self._session, namespace), search, token, limit)
        return ListedModels(tuple(_model(row) for row in rows), following)

    def find_versions(
        self, namespace: str, search: ListingSearch, *, token: str = "", limit: int = 100
    ) -> ListedVersions:
        rows, following = find_version_rows(self._session, room_of(self._session, namespace), search, token, limit)
        return ListedVersions(tuple(_version(row) for row in rows), following)

    def model_tags(self, model_ids: Sequence[int]) -> Mapping[int, Texts]:
        return self._texts(_MODEL_TAGS, model_ids)

    def version_texts(self, version_ids: Sequence[int]) -> Mapping[int, Texts]:
        short, long = self._texts(_TAGS, version_ids), self._texts(_TEXTS, version_ids)
        return {each: {**short.get(each, {}), **long.get(each, {})} for each in {*short, *long}}

    def names_of(self, model_ids: Sequence[int]) -> Sequence[Named]:
        rows = (row for width, values in in_parts(model_ids) for row in self._session.all(_NAMES[width], **values))
        return [Named(*row) for row in rows if not row[1].startswith("stage:")]

    def webhook_listings(self, namespace: str) -> Sequence[ListedWebhook]:
        return [ListedWebhook(*row) for row in self._session.all(_WEBHOOKS, namespace=namespace)]

    def _texts(self, statements: Mapping[int, Statement], ids: Sequence[int]) -> dict[int, dict[str, str]]:
        found: dict[int, dict[str, str]] = defaultdict(dict)
        for width, values in in_parts(ids):
            for id_, key, value in self._session.all(statements[width], **values):
                found[id_][key] = value
        return found


def _model(row: Row) -> ListedModel:
    id_, namespace, name, title, kind, *rest = row
    return ListedModel(id_, namespace, name, title, known(Kind, kind), *rest)


def _version(row: Row) -> ListedVersion:
    id_, model_id, namespace, name, title, number, kind, stage = row[:8]
    kinds = known(Kind, kind), known(Stage, stage)
    said = (*row[8:14], Origin(*row[14:]))
    return ListedVersion(id_, model_id, namespace, name, title, number, *kinds, *said)
