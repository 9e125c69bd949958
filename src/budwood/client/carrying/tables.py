"""The tables of an MLflow server's database, asked by plain SQL. It cuts texts, so that a giant one never comes."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Engine, bindparam, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from budwood.client.carrying import shapes
from budwood.domain.limits import CARRIED_TEXT_BYTES
from budwood.errors import BadValue, Malformed

Row = Mapping[str, Any]
_NEEDED: Final = frozenset({"alembic_version", "experiments", "runs", "metrics", "params", "tags"})
_OLDEST: Final = "latest_metrics"
_BRACES: Final = re.compile(r"\{([a-z_.]+)\}")


class Tables:
    """``workspace`` is one of the server's, where it has several. ``columns`` are the names in each table there is."""

    def __init__(self, engine: Engine, name: str, workspace: str = "") -> None:
        self._engine, self.name = engine, name
        self._workspace = workspace or "default"
        try:
            looked = inspect(engine)
            tables = frozenset(looked.get_table_names())
            self.columns = {table: {c["name"] for c in looked.get_columns(table)} for table in tables}
        except SQLAlchemyError as error:
            raise _unread(name, error) from error
        if not tables >= _NEEDED | {_OLDEST}:
            hint = "Let its server upgrade it first: mlflow db upgrade URI" if tables >= _NEEDED else ""
            raise BadValue(f"{name} is no database of an MLflow server that can be read.", hint=hint)

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def words(self, table: str, of: str, key: str, value: str, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        found = defaultdict[str, dict[str, str]](dict)
        sql = f"SELECT {of} AS of_, {key} AS key, {{{value}}} AS value FROM {table} WHERE {of} IN :ids"  # noqa: S608
        for row in self.of(sql, ids):
            found[row["of_"]][shapes.text(row, "key")] = shapes.text(row, "value")
        return found

    def of_workspace(self, table: str, more: str = "") -> str:
        """The condition; the name of a workspace is bound like every value."""
        conditions = [more] if more else []
        if "workspace" in self.columns[table]:
            conditions.append("workspace = :workspace")
        return f"WHERE {' AND '.join(conditions)}" if conditions else ""

    def of(self, sql: str, ids: Sequence[str]) -> Sequence[Row]:
        return self.rows(sql, ids=list(ids))

    def rows(self, sql: str, **values: Any) -> Sequence[Row]:
        """``{column}`` is its text, cut where it would be too long. Raises Malformed."""
        for column in _BRACES.findall(sql):
            sql = sql.replace(f"{{{column}}}", f"substr(CAST({column} AS TEXT), 1, {CARRIED_TEXT_BYTES // 4})")
        statement = text(sql)
        if "ids" in values:
            statement = statement.bindparams(bindparam("ids", expanding=True))
        if ":workspace" in sql:
            values["workspace"] = self._workspace
        try:
            with self._engine.connect() as connection:
                return [dict(row) for row in connection.execute(statement, values).mappings()]
        except SQLAlchemyError as error:
            raise _unread(self.name, error) from error


def _unread(name: str, error: SQLAlchemyError) -> Malformed:
    said = str(getattr(error, "orig", None) or error).splitlines()
    return Malformed(f"{name} cannot be read: {said[0][:300] if said else type(error).__name__}")
