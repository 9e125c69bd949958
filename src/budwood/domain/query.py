"""The search language: a small filter over name, kind, tags, metrics, params, stage and time.

    kind = adapter and metrics.auc >= 0.9 and tags.team = "risk" and created > 2026-11-01 order by metrics.auc desc

``parse_query`` turns text into a Query; the catalog binds its values into SQL. Errors carry the position.
"""

from dataclasses import dataclass
from enum import StrEnum


class Operator(StrEnum):
    """How a field is compared. LIKE takes % and _, or \\ before either for itself, and ignores case."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    LIKE = "like"
    IN = "in"


@dataclass(frozen=True, slots=True)
class FieldName:
    """``family`` is name, namespace, kind, stage, label, author, message, created, number, size, commit, digest,
    alias, retired, tags, metrics or params; ``key`` is set for the last three."""

    family: str
    key: str = ""


Value = str | float | int | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison. ``created`` values are milliseconds by the time they get here."""

    field: FieldName
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "Filter"


Filter = Compare | And | Or | Not


@dataclass(frozen=True, slots=True)
class Order:
    field: FieldName
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed search; without a filter everything matches, without an order the newest come first."""

    filter: Filter | None = None
    order: Order = Order(FieldName("created"), descending=True)
