"""Reading about metadata standards, for every SQL database. ``view.py`` joins it with the rest."""

import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, select

from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.people_view import PeopleReads
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.standard_tables import birth, standard
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.standard import Birth, StandardRecord
from budwood.errors import CatalogDamaged

_standards: Final = (
    select(
        standard.c.id,
        namespace.c.name,
        standard.c.number,
        standard.c.digest,
        standard.c.body,
        standard.c.author,
        standard.c.created_ms,
        standard.c.removed_ms,
    )
    .join_from(standard, namespace, namespace.c.id == standard.c.namespace_id)
    .where(namespace.c.name == bindparam("namespace"))
)
_STANDARD_IN_FORCE: Final = Statement(_standards.where(standard.c.in_force == 1))
_STANDARD_EDITIONS: Final = Statement(_standards.order_by(standard.c.number.desc()).limit(bindparam("limit")))
_BIRTH: Final = Statement(
    select(birth.c.fields, birth.c.short_of, birth.c.standard).where(birth.c.version_id == bindparam("version_id"))
)


class StandardReads(PeopleReads):
    """``catalog.standards_api.StandardsView`` over one session."""

    __slots__ = ()

    def standard(self, namespace: str) -> StandardRecord | None:
        row = self._session.one(_STANDARD_IN_FORCE, namespace=namespace)
        return StandardRecord(*row) if row else None

    def standard_editions(self, namespace: str) -> Sequence[StandardRecord]:
        return [
            StandardRecord(*row) for row in self._session.all(_STANDARD_EDITIONS, namespace=namespace, limit=PAGE_ROWS)
        ]

    def birth(self, version_id: int) -> Birth | None:
        row = self._session.one(_BIRTH, version_id=version_id)
        return Birth(_names(row[0]), _names(row[1]), row[2]) if row else None


def _names(text: str) -> tuple[str, ...]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CatalogDamaged("The catalog holds no names of facts where some stand.") from error
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise CatalogDamaged("The catalog holds no names of facts where some stand.")
    return tuple(found)
