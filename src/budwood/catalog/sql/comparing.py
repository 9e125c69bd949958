"""A column beside a value, as the languages of both searches write it."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement

_ORDERS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compares(column: ColumnElement[Any], by: str, value: str | float) -> ColumnElement[bool]:
    """``by`` is one of ``= != < <= > >=``."""
    found: ColumnElement[bool] = _ORDERS[by](column, value)
    return found
