"""What was known of gateways is still: how far their logs were taken in, what they have, what they answered."""

import sqlite3
from dataclasses import astuple
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.domain.traffic.records import GatewayRecord, Served


def at_revision(path: Path, revision: str) -> None:
    """A catalog as it was then."""
    config = Config()
    config.set_main_option("script_location", "budwood.catalog:migrations")
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_what_gateways_have_is_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    at_revision(path, "0018")
    with sqlite3.connect(path) as database:
        endpoint = "INSERT INTO endpoint VALUES (?, 1, ?, '', 'mara', 5, 9, 0, 0)"
        database.executemany(endpoint, [(3, "fraud"), (4, "churn.eu")])
        body = '{"generations":{"default.churn.eu":8,"default.fraud":9,"default.gone":7},"name":"edge-1","seen_ms":7}'
        database.execute("INSERT INTO gateway (name, body) VALUES ('edge-1', ?)", (body,))
    database.close()
    catalog = SqliteCatalog(path)
    with catalog.read() as view:
        assert list(view.gateways()) == [GatewayRecord("edge-1", seen_ms=7)]
        assert view.taken("edge-1") == {3: 9, 4: 8}
    catalog.close()


def test_who_answered_what_is_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    at_revision(path, "0020")
    served = [Served(f"request-{n}", n * 40_000_000, 3, 2, 1, 200, 812, "ab" if n % 2 else "") for n in range(300)]
    with sqlite3.connect(path) as database:
        database.executemany("INSERT INTO served VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(astuple, served))
    database.close()
    catalog = SqliteCatalog(path)
    with catalog.read() as view:
        assert [view.served(each.request) for each in served] == served
        assert max(run.until_ms - run.from_ms for run in view.served_runs(limit=1_000)) < 86_400_000
    catalog.close()


def test_how_far_logs_were_read_is_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    at_revision(path, "0014")
    with sqlite3.connect(path) as database:
        bodies = [
            ("edge-1", '{"name":"edge-1","seen_ms":7,"log":"1a2b","read":400,"captures":"3c","captures_read":9}'),
            ("edge-2", '{"name":"edge-2","seen_ms":8}'),
        ]
        database.executemany("INSERT INTO gateway (name, body) VALUES (?, ?)", bodies)
    database.close()
    catalog = SqliteCatalog(path)
    with catalog.read() as view:
        assert list(view.gateways()) == [
            GatewayRecord("edge-1", seen_ms=7, positions={"1a2b": 400, "3c": 9}),
            GatewayRecord("edge-2", seen_ms=8),
        ]
    catalog.close()
