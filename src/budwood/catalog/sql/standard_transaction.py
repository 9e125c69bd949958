"""Changing metadata standards, for every SQL database. ``transaction.py`` joins it with the rest."""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, func, select, update

from budwood.catalog.sql.changes import insert_numbered, upsert
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.standard_tables import birth, standard
from budwood.catalog.sql.standard_view import StandardReads
from budwood.domain.canon import dumps
from budwood.domain.standard import Birth, StandardRecord

_LAST_STANDARD: Final = Statement(
    select(func.coalesce(func.max(standard.c.number), 0)).where(standard.c.namespace_id == bindparam("room"))
)
_of_room: Final = (standard.c.namespace_id == bindparam("room"), standard.c.in_force == 1)
_REPLACE_STANDARD: Final = Statement(update(standard).where(*_of_room).values(in_force=0))
_REMOVE_STANDARD: Final = Statement(update(standard).where(*_of_room).values(in_force=0, removed_ms=bindparam("at_ms")))
_ADD_STANDARD: Final = insert_numbered(standard)
_PUT_BIRTH: Final = upsert(birth, "version_id")


class StandardWrites(StandardReads):
    """``catalog.standards_api.StandardsTransaction`` over one session."""

    __slots__ = ()

    if TYPE_CHECKING:  # of what it is joined with

        def _forget_rooms(self) -> None: ...

    def add_standard(self, standard: StandardRecord) -> StandardRecord:
        room = known_room(self._session, standard.namespace)
        numbered = replace(standard, number=self._session.all(_LAST_STANDARD, room=room)[0][0] + 1)
        self._session.change(_REPLACE_STANDARD, room=room)
        id_ = self._session.add(
            _ADD_STANDARD,
            namespace_id=room,
            number=numbered.number,
            digest=numbered.digest,
            body=numbered.text,
            author=numbered.author,
            created_ms=numbered.created_ms,
            removed_ms=0,
            in_force=1,
        )
        self._forget_rooms()
        return replace(numbered, id=id_)

    def remove_standard(self, namespace: str, *, at_ms: int) -> None:
        self._session.change(_REMOVE_STANDARD, room=known_room(self._session, namespace), at_ms=at_ms)
        self._forget_rooms()

    def put_birth(self, version_id: int, birth: Birth) -> None:
        self._session.change(
            _PUT_BIRTH,
            version_id=version_id,
            fields=dumps(birth.fields).decode(),
            short_of=dumps(birth.short_of).decode(),
            standard=birth.standard,
        )
