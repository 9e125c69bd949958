"""Queries: rows hashed in canonical form, in order or in any, from databases that are only read."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.client.datasets import queries
from budwood.client.datasets.queries import check_query, fingerprint_query, kept_address
from budwood.errors import BadValue, FrameworkMissing, LimitExceeded, NotOffered, SourceNotFound, TargetUnreachable

ROWS = [(1, "lost card", 0.5, None), (2, "new address", -1.0, b"\x00\xff"), (2, "new address", -1.0, b"\x00\xff")]
Save = Callable[[Sequence[tuple[object, ...]]], str]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write rows of four columns to a database; its address."""

    def saved(rows: Sequence[tuple[object, ...]]) -> str:
        path = tmp_path / "crm.db"
        path.unlink(missing_ok=True)
        base = sqlite3.connect(path)
        base.execute("create table tickets (id integer, text text, score real, raw blob)")
        base.executemany("insert into tickets values (?, ?, ?, ?)", rows)
        base.commit()
        base.close()
        return f"sqlite:///{path}"

    return saved


ALL = "select * from tickets"


def test_rows_columns_and_figures_are_those_of_the_result(save: Save) -> None:
    found = fingerprint_query(save(ROWS), ALL)
    assert (found.rows, found.pointer, found.query, found.ordered) == (3, True, ALL, False)
    assert [(column.name, column.type, column.nullable) for column in found.columns] == [
        ("id", "integer", False),
        ("text", "text", False),
        ("score", "number", False),
        ("raw", "bytes", True),
    ]
    identity, text, score, raw = found.statistics
    assert (identity.least, identity.most, identity.distinct) == ("1", "2", 2)
    assert (text.least, text.most) == ("9", "11")
    assert (score.least, score.most, score.mean) == ("-1.0", "0.5", -0.5)
    assert (raw.count, raw.nulls, raw.least) == (2, 1, "2")


def test_in_any_order_the_same_rows_have_the_same_digest(save: Save) -> None:
    digests = {fingerprint_query(save(rows), ALL).sha256 for rows in (ROWS, ROWS[::-1])}
    assert len(digests) == 1


def test_in_order_their_order_counts(save: Save) -> None:
    first = fingerprint_query(save(ROWS), ALL, ordered=True)
    second = fingerprint_query(save(ROWS[::-1]), ALL, ordered=True)
    assert first.sha256 != second.sha256
    assert first.sha256 != fingerprint_query(save(ROWS), ALL).sha256


def test_how_often_a_row_comes_counts(save: Save) -> None:
    assert fingerprint_query(save(ROWS[:2]), ALL).sha256 != fingerprint_query(save(ROWS), ALL).sha256
    two, other = [ROWS[0]] * 2 + [ROWS[1]], [ROWS[0]] + [ROWS[1]] * 2
    assert fingerprint_query(save(two), ALL).sha256 != fingerprint_query(save(other), ALL).sha256


def test_values_of_other_types_are_other_values(save: Save) -> None:
    address = save(ROWS)
    asked = ["select 1 as a", "select '1' as a", "select 1.0 as a", "select null as a", "select 'None' as a"]
    digests = {fingerprint_query(address, query).sha256 for query in [*asked, "select 1 as b", "select 1 as a, 2 as b"]}
    assert len(digests) == 7


def test_values_cannot_be_moved_between_columns(save: Save) -> None:
    address = save(ROWS)
    assert (
        fingerprint_query(address, "select 'a\",\"b' as x, 'c' as y").sha256
        != fingerprint_query(address, "select 'a' as x, 'b\",\"c' as y").sha256
    )


@given(st.lists(st.tuples(st.integers(), st.text(), st.floats(allow_nan=False)), max_size=20), st.randoms())
@settings(max_examples=60)
def test_shuffled_rows_are_the_same_rows(rows: list[tuple[object, ...]], chance: object) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    digests = set()
    for each in (rows, shuffled):
        taken = queries._Rows(ordered=False)
        taken.begin(["a", "b", "c"])
        for start in range(0, len(each), 7):
            taken.add(each[start : start + 7])
        digests.add(taken.sha256)
    assert len(digests) == 1


def test_every_type_of_a_database_has_a_form_of_its_own() -> None:
    values = [
        *(None, True, 1, 1.0, "1", Decimal("1"), b"1", date(2026, 1, 1), datetime(2026, 1, 1)),
        *(UUID(int=1), [1], ["1"], {"a": 1}, float("inf"), float("nan"), "inf"),
    ]
    lines = {queries._line([queries._piece(value)]) for value in values}
    assert len(lines) == len(values)
    with pytest.raises(TypeError, match="object"):
        queries._piece(object())


