"""Databases of MLflow servers: PostgreSQL, and the tables of a server two years older."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import budwood

OLD = "acf3f17fdcc7"
"""The head of MLflow 2.9: no logged models, no steps of inputs, no workspaces."""
ROWS = """
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
VALUES (5, 'old', 'mlflow-artifacts:/5', 'active', 10, 20);
INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
source_version, lifecycle_stage, artifact_uri, experiment_id, deleted_time)
VALUES ('0123456789abcdef0123456789abcdef', 'r', 'LOCAL', 's', '', 'bob', 'FINISHED', 1, 2,
'', 'deleted', 'mlflow-artifacts:/5/r/artifacts', 5, 3);
INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)
VALUES ('m', 0.5, 1, '0123456789abcdef0123456789abcdef', 0, 0);
INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
VALUES ('m', 0.5, 1, 0, 0, '0123456789abcdef0123456789abcdef');
INSERT INTO registered_models (name, creation_time, last_updated_time, description) VALUES ('m', 1, 2, 'd');
INSERT INTO model_versions (name, version, creation_time, last_updated_time, user_id, current_stage, source, run_id,
status) VALUES ('m', 4, 1, 2, 'bob', 'Staging', 's3://b/m', '0123456789abcdef0123456789abcdef', 'READY')
"""


def test_the_tables_of_an_older_server_are_read(tmp_path: Path) -> None:
    import sqlalchemy
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    uri = f"sqlite:///{tmp_path / 'old.db'}"
    engine = sqlalchemy.create_engine(uri)
    Base.metadata.create_all(engine)
    command.upgrade(_get_alembic_config(uri), OLD)
    with engine.begin() as connection:
        for row in ROWS.split(";"):
            connection.execute(sqlalchemy.text(row))
    engine.dispose()
    before = (tmp_path / "old.db").read_bytes()
    with budwood.connect(tmp_path / "registry") as registry:
        carried = registry.import_mlflow(uri, with_files=False)
        version = registry.get("m@staging")
    assert carried.equal, carried.differences
    assert version.number == 4
    assert (tmp_path / "old.db").read_bytes() == before


def test_postgresql_is_read(filled: Callable[[str], None], postgres_server: Any, tmp_path: Path) -> None:
    name = postgres_server.make()
    url = postgres_server.url(name)
    try:
        filled(url.replace("postgresql://", "postgresql+psycopg://", 1))
        with budwood.connect(tmp_path / "registry") as registry:
            carried = registry.import_mlflow(url, with_files=False)
    finally:
        postgres_server.drop(name)
    assert carried.equal, carried.differences
    found = {each.kind: each.found for each in carried.tallies}
    assert (found["runs"], found["metric points"], found["versions"], found["aliases"]) == (5, 166, 6, 1)
