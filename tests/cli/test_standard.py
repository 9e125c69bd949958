"""Typing what is known of a version's birth, and what a namespace asks of it."""

import json
from pathlib import Path
from typing import Any

import pytest

STANDARD = """\
apiVersion: budwood.dev/v1
kind: MetadataStandard
spec:
  requires: {development: [data], production: [fairness]}
  fallsShort: mark
"""


@pytest.fixture
def standard(here: Path) -> Path:
    path = here / "standard.yaml"
    path.write_text(STANDARD)
    return path


def test_a_standard_is_set_shown_and_removed(ask: Any, standard: Path) -> None:
    assert "default" in ask("standard", "set", "default", standard).out
    again = ask("standard", "set", "default", standard, "--json").json
    assert (again["number"], again["text"]) == (1, STANDARD)
    shown = ask("standard", "show", "default").out
    assert "fallsShort: mark" in shown
    assert ask("standard", "remove", "default").out == "default asks for nothing any more.\n"
    assert "default asks for nothing" in ask("standard", "show", "default").out
    gone = ask("standard", "remove", "default")
    assert (gone.code, "No standard is in force" in gone.err) == (3, True)


def test_a_standard_that_is_broken_or_not_there_is_refused(ask: Any, standard: Path) -> None:
    standard.write_text(STANDARD.replace("[data]", "[dat]"))
    broken = ask("standard", "set", "default", standard)
    assert broken.code == 2
    assert "spec.requires.development[0] is 'dat', which is no field." in broken.err
    assert "Did you mean data?" in broken.err
    assert ask("standard", "set", "default", standard.parent / "nothing.yaml").code == 3
    standard.write_text(STANDARD)
    assert ask("standard", "set", "nowhere", standard).code == 3
    standard.write_text("#" * 70_000)
    assert "STANDARD_BYTES" in ask("standard", "set", "default", standard, "--json").out


def test_a_marked_version_says_what_it_falls_short_of_and_does_not_advance(ask: Any, standard: Path) -> None:
    ask("standard", "set", "default", standard)
    assert ask("push", "encoder", "scorer").code == 0
    assert "falls short  of the standard: data" in ask("show", "scorer").out
    assert ask("show", "scorer", "--json").json["short_of"] == ["data"]
    refused = ask("stage", "scorer@v1", "staging")
    assert refused.code == 5
    assert "data is missing" in refused.err
    assert "--dataset reviews@v3" in refused.err


def test_what_is_missing_is_listed_and_what_was_given_is_shown(ask: Any, here: Path) -> None:
    ask("push", "encoder", "bare")
    bare = ask("show", "bare")
    assert "Missing" in bare.out
    for words in ("training.seconds", "how long training took", "which version of its data"):
        assert words in bare.out
    facts = {
        "frameworks": {"torch": "2.9.1"},
        "training": {"seconds": 5400, "hardware": {"accelerators": ["H100"]}, "command": "python train.py"},
        "fairness": {"gap": 0.02},
        "resources": {"energy_kwh": 3.5},
    }
    (here / "facts.json").write_text(json.dumps(facts))
    ask("push", "encoder", "known", "--facts", "facts.json", "--dataset", "reviews@v3", "--metric", "auc=0.9")
    known = ask("show", "known", "--facts").out
    for words in ("1 h 30 min", "H100", "energy_kwh", "torch 2.9.1", "Fairness", "python train.py"):
        assert words in known, words
    missing = ask("show", "known", "--json").json["missing"]
    assert set(missing) <= {"code"}
    assert ask("card", "known").out.count("how long training took") == 0
    assert "how long training took" in ask("card", "bare").out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("traning: {}\n", "traning is not known here"),
        ("training: {seconds: soon}\n", "training.seconds is 'soon'"),
        ("resources: {energy: .nan}\n", "JSON does not"),
        ("resources: {energy: -1}\n", "not a number from 0 on"),
        ("a: [\n", "no YAML in line 2"),
        ("fairness: {gap: 2026-11-21}\n", "JSON does not"),
        ("", "not a mapping"),
    ],
)
def test_facts_that_cannot_be_read_name_the_field(text: str, said: str, ask: Any, here: Path) -> None:
    (here / "facts.yaml").write_text(text)
    refused = ask("push", "encoder", "wrong", "--facts", "facts.yaml")
    assert refused.code == 2
    assert said in refused.err
    assert ask("show", "wrong").code == 3


def test_each_parent_says_how_it_is_one(ask: Any) -> None:
    ask("push", "encoder", "reviews", "--kind", "dataset")
    ask(
        *("push", "tuned", "child", "--parent", "fine-tuned-from=encoder@v1"),
        *("--parent", "trained-on=reviews@v1", "--parent", "encoder@v2", "--relation", "distilled-from"),
    )
    parents = ask("show", "child", "--json").json["facts"]["parents"]
    assert [each["relation"] for each in parents] == ["fine-tuned-from", "trained-on", "distilled-from"]
    traced = ask("trace", "child@v1").out
    assert "(trained-on)" in traced
    refused = ask("push", "tuned", "child", "--parent", "stolen-from=encoder@v1")
    assert refused.code == 2
    for word in ("stolen-from", "trained-on", "adapter-of", "deployed-as"):
        assert word in refused.err