@pytest.mark.parametrize(
    "query",
    [
        "delete from tickets",
        "drop table tickets",
        "attach 'other.db' as other",
        "pragma user_version = 3",
        "select 1; drop table tickets",
        "/* select */ delete from tickets",
        "-- select\ndelete from tickets",
        "",
    ],
)
def test_what_does_not_only_read_is_refused_by_its_words(query: str, save: Save) -> None:
    with pytest.raises(BadValue):
        fingerprint_query(save(ROWS), query)


@pytest.mark.parametrize(
    "query",
    [
        "with gone as (select 1) delete from tickets",
        "with x as (select 1) insert into tickets (id) select 9",
        "select load_extension('x')",
        "with x as (select 1) update tickets set id = 9 returning id",
    ],
)
def test_what_slips_through_is_refused_by_the_database(query: str, save: Save) -> None:
    address = save(ROWS)
    with pytest.raises(TargetUnreachable):
        fingerprint_query(address, query)
    assert fingerprint_query(address, ALL).rows == 3


def test_a_trailing_semicolon_and_comments_before_are_fine(save: Save) -> None:
    assert check_query("  -- all\n /* of */ (select 1);  ").endswith("(select 1)")
    assert fingerprint_query(save(ROWS), f"-- all of them\n{ALL} ;\n").rows == 3
    with pytest.raises(LimitExceeded):
        check_query("select " + "1," * 40_000 + "1")


def test_percent_signs_and_colons_are_themselves(save: Save) -> None:
    assert fingerprint_query(save(ROWS), f"{ALL} where text like '%card' and text <> ':x'").rows == 1


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        fingerprint_query(f"sqlite:///{tmp_path}/none.db", "select 1")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "no.db").write_text("no database, but long enough to be looked at " * 40)
    with pytest.raises(TargetUnreachable, match="not a database"):
        fingerprint_query(f"sqlite:///{tmp_path}/no.db", "select * from x")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("nonsense", BadValue),
        ("sqlite://", BadValue),
        ("sqlite:///:memory:", BadValue),
        ("sqlite:///file:x?mode=rwc&uri=true", BadValue),
        ("oracle://scott@host/db", NotOffered),
        ("postgresql+nodriver://u@h/d", FrameworkMissing),
        ("postgresql://u:p@h/d?sslpassword=geheim", BadValue),
    ],
)
def test_addresses_that_cannot_be_asked_are_refused(url: str, error: type[Exception]) -> None:
    with pytest.raises(error) as refused:
        fingerprint_query(url, "select 1")
    assert "geheim" not in str(refused.value)


def test_a_password_is_left_out_of_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = kept_address("postgresql+psycopg://mara:geheim@host/crm?sslmode=require")
    assert kept == "postgresql+psycopg://mara@host/crm?sslmode=require"
    monkeypatch.chdir(tmp_path)
    assert kept_address("sqlite:///crm.db") == f"sqlite:///{tmp_path}/crm.db"


def test_postgresql_is_asked_in_a_transaction_that_only_reads(postgres_server: object) -> None:
    name = postgres_server.make()  # type: ignore[attr-defined]
    url: str = postgres_server.url(name)  # type: ignore[attr-defined]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table t (id int, at timestamptz, amount numeric(9,2), tags text[], doc jsonb)")
        connection.execute("insert into t values (1, '2026-01-01 12:00+01', 12.30, '{a,b}', '{\"k\": [1]}')")
        connection.execute("insert into t (id) values (2)")
        connection.execute("create function grow() returns int language sql as 'insert into t values (9) returning 9'")
        address = "postgresql+psycopg://" + url.partition("://")[2]
        found = fingerprint_query(address, "select * from t")
        assert (found.rows, [column.type for column in found.columns]) == (
            2,
            ["integer", "timestamp", "decimal", "json", "json"],
        )
        assert fingerprint_query(address, "select * from t order by id desc").sha256 == found.sha256
        for query in ("select grow()", "with x as (delete from t returning 1) select * from x"):
            with pytest.raises(TargetUnreachable, match=r"read-only|data-modifying"):
                fingerprint_query(address, query)
        assert connection.execute("select count(*) from t").fetchall() == [(2,)]
    postgres_server.drop(name)  # type: ignore[attr-defined]
