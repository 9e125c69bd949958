"""The ledger of a served registry: signed by itself within a second, and shown only to those who may see it."""

import base64
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.errors import Forbidden, LedgerDamaged
from budwood.verifier import budwood_verify
from tests.server.conftest import token_of
from tests.waiting import eventually


def newest(server: Any) -> Any:
    with sqlite3.connect(server.registry / "catalog.sqlite3") as database:
        row = database.execute("SELECT max(size), count(*) FROM ledger_checkpoint").fetchone()
        entries = database.execute("SELECT max(sequence) FROM ledger").fetchone()[0]
    database.close()
    return row[0], entries


def test_what_is_new_is_signed_soon_and_unasked(fresh: Any) -> None:
    made = fresh.ask("PUT", "/v1/models/ours/encoder/aliases/champion", by="owner", json={"version": "v1"})
    assert made.status == 200, made
    eventually(lambda: len({*newest(fresh)}) == 1, told=lambda: newest(fresh))


def test_an_admin_audits_over_http_as_in_a_folder(
    fresh: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with budwood.connect(fresh.url, token=token_of("admin")) as registry:
        checkpoint = registry.audit.checkpoint()
        assert registry.audit.verify().first_bad == -1
        registry.audit.export(tmp_path / "all")
        registry.audit.prove(2, tmp_path / "one")
        for folder in ("all", "one"):
            assert budwood_verify.main([str(tmp_path / folder), "--json", "--key", checkpoint.key]) == 0
        with sqlite3.connect(fresh.registry / "catalog.sqlite3") as database:
            database.execute("UPDATE ledger SET subject = 'decoder' WHERE sequence = 2")
        database.close()
        found = registry.audit.verify()
        assert (found.first_bad, found.last_bad) == (1, 1)
    capsys.readouterr()


def test_a_server_that_rolls_back_is_noticed(fresh: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with budwood.connect(fresh.url, token=token_of("admin")) as registry:
        size = registry.audit.checkpoint().size
        with sqlite3.connect(fresh.registry / "catalog.sqlite3") as database:
            for table in ("ledger", "ledger_leaf", "ledger_opening"):
                database.execute(f"DELETE FROM {table} WHERE sequence > 1")
            database.execute("DELETE FROM ledger_tile")
            database.execute("DELETE FROM ledger_checkpoint")
        database.close()
        found = registry.audit.verify()
        assert (found.first_bad, found.last_bad) == (found.size, size - 1)
        with pytest.raises(LedgerDamaged, match="rolled back"):
            registry.audit.checkpoint()


def test_one_entry_is_proven_to_whoever_may_read_its_namespace(team: Any) -> None:
    entries = team.ask("GET", "/v1/ledger", by="admin").value["entries"]
    ours = next(each["sequence"] for each in entries if each.get("namespace") == "ours")
    theirs = next(each["sequence"] for each in entries if each.get("namespace") == "theirs")
    proven = team.ask("GET", f"/v1/audit/entries/{ours}/proof", by="reader")
    assert (proven.status, json.loads(proven.value["leaf"])["sequence"]) == (200, ours)
    assert all(len(base64.b64decode(each)) == 32 for each in proven.value["hashes"])
    hidden, none = (team.ask("GET", f"/v1/audit/entries/{n}/proof", by="reader") for n in (theirs, 10**9))
    assert (hidden.status, none.status) == (404, 404)
    assert hidden.problem["code"] == none.problem["code"]


def test_only_an_admin_reads_all_of_it_or_erases(team: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with budwood.connect(team.url, token=token_of("owner")) as registry:
        assert registry.audit.checkpoint().size > 0
        for forbidden in (registry.audit.verify, lambda: registry.audit.erase("mara")):
            with pytest.raises(Forbidden):
                forbidden()
