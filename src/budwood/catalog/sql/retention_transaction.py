"""Changing retention and holds, for every SQL database. ``transaction.py`` joins it with the rest."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import bindparam, delete, func, select, update

from budwood.catalog.sql.changes import insert_numbered, insert_row, upsert
from budwood.catalog.sql.retention_tables import gone, held, hold, retention_class, retention_rules
from budwood.catalog.sql.retention_view import RetentionReads
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.domain.canon import dumps, pack
from budwood.domain.retention import ClassSaid, Gone, Hold, RulesRecord

_LAST_NUMBER: Final = Statement(
    select(func.coalesce(func.max(retention_rules.c.number), 0)).where(
        retention_rules.c.namespace_id == bindparam("room")
    )
)
_ADD_RULES: Final = insert_numbered(retention_rules)
_SAY_CLASS: Final = upsert(retention_class, "model_id", "version_id")
_UNSAY_CLASS: Final = Statement(
    delete(retention_class).where(
        retention_class.c.model_id == bindparam("of_model"), retention_class.c.version_id == bindparam("of_version")
    )
)
_LET_GO: Final = insert_row(gone)
_ADD_HOLD: Final = insert_numbered(hold)
_ADD_HELD: Final = insert_row(held)
_LIFT: Final = Statement(
    update(hold)
    .where(hold.c.id == bindparam("of_id"), hold.c.lifted_ms == 0)
    .values(lifted_ms=bindparam("at_ms"), lifted_by=bindparam("who"), lifted_reason=bindparam("why"))
)


class RetentionWrites(RetentionReads):
    """``catalog.retention_api.RetentionTransaction`` over one session."""

    __slots__ = ()

    def add_rules(self, rules: RulesRecord) -> RulesRecord:
        room = known_room(self._session, rules.namespace)
        numbered = replace(rules, number=self._session.all(_LAST_NUMBER, room=room)[0][0] + 1)
        self._session.add(
            _ADD_RULES,
            namespace_id=room,
            number=numbered.number,
            body=numbered.text,
            author=numbered.author,
            at_ms=numbered.at_ms,
            reason=numbered.reason,
        )
        return numbered

    def say_class(self, said: ClassSaid) -> None:
        self._session.change(
            _SAY_CLASS,
            model_id=said.model_id,
            version_id=said.version_id,
            name=said.name,
            author=said.author,
            at_ms=said.at_ms,
            reason=said.reason,
        )

    def unsay_class(self, model_id: int, version_id: int = 0) -> None:
        self._session.change(_UNSAY_CLASS, of_model=model_id, of_version=version_id)

    def let_go(self, version_id: int, gone: Gone) -> None:
        body = dumps(pack(gone)).decode()
        self._session.change(_LET_GO, version_id=version_id, at_ms=gone.at_ms, body=body)

    def add_hold(self, hold: Hold, versions: Sequence[int] = ()) -> Hold:
        id_ = self._session.add(
            _ADD_HOLD,
            namespace_id=known_room(self._session, hold.namespace),
            scope=str(hold.scope),
            subject=hold.subject,
            reason=hold.reason,
            reference=hold.reference,
            author=hold.author,
            placed_ms=hold.placed_ms,
            model_id=hold.model_id,
            versions=len(versions),
            lifted_ms=hold.lifted_ms,
            lifted_by=hold.lifted_by,
            lifted_reason=hold.lifted_reason,
        )
        if versions:
            rows = ({"hold_id": id_, "version_id": version_id} for version_id in versions)
            self._session.change_many(_ADD_HELD, rows)
        return replace(hold, id=id_, versions=len(versions))

    def lift_hold(self, hold: Hold) -> None:
        self._session.change(_LIFT, of_id=hold.id, at_ms=hold.lifted_ms, who=hold.lifted_by, why=hold.lifted_reason)
