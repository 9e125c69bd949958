"""budwood tier, as a person types it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from budwood.cli.main import run

POLICY = "apiVersion: budwood.dev/v1\nkind: Tiering\nspec: {rules: [{tier: cold, stages: [archived]}]}\n"
Typed = Callable[..., Any]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """One command line in a folder with a small version pushed; its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUDWOOD_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("BUDWOOD_AUTHOR", "mara")
    (tmp_path / "words.txt").write_text("".join(f"word {number}\n" for number in range(5_000)))
    (tmp_path / "tiering.yaml").write_text(POLICY)

    def ask(*words: str) -> tuple[int, str]:
        code = run(list(words))
        said = capsys.readouterr()
        return code, said.out + said.err

    assert ask("push", "words.txt", "encoder")[0] == 0
    return ask


def test_a_policy_is_put_shown_and_taken_away(typed: Typed) -> None:
    assert "No policy is in force" in typed("tier", "show")[1]
    assert "stages: [archived]" in typed("tier", "put", "tiering.yaml")[1]
    assert "stages: [archived]" in typed("tier", "show")[1]
    assert "No policy is in force" in typed("tier", "put", "--none")[1]
    assert typed("tier", "put")[0] != 0
    assert typed("tier", "put", "nothing.yaml")[0] == 3


def test_a_plan_says_what_would_move_and_why_and_a_run_does_it(typed: Typed) -> None:
    typed("tier", "put", "tiering.yaml")
    assert "Everything is where it belongs." in typed("tier", "plan")[1]
    typed("stage", "encoder@v1", "archived")
    plan = typed("tier", "plan")[1]
    assert "rule: stages archived" in plan
    assert "There is no cold store" in plan
    assert json.loads(typed("tier", "plan", "--json")[1])["rows"][0]["to"] == "cold"
    done = typed("tier", "run")[1]
    assert "1 version brought" in done
    assert "Everything is where it belongs." in typed("tier", "plan")[1]
    assert "cold" in typed("stats", "--by", "tier")[1]
    assert "model" in typed("stats", "--by", "kind")[1]


def test_prints_are_made_when_asked_and_told(typed: Typed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with monkeypatch.context() as before:
        before.setattr("budwood.verbs.choose_base.written_prints", lambda *_: b"")
        np.save(tmp_path / "weights.npy", np.random.default_rng(1).standard_normal((64, 64)).astype("f4"))
        typed("push", "weights.npy", "weights")
    assert "prints" not in typed("tier", "run")[1]
    assert "1 version got prints: copies of them are found from now on." in typed("tier", "run", "--prints")[1]
    assert json.loads(typed("tier", "run", "--prints", "--json")[1])["printed"] == 0


def test_a_pause_is_told_by_whom(typed: Typed) -> None:
    typed("tier", "put", "tiering.yaml")
    typed("stage", "encoder@v1", "archived")
    assert "Paused by mara: the disk." in typed("tier", "pause", "--reason", "the disk")[1]
    assert "1 version left: paused by mara: the disk." in typed("tier", "run")[1]
    assert "Paused by mara: the disk." in typed("tier", "plan")[1]
    assert typed("tier", "resume")[0] == 0
    assert "1 version brought" in typed("tier", "run")[1]


def test_costs_are_told_by_version(typed: Typed) -> None:
    said = typed("tier", "costs")[1]
    assert "encoder@v1" in said
    assert "USD a month" in said


def test_mending_what_is_whole_says_that_all_is_well(typed: Typed) -> None:
    assert "all is well" in typed("verify", "--read-data", "--mend")[1]
