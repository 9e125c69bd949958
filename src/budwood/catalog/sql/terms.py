"""One comparison of the search language as SQL: what must hold of a version, and which ids an index gives for it.

Every value is bound. ``holds`` is about the row of ``version`` at hand; ``ids`` is the same set in one namespace
(``HERE``, bound by search) as a range of an index, where there is one, for search to see whether the term is rare.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Column, ColumnElement, Select, Table, and_, bindparam, false, func, select, true

from budwood.catalog.sql.comparing import compares
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.session import opaque
from budwood.catalog.sql.tables import metric, model, param, pointer, tag, version
from budwood.domain.query import Compare, FieldName, Operator, Value
from budwood.errors import BadFilter

Expression = ColumnElement[Any]
Condition = ColumnElement[bool]
HERE: Final = bindparam("here", None, type_=BigInteger, required=False)
"""The id of the namespace that is searched."""
_models_here: Final = select(model.c.id).where(
    model.c.namespace == select(namespace.c.name).where(namespace.c.id == HERE).scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class Term:
    holds: Condition
    ids: Select[Any] | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A table of keys and values beside versions."""

    table: Table
    version_id: Column[int]
    namespace_id: Column[int]
    key: Column[str]
    value: Column[Any]
    created_ms: Column[int] | None = None

    def of_version(self, key: str, compared: Condition) -> Condition:
        """Whether the version at hand has the key, with a value that compares."""
        found = select(self.version_id).where(self.version_id == version.c.id, self.key == key, compared)
        return found.correlate(version).exists()

    def here(self, key: str, *compared: Condition) -> Condition:
        """On a row of this table: it is one of the namespace, has the key, and compares."""
        return and_(self.namespace_id == HERE, self.key == key, *compared)

    def compared(self, compare: Compare) -> Condition:
        """The comparison itself, on a row of this table."""
        if self.table is metric:
            return compared_number(self.value, compare)
        return _compared_text(self.value, compare)


@dataclass(frozen=True, slots=True)
class Ordering:
    """A field as something to order by; ``lacks`` tells versions without it."""

    value: Expression
    value_type: type
    lacks: Condition | None = None


FACTS: Final[Mapping[str, Fact]] = {
    "metrics": Fact(metric, metric.c.version_id, metric.c.namespace_id, metric.c.key, metric.c.value),
    "params": Fact(param, param.c.version_id, param.c.namespace_id, param.c.key, param.c.value, param.c.created_ms),
    "tags": Fact(tag, tag.c.version_id, tag.c.namespace_id, tag.c.key, tag.c.value, tag.c.created_ms),
}
_TEXT: Final[Mapping[str, Column[str]]] = {
    "kind": version.c.kind,
    "stage": version.c.stage,
    "label": version.c.label,
    "author": version.c.author,
    "message": version.c.message,
    "commit": version.c.commit_id,
    "digest": version.c.digest,
}
_NUMBERS: Final[Mapping[str, Column[int]]] = {
    "created": version.c.created_ms,
    "number": version.c.number,
    "size": version.c.size_bytes,
}
_OF_MODEL: Final[Mapping[str, Column[str]]] = {"name": model.c.name, "namespace": model.c.namespace}
_BY_NAMESPACE: Final = frozenset({"kind", "stage", "author", "created"})
_INDEXED: Final = _BY_NAMESPACE | {"commit", "digest"}
_HEX_PREFIX: Final = re.compile(r"([0-9a-f]+)%")
_ALIASES: Final = pointer.c.pointer.not_like("stage:%")


def term_of(compare: Compare) -> Term:
    """Raises BadFilter for a value that the field cannot be compared with."""
    family = compare.field.family
    if family in FACTS:
        return _fact_term(FACTS[family], compare)
    if family in _OF_MODEL:
        return _model_term(_OF_MODEL[family], compare)
    if family in _NUMBERS or family in _TEXT:
        return _version_term(compare)
    if family == "alias":
        return _alias_term(compare)
    if family == "retired":
        return _retired_term(compare)
    raise BadFilter(f"There is no field {family[:80]!r}.")


def ordering_of(field: FieldName) -> Ordering:
    """Raises BadFilter for an unknown field."""
    if field.family in FACTS:
        fact = FACTS[field.family]
        of_version = select(fact.value).where(fact.version_id == version.c.id, fact.key == field.key)
        lacks = ~fact.of_version(field.key, true())
        return Ordering(of_version.correlate(version).scalar_subquery(), float if fact.table is metric else str, lacks)
    if field.family in _NUMBERS:
        return Ordering(_NUMBERS[field.family], int)
    if field.family in _TEXT:
        return Ordering(_TEXT[field.family], str)
    if field.family == "retired":
        return Ordering(version.c.retired_ms, int)
    if field.family in _OF_MODEL:
        of_model = select(_OF_MODEL[field.family]).where(model.c.id == version.c.model_id)
        return Ordering(of_model.correlate(version).scalar_subquery(), str)
    if field.family == "alias":
        first = select(func.min(pointer.c.pointer)).where(pointer.c.version_id == version.c.id, _ALIASES)
        value = first.correlate(version).scalar_subquery()
        return Ordering(value, str, value.is_(None))
    raise BadFilter(f"Versions cannot be ordered by {field.family[:80]!r}.")


