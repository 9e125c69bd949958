"""budwood audit: whatever is done to the database behind our back is found, and the first bad entry named."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.catalog.api import Transaction
from budwood.domain.tree.hashes import leaf_hash
from budwood.govern.sequencer import sequence
from budwood.verifier import budwood_verify

ENTRIES = 600
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with some hundred entries and a few checkpoints."""
    root = tmp_path_factory.mktemp("signed") / "registry"
    with budwood.connect(root, author="mara") as registry:
        for upto in (200, 256, ENTRIES):
            registry.house.catalog.write(lambda transaction: _fill(transaction, upto))  # noqa: B023 used at once
            sequence(registry.house.catalog, registry.house.clock)
    return root


def _fill(transaction: Transaction, upto: int) -> None:
    for number in range(transaction.leaf_count(), upto):
        transaction.add_ledger(
            1_790_000_000_000 + number, "mara", "alias.set", f"encoder@v{number}", {"reason": "for bo"}, "default"
        )


@pytest.fixture
def registry(signed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(signed, tmp_path / "registry"))


def sql(registry: Path, *statements: str, values: Sequence[object] = ()) -> None:
    """Behind Budwood's back."""
    with sqlite3.connect(registry / "catalog.sqlite3") as database:
        for statement in statements:
            database.execute(statement, values if "?" in statement else ())
    database.close()


def verified(run: Run, registry: Path) -> dict[str, object]:
    ran = run("--registry", registry, "audit", "verify", "--json")
    found: dict[str, object] = json.loads(ran.out)
    assert ran.code == (6 if found["problems"] else 0)
    return found


def test_an_untouched_ledger_is_good(run: Run, registry: Path) -> None:
    found = verified(run, registry)
    assert (found["size"], found["entries"], found["checkpoints"], found["first_bad"]) == (ENTRIES, ENTRIES, 3, -1)


AT = (1, 2, 256, 257, 300, ENTRIES)
LEAF = "UPDATE ledger_leaf SET leaf = CAST(replace(CAST(leaf AS TEXT), {}, {}) AS BLOB) WHERE sequence = {{at}}"
SHOUT = LEAF.format("'alias'", "'ALIAS'")
RENAME = LEAF.format("'encoder@v' || ({at} - 1)", "'decoder'")
BACK = "UPDATE {table} SET sequence = 2 * {at} - 1 + sequence WHERE sequence < 0"
CONTENT = "at_ms, actor, action, subject, namespace, body"
SWAP = "UPDATE {table} SET sequence = -sequence WHERE sequence IN ({at}, {at} - 1)"
ATTACKS = {
    "edit the subject": ["UPDATE ledger SET subject = 'decoder@v1' WHERE sequence = {at}"],
    "edit the moment": ["UPDATE ledger SET at_ms = at_ms + 1 WHERE sequence = {at}"],
    "edit who": ["UPDATE ledger SET actor = 'bo' WHERE sequence = {at}"],
    "edit the body": ["UPDATE ledger SET body = '{{}}' WHERE sequence = {at}"],
    "make the leaf text": ["UPDATE ledger_leaf SET leaf = replace(leaf, 'alias', 'a') WHERE sequence = {at}"],
    "edit the leaf": [SHOUT],
    "edit what is kept": ["UPDATE ledger_opening SET value = '\"bo\"' WHERE sequence = {at} AND field = 'actor'"],
    "edit who everywhere": [
        "UPDATE ledger SET actor = 'bo' WHERE sequence = {at}",
        "UPDATE ledger_opening SET value = '\"bo\"' WHERE sequence = {at} AND field = 'actor'",
    ],
    "edit entry and leaf": [
        "UPDATE ledger SET subject = 'decoder' WHERE sequence = {at}",
        RENAME,
    ],
    "delete the row": ["DELETE FROM ledger WHERE sequence = {at}"],
    "delete row and leaf": [
        "DELETE FROM ledger WHERE sequence = {at}",
        "DELETE FROM ledger_leaf WHERE sequence = {at}",
        "DELETE FROM ledger_opening WHERE sequence = {at}",
    ],
    "forget the salt, keep the name": ["DELETE FROM ledger_opening WHERE sequence = {at} AND field = 'actor'"],
    "put another leaf there": [
        "DELETE FROM ledger_leaf WHERE sequence = {at}",
        "INSERT INTO ledger_leaf SELECT {at}, leaf FROM ledger_leaf WHERE sequence = 100",
    ],
}


@pytest.mark.parametrize("at", AT)
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_changed_row_is_named(run: Run, registry: Path, attack: str, at: int) -> None:
    sql(registry, *(statement.format(at=at) for statement in ATTACKS[attack]))
    found = verified(run, registry)
    assert (found["first_bad"], found["last_bad"]) == (at - 1, at - 1), found


