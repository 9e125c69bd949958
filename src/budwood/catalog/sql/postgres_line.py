"""Statements by libpq itself: prepared once, binary both ways, and several on one journey.

A cursor of the driver costs more than PostgreSQL takes for a look-up. What nobody waits for (``later``) is held until
the next question and sent with it. What went wrong there is raised by that question, or by ``settle``: until then
nothing that was held may be called done.
"""

import selectors
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from budwood.catalog.sql.numbered import by_number
from budwood.catalog.sql.session import Row

HELD: Final = 200
"""So many statements are held; they are small."""
_GOOD: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


@dataclass(frozen=True, slots=True)
class _Query:
    """SQL with numbered values, and their names in that order."""

    sql: bytes
    names: tuple[str, ...]
    formats: list[PyFormat]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A prepared statement with its values."""

    name: bytes
    values: Sequence[Any]
    formats: Sequence[int]


class Line:
    """One connection. Driver errors leave it as they are."""

    __slots__ = ("_connection", "_held", "_names", "_selector", "_server", "_values")

    def __init__(self, connection: "psycopg.Connection[Row]") -> None:
        self._connection = connection
        self._server = connection.pgconn
        self._values = Transformer(connection)
        self._names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._held: list[_Asked] = []
        self._selector: selectors.BaseSelector | None = None

    def ask(self, sql: str, values: Mapping[str, Any]) -> PGresult:
        """Execute; what was held goes first."""
        asked = self._prepared(sql, values)
        if self._held:
            return self._together(asked)[-1]
        return _good(self._server.exec_prepared(asked.name, asked.values, asked.formats, Format.BINARY))

    def later(self, sql: str, values: Mapping[str, Any]) -> None:
        """Execute with the next question, or at ``settle``."""
        asked = self._prepared(sql, values)
        self._held.append(asked)
        if len(self._held) >= HELD:
            self.settle()

    def settle(self) -> None:
        """Execute what is held."""
        if self._held:
            self._together()

    def forget(self) -> None:
        """Drop what is held: it would be rolled back."""
        self._held.clear()

    def rows(self, answer: PGresult, most: int = -1) -> list[Row]:
        """The answer as values."""
        self._values.set_pgresult(answer, format=Format.BINARY)
        count = answer.ntuples if most < 0 else min(answer.ntuples, most)
        return self._values.load_rows(0, count, tuple)

    def close(self) -> None:
        """Of the selector alone; the connection is its owner's."""
        if self._selector is not None:
            self._selector.close()
            self._selector = None

    def _prepared(self, sql: str, values: Mapping[str, Any]) -> _Asked:
        query = _query(sql)
        given = self._values.dump_sequence([values[name] for name in query.names], query.formats)
        types = self._values.types or ()
        known = (query.sql, types)
        name = self._names.get(known)
        if name is None:
            # What is held must have gone before: an error would be told of the wrong statement.
            self.settle()
            name = b"budwood_%d" % len(self._names)
            _good(self._server.prepare(name, query.sql, types))
            self._names[known] = name
        return _Asked(name, given, self._values.formats or ())

    def _together(self, *last: _Asked) -> list[PGresult]:
        """All on one journey. Of several that fail the first is told: the others fail because it did."""
        asked, self._held = [*self._held, *last], []
        server = self._server
        try:
            server.enter_pipeline_mode()
            for one in asked:
                server.send_query_prepared(one.name, one.values, one.formats, Format.BINARY)
            server.pipeline_sync()
            self._send()
            answers = [self._answer() for _ in asked]
            self._read()
            server.exit_pipeline_mode()
        except BaseException:
            # Whoever used it now would take the answers that still come for their own.
            self._connection.close()
            raise
        return [_good(answer) for answer in answers]

    def _send(self) -> None:
        while self._server.flush():
            # A server that cannot get rid of its answers takes no more questions.
            if self._wait(selectors.EVENT_READ | selectors.EVENT_WRITE) & selectors.EVENT_READ:
                self._server.consume_input()

    def _answer(self) -> PGresult:
        """Of the next statement; behind each there is a mark that it was all."""
        answer = self._read()
        if answer is None:
            raise psycopg.OperationalError("the server left a statement without an answer")
        self._read()
        return answer

    def _read(self) -> PGresult | None:
        while self._server.is_busy():
            self._wait(selectors.EVENT_READ)
            self._server.consume_input()
        return self._server.get_result()

    def _wait(self, wanted: int) -> int:
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._server.socket, wanted)
        else:
            self._selector.modify(self._server.socket, wanted)
        return self._selector.select()[0][1]


def _good(answer: PGresult) -> PGresult:
    if answer.status not in _GOOD:
        raise psycopg.errors.error_from_result(answer)
    return answer


@lru_cache(maxsize=4_096)
def _query(sql: str) -> _Query:
    """The driver's named values as the server wants them: one number a name."""
    written = by_number(sql, "$")
    return _Query(written.sql.encode(), tuple(written.names), [PyFormat.AUTO] * len(written.names))