def compared_number(column: ColumnElement[Any], compare: Compare) -> Condition:
    """Raises BadFilter for what is not a number."""
    if compare.operator is Operator.LIKE:
        raise _bad(compare)
    if compare.operator is Operator.IN:
        if not isinstance(compare.value, tuple):
            raise _bad(compare)
        return column.in_([_number_of(compare, value) for value in compare.value])
    return compares(column, compare.operator, _number_of(compare, compare.value))


def _fact_term(fact: Fact, compare: Compare) -> Term:
    compared, key = fact.compared(compare), compare.field.key
    return Term(fact.of_version(key, compared), select(fact.version_id).where(fact.here(key, compared)))


def _model_term(column: Column[str], compare: Compare) -> Term:
    if compare.operator is Operator.LIKE:
        # Names are lower-case, so a lower-case pattern finds them in every database without folding each name.
        pattern = _text_of(compare, compare.value).lower()
        compared: Condition = false() if _ends_escaping(pattern) else column.like(pattern, escape="\\")
    else:
        compared = _compared_text(column, compare)
    holds = select(model.c.id).where(model.c.id == version.c.model_id, compared).correlate(version).exists()
    return Term(holds, select(version.c.id).where(version.c.model_id.in_(_models_here.where(compared))))


def _version_term(compare: Compare) -> Term:
    family = compare.field.family
    if family in _NUMBERS:
        compared = compared_number(_NUMBERS[family], compare)
    elif family == "label" and compare.operator in (Operator.EQ, Operator.NE):
        compared = _compared_label(compare)
    elif family in ("commit", "digest") and _is_prefix(compare):
        compared = _begins_with(_TEXT[family], str(compare.value)[:-1])
    else:
        compared = _compared_text(_TEXT[family], compare)
    if family not in _INDEXED or (compare.operator is Operator.LIKE and not _is_prefix(compare)):
        return Term(compared)
    here: Condition = version.c.namespace_id == HERE
    # Few versions have the same commit or digest, so their indexes are over all namespaces.
    narrow = here if family in _BY_NAMESPACE else opaque(here)
    return Term(compared, select(version.c.id).where(narrow, compared))


def _alias_term(compare: Compare) -> Term:
    compared = and_(_compared_text(pointer.c.pointer, compare), _ALIASES)
    holds = select(pointer.c.pointer).where(pointer.c.version_id == version.c.id, compared).correlate(version)
    # A name that every tenant uses is common; the pointers of one tenant are few.
    ids = select(pointer.c.version_id).where(
        pointer.c.model_id.in_(_models_here), opaque(and_(compared, pointer.c.version_id.is_not(None)))
    )
    return Term(holds.exists(), ids)


def _retired_term(compare: Compare) -> Term:
    if compare.operator not in (Operator.EQ, Operator.NE) or not isinstance(compare.value, bool):
        raise _bad(compare)
    wanted = compare.value is (compare.operator is Operator.EQ)
    return Term(version.c.retired_ms > 0 if wanted else version.c.retired_ms == 0)


def _compared_label(compare: Compare) -> Condition:
    """Build metadata does not tell labels apart."""
    key = _text_of(compare, compare.value).partition("+")[0]
    same = and_(version.c.label_key.is_not(None), version.c.label_key == key)
    return same if compare.operator is Operator.EQ else ~same


def _is_prefix(compare: Compare) -> bool:
    value = compare.value
    return compare.operator is Operator.LIKE and isinstance(value, str) and bool(_HEX_PREFIX.fullmatch(value))


def _begins_with(column: Column[str], prefix: str) -> Condition:
    """As a range, since LIKE would read every row."""
    return and_(column >= prefix, column < prefix + "\U0010ffff")


def _compared_text(column: ColumnElement[str], compare: Compare) -> Condition:
    if compare.operator is Operator.IN:
        if not isinstance(compare.value, tuple):
            raise _bad(compare)
        return column.in_([_text_of(compare, value) for value in compare.value])
    text = _text_of(compare, compare.value)
    if compare.operator is Operator.LIKE:
        return false() if _ends_escaping(text) else column.ilike(text, escape="\\")
    return compares(column, compare.operator, text)


def _ends_escaping(pattern: str) -> bool:
    """Whether nothing stands behind the last backslash: nothing is like that, and PostgreSQL calls it a mistake."""
    return (len(pattern) - len(pattern.rstrip("\\"))) % 2 == 1


def _text_of(compare: Compare, value: Value) -> str:
    if isinstance(value, tuple | bool) or "\0" in str(value):
        raise _bad(compare)
    try:
        return str(value).encode().decode()
    except UnicodeEncodeError:
        raise _bad(compare) from None


def _number_of(compare: Compare, value: Value) -> int | float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise _bad(compare) from None
    if isinstance(value, tuple | bool) or math.isnan(value):
        raise _bad(compare)
    # Beyond 64 bits no integer is stored, and the comparison comes out the same.
    return value if isinstance(value, float) or abs(value) < 1 << 63 else float(value)


def _bad(compare: Compare) -> BadFilter:
    field = f"{compare.field.family}.{compare.field.key}" if compare.field.key else compare.field.family
    return BadFilter(f"{field[:80]} cannot be compared with {compare.operator} {str(compare.value)[:80]!r}.")
