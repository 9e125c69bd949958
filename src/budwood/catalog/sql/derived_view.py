"""Looking probes up, for every SQL database. ``view.py`` joins it with the rest."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, select

from budwood.catalog.people_api import Reach
from budwood.catalog.sql import search
from budwood.catalog.sql.derived_tables import probe
from budwood.catalog.sql.people_view import PeopleReads
from budwood.catalog.sql.session import Statement

_ASKED: Final = 64
_FOUND_MOST: Final = 2_000
"""Rows read of one namespace a question: a family of models shares its probes."""
_PROBED: Final = Statement(
    lambda _: (
        select(probe.c.version_id)
        .where(
            probe.c.namespace_id == bindparam("room"),
            probe.c.probe.in_([bindparam(f"p{n}") for n in range(_ASKED)]),
        )
        .order_by(probe.c.version_id.desc())
        .limit(_FOUND_MOST)
    )
)


class DerivedReads(PeopleReads):
    """``catalog.derived_api.DerivedView`` over one session."""

    __slots__ = ()

    def probed(self, probes: Sequence[int], *, limit: int, reach: Reach = None) -> Sequence[int]:
        found: Counter[int] = Counter()
        asked = list(dict.fromkeys(probes))
        for room in search.ids_within(self._session, reach) if asked else ():
            for start in range(0, len(asked), _ASKED):
                some = asked[start : start + _ASKED]
                values = {f"p{n}": value for n, value in enumerate(some + some[-1:] * (_ASKED - len(some)))}
                found.update(row[0] for row in self._session.all(_PROBED, room=room, **values))
        return sorted(found, key=lambda version: (-found[version], -version))[:limit]
