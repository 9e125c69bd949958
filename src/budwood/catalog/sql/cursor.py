"""Where a search goes on: the last row's place in the order, as text that only means something to us.

A cursor comes back from outside, so it is checked like any input: its size, its form, the types in it, and that
it belongs to this very query.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from budwood.domain import canon
from budwood.domain.limits import CURSOR_BYTES
from budwood.domain.query import Query
from budwood.errors import BadValue

_HINT: Final = "Use the cursor of the page before as it was given, with the same search; or begin without one."
_ID_END: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Place:
    """The last row of a page: its order value (None among versions without one) and its id."""

    value: str | float | int | None
    version_id: int


def write_cursor(query: Query, place: Place) -> str:
    written = canon.dumps([_mark(query), place.value, place.version_id])
    return base64.urlsafe_b64encode(written).decode()


def read_cursor(query: Query, cursor: str, value_type: type) -> Place:
    """Raises BadValue unless it was written for this query; ``value_type`` is str, int or float."""
    if len(cursor) > CURSOR_BYTES:
        raise _bad()
    try:
        parts = canon.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise _bad() from None
    match parts:
        case [str(mark), value, int(version_id)] if mark == _mark(query) and 0 <= version_id < _ID_END:
            return Place(_checked(value, value_type), version_id)
    raise _bad()


def _checked(value: object, value_type: type) -> str | float | int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _bad()
    if value_type is float and isinstance(value, int | float):
        return float(value)
    if type(value) is not value_type or (isinstance(value, int) and not -_ID_END <= value < _ID_END):
        raise _bad()
    return value


def _mark(query: Query) -> str:
    """Eight letters that differ between queries."""
    return hashlib.sha256(repr(query).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _bad() -> BadValue:
    return BadValue("This cursor does not belong to this search.", hint=_HINT)
