"""budwood db: what it says of a schema, and that only it changes one on PostgreSQL."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from budwood.catalog import migrations

Run = Callable[..., Any]


@pytest.fixture
def database(empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("BUDWOOD_DATABASE", empty_postgres_url)
    return empty_postgres_url


def test_a_registry_on_postgresql_is_made_by_upgrade_and_by_nothing_else(
    run: Run, database: str, tmp_path: Path
) -> None:
    assert run("list", "--json").json["error"]["code"] == "registry_not_found"
    assert "db upgrade" in run("list").err
    assert run("db", "status", "--json").json["revision"] == ""
    assert run("db", "upgrade").code == 0
    assert "nothing to do" in run("db", "upgrade").out
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert run("push", str(tmp_path / "model.bin"), "encoder").code == 0
    assert run("show", "encoder", "--json").json["version"]["number"] == 1


def test_status_changes_nothing(run: Run, database: str) -> None:
    first = run("db", "status", "--json").json
    assert first == run("db", "status", "--json").json
    assert (first["before"], first["revision"], first["newest"]) == ("", "", migrations.HEAD)


def test_no_answer_repeats_the_password(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in (
        "postgresql://mara:hunter2@127.0.0.1:1/none",
        "postgresql://mara:hunter2@host:port/none",
        "password=hunter2 host=127.0.0.1 port=1 nonsense=hunter2",
        "hunter2",
    ):
        monkeypatch.setenv("BUDWOOD_DATABASE", address)
        for words in (("db", "status"), ("list",), ("--debug", "db", "upgrade")):
            ran = run(*words)
            assert ran.code in (2, 7), ran.err
            assert "hunter2" not in ran.out + ran.err


def test_a_folder_with_a_catalog_is_not_used_beside_a_database(
    run: Run, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("db", "upgrade").code == 0
    monkeypatch.delenv("BUDWOOD_DATABASE")
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert run("--registry", "own", "push", str(tmp_path / "model.bin"), "encoder").code == 0
    monkeypatch.setenv("BUDWOOD_DATABASE", database)
    ran = run("--registry", "own", "list", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (2, "bad_value")


def test_a_database_is_not_named_by_the_folder_one_happens_to_be_in(run: Run) -> None:
    Path("budwood.toml").write_text("database = 'postgresql://example.com/x'\n")
    ran = run("list", "--json")
    assert ran.code == 2
    assert "BUDWOOD_DATABASE" in ran.json["error"]["hint"]


def test_the_schema_of_a_folder_is_said_and_upgraded_too(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("db", "status", "--json").json["error"]["code"] == "registry_not_found"
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert run("--registry", "own", "push", str(tmp_path / "model.bin"), "encoder").code == 0
    state = run("--registry", "own", "db", "status", "--json").json
    assert (state["revision"], state["newest"]) == (migrations.HEAD, migrations.HEAD)
    assert json.dumps(state) == json.dumps(run("--registry", "own", "db", "upgrade", "--json").json)
    with sqlite3.connect("own/catalog.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert run("--registry", "own", "db", "upgrade", "--json").json["error"]["code"] == "too_new"
