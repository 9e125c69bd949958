"""Statements sent together say the same, in the same order, and fail as those sent one by one."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg")

from budwood.catalog.api import Transaction  # noqa: E402
from budwood.catalog.sql.postgres import PostgresCatalog  # noqa: E402
from budwood.catalog.sql.postgres_line import HELD, Line  # noqa: E402
from budwood.catalog.sql.postgres_schema import upgrade  # noqa: E402
from budwood.domain.names import Kind  # noqa: E402
from budwood.errors import BudwoodError  # noqa: E402

PUT = "INSERT INTO number (n, word) VALUES (%(n)s, %(word)s)"
ALL = "SELECT n, word FROM number ORDER BY n"


@pytest.fixture
def connection(postgres_url: str) -> Iterator[Any]:
    with psycopg.connect(postgres_url, autocommit=True) as one:
        one.execute("CREATE TABLE number (n BIGINT PRIMARY KEY, word TEXT)")
        yield one


@pytest.fixture
def line(connection: Any) -> Iterator[Line]:
    one = Line(connection)
    yield one
    one.close()


def test_what_is_held_goes_before_the_next_question(line: Line) -> None:
    line.later(PUT, {"n": 1, "word": "one"})
    line.later(PUT, {"n": 2, "word": None})
    assert line.rows(line.ask(ALL, {})) == [(1, "one"), (2, None)]


def test_the_first_use_of_a_statement_loses_nothing_that_is_held(line: Line) -> None:
    for n in range(6):
        # Each mixture of types is a statement of its own, prepared at its first use.
        line.later(PUT, {"n": n, "word": None if n % 2 else "even"})
        line.later(f"UPDATE number SET word = %(word)s WHERE n = {n}", {"word": f"word {n}"})
    assert line.rows(line.ask(ALL, {})) == [(n, f"word {n}") for n in range(6)]


def test_more_than_may_be_held_is_sent_meanwhile(line: Line, connection: Any) -> None:
    for n in range(HELD + 50):
        line.later(PUT, {"n": n, "word": "w" * 20_000})
    assert connection.execute("SELECT count(*) FROM number").fetchone() == (HELD,)
    line.settle()
    assert connection.execute("SELECT count(*) FROM number").fetchone() == (HELD + 50,)


def test_a_percent_sign_and_a_name_that_comes_twice_are_what_they_were(line: Line) -> None:
    asked = "SELECT 7 %% 4, %(a)s || '%%' || %(a)s, %(b)s::bytea, %(c)s::float8"
    assert line.rows(line.ask(asked, {"a": "x", "b": b"\0\1", "c": 0.5})) == [(3, "x%x", b"\0\1", 0.5)]


def test_of_several_that_fail_the_first_is_told_and_the_line_goes_on(line: Line) -> None:
    line.ask(PUT, {"n": 1, "word": "one"})
    line.ask("BEGIN", {})
    line.later(PUT, {"n": 2, "word": "two"})
    line.later(PUT, {"n": 1, "word": "again"})
    line.later(PUT, {"n": 3, "word": "three"})
    with pytest.raises(psycopg.errors.UniqueViolation):
        line.settle()
    line.ask("ROLLBACK", {})
    assert line.rows(line.ask(ALL, {})) == [(1, "one")]


def test_what_was_forgotten_is_not_sent(line: Line) -> None:
    line.later(PUT, {"n": 1, "word": "one"})
    line.forget()
    assert line.rows(line.ask(ALL, {})) == []


def test_a_connection_that_breaks_among_them_is_not_used_again(line: Line, connection: Any, postgres_url: str) -> None:
    line.ask(PUT, {"n": 0, "word": None})
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
    line.later(PUT, {"n": 1, "word": None})
    with pytest.raises(psycopg.OperationalError):
        line.settle()
    assert connection.closed


def test_other_threads_go_on_while_a_question_is_answered(line: Line) -> None:
    counted, done = [0], threading.Event()

    def count() -> None:
        while not done.is_set():
            counted[0] += 1
            time.sleep(0.001)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(count)
        for held in (False, True):
            before = counted[0]
            if held:
                line.later(PUT, {"n": 1, "word": None})
            line.ask("SELECT pg_sleep(0.3)::text", {})
            assert counted[0] - before > 20
        done.set()


def test_a_write_that_fails_at_its_end_leaves_its_neighbours(postgres_url: str) -> None:
    upgrade(postgres_url)
    catalog = PostgresCatalog(postgres_url)

    def good(transaction: Transaction) -> int:
        return transaction.add_ledger(1, "ruth", "good", "it", {})

    def bad(transaction: Transaction) -> None:
        transaction.add_ledger(1, "ruth", "bad", "it", {})
        transaction.add_model("red", "m", Kind.MODEL, "ruth", 1)
        session = transaction._session  # type: ignore[attr-defined]
        session.control_soon("INSERT INTO nowhere VALUES (1)")

    def fails(work: Any) -> object:
        try:
            return catalog.write(work)
        except Exception as error:
            return error

    try:
        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(fails, [good, bad] * 20))
        assert sorted(each for each in outcomes if isinstance(each, int)) == list(range(1, 21))
        assert sum(isinstance(each, BudwoodError) for each in outcomes) == 20
        with catalog.read() as view:
            assert [entry.action for entry in view.ledger(after=0, limit=100)] == ["good"] * 20
            assert view.model("red", "m") is None
    finally:
        catalog.close()