@pytest.mark.parametrize("tables", [("ledger",), ("ledger", "ledger_leaf", "ledger_opening")])
@pytest.mark.parametrize("at", [2, 257, ENTRIES])
def test_swapped_rows_are_named(run: Run, registry: Path, tables: Sequence[str], at: int) -> None:
    for table in tables:
        sql(registry, SWAP.format(table=table, at=at), BACK.format(table=table, at=at))
    assert verified(run, registry)["first_bad"] == at - 2


@pytest.mark.parametrize("number", [0, -5, ENTRIES + 1, ENTRIES + 7, 10**15])
def test_an_inserted_row_is_named(run: Run, registry: Path, number: int) -> None:
    sql(registry, f"INSERT INTO ledger (sequence, {CONTENT}) SELECT {number}, {CONTENT} FROM ledger WHERE sequence = 5")
    assert verified(run, registry)["first_bad"] == (0 if number < 1 else ENTRIES)


@pytest.mark.parametrize("keep", [0, 100, 256, ENTRIES - 1])
def test_a_ledger_that_was_cut_off_is_found_where_it_ends(run: Run, registry: Path, keep: int) -> None:
    for table in ("ledger", "ledger_leaf", "ledger_opening"):
        sql(registry, f"DELETE FROM {table} WHERE sequence > {keep}")
    assert verified(run, registry)["first_bad"] == keep
    ran = run("--registry", registry, "audit", "checkpoint", "--json")
    assert (ran.code, json.loads(ran.out)["error"]["facts"]["first_bad"]) == (6, keep)


def edit_with_its_hash(registry: Path, at: int) -> None:
    """Entry, leaf and the lowest tile, so that all three agree."""
    sql(registry, *(one.format(at=at) for one in ATTACKS["edit entry and leaf"]))
    index, place = divmod(at - 1, 256)
    with sqlite3.connect(registry / "catalog.sqlite3") as database:
        leaf = database.execute("SELECT leaf FROM ledger_leaf WHERE sequence = ?", (at,)).fetchone()[0]
        of = ' FROM ledger_tile WHERE level = 0 AND "index" = ?'
        body = bytearray(database.execute(f"SELECT body{of}", (index,)).fetchone()[0])
        body[place * 32 : place * 32 + 32] = leaf_hash(leaf)
        database.execute('UPDATE ledger_tile SET body = ? WHERE level = 0 AND "index" = ?', (bytes(body), index))
    database.close()


@pytest.mark.parametrize(("at", "first", "last"), [(3, 0, 199), (250, 200, 255), (300, 256, 511), (600, 256, 599)])
def test_an_entry_changed_with_its_tile_is_named_between_two_checkpoints(
    run: Run, registry: Path, at: int, first: int, last: int
) -> None:
    edit_with_its_hash(registry, at)
    found = verified(run, registry)
    assert (found["first_bad"], found["last_bad"]) == (first, last)


def test_a_rebuilt_log_is_found_by_its_checkpoints_or_by_who_remembers(run: Run, registry: Path) -> None:
    assert verified(run, registry)["first_bad"] == -1
    sql(registry, *(one.format(at=300) for one in ATTACKS["edit entry and leaf"]))
    sql(registry, "DELETE FROM ledger_tile", "DELETE FROM ledger_checkpoint")
    # Signed again with the registry's own key, it is a history without a flaw; but not the one that was seen.
    found = verified(run, registry)
    assert found["problems"]
    ran = run("--registry", registry, "audit", "checkpoint", "--json")
    assert (ran.code, json.loads(ran.out)["error"]["code"]) == (6, "ledger_damaged")
    found = verified(run, registry)
    assert (found["first_bad"], found["last_bad"]) == (0, ENTRIES - 1)


def test_another_key_is_noticed(run: Run, registry: Path) -> None:
    assert verified(run, registry)["first_bad"] == -1
    sql(registry, "DELETE FROM meta WHERE key = 'ledger-key'")
    assert verified(run, registry)["problems"]
    sql(registry, "DELETE FROM ledger_tile", "DELETE FROM ledger_checkpoint")
    ran = run("--registry", registry, "audit", "checkpoint", "--json")
    assert "another key" in json.loads(ran.out)["error"]["message"]
    assert "another key" in str(verified(run, registry)["problems"])
    assert run("--registry", registry, "audit", "checkpoint", "--forget").code == 0
    assert verified(run, registry)["first_bad"] == -1


