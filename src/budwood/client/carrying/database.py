"""The database of an MLflow server, read by plain SQL of its tables: SQLite and PostgreSQL, of its versions 2 and 3.

Nothing is written: the file is opened read-only, a server's session is. The tables that a version has not yet, such as
those of logged models, are empty here.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import QueuePool

from budwood.client.carrying import shapes
from budwood.client.carrying.database_mcp import DatabaseMcp
from budwood.client.carrying.database_traced import DatabaseTraced
from budwood.client.carrying.places import Places, places_of
from budwood.client.carrying.reader import Root
from budwood.client.carrying.tables import Row, Tables
from budwood.domain.carrying.records import (
    CarriedExperiment,
    CarriedFile,
    CarriedLogged,
    CarriedModel,
    CarriedRun,
    CarriedVersion,
    Measured,
    Point,
)
from budwood.domain.limits import BUSY_S, CARRIED_AT_ONCE, CARRIED_TEXT_BYTES
from budwood.domain.tracking.records import Dataset, DatasetUse, ModelUse
from budwood.errors import BadValue, FrameworkMissing, SourceNotFound


class DatabaseReader:
    """``reader.Reader`` over SQL."""

    def __init__(self, tables: Tables, places: Places) -> None:
        self._tables, self._places = tables, places
        self.traced = DatabaseTraced(tables, places)
        self.mcp = DatabaseMcp(tables)

    @property
    def name(self) -> str:
        return self._tables.name

    def experiments(self) -> Iterator[CarriedExperiment]:
        tags = defaultdict[Any, dict[str, str]](dict)
        for row in self._tables.rows("SELECT experiment_id, key, {value} AS value FROM experiment_tags"):
            tags[row["experiment_id"]][shapes.text(row, "key")] = shapes.text(row, "value")
        where = self._tables.of_workspace("experiments")
        for row in self._tables.rows(f"SELECT * FROM experiments {where} ORDER BY experiment_id"):  # noqa: S608
            yield CarriedExperiment(
                shapes.text(row, "experiment_id"),
                shapes.text(row, "name"),
                shapes.text(row, "artifact_location"),
                shapes.whole(row, "creation_time"),
                shapes.whole(row, "last_update_time"),
                row["lifecycle_stage"] == "deleted",
                tags.get(row["experiment_id"], {}),
            )

    def runs(self, experiment: str) -> Iterator[CarriedRun]:
        after = ""
        while True:
            page = self._tables.rows(
                "SELECT * FROM runs WHERE experiment_id = :experiment AND run_uuid > :after ORDER BY run_uuid"
                " LIMIT :limit",
                experiment=int(experiment),
                after=after,
                limit=CARRIED_AT_ONCE,
            )
            if not page:
                return
            after = page[-1]["run_uuid"]
            yield from self._whole_runs(page)

    def points(self, run: CarriedRun, key: str) -> Sequence[Point]:
        rows = self._tables.rows(
            "SELECT timestamp, step, value, is_nan FROM metrics WHERE run_uuid = :run AND key = :key",
            run=run.run,
            key=key,
        )
        return sorted({_point(row) for row in rows})

    def logged(self, experiment: str) -> Iterator[CarriedLogged]:
        if "logged_models" not in self._tables.columns:
            return
        rows = self._tables.rows(
            "SELECT * FROM logged_models WHERE experiment_id = :experiment ORDER BY model_id",
            experiment=int(experiment),
        )
        for at in range(0, len(rows), CARRIED_AT_ONCE):
            yield from self._whole_logged(rows[at : at + CARRIED_AT_ONCE])

    def models(self) -> Iterator[CarriedModel]:
        if "registered_models" not in self._tables.columns:
            return
        tags = self._registered_tags("registered_model_tags", ("name",))
        aliases = defaultdict[str, dict[str, int]](dict)
        for row in self._registered("registered_model_aliases"):
            aliases[row["name"]][shapes.text(row, "alias")] = shapes.whole(row, "version")
        for row in self._registered("registered_models"):
            name = shapes.text(row, "name")
            yield CarriedModel(
                name,
                shapes.text(row, "description"),
                shapes.whole(row, "creation_time"),
                shapes.whole(row, "last_updated_time"),
                tags.get((name,), {}),
                aliases.get(name, {}),
            )

    def versions(self, title: str) -> Iterator[CarriedVersion]:
        tags = self._registered_tags("model_version_tags", ("name", "version"), title)
        rows = self._registered("model_versions", title)
        for row in sorted(rows, key=lambda row: shapes.whole(row, "version")):
            stage = shapes.text(row, "current_stage") or "None"
            if stage == "Deleted_Internal":
                continue
            source = shapes.text(row, "source")
            yield CarriedVersion(
                title,
                shapes.whole(row, "version"),
                source,
                shapes.text(row, "storage_location") or source,
                shapes.text(row, "run_id"),
                shapes.logged_in(source),
                shapes.text(row, "run_link"),
                shapes.text(row, "user_id"),
                shapes.text(row, "description"),
                shapes.whole(row, "creation_time"),
                shapes.whole(row, "last_updated_time"),
                stage,
                tags.get((title, row["version"]), {}),
            )

    def files(self, root: Root) -> Sequence[CarriedFile]:
        return self._places.files(root.location)

    def open(self, root: Root, path: str) -> AbstractContextManager[Iterator[bytes]]:
        return self._places.open(root.location, path)

    def close(self) -> None:
        self._tables.close()

    # Runs and logged models with all that belongs to them

    def _whole_runs(self, page: Sequence[Row]) -> Iterator[CarriedRun]:
        ids = [row["run_uuid"] for row in page]
        params = self._tables.words("params", "run_uuid", "key", "value", ids)
        tags = self._tables.words("tags", "run_uuid", "key", "value", ids)
        keys = defaultdict[str, list[str]](list)
        for row in self._tables.of("SELECT run_uuid, key FROM latest_metrics WHERE run_uuid IN :ids", ids):
            keys[row["run_uuid"]].append(shapes.text(row, "key"))
        datasets, models = self._datasets(ids), self._model_uses(ids)
        for row in page:
            id_ = row["run_uuid"]
            name = shapes.text(row, "name") or tags[id_].get("mlflow.runName", "")
            yield CarriedRun(
                id_,
                shapes.text(row, "experiment_id"),
                name,
                shapes.text(row, "user_id"),
                shapes.status(row["status"]),
                shapes.whole(row, "start_time"),
                None if row["end_time"] is None else shapes.whole(row, "end_time"),
                shapes.text(row, "artifact_uri"),
                row["lifecycle_stage"] == "deleted",
                params[id_],
                tags[id_],
                tuple(datasets[id_]),
                tuple(models[id_]),
                tuple(sorted(keys[id_])),
            )

    def _datasets(self, ids: Sequence[str]) -> Mapping[str, list[DatasetUse]]:
        found = defaultdict[str, list[DatasetUse]](list)
        if not {"datasets", "inputs", "input_tags"} <= self._tables.columns.keys():
            return found
        rows = self._tables.of(
            "SELECT i.input_uuid, i.destination_id, d.name, d.digest, d.dataset_source_type AS source_type,"
            " {d.dataset_source} AS source, {d.dataset_schema} AS schema_, {d.dataset_profile} AS profile"
            " FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id"
            " WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id IN :ids",
            ids,
        )
        inputs = [row["input_uuid"] for row in rows]
        tags = self._tables.words("input_tags", "input_uuid", "name", "value", inputs) if inputs else {}
        fields = ("name", "digest", "source_type", "source", "schema_", "profile")
        for row in rows:
            dataset = Dataset(*(shapes.text(row, field) for field in fields))
            found[row["destination_id"]].append(DatasetUse(dataset, tags.get(row["input_uuid"], {})))
        return found

    def _model_uses(self, ids: Sequence[str]) -> Mapping[str, list[ModelUse]]:
        found = defaultdict[str, list[ModelUse]](list)
        if "logged_models" not in self._tables.columns:
            return found
        rows = self._tables.of(
            "SELECT source_type, source_id, destination_id, step FROM inputs WHERE source_id IN :ids"
            " AND source_type IN ('RUN_INPUT', 'RUN_OUTPUT')",
            ids,
        )
        for row in rows:
            is_output = row["source_type"] == "RUN_OUTPUT"
            step = shapes.whole(row, "step") if is_output else 0
            found[row["source_id"]].append(ModelUse(shapes.text(row, "destination_id"), step, is_output))
        return found

    def _whole_logged(self, page: Sequence[Row]) -> Iterator[CarriedLogged]:
        ids = [row["model_id"] for row in page]
        params = self._tables.words("logged_model_params", "model_id", "param_key", "param_value", ids)
        tags = self._tables.words("logged_model_tags", "model_id", "tag_key", "tag_value", ids)
        measured = defaultdict[str, list[Measured]](list)
        for row in self._tables.of("SELECT * FROM logged_model_metrics WHERE model_id IN :ids", ids):
            at, step = shapes.whole(row, "metric_timestamp_ms"), shapes.whole(row, "metric_step")
            point = Point.of(at, step, shapes.real({"value": row["metric_value"]}, "value"))
            dataset = (shapes.text(row, "dataset_name"), shapes.text(row, "dataset_digest"))
            one = Measured(shapes.text(row, "run_id"), shapes.text(row, "metric_name"), point, dataset)
            measured[row["model_id"]].append(one)
        for row in page:
            id_ = row["model_id"]
            yield CarriedLogged(
                id_,
                shapes.text(row, "experiment_id"),
                shapes.text(row, "name"),
                shapes.text(row, "model_type"),
                shapes.logged_status(row["status"]),
                shapes.text(row, "source_run_id"),
                shapes.text(row, "artifact_location"),
                shapes.whole(row, "creation_timestamp_ms"),
                shapes.whole(row, "last_updated_timestamp_ms"),
                row["lifecycle_stage"] == "deleted",
                tags[id_],
                params[id_],
                shapes.newest(measured[id_]),
            )

    # The registry

    def _registered(self, table: str, title: str = "") -> Sequence[Row]:
        if table not in self._tables.columns:
            return []
        where = self._tables.of_workspace(table, "name = :title" if title else "")
        return self._tables.rows(f"SELECT * FROM {table} {where}", **({"title": title} if title else {}))  # noqa: S608

    def _registered_tags(self, table: str, by: Sequence[str], title: str = "") -> dict[tuple[Any, ...], dict[str, str]]:
        found = defaultdict[tuple[Any, ...], dict[str, str]](dict)
        for row in self._registered(table, title):
            found[tuple(row[each] for each in by)][shapes.text(row, "key")] = shapes.text(row, "value")
        return found


def open_database(uri: str, artifacts: Sequence[str], workspace: str) -> DatabaseReader:
    """Raises BadValue, SourceNotFound, FrameworkMissing."""
    parts = urlsplit(uri)
    kind = parts.scheme.partition("+")[0]
    if kind == "sqlite":
        path = Path(uri.partition(":///")[2].partition("?")[0])
        if not path.is_file():
            raise SourceNotFound(f"There is no file {str(path)!r}.", path=str(path))
        place = path.resolve()
        beside = [place.parent / each for each in ("mlartifacts", "mlruns") if (place.parent / each).is_dir()]
        engine = create_engine("sqlite://", creator=lambda: _read_only(place), poolclass=QueuePool)
        tables = Tables(engine, f"sqlite:///{place}", workspace)
        return DatabaseReader(tables, places_of(artifacts, beside))
    if kind in ("postgresql", "postgres"):
        engine = _postgres(uri)
        port = f":{parts.port}" if parts.port else ""
        name = f"postgresql://{parts.hostname or ''}{port}{parts.path}"
        return DatabaseReader(Tables(engine, name, workspace), places_of(artifacts))
    hint = "SQLite and PostgreSQL are read. For others, import from the address of the server itself."
    raise BadValue(f"A database of kind {kind[:40]!r} is not read.", hint=hint)


def _read_only(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_S, check_same_thread=False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, CARRIED_TEXT_BYTES)
    # What a file from elsewhere defines (views, functions in its schema) is not run.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")
    return connection


def _postgres(uri: str) -> Engine:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        hint = "pip install 'budwood[postgres]'"
        raise FrameworkMissing("Reading PostgreSQL needs psycopg, which is not installed.", hint=hint) from error
    address = f"postgresql+psycopg://{uri.partition('://')[2]}"
    return create_engine(address, execution_options={"postgresql_readonly": True}, pool_pre_ping=True)


def _point(row: Row) -> Point:
    at, step = shapes.whole(row, "timestamp"), shapes.whole(row, "step")
    return Point(at, step, 0.0, True) if row["is_nan"] else Point.of(at, step, shapes.real(row, "value"))
