"""Reproducing as a person types it: from a real repository, real packages and real data."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
Ask = Callable[..., Any]
SCRIPT = """\
import sys
from pathlib import Path

import budwood

registry, out = sys.argv[1:3]
with budwood.connect(registry, author="mara@example.com") as opened, budwood.training_run() as run:
    Path(out).mkdir()
    (Path(out) / "weights.bin").write_bytes(b"trained")
    run.dataset("tickets@v1")
    run.param("epochs", 3)
    run.push(out, "ranker", registry=opened)
"""


@pytest.fixture
def work(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work tree with a script and a lock file, committed; we stand in it."""
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    made = tmp_path / "work"
    made.mkdir()
    (made / "train.py").write_text("epochs = 3\n")
    (made / "requirements.txt").write_text("numpy==2.4.6\n")
    git(made, "init", "--quiet", "--initial-branch=trunk")
    git(made, "config", "user.name", "Ada")
    git(made, "config", "user.email", "ada@example.org")
    git(made, "remote", "add", "origin", "https://ada:geheim@host.example/team/ranker.git")
    commit(made)
    shutil.copytree(here / "encoder", made / "out")
    monkeypatch.chdir(made)
    return made


def git(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "more")
    return git(folder, "rev-parse", "HEAD")


def outcomes(made: Any) -> dict[str, str]:
    return {check["what"]: check["outcome"] for check in made.json["result"]["checks"]}


@pytest.fixture
def pushed(ask: Ask, work: Path, here: Path) -> str:
    """A version of the work tree's model, from data with files and data behind a pointer; its commit."""
    (here / "tickets.csv").write_text("id,text\n1,lost card\n")
    ask("dataset", "add", "tickets", here / "tickets.csv", "--pointer")
    ask("dataset", "add", "kept", here / "tickets.csv")
    words = ("--dataset", "tickets@v1", "--dataset", "kept", "--parent", "encoder@v1", "--param", "epochs=3")
    ended = ask("push", "out", "ranker", *words, "--relation", "fine-tuned-from", "--metric", "auc=0.9")
    assert ended.code == 0, ended
    return git(work, "rev-parse", "HEAD")


