"""Datasets as a person types them: from raw data over features to a model, and what becomes of them."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PARQUET = Path(__file__).parents[1] / "client" / "datasets" / "files" / "tickets.parquet"
CSV = "id,text,priority\n1,lost card,high\n2,new address,low\n"
Ask = Callable[..., Any]


@pytest.fixture
def tickets(here: Path) -> Path:
    """A CSV of two rows."""
    path = here / "tickets.csv"
    path.write_text(CSV)
    return path


def test_raw_data_reaches_the_model_in_trace_and_impact(ask: Ask, tickets: Path, here: Path) -> None:
    shutil.copy(PARQUET, here / "raw.parquet")
    (here / "features").mkdir()
    (here / "features" / "part-0.csv").write_text("id,words\n1,2\n")
    assert ask("dataset", "add", "raw", "raw.parquet", "--pointer").code == 0
    assert ask("dataset", "add", "processed", tickets, "--parent", "raw@v1").code == 0
    assert ask("dataset", "add", "features", "features", "--parent", "processed").code == 0
    pushed = ask("push", "encoder", "ranker", "--dataset", "features", "--dataset", "a table in Bonn", "--json")
    assert pushed.code == 0, pushed.err
    shown = ask("trace", "ranker").out.splitlines()
    assert shown[0].startswith("ranker@v1")
    assert shown[1:4] == [
        "├─ features@v1 (trained-on)",
        "│  └─ processed@v1 (derived-from)",
        "│     └─ raw@v1 (derived-from)",
    ]
    assert "a table in Bonn" in shown[4]
    assert "features@v1" not in "\n".join(shown[4:])
    ask("alias", "ranker@v1", "champion")
    impact = ask("impact", "raw@v1", "--json").json
    assert [each["version"]["model"] for each in impact["serving"]] == ["ranker"]
    facts = ask("show", "ranker", "--json").json["facts"]
    assert facts["datasets"] == ["features@v1", "a table in Bonn"]
    (parent,) = facts["parents"]
    features = ask("show", "features", "--json").json["version"]
    assert (parent["model"], parent["number"], parent["digest"]) == ("features", 1, features["digest"])


def test_adding_the_same_data_again_makes_no_version(ask: Ask, tickets: Path, here: Path) -> None:
    for words in (("tickets", tickets), ("pointer", tickets, "--pointer"), ("folder", here / "encoder")):
        assert ask("dataset", "add", *words, "--json").json["pushed"]["created"] is True
        again = ask("dataset", "add", *words)
        assert "unchanged; no new version" in again.out, again
    tickets.write_text(CSV + "3,card eaten,high\n")
    assert ask("dataset", "add", "tickets", tickets, "--json").json["pushed"]["version"]["number"] == 2


def test_a_dataset_with_files_gives_them_back(ask: Ask, tickets: Path, here: Path) -> None:
    ask("dataset", "add", "tickets", tickets)
    assert ask("pull", "tickets", "out").code == 0
    assert (here / "out" / "tickets.csv").read_text() == CSV
    held = json.loads((here / "out" / "budwood.dataset.json").read_text())
    assert (held["rows"], held["pointer"], held["source"]) == (2, False, str(tickets))
    folder = ask("dataset", "add", "again", "out", "--json").json
    assert [file["path"] for file in folder["fingerprint"]["files"]] == ["tickets.csv"]
    assert ask("show", "again", "--files", "--json").json["files"][0]["path"] == "budwood.dataset.json"


def test_a_pointer_keeps_no_data(ask: Ask, tickets: Path, here: Path) -> None:
    ask("dataset", "add", "tickets", tickets, "--pointer")
    ask("pull", "tickets", "out")
    assert [path.name for path in (here / "out").iterdir()] == ["budwood.dataset.json"]
    assert "lost card" not in (here / "out" / "budwood.dataset.json").read_text()


def test_a_check_says_same_changed_missing_and_ends_so(ask: Ask, tickets: Path, here: Path) -> None:
    ask("dataset", "add", "tickets", tickets, "--pointer")
    same = ask("dataset", "check", "tickets", "--json")
    assert (same.code, same.json["state"]) == (0, "same")
    tickets.write_text(CSV + "3,card eaten,high\n")
    changed = ask("dataset", "check", "tickets", "--json")
    assert (changed.code, changed.json["state"], changed.json["change"]["rows_after"]) == (6, "changed", 3)
    assert "rows 2 → 3" in ask("dataset", "check", "tickets").out
    tickets.write_text("no,table\nany more\n")
    assert ask("dataset", "check", "tickets").code == 6
    tickets.rename(here / "moved.csv")
    missing = ask("dataset", "check", "tickets", "--json")
    assert (missing.code, missing.json["state"]) == (6, "missing")
    (here / "moved.csv").write_text(CSV)
    assert ask("dataset", "check", "tickets", "--at", "moved.csv").code == 0


def test_a_folder_is_checked_without_what_was_excluded(ask: Ask, here: Path) -> None:
    (here / "encoder" / "log.tmp").write_text("1")
    ask("dataset", "add", "files", "encoder", "--exclude", "*.tmp")
    (here / "encoder" / "log.tmp").write_text("2")
    assert ask("dataset", "check", "files").code == 0
    (here / "encoder" / "config.json").write_text("{}")
    assert "changed: config.json" in ask("dataset", "check", "files").out


def test_the_rows_of_a_query_are_kept_as_a_pointer(ask: Ask, here: Path) -> None:
    base = sqlite3.connect(here / "crm.db")
    base.execute("create table tickets (id integer, text text, is_open integer)")
    base.executemany("insert into tickets values (?, ?, ?)", [(1, "lost card", 1), (2, "x", 0), (3, "y", 1)])
    base.commit()
    (here / "query.sql").write_text("select id, text from tickets where is_open;\n")
    added = ask("dataset", "add", "open", "--sql", "sqlite:///crm.db", "--query-file", "query.sql", "--json")
    assert added.code == 0, added
    held = added.json["fingerprint"]
    assert (held["rows"], held["source"], held["pointer"]) == (2, f"sqlite:///{here}/crm.db", True)
    unasked = ask("dataset", "check", "open", "--json")
    assert (unasked.code, unasked.json["state"]) == (8, "unchecked")
    assert ask("dataset", "check", "open", "--sql", "sqlite:///crm.db").code == 0
    base.execute("update tickets set is_open = 1")
    base.commit()
    base.close()
    assert "rows 2 → 3" in ask("dataset", "check", "open", "--sql", "sqlite:///crm.db").out
    assert ask("dataset", "check", "open", "--sql", "sqlite:///none.db", "--json").json["state"] == "missing"


def test_two_versions_are_compared(ask: Ask, tickets: Path) -> None:
    ask("dataset", "add", "tickets", tickets, "--pointer")
    tickets.write_text("id,text,urgent\n1,lost card,true\n")
    ask("dataset", "add", "tickets", tickets, "--pointer")
    change = ask("dataset", "diff", "tickets@v1", "tickets@v2", "--json").json
    assert (change["rows_before"], change["rows_after"], change["same"]) == (2, 1, False)
    assert [each["name"] for each in change["columns"]] == ["priority", "urgent"]
    shown = ask("dataset", "diff", "tickets@v1", "tickets@v2").out
    assert "column priority is gone" in shown
    assert "The content is the same." in ask("dataset", "diff", "tickets@v1", "tickets@v1").out


def test_files_pushed_as_any_version_are_a_dataset_too(ask: Ask, tickets: Path, here: Path) -> None:
    ask("push", tickets, "plain", "--kind", "dataset")
    held = ask("dataset", "show", "plain", "--json").json["fingerprint"]
    assert [file["path"] for file in held["files"]] == ["tickets.csv"]
    assert ask("dataset", "check", "plain").code == 8
    (here / "there").mkdir()
    shutil.copy(tickets, here / "there")
    assert ask("dataset", "check", "plain", "--at", "there").code == 0


def test_a_name_of_data_stays_a_name(ask: Ask, here: Path) -> None:
    for name in ("encoder", "crm 2026", "s3://lake/t.parquet", "nobody@v3"):
        pushed = ask("push", "tuned", "ranker", "--dataset", name, "--json")
        assert pushed.code == 0, pushed
        facts = ask("show", "ranker", "--json").json["facts"]
        assert (facts["datasets"], facts["parents"]) == ([name], [])


def test_a_digest_of_data_is_a_name_though_there_is_a_dataset(ask: Ask, tickets: Path) -> None:
    sha256 = ask("dataset", "add", "tickets", tickets, "--json").json["fingerprint"]["sha256"]
    ask("push", "tuned", "ranker", "--dataset", f"tickets@sha256:{sha256}")
    assert ask("show", "ranker", "--json").json["facts"]["datasets"] == [f"tickets@sha256:{sha256}"]
    version = ask("show", "tickets", "--json").json["version"]["digest"]
    ask("push", "tuned", "ranker", "--dataset", f"tickets@sha256:{version}")
    assert ask("show", "ranker", "--json").json["facts"]["datasets"] == ["tickets@v1"]


def test_a_slip_in_a_reference_to_data_is_refused(ask: Ask, tickets: Path) -> None:
    ask("dataset", "add", "tickets", tickets)
    gone = ask("push", "tuned", "ranker", "--dataset", "tickets@v9", "--json")
    assert (gone.code, gone.json["error"]["code"]) == (3, "version_not_found")
    model = ask("push", "tuned", "ranker", "--dataset", "encoder@v1", "--json")
    assert (model.code, model.json["error"]["code"]) == (2, "bad_value")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", "x"), 2),
        (("add", "x", "tickets.csv", "--sql", "sqlite:///x.db"), 2),
        (("add", "x", "--sql", "sqlite:///x.db", "--query", "drop table t"), 2),
        (("add", "x", "none.csv"), 3),
        (("add", "x", "https://host/t.csv"), 8),
        (("add", "x", "https://mara:geheim@host/t.csv", "--pointer"), 2),
        (("add", "x", "tickets.csv", "--as", "excel"), 2),
        (("check", "nobody"), 3),
        (("check", "encoder", "--sql", "sqlite:///x.db"), 2),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_kept(
    words: tuple[str, ...], code: int, ask: Ask, tickets: Path
) -> None:
    ended = ask("dataset", *words, "--json")
    assert ended.code == code, ended
    assert "geheim" not in ended.out + ended.err
    assert ask("show", "x").code == 3


def test_a_fingerprint_that_somebody_made_up_is_refused(ask: Ask, here: Path) -> None:
    (here / "evil").mkdir()
    (here / "evil" / "budwood.dataset.json").write_text('{"form": "csv", "source": "/etc/passwd", "sha256": "no"}')
    ask("push", "evil", "evil", "--kind", "dataset")
    for command in ("show", "check"):
        assert ask("dataset", command, "evil", "--json").json["error"]["code"] == "bad_value"


def test_a_pointer_travels_in_a_bundle(ask: Ask, run: Ask, tickets: Path, here: Path) -> None:
    ask("dataset", "add", "tickets", tickets, "--pointer")
    ask("push", "tuned", "ranker", "--dataset", "tickets@v1")
    assert ask("export", "tickets@v1", "ranker@v1", "--output", "b.budwood").code == 0
    moved = run("--registry", here / "other", "import", "b.budwood")
    assert moved.code == 0, moved
    assert run("--registry", here / "other", "dataset", "check", "tickets").code == 0
    assert "tickets@v1 (trained-on)" in run("--registry", here / "other", "trace", "ranker").out
