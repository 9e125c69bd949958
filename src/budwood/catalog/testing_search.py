"""The part of the catalog's conformance suite about search: an oracle that scans and sorts in plain Python.

Random queries over a random catalog, page by page, must give what the oracle gives.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from budwood.catalog.api import Catalog, NewVersion, Transaction
from budwood.catalog.people_api import Reach
from budwood.catalog.testing_index import repeatable
from budwood.domain.names import Kind, Stage
from budwood.domain.query import And, Compare, FieldName, Filter, Not, Operator, Or, Order, Query, Value
from budwood.domain.records import MoveReason, Tag, VersionRecord
from budwood.errors import BadFilter, BadValue

_MODELS: Final = ("encoder", "encoder-large", "fraud", "fraud.v2", "ranker_1")
_WORDS: Final = (
    "risk",
    "Risk",
    "fraud team",
    "it's",
    '"; drop table version; --',
    "50%",
    "a_b",
    "Ünïcode 🌱",
    "",
    "\\",
)
_TEXT_FIELDS: Final = ("name", "namespace", "kind", "stage", "label", "author", "message", "commit", "digest", "alias")
_NUMBER_FIELDS: Final = ("created", "number", "size")
_KEYED_FIELDS: Final = ("tags", "params", "metrics")
_KEYS: Final = ("a", "b", "strange key's")
_FIELDS: Final = (*_TEXT_FIELDS, *_NUMBER_FIELDS, *_KEYED_FIELDS, "retired")

Known = str | float | int | bool


@dataclass(slots=True)
class Row:
    """One version as the oracle knows it: the values of every field, each field by (family, key)."""

    version: VersionRecord
    values: dict[tuple[str, str], tuple[Known, ...]] = field(default_factory=dict)


class SearchSuite:
    """Needs the fixture ``catalog``."""

    def test_search_pages_give_what_a_sorted_scan_gives(self, catalog: Catalog) -> None:
        chance = repeatable(3)
        rows = filled(catalog, chance, 120)
        for _ in range(150):
            query = any_query(chance)
            limit = chance.choice((1, 3, 10, 50, 200))
            assert paged(catalog, query, limit) == scanned(rows, query), query

    def test_a_search_within_reach_finds_nothing_beyond_it(self, catalog: Catalog) -> None:
        chance = repeatable(9)
        rows = filled(catalog, chance, 90)
        for reach in (frozenset({"team-a"}), frozenset({"team-a", "default", "nowhere"}), frozenset({"nowhere"})):
            near = [row for row in rows if row.version.namespace in reach]
            for _ in range(40):
                query = any_query(chance)
                assert paged(catalog, query, chance.choice((1, 7, 200)), reach) == scanned(near, query), query

    def test_every_field_orders_in_both_directions(self, catalog: Catalog) -> None:
        rows = filled(catalog, repeatable(4), 60)
        for family in _FIELDS:
            for descending in (False, True):
                query = Query(None, Order(FieldName(family, "a" if family in _KEYED_FIELDS else ""), descending))
                assert paged(catalog, query, 7) == scanned(rows, query), query

    def test_every_operator_on_every_field_selects_what_a_scan_selects(self, catalog: Catalog) -> None:
        chance = repeatable(5)
        rows = filled(catalog, chance, 60)
        for family in _FIELDS:
            for operator in Operator:
                if family == "retired" and operator not in (Operator.EQ, Operator.NE):
                    continue
                for _ in range(2):
                    compare = any_compare(chance, family, operator)
                    assert paged(catalog, Query(compare), 40) == scanned(rows, Query(compare)), compare

    def test_a_label_is_found_whatever_its_build(self, catalog: Catalog) -> None:
        filled(catalog, repeatable(6), 10)
        found = paged(catalog, Query(Compare(FieldName("label"), Operator.EQ, "1.3.0+else")), 10)
        assert len(found) == 1

    def test_letters_beyond_ascii_are_compared_without_case(self, catalog: Catalog) -> None:
        rows = filled(catalog, repeatable(7), 60)
        query = Query(Compare(FieldName("tags", "a"), Operator.LIKE, "üNÏ%"))
        assert paged(catalog, query, 10) == scanned(rows, query) != []

    def test_a_pattern_that_ends_in_an_escape_is_like_nothing(self, catalog: Catalog) -> None:
        rows = filled(catalog, repeatable(13), 60)
        for family in ("name", "author", "message", "alias", "label"):
            for pattern in ("\\", "%\\", "fraud team\\", "\\\\", "%\\\\\\"):
                query = Query(Not(Compare(FieldName(family), Operator.LIKE, pattern)))
                assert paged(catalog, query, 40) == scanned(rows, query), query

    def test_values_of_the_wrong_kind_are_refused(self, catalog: Catalog) -> None:
        wrong: tuple[tuple[str, Operator, Value], ...] = (
            ("created", Operator.EQ, "yesterday"),
            ("number", Operator.LIKE, "1%"),
            ("size", Operator.IN, 5),
            ("metrics", Operator.GE, float("nan")),
            ("name", Operator.EQ, True),
            ("name", Operator.EQ, "\ud800"),
            ("name", Operator.EQ, "a\0"),
            ("kind", Operator.IN, "model"),
            ("retired", Operator.LT, True),
            ("no such", Operator.EQ, "x"),
        )
        for family, operator, value in wrong:
            raises(BadFilter, catalog, Query(Compare(FieldName(family, "a"), operator, value)), "")
        raises(BadFilter, catalog, Query(None, Order(FieldName("no such"))), "")

    def test_numbers_of_any_size_can_be_compared(self, catalog: Catalog) -> None:
        rows = filled(catalog, repeatable(8), 10)
        for value in (10**30, -(10**30), 1e300, float("inf"), 0.5):
            for family in ("size", "number", "created", "metrics"):
                query = Query(Compare(FieldName(family, "a" if family == "metrics" else ""), Operator.LT, value))
                assert paged(catalog, query, 100) == scanned(rows, query), query

    def test_a_cursor_that_is_not_ours_is_refused(self, catalog: Catalog) -> None:
        filled(catalog, repeatable(9), 20)
        by_metric = Query(None, Order(FieldName("metrics", "a")))
        with catalog.read() as view:
            ours = view.search(by_metric, limit=2).cursor
        forged = ("x", "é", "🌱", "AAAA", ours[:-4], ours + "AAAA", ours.swapcase(), "W10=", "bnVsbA==", "W" * 100_000)
        for cursor in forged:
            raises(BadValue, catalog, by_metric, cursor)
        raises(BadValue, catalog, Query(None, Order(FieldName("metrics", "b"))), ours)
        raises(BadValue, catalog, Query(), ours)

    def test_a_page_is_never_larger_than_its_limit(self, catalog: Catalog) -> None:
        filled(catalog, repeatable(10), 12)
        with catalog.read() as view:
            page = view.search(Query(), limit=5)
            assert len(page.versions) == 5
            assert page.cursor
            rest = view.search(Query(), cursor=page.cursor, limit=7)
            assert len(rest.versions) == 7
            assert rest.cursor == ""
            assert view.search(Query(), limit=0).versions == ()

    def test_pages_stay_right_while_versions_are_added(self, catalog: Catalog) -> None:
        filled(catalog, repeatable(11), 20)
        with catalog.read() as view:
            page = view.search(Query(), limit=10)
            expected = [version.id for version in view.search(Query(), cursor=page.cursor).versions]
        filled(catalog, repeatable(12), 20, base_ms=10_000)
        with catalog.read() as view:
            assert [version.id for version in view.search(Query(), cursor=page.cursor).versions] == expected


def filled(catalog: Catalog, chance: Random, count: int, base_ms: int = 1_000) -> list[Row]:
    """A catalog of versions with odd values everywhere, and the same for the oracle."""

    def work(transaction: Transaction) -> list[Row]:
        rows = [add_row(transaction, chance, step, base_ms) for step in range(count)]
        for row in rows:
            found = transaction.version_by_id(row.version.id)
            assert found is not None
            row.version = found
            row.values |= plain_values(found)
        return rows

    return catalog.write(work)


def add_row(transaction: Transaction, chance: Random, step: int, base_ms: int) -> Row:
    namespace, name = chance.choice(("default", "team-a")), chance.choice(_MODELS)
    model = transaction.model(namespace, name) or transaction.add_model(namespace, name, Kind.MODEL, "mara", 1)
    metrics = {key: chance.choice((0.0, -1.5, 0.5, 1e-9, 1e20)) for key in _KEYS if chance.random() < 0.7}
    params = {key: chance.choice(_WORDS) for key in _KEYS if chance.random() < 0.7}
    tags = {key: chance.choice(_WORDS) for key in _KEYS if chance.random() < 0.7}
    new = NewVersion(
        model.id,
        digest=f"{chance.getrandbits(256):064x}",
        label=f"1.{step}.0+b" if base_ms == 1_000 and step % 3 == 0 else "",
        kind=chance.choice(tuple(Kind)),
        author=chance.choice(_WORDS),
        created_ms=base_ms + chance.randrange(20),
        size_bytes=chance.randrange(5),
        manifest_size=1,
        manifest_blocks=(),
        commit=chance.choice(("", "ab", "ab12", "cafe")),
        message=chance.choice(_WORDS),
        metrics=metrics,
        params=params,
    )
    version = transaction.add_version(new)
    for key, value in tags.items():
        transaction.put_tag(version.id, Tag(key, value, "mara", 5))
    row = Row(version)
    facts: tuple[tuple[str, Mapping[str, Known]], ...] = (("metrics", metrics), ("params", params), ("tags", tags))
    row.values = {(family, key): (value,) for family, keyed in facts for key, value in keyed.items()}
    row.values["alias", ""] = put_beside(transaction, chance, version, step)
    return row


def put_beside(transaction: Transaction, chance: Random, version: VersionRecord, step: int) -> tuple[str, ...]:
    """Some versions are staged, retired, or have aliases of their own; which aliases."""
    if chance.random() < 0.4:
        transaction.set_stage(version.id, chance.choice(tuple(Stage)), at_ms=1, author="mara")
    if chance.random() < 0.2:
        transaction.retire(version.id, at_ms=5, reason="old")
    aliases = tuple(f"{name}-{version.id}" for name in ("champion", "latest") if chance.random() < 0.3)
    for alias in (*aliases, *(("stage:production",) if step == 5 else ())):
        transaction.add_move(version.model_id, alias, version, at_ms=1, author="mara", reason=MoveReason.SET, before=0)
    return aliases


def plain_values(version: VersionRecord) -> dict[tuple[str, str], tuple[Known, ...]]:
    return {
        ("name", ""): (version.model,),
        ("namespace", ""): (version.namespace,),
        ("kind", ""): (str(version.kind),),
        ("stage", ""): (str(version.stage),),
        ("label", ""): (version.label,),
        ("author", ""): (version.author,),
        ("message", ""): (version.message,),
        ("commit", ""): (version.commit,),
        ("digest", ""): (version.digest,),
        ("created", ""): (version.created_ms,),
        ("number", ""): (version.number,),
        ("size", ""): (version.size_bytes,),
        ("retired", ""): (version.retired_ms,),
    }


def any_query(chance: Random) -> Query:
    family = chance.choice((*_FIELDS, "created", "created", "metrics", "metrics"))
    key = chance.choice(_KEYS) if family in _KEYED_FIELDS else ""
    filter_ = any_filter(chance, 3) if chance.random() < 0.8 else None
    return Query(filter_, Order(FieldName(family, key), chance.random() < 0.5))


def any_filter(chance: Random, depth: int) -> Filter:
    shape = chance.random()
    if depth == 0 or shape < 0.5:
        family = chance.choice(_FIELDS)
        equal = (Operator.EQ, Operator.NE)
        return any_compare(chance, family, chance.choice(equal if family == "retired" else tuple(Operator)))
    if shape < 0.6:
        return Not(any_filter(chance, depth - 1))
    parts = tuple(any_filter(chance, depth - 1) for _ in range(chance.randrange(1, 4)))
    return And(parts) if shape < 0.85 else Or(parts)


def any_compare(chance: Random, family: str, operator: Operator) -> Compare:
    field_ = FieldName(family, chance.choice(_KEYS) if family in _KEYED_FIELDS else "")
    if family == "retired":
        return Compare(field_, operator, chance.random() < 0.5)
    if family in (*_NUMBER_FIELDS, "metrics"):
        if operator is Operator.LIKE:
            operator = Operator.LE
        value: Value = chance.choice((0, 1, 2.5, 0.5, 1e-9, 1_005, 1_010, 1_015, -3))
        return Compare(field_, operator, ("1", "2.0", "0.5", "1007") if operator is Operator.IN else value)
    if operator is Operator.IN:
        return Compare(field_, operator, tuple(chance.sample(_texts(family), 3)))
    text = chance.choice(_texts(family))
    if operator is Operator.LIKE:
        text = chance.choice((text, f"{text[:2]}%", f"%{text[1:].upper()}", "%\\%%", "%a%", "____", "%'%", "ab%"))
    return Compare(field_, operator, text)


def _texts(family: str) -> tuple[str, ...]:
    known = {
        "name": _MODELS,
        "namespace": ("default", "team-a", "none"),
        "kind": tuple(str(kind) for kind in Kind),
        "stage": tuple(str(stage) for stage in Stage),
        "label": ("1.0.0", "1.3.0+x", "1.6.0", "9.9.9"),
        "commit": ("", "ab", "ab12", "c"),
        "digest": ("0" * 64, "8", "f"),
        "alias": ("champion-5", "latest-7", "stage:production", "champion-12"),
    }
    return known.get(family, _WORDS)


def paged(catalog: Catalog, query: Query, limit: int, reach: Reach = None) -> list[int]:
    """All pages of a search, put together."""
    found: list[int] = []
    cursor = ""
    with catalog.read() as view:
        while True:
            page = view.search(query, cursor=cursor, limit=limit, reach=reach)
            found += [version.id for version in page.versions]
            cursor = page.cursor
            if not cursor:
                return found


def scanned(rows: list[Row], query: Query) -> list[int]:
    """What the search must give, by looking at every row."""
    matching = [row for row in rows if query.filter is None or holds(query.filter, row)]
    key = (query.order.field.family, query.order.field.key)
    having = [row for row in matching if row.values.get(key)]
    lacking = [row for row in matching if not row.values.get(key)]
    having.sort(key=lambda row: (min(row.values[key]), row.version.id), reverse=query.order.descending)
    lacking.sort(key=lambda row: row.version.id, reverse=query.order.descending)
    return [row.version.id for row in [*having, *lacking]]


def holds(filter_: Filter, row: Row) -> bool:
    match filter_:
        case Compare():
            return compares(filter_, row)
        case And(parts):
            return all(holds(part, row) for part in parts)
        case Or(parts):
            return any(holds(part, row) for part in parts)
        case Not(part):
            return not holds(part, row)


def compares(compare: Compare, row: Row) -> bool:
    values = row.values.get((compare.field.family, compare.field.key), ())
    wanted = compare.value
    if compare.field.family == "retired":
        values = tuple(bool(value) for value in values)
    if compare.field.family == "label" and compare.operator in (Operator.EQ, Operator.NE):
        values = tuple(str(value).partition("+")[0] for value in values)
        wanted = str(wanted).partition("+")[0]
    return any(_OPERATORS[compare.operator](value, wanted) for value in values)


def _like(value: Known, pattern: object) -> bool:
    parts = re.findall(r"\\.|.", str(pattern), re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(wild.get(part) or re.escape(part[1:] if len(part) == 2 else part) for part in parts)
    if parts and parts[-1] == "\\":
        return False  # An escape with nothing behind it matches nothing.
    return re.fullmatch(expression.lower(), str(value).lower(), re.DOTALL) is not None


def _among(value: Known, wanted: object) -> bool:
    assert isinstance(wanted, tuple)
    return value in wanted if isinstance(value, str) else value in {float(word) for word in wanted}


_OPERATORS: Final[Mapping[Operator, Callable[[Known, object], bool]]] = {
    Operator.EQ: lambda value, wanted: value == wanted,
    Operator.NE: lambda value, wanted: value != wanted,
    Operator.LT: lambda value, wanted: value < wanted,  # type: ignore[operator]
    Operator.LE: lambda value, wanted: value <= wanted,  # type: ignore[operator]
    Operator.GT: lambda value, wanted: value > wanted,  # type: ignore[operator]
    Operator.GE: lambda value, wanted: value >= wanted,  # type: ignore[operator]
    Operator.LIKE: _like,
    Operator.IN: _among,
}


def raises(kind: type[Exception], catalog: Catalog, query: Query, cursor: str) -> None:
    with catalog.read() as view:
        try:
            view.search(query, cursor=cursor, limit=3)
        except kind:
            return
    raise AssertionError(f"{kind.__name__} was not raised for {query} {cursor[:50]!r}")