def test_the_folder_holds_all_that_was_recorded(ask: Ask, pushed: str, work: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    ask("reproduce", "ranker@v1", "--out", again)
    assert (again / "code" / "train.py").read_text() == "epochs = 3\n"
    assert sorted(path.name for path in (again / "data").iterdir()) == ["kept-v1", "tickets-v1"]
    assert (again / "data" / "kept-v1" / "tickets.csv").read_text() == "id,text\n1,lost card\n"
    assert [path.name for path in (again / "data" / "tickets-v1").iterdir()] == ["budwood.dataset.json"]
    assert json.loads((again / "params.json").read_text()) == {"epochs": "3"}
    assert json.loads((again / "metrics.json").read_text()) == {"auc": 0.9}
    import numpy

    assert f"numpy=={numpy.__version__}" in (again / "requirements.lock").read_text().splitlines()
    weights = hashlib.sha256((work / "out" / "model.safetensors").read_bytes()).hexdigest()
    assert f"{weights}  model.safetensors\n" in (again / "expected.sha256").read_text()
    recipe = json.loads((again / "reproduce.json").read_text())
    assert recipe["version"]["reference"] == "ranker@v1"
    assert recipe["code"]["commit"] == pushed
    assert recipe["checkout"][0] == "git clone -- https://host.example/team/ranker.git code"
    assert [each["reference"] for each in recipe["data"]] == ["tickets@v1", "kept@v1"]
    readme = (again / "README.md").read_text()
    assert pushed in readme
    assert "geheim" not in readme + json.dumps(recipe)


def test_what_holds_is_ok_and_what_was_not_recorded_is_not(ask: Ask, pushed: str, tmp_path: Path) -> None:
    made = ask("reproduce", "ranker", "--out", tmp_path / "again", "--json")
    assert made.code == 8
    assert made.json["reproducible"] is False
    assert outcomes(made) == {
        "version": "ok",
        "code": "ok",
        "lock file": "ok",
        "python": "ok",
        "packages": "ok",
        "hardware": "ok",
        "data tickets@v1": "ok",
        "data kept@v1": "ok",
        "parent encoder@v1": "ok",
        "command": "cannot be checked",
    }


def test_it_is_called_reproducible_only_when_all_of_it_holds(ask: Ask, pushed: str, here: Path, tmp_path: Path) -> None:
    shown = ask("reproduce", "ranker", "--out", tmp_path / "one")
    assert "is not known to be reproducible: 9 of 10 checks hold." in shown.out
    (here / "tickets.csv").write_text("id,text\n1,another card\n")
    changed = ask("reproduce", "ranker", "--out", tmp_path / "two", "--json")
    assert (changed.code, outcomes(changed)["data tickets@v1"]) == (6, "differs")
    (here / "tickets.csv").unlink()
    assert outcomes(ask("reproduce", "ranker", "--out", tmp_path / "three", "--json"))["data tickets@v1"] == "differs"


def test_uncommitted_changes_are_put_on_the_commit(ask: Ask, work: Path, tmp_path: Path) -> None:
    (work / "train.py").write_text("epochs = 4\n")
    ask("push", "out", "ranker")
    (work / "train.py").write_text("epochs = 9\n")
    commit(work)
    made = ask("reproduce", "ranker", "--out", tmp_path / "again", "--json")
    assert outcomes(made)["changes"] == "ok"
    assert (tmp_path / "again" / "code" / "train.py").read_text() == "epochs = 4\n"
    assert "+epochs = 4" in (tmp_path / "again" / "code.patch").read_text()
    # Inside the work tree itself git must not take it for its own.
    assert outcomes(ask("reproduce", "ranker", "--out", work / "inside", "--json"))["changes"] == "ok"
    assert (work / "inside" / "code" / "train.py").read_text() == "epochs = 4\n"


def test_a_commit_elsewhere_is_found_where_code_says(ask: Ask, pushed: str, here: Path, tmp_path: Path) -> None:
    os.chdir(here)
    missing = ask("reproduce", "ranker", "--out", tmp_path / "one", "--json")
    assert outcomes(missing)["code"] == "cannot be checked"
    assert not (tmp_path / "one" / "code").exists()
    found = ask("reproduce", "ranker", "--out", tmp_path / "two", "--code", tmp_path / "work", "--json")
    assert outcomes(found)["code"] == "ok"


def test_packages_that_are_not_here_any_more_differ(
    ask: Ask, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    (site / "newcomer-1.0.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(site))
    made = ask("reproduce", "ranker", "--out", tmp_path / "again", "--json")
    assert (made.code, outcomes(made)["packages"]) == (6, "differs")
    (why,) = [check["why"] for check in made.json["result"]["checks"] if check["what"] == "packages"]
    assert why == "newcomer 1.0 is here and was not there."


def test_data_can_stay_where_it_is(ask: Ask, pushed: str, tmp_path: Path) -> None:
    made = ask("reproduce", "ranker", "--out", tmp_path / "again", "--no-data", "--json")
    assert outcomes(made)["data kept@v1"] == "cannot be checked"
    assert not (tmp_path / "again" / "data" / "kept-v1" / "tickets.csv").exists()


def test_a_version_of_which_nothing_is_known_says_so(ask: Ask, here: Path, tmp_path: Path) -> None:
    made = ask("reproduce", "encoder@v2", "--out", tmp_path / "again", "--json")
    found = outcomes(made)
    assert found["data tickets-2026"] == "cannot be checked"
    assert found["command"] == "cannot be checked"
    assert found["parent encoder@v1"] == "ok"


def test_a_data_version_with_a_made_up_fingerprint_cannot_be_checked(ask: Ask, here: Path, tmp_path: Path) -> None:
    (here / "evil").mkdir()
    (here / "evil" / "budwood.dataset.json").write_text('{"form": "csv", "source": "/etc/passwd", "sha256": "no"}')
    ask("push", "evil", "evil", "--kind", "dataset")
    ask("push", "tuned", "ranker", "--dataset", "evil@v1")
    made = ask("reproduce", "ranker", "--out", tmp_path / "again", "--json")
    assert outcomes(made)["data evil@v1"] == "cannot be checked"


def test_data_that_is_behind_an_address_or_a_query_is_not_looked_at(ask: Ask, here: Path, tmp_path: Path) -> None:
    base = sqlite3.connect(here / "crm.db")
    base.execute("create table t (a)")
    base.close()
    ask("dataset", "add", "rows", "--sql", "sqlite:///crm.db", "--query", "select * from t")
    ask("push", "tuned", "ranker", "--dataset", "rows@v1")
    (here / "crm.db").unlink()
    made = ask("reproduce", "ranker", "--out", tmp_path / "again", "--json")
    assert outcomes(made)["data rows@v1"] == "cannot be checked"
    assert "budwood dataset check rows@v1" in made.out


def test_a_folder_that_holds_something_is_left_alone(ask: Ask, here: Path) -> None:
    refused = ask("reproduce", "encoder", "--out", here / "tuned", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (4, "target_differs")
    assert ask("reproduce", "encoder", "--out", here / "tuned" / "config.json").code == 4
    assert sorted(path.name for path in (here / "tuned").iterdir()) == ["config.json", "model.safetensors"]


def test_nothing_of_the_version_is_run(ask: Ask, work: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    evil = f"import os; os.system('touch {canary}')"
    for name in ("setup.py", "conftest.py", "sitecustomize.py", "train.py"):
        (work / name).write_text(evil)
    (work / "requirements.txt").write_text(f"x @ file://$(touch {canary})\n")
    commit(work)
    ask("push", "out", "ranker", "--param", f"cmd=$(touch {canary})")
    ask("reproduce", "ranker", "--out", tmp_path / "again")
    assert (tmp_path / "again" / "code" / "setup.py").exists()
    assert not canary.exists()


def test_a_run_that_was_recorded_whole_is_reproducible(ask: Ask, work: Path, here: Path, tmp_path: Path) -> None:
    (here / "tickets.csv").write_text("id,text\n1,lost card\n")
    ask("dataset", "add", "tickets", here / "tickets.csv", "--pointer")
    (work / "train.py").write_text(SCRIPT)
    commit(work)
    words = [sys.executable, "train.py", str(here / "registry"), str(tmp_path / "made")]
    ran = subprocess.run(words, cwd=work, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    made = ask("reproduce", "ranker", "--out", tmp_path / "again", "--json")
    assert set(outcomes(made).values()) == {"ok"}, made.out
    assert (made.code, made.json["reproducible"]) == (0, True)
    assert "train.py" in json.loads((tmp_path / "again" / "reproduce.json").read_text())["command"]
    shown = ask("reproduce", "ranker", "--out", tmp_path / "more")
    assert "ranker@v1 is reproducible: all" in shown.out
