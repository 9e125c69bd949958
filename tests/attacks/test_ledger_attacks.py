"""Group J of the attacks: the ledger.

Where each is tried:

- J02, the log rebuilt from an entry on: ``tests/cli/test_audit.py`` (found by its checkpoints, or by who remembers
  one), ``tests/verifier/test_budwood_verify.py`` (without Budwood), ``tests/server/test_audit.py`` (a server that rolls
  back).
- J04, a checkpoint by another key, of another origin, with a size of another form, a root of another size:
  ``tests/domain/tree/test_note.py``, ``tests/verifier/test_budwood_verify.py``; here over HTTP.
- J06, texts made to look like entries, or to command a terminal: here; ``tests/cli/test_hostile_text.py``.
- J08, two servers that write at once: here, on PostgreSQL and on one file.
- Rows edited, deleted, inserted, swapped, the log cut, another key: ``tests/cli/test_audit.py``, each by its first bad
  entry.
"""

import base64
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

import budwood
from budwood.catalog.api import Transaction
from budwood.client.registry import Registry
from budwood.errors import LedgerDamaged
from budwood.govern.sequencer import sequence
from tests.attacks.siege import Siege
from tests.server.conftest import Running, token_of

HOSTILE = [
    'done\n{"sequence": 1, "action": "promotion.applied", "actor": "admin"}',
    "\x1b[2J\x1b[1;1Hpromotion.applied by admin\x1b[0m",
    "approved \u202egnp.deriter\u202c by admin",
    '"}, {"action": "promotion.applied"}, {"x": "',
    "\r\nHTTP/1.1 200 OK\r\n\r\n",
    "\u2028\u2029\u0085 one line or three",
    "'); DELETE FROM ledger; --",
]
CONTROLS = [*map(chr, range(32)), "\x7f"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_one_event_is_one_entry_whatever_is_written_in_it(text: str, siege: Siege) -> None:
    """J06: refused, or kept as it is; never two entries, never another one's words outside a string."""
    before = siege.entries()
    path = "/v1/models/ours/encoder/versions/v1/retire"
    asked = [
        siege.ask("POST", "/v1/models/ours/encoder/versions/v2/evidence", by="writer", json=_evidence(text)),
        siege.ask("PATCH", "/v1/models/ours/encoder/versions/v2/tags", by="owner", json={"put": {"note": text}}),
        siege.ask("POST", path, by="reader", json={"reason": text}),
    ]
    accepted = sum(answer.status == 200 for answer in asked)
    after = siege.entries(after=before[-1]["sequence"])
    assert len(after) == accepted
    assert {entry["action"] for entry in after} <= {"evidence.added", "version.tagged"}
    assert [entry["sequence"] for entry in after] == sorted({entry["sequence"] for entry in after})
    raw = siege.server.ask("GET", f"/v1/ledger?after={before[-1]['sequence']}", by="admin").body.decode()
    assert not any(control in raw for control in CONTROLS)
    with budwood.connect(siege.server.registry, author="auditor") as near:
        assert near.audit.verify().problems == ()
    siege.assert_well()


def _evidence(text: str) -> dict[str, object]:
    return {"kind": "evaluation", "metrics": {"accuracy": 0.9}, "summary": text, "dataset": text}


FORGED: Mapping[str, Callable[[Sequence[str]], Sequence[str]]] = {
    "origin": lambda lines: ["elsewhere.example", *lines[1:]],
    "leading zero": lambda lines: [lines[0], f"0{lines[1]}", *lines[2:]],
    "another size": lambda lines: [lines[0], str(int(lines[1]) - 1), *lines[2:]],
    "another root": lambda lines: [*lines[:2], base64.b64encode(bytes(32)).decode(), *lines[3:]],
    "no signature": lambda lines: lines[:4],
}


@pytest.mark.parametrize("change", FORGED)
def test_a_checkpoint_that_the_ledger_s_key_did_not_sign_is_refused(
    change: str, fresh: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J04: put into the database of a server that goes on running."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with budwood.connect(fresh.url, token=token_of("admin")) as registry:
        registry.audit.checkpoint()
        with sqlite3.connect(fresh.registry / "catalog.sqlite3") as database:
            size, note = database.execute(
                "SELECT size, note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1"
            ).fetchone()
            forged = "\n".join(FORGED[change](note.decode().split("\n"))).encode()
            database.execute("UPDATE ledger_checkpoint SET note = ? WHERE size = ?", (forged, size))
        database.close()
        assert registry.audit.verify().problems
        with pytest.raises(LedgerDamaged):
            registry.audit.checkpoint()


@pytest.fixture(params=["file", "postgres"])
def two(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Registry]]:
    """Two processes' worth of one registry."""
    if request.param == "postgres":
        monkeypatch.setenv("BUDWOOD_DATABASE", request.getfixturevalue("postgres_url"))
    opened = [budwood.connect(tmp_path / "registry", author=f"server-{number}") for number in range(2)]
    yield opened
    for registry in opened:
        registry.close()


def test_two_servers_append_to_one_ledger_without_gap_fork_or_double(two: list[Registry]) -> None:
    """J08: both write, and both sign."""
    entries, problems = 60, []

    def serve(registry: Registry) -> None:
        house = registry.house
        try:
            for number in range(entries):
                house.catalog.write(lambda transaction: _note(transaction, house.author, number))  # noqa: B023 at once
                if number % 7 == 0:
                    sequence(house.catalog, house.clock)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=serve, args=(registry,)) for registry in two]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    for registry in two:
        sequence(registry.house.catalog, registry.house.clock)
    written = [entry for entry in two[0].ledger(limit=1_000) if entry.action == "alias.set"]
    numbers = [entry.sequence for entry in written]
    assert numbers == list(range(numbers[0], numbers[0] + 2 * entries))
    for who in ("server-0", "server-1"):
        assert [entry.body["number"] for entry in written if entry.actor == who] == list(range(entries))
    found = [registry.audit.verify() for registry in two]
    assert [each.problems for each in found] == [(), ()]
    assert found[0].size == found[1].size == numbers[-1]


def _note(transaction: Transaction, who: str, number: int) -> None:
    transaction.add_ledger(1_790_000_000_000 + number, who, "alias.set", "encoder@v1", {"number": number}, "default")