def test_an_older_copy_put_back_is_noticed(run: Run, registry: Path, tmp_path: Path) -> None:
    older = shutil.copytree(registry, tmp_path / "older")
    with budwood.connect(registry, author="mara") as opened:
        opened.house.catalog.write(lambda transaction: _fill(transaction, ENTRIES + 10))
    assert verified(run, registry)["size"] == ENTRIES + 10
    shutil.rmtree(registry)
    shutil.copytree(older, registry)
    found = verified(run, registry)
    assert (found["first_bad"], found["last_bad"]) == (ENTRIES, ENTRIES + 9)
    ran = run("--registry", registry, "audit", "log", "--json")
    assert "rolled back" in json.loads(ran.out)["error"]["message"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_checkpoint SET note = CAST(replace(CAST(note AS TEXT), 'bud', 'BUD') AS BLOB)",
        "UPDATE ledger_tile SET body = zeroblob(32)",
        "DELETE FROM ledger_tile",
    ],
)
def test_a_changed_tree_is_found_and_nothing_more_is_signed(run: Run, registry: Path, statement: str) -> None:
    sql(registry, statement)
    assert verified(run, registry)["problems"]
    with budwood.connect(registry, author="mara") as opened:
        opened.house.catalog.write(lambda transaction: _fill(transaction, ENTRIES + 1))
    ran = run("--registry", registry, "audit", "checkpoint", "--forget", "--json")
    assert (ran.code, json.loads(ran.out)["error"]["code"]) == (6, "ledger_damaged")


def checked(folder: Path, capsys: pytest.CaptureFixture[str], key: str) -> dict[str, object]:
    capsys.readouterr()
    code = budwood_verify.main([str(folder), "--json", "--key", key])
    said: dict[str, object] = json.loads(capsys.readouterr().out)
    assert code == (0 if said["good"] else 1)
    return said


def key_of(run: Run, registry: Path) -> str:
    key: str = json.loads(run("--registry", registry, "audit", "checkpoint", "--json").out)["key"]
    return key


def test_an_exported_ledger_is_what_the_verifier_accepts(
    run: Run, registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_of(run, registry)
    assert run("--registry", registry, "audit", "export", tmp_path / "all").code == 0
    said = checked(tmp_path / "all", capsys, key)
    assert said["checked"] == {"checkpoints": 3, "entries": ENTRIES, "openings": 2 * ENTRIES, "tiles": 4}
    assert run("--registry", registry, "audit", "export", tmp_path / "bare", "--no-openings").code == 0
    assert "mara" not in "".join(path.read_text("latin-1") for path in (tmp_path / "bare").rglob("*") if path.is_file())
    assert checked(tmp_path / "bare", capsys, key)["good"] is True


def test_one_proven_entry_is_what_the_verifier_accepts(
    run: Run, registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_of(run, registry)
    assert run("--registry", registry, "audit", "prove", "300", tmp_path / "one").code == 0
    assert checked(tmp_path / "one", capsys, key)["checked"] == {"checkpoints": 1, "entries": 1}
    assert run("--registry", registry, "audit", "prove", "601").code == 3


def test_a_forgotten_person_is_gone_and_every_proof_holds(
    run: Run, registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_of(run, registry)
    ran = run("--registry", registry, "audit", "erase", "bo", "--yes", "--json")
    assert json.loads(ran.out) == {"fields": ENTRIES, "entries": ENTRIES, "account": False}
    (entry,) = json.loads(run("--registry", registry, "ledger", "--limit", "1", "--json").out)["entries"]
    assert (entry["actor"], entry["body"]["reason"]) == ("mara", "(erased)")
    found = verified(run, registry)
    assert (found["first_bad"], found["erased"]) == (-1, ENTRIES)
    assert run("--registry", registry, "audit", "export", tmp_path / "all").code == 0
    assert checked(tmp_path / "all", capsys, key)["good"] is True
    assert b'"for bo"' not in b"".join(path.read_bytes() for path in (tmp_path / "all").rglob("*") if path.is_file())


def test_an_account_is_emptied_with_the_ledger_and_the_last_admin_stays(run: Run, registry: Path) -> None:
    for name in ("bo", "ada"):
        run("--registry", registry, "person", "add", name, "--email", f"{name}@example.com")
    run("--registry", registry, "person", "change", "ada", "--admin")
    ran = run("--registry", registry, "audit", "erase", "bo", "--account", "--yes")
    assert "The account is disabled and empty." in ran.out
    people = json.loads(run("--registry", registry, "person", "list", "--json").out)["people"]
    (bo,) = [each for each in people if each["name"] == "bo"]
    assert (bo["email"], bool(bo["disabled_ms"])) == ("", True)
    ledger = run("--registry", registry, "ledger", "--after", str(ENTRIES), "--json").out
    assert "bo@example.com" not in ledger
    assert run("--registry", registry, "audit", "erase", "ada", "--account", "--yes").code == 5
    assert run("--registry", registry, "audit", "erase", "nobody-here", "--account", "--yes").code == 3
    assert verified(run, registry)["first_bad"] == -1


def test_erasing_asks_where_somebody_can_answer(run: Run, registry: Path) -> None:
    assert run("--registry", registry, "audit", "erase", "bo").code == 2
