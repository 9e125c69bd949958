"""A witness elsewhere signs what continues, and nothing else; the registry keeps its lines and no stranger's."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.catalog.api import Transaction
from budwood.client.remembered import Remembered
from budwood.client.witness import open_witness
from budwood.domain.tree.note import Standing, parse_key, parse_note, standing
from budwood.errors import BadValue, Forbidden, LedgerDamaged, LimitExceeded, RecordNotFound, SourceNotFound
from budwood.govern.log_key import check
from budwood.verifier import budwood_verify
from tests.server.conftest import token_of

NAME = "auditors.example/one"
AT_S = 1_790_000_000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def connected(server: Any, role: str = "admin") -> budwood.Registry:
    return budwood.connect(server.url, token=token_of(role))


def add_entries(registry: budwood.Registry, count: int) -> None:
    def work(transaction: Transaction) -> None:
        for number in range(count):
            transaction.add_ledger(1_790_000_000_000, "mara", "alias.set", f"encoder@v{number}", {}, "default")

    registry.house.catalog.write(work)


def test_a_witness_over_http_signs_and_everybody_can_check_it(fresh: Any, tmp_path: Path) -> None:
    key = open_witness(tmp_path / "w.key", NAME).key
    with connected(fresh) as admin, connected(fresh, "reader") as reader:
        with pytest.raises(BadValue, match="no witness"):
            reader.audit.witness(tmp_path / "w.key", AT_S)
        with pytest.raises(Forbidden):
            reader.audit.add_witness(key.text)
        admin.audit.add_witness(key.text)
        first = reader.audit.witness(tmp_path / "w.key", AT_S)
        assert (first.key, first.before) == (key.text, 0)
        checkpoint = admin.audit.checkpoint(witnessed=True)
        note = parse_note(checkpoint.note.encode())
        assert standing(note, key, check) is Standing.SIGNED
        assert standing(note, parse_key(checkpoint.key), check) is Standing.SIGNED
        (seen,) = admin.audit.verify().witnesses
        assert (seen.key, seen.size) == (key.text, first.size)
        assert seen.at_s == AT_S
        fresh.ask("PUT", "/v1/models/ours/encoder/aliases/champion", by="owner", json={"version": "v1"})
        second = reader.audit.witness(tmp_path / "w.key", AT_S)
        assert second.before == first.size < second.size


def test_a_witness_signs_no_second_history(tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry", author="mara", create=True) as registry:
        add_entries(registry, 5)
        registry.audit.add_witness(open_witness(tmp_path / "w.key", NAME).key.text)
        registry.audit.witness(tmp_path / "w.key", AT_S)
        place = tmp_path / "registry" / "catalog.sqlite3"
    with sqlite3.connect(place) as database:
        # With the key in hand: the tree is made again over other entries.
        for table in ("ledger", "ledger_leaf", "ledger_opening", "ledger_tile", "ledger_checkpoint"):
            database.execute(f"DELETE FROM {table}")
    database.close()
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        add_entries(registry, 9)
        with pytest.raises(LedgerDamaged, match="no continuation"):
            registry.audit.witness(tmp_path / "w.key", AT_S)
        assert registry.audit.witnesses()[0].size == 6


def test_a_line_of_another_checkpoint_or_key_is_not_kept(tmp_path: Path) -> None:
    from budwood.domain.asks_audit import Cosign
    from budwood.verbs.witnesses import cosign

    with budwood.connect(tmp_path / "registry", author="mara", create=True) as registry:
        add_entries(registry, 5)
        witness, other = open_witness(tmp_path / "w.key", NAME), open_witness(tmp_path / "o.key", "o.example/o")
        registry.audit.add_witness(witness.key.text)
        old = registry.audit.checkpoint()
        add_entries(registry, 1)
        new = registry.audit.checkpoint()
        for size, line in (
            (new.size, witness.line(old.note, AT_S)),
            (new.size, other.line(new.note, AT_S)),
            (new.size, old.note.splitlines()[-1]),
            (new.size, "— x y"),
            (new.size, ""),
            (new.size, "\n\n"),
            (new.size, "x" * 70_000),
        ):
            with pytest.raises((BadValue, LimitExceeded)):
                cosign(registry.house, Cosign(size, line))
        for size in (0, -1, 4, 10**15):
            with pytest.raises(RecordNotFound):
                cosign(registry.house, Cosign(size, witness.line(new.note, AT_S)))
        assert cosign(registry.house, Cosign(old.size, witness.line(old.note, AT_S))).size == old.size
        assert cosign(registry.house, Cosign(new.size, witness.line(new.note, AT_S))).before == old.size
        assert cosign(registry.house, Cosign(new.size, witness.line(new.note, AT_S))).before == new.size
        assert len(parse_note(registry.audit.checkpoint(witnessed=True).note.encode()).signatures) == 2


def test_a_forged_line_in_the_database_is_found(tmp_path: Path) -> None:
    with budwood.connect(tmp_path / "registry", author="mara", create=True) as registry:
        add_entries(registry, 5)
        registry.audit.add_witness(open_witness(tmp_path / "w.key", NAME).key.text)
        size = registry.audit.witness(tmp_path / "w.key", AT_S).size
        add_entries(registry, 3)
        newest = registry.audit.checkpoint()
        with sqlite3.connect(tmp_path / "registry" / "catalog.sqlite3") as database:
            (signed,) = database.execute("SELECT note FROM ledger_checkpoint WHERE size = ?", (size,)).fetchone()
            line = signed.decode().splitlines()[-1]
            moved = newest.note + line + "\n"
            database.execute("UPDATE ledger_checkpoint SET note = ? WHERE size = ?", (moved.encode(), newest.size))
        database.close()
        (problem,) = registry.audit.verify().problems
        assert problem == f"On checkpoint {newest.size} the line of {NAME} is not its own."


def test_the_verifier_that_stands_alone_asks_for_the_witness(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with budwood.connect(tmp_path / "registry", author="mara", create=True) as registry:
        add_entries(registry, 5)
        key = open_witness(tmp_path / "w.key", NAME).key.text
        registry.audit.add_witness(key)
        registry.audit.witness(tmp_path / "w.key", AT_S)
        log = registry.audit.checkpoint().key
        registry.audit.export(tmp_path / "audit")
    assert budwood_verify.main([str(tmp_path / "audit"), "--key", log, "--key", key]) == 0
    other = open_witness(tmp_path / "o.key", "o.example/o").key.text
    assert budwood_verify.main([str(tmp_path / "audit"), "--key", log, "--key", other]) == 1
    capsys.readouterr()


def test_a_witness_keeps_its_key_to_itself(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        open_witness(tmp_path / "w.key")
    with pytest.raises(BadValue, match="no spaces"):
        open_witness(tmp_path / "w.key", "two words")
    made = open_witness(tmp_path / "w.key", NAME)
    assert (tmp_path / "w.key").stat().st_mode & 0o077 == 0
    assert open_witness(tmp_path / "w.key").key == made.key
    with pytest.raises(BadValue, match="holds the key of"):
        open_witness(tmp_path / "w.key", "another.example/one")
    (tmp_path / "bad").write_text("no key")
    with pytest.raises(BadValue, match="no witness's key"):
        open_witness(tmp_path / "bad")
    made.keep("log", Remembered("note", "key"))
    assert open_witness(tmp_path / "w.key").last("log") == Remembered("note", "key")


def test_a_ledger_has_so_many_witnesses_one_of_each_name(tmp_path: Path) -> None:
    with budwood.in_memory() as registry:
        for number in range(16):
            registry.audit.add_witness(open_witness(tmp_path / f"{number}.key", f"w{number}.example/w").key.text)
        with pytest.raises(LimitExceeded):
            registry.audit.add_witness(open_witness(tmp_path / "17.key", "w17.example/w").key.text)
        first = open_witness(tmp_path / "0.key").key.text
        assert len(registry.audit.add_witness(first)) == 16
        assert len(registry.audit.remove_witness(first)) == 15
        with pytest.raises(RecordNotFound):
            registry.audit.remove_witness(first)
        with pytest.raises(BadValue, match="another key"):
            registry.audit.add_witness(open_witness(tmp_path / "again.key", "w1.example/w").key.text)
        with pytest.raises(BadValue, match="no key"):
            registry.audit.add_witness("what")
