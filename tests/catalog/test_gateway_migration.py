"""What gateways wrote before their logs had positions by name is not counted again."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.domain.traffic.records import GatewayRecord


def test_how_far_logs_were_read_is_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    config = Config()
    config.set_main_option("script_location", "budwood.catalog:migrations")
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0014")
    engine.dispose()
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
