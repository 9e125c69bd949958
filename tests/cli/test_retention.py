"""Retention, holds and dossiers, as they are typed."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run

RULES = """\
apiVersion: budwood.dev/v1
kind: Retention
spec:
  classes: [{name: brief, keep: 30d}]
  default: brief
"""
PLACE = ("hold", "place", "--reason", "Claim of a customer", "--reference", "LEG-17")


def test_rules_are_put_and_a_class_is_said_and_shown(ask: Run) -> None:
    assert "No rules are in force" in ask("retention", "rules").out
    Path("retention.yaml").write_text(RULES)
    assert ask("retention", "put", "retention.yaml").code == 0
    assert ask("retention", "rules", "--json").json["rules"]["number"] == 1
    assert "kept until" in ask("retention", "show", "encoder@v2").out
    assert ask("retention", "set", "encoder@v2", "forever").out == "encoder@v2 is forever from now on.\n"
    assert (
        "kept for ever by forever (said of the version by mara@example.com)"
        in ask("retention", "show", "encoder@v2").out
    )
    assert ask("retention", "set", "encoder@v2", "", "--reason", "it was a mistake").out.startswith("Nothing is said")
    assert ask("delete", "encoder@v2", "--yes").code == 5
    assert ask("retention", "put", "nowhere.yaml").code == 3
    Path("retention.yaml").write_text(RULES.replace("default: brief", "defualt: brief"))
    wrong = ask("retention", "put", "retention.yaml")
    assert (wrong.code, "spec.defualt" in wrong.err) == (2, True)


def test_applying_shows_first_and_does_nothing_where_nothing_is_due(ask: Run) -> None:
    assert ask("retention", "due").out == "Nothing is due.\n"
    assert len(ask("retention", "due", "--all", "--json").json["versions"]) == 2
    assert ask("retention", "apply", "--json").json == {"applied": False, "versions": []}
    assert ask("retention", "apply", "--yes").out.startswith("Let go of 0 versions")


def test_a_hold_is_placed_listed_and_lifted_by_somebody_else(ask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask("hold", "list").out == "Nothing is under a hold.\n"
    assert ask(*PLACE, "encoder@v2", "--json").json["id"] == 1
    held = ask("delete", "encoder@v2", "--yes")
    assert held.code == 5
    assert ask("hold", "lift", "1", "--reason", "The claim was withdrawn").code == 5
    monkeypatch.setenv("BUDWOOD_AUTHOR", "bea@example.com")
    assert ask("hold", "lift", "1").code == 2
    assert ask("hold", "lift", "1", "--reason", "The claim was withdrawn").code == 0
    assert ask("hold", "list", "--json").json["holds"] == []
    assert "lifted by bea@example.com" in ask("hold", "list", "--all").out
    assert ask(*PLACE, "--query", "metrics.accuracy > 9").code == 2
    assert ask(*PLACE).code == 2
    assert ask(*PLACE, "--namespace", "default").code == 0


def test_a_dossier_is_written_checked_and_found_out(ask: Run) -> None:
    written = ask("dossier", "encoder@v2", "--json").json
    assert (written["good"], written["folder"]) == (True, "dossier-encoder-v2")
    assert ask("dossier", "--check", "dossier-encoder-v2").code == 0
    key = written["dossier"]["key"]
    assert ask("dossier", "--check", "dossier-encoder-v2", "--key", key, "--json").json["dossier"]["trusted"] is True
    Path("dossier-encoder-v2/card.md").write_text("All is well.")
    Path("dossier-encoder-v2/more.html").write_text("More")
    found = ask("dossier", "--check", "dossier-encoder-v2")
    assert found.code == 6
    assert "changed: card.md" in found.out
    assert "added: more.html" in found.out
    assert ask("dossier", "encoder@v2").code == 4
    assert ask("dossier").code == 2
    assert ask("dossier", "--check", "nowhere").code == 3
