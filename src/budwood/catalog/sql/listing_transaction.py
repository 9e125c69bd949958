"""Changing listings, for every SQL database. ``transaction.py`` joins it with the rest, and makes them at birth."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, select, update

from budwood.catalog.api import NewVersion
from budwood.catalog.sql.changes import insert_row, upsert
from budwood.catalog.sql.listing_tables import (
    model_listing,
    model_tag,
    version_listing,
    version_text,
    webhook_listing,
)
from budwood.catalog.sql.listing_view import ListingReads
from budwood.catalog.sql.people_tables import webhook
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.tracking_tables import HEAD_CHARS
from budwood.domain.listing import Origin, Texts, is_short
from budwood.domain.records import Tag

_TITLE_TAKEN: Final = Statement(
    select(model_listing.c.model_id).where(
        model_listing.c.namespace_id == bindparam("namespace_id"), model_listing.c.title == bindparam("title")
    )
)
_ADD_MODEL: Final = insert_row(model_listing)
_ADD_VERSION: Final = insert_row(version_listing)
_LIST_MODEL: Final = Statement(
    update(model_listing)
    .where(model_listing.c.model_id == bindparam("of_model"))
    .values({name: bindparam(f"to_{name}") for name in ("title", "description", "updated_ms")})
)
_TOUCH_MODEL: Final = Statement(
    update(model_listing)
    .where(model_listing.c.model_id == bindparam("of_model"), model_listing.c.title == bindparam("of_title"))
    .values(updated_ms=bindparam("at_ms"))
)
_ORIGIN: Final = ("source", "location", "run", "logged", "run_link")
_LIST_VERSION: Final = Statement(
    update(version_listing)
    .where(version_listing.c.version_id == bindparam("of_version"))
    .values({name: bindparam(f"to_{name}") for name in ("description", "updated_ms", *_ORIGIN)})
)
_TOUCH_VERSION: Final = Statement(
    update(version_listing)
    .where(version_listing.c.version_id == bindparam("of_version"))
    .values(updated_ms=bindparam("at_ms"))
)
_ROOM_OF_MODEL: Final = Statement(
    select(model_listing.c.namespace_id).where(model_listing.c.model_id == bindparam("model_id"))
)
_PUT_MODEL_TAG: Final = upsert(model_tag, "model_id", "key")
_REMOVE_MODEL_TAG: Final = Statement(
    delete(model_tag).where(model_tag.c.model_id == bindparam("of_model"), model_tag.c.key == bindparam("of_key"))
)
_PUT_TEXT: Final = upsert(version_text, "version_id", "key")
_REMOVE_TEXT: Final = Statement(
    delete(version_text).where(
        version_text.c.version_id == bindparam("of_version"), version_text.c.key == bindparam("of_key")
    )
)
_CHANGE_SECRET: Final = Statement(
    update(webhook).where(webhook.c.id == bindparam("of_webhook")).values(secret=bindparam("to_secret"))
)
_PUT_WEBHOOK: Final = upsert(webhook_listing, "webhook_id")


class ListingWrites(ListingReads):
    """``catalog.listing_api.ListingTransaction`` over one session."""

    __slots__ = ()

    if TYPE_CHECKING:  # of what it is joined with

        def put_tags(self, version_id: int, tags: Sequence[Tag]) -> None: ...
        def remove_tag(self, version_id: int, key: str) -> bool: ...
        def _is_bare(self, version_id: int) -> bool: ...

    def list_model(self, model_id: int, title: str, description: str, *, at_ms: int) -> None:
        self._session.change_soon(
            _LIST_MODEL, of_model=model_id, to_title=title, to_description=description, to_updated_ms=at_ms
        )

    def touch_model(self, model_id: int, title: str, *, at_ms: int) -> bool:
        return self._session.change(_TOUCH_MODEL, of_model=model_id, of_title=title, at_ms=at_ms) > 0

    def list_version(self, version_id: int, description: str, origin: Origin, *, at_ms: int) -> None:
        fields = {f"to_{name}": getattr(origin, name) for name in _ORIGIN}
        self._session.change_soon(
            _LIST_VERSION, of_version=version_id, to_description=description, to_updated_ms=at_ms, **fields
        )

    def put_model_tags(self, model_id: int, tags: Texts) -> None:
        if not tags:
            return
        row = self._session.one(_ROOM_OF_MODEL, model_id=model_id)
        assert row is not None, "a model that is tagged is there"
        whose = {"model_id": model_id, "namespace_id": row[0]}
        rows = (whose | {"key": key, "head": value[:HEAD_CHARS], "value": value} for key, value in tags.items())
        self._session.change_many(_PUT_MODEL_TAG, rows)

    def remove_model_tag(self, model_id: int, key: str) -> None:
        self._session.change(_REMOVE_MODEL_TAG, of_model=model_id, of_key=key)

    def put_version_texts(self, version_id: int, tags: Texts, *, author: str, at_ms: int) -> None:
        short = [Tag(key, value, author, at_ms) for key, value in tags.items() if is_short(key, value)]
        long = {key: value for key, value in tags.items() if not is_short(key, value)}
        # What was born in this transaction has nothing that would have to go.
        if not self._is_bare(version_id):
            for each in short:
                self._session.change_soon(_REMOVE_TEXT, of_version=version_id, of_key=each.key)
            for key in long:
                self.remove_tag(version_id, key)
        self.put_tags(version_id, short)
        rows = [{"version_id": version_id, "key": key, "value": value} for key, value in long.items()]
        if rows:
            self._session.change_many(_PUT_TEXT, rows)

    def remove_version_text(self, version_id: int, key: str) -> None:
        self._session.change(_REMOVE_TEXT, of_version=version_id, of_key=key)
        self.remove_tag(version_id, key)

    def change_webhook_secret(self, webhook_id: int, secret: bytes) -> None:
        self._session.change(_CHANGE_SECRET, of_webhook=webhook_id, to_secret=secret)

    def list_webhook(self, webhook_id: int, title: str, description: str, events: str, *, at_ms: int) -> None:
        self._session.change(
            _PUT_WEBHOOK, webhook_id=webhook_id, title=title, description=description, events=events, updated_ms=at_ms
        )

    def _list_new_model(self, model_id: int, namespace_id: int, name: str, at_ms: int) -> None:
        """Under its name; where another model is titled so, under that with its id."""
        taken = self._session.one(_TITLE_TAKEN, namespace_id=namespace_id, title=name) is not None
        title = f"{name} ({model_id})" if taken else name
        self._session.change_soon(
            _ADD_MODEL, model_id=model_id, namespace_id=namespace_id, title=title, updated_ms=at_ms, description=""
        )

    def _list_new_version(self, version_id: int, namespace_id: int, new: NewVersion) -> None:
        self._session.change_soon(
            _ADD_VERSION,
            version_id=version_id,
            model_id=new.model_id,
            namespace_id=namespace_id,
            updated_ms=new.created_ms,
            description=new.description,
            **{name: getattr(new.origin, name) for name in _ORIGIN},
        )

    def _touch_version(self, version_id: int, at_ms: int) -> None:
        self._session.change_soon(_TOUCH_VERSION, of_version=version_id, at_ms=at_ms)
