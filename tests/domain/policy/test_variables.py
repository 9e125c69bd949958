"""What an expression sees: every field, and null where a zero or a false would let something through."""

import dataclasses
import json
from typing import Any

import pytest

from budwood.domain.facts import Code, Facts, Hardware
from budwood.domain.policy.case import Case
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Interval
from budwood.domain.policy.variables import VARIABLES, About, variables_of

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS
ABOUT = About("v3", 3, "staging", "mara", 440, "stage:production")


def seen(facts: Facts, **more: Any) -> dict[str, Any]:
    return dict(variables_of(Case(NOW_MS, NOW_MS, "", facts, frozenset({"mara"}), **more), ABOUT))


def test_every_variable_is_there_and_is_json() -> None:
    found = seen(Facts())
    assert tuple(found) == VARIABLES
    assert json.loads(json.dumps(found)) == found


def test_every_field_of_the_facts_is_there() -> None:
    assert set(seen(Facts())["facts"]) == {field.name for field in dataclasses.fields(Facts)}


@pytest.mark.parametrize("name", ["code", "environment", "hardware", "schema", "parameters", "created_ms"])
def test_what_nobody_knows_is_null(name: str) -> None:
    assert seen(Facts())["facts"][name] is None


def test_what_is_known_is_whole() -> None:
    facts = seen(Facts(code=Code("abc"), hardware=Hardware(cores=8), parameters=5, metrics={"zero": 0.0}))["facts"]
    assert facts["code"].items() >= {"commit": "abc", "branch": "", "dirty": False, "remote": ""}.items()
    assert facts["hardware"]["cores"] == 8
    assert facts["hardware"]["memory_bytes"] is None
    assert facts["parameters"] == 5
    assert facts["metrics"] == {"zero": 0.0}


def test_age_is_in_days_and_null_when_nobody_knows_when() -> None:
    assert seen(Facts(created_ms=NOW_MS - 3 * DAY_MS // 2))["version"]["age_days"] == 1.5
    assert seen(Facts())["version"]["age_days"] is None


def test_evidence_says_what_was_found_but_not_which_person_is_behind_an_account() -> None:
    given = Evidence(
        7, "ab", EvidenceKind.FAIRNESS, "ci", "ines", ("evaluator",), NOW_MS - DAY_MS, intervals={"gap": Interval(0, 1)}
    )
    (found,) = seen(Facts(), evidence=(given,))["evidence"]
    assert found["kind"] == "fairness"
    assert found["age_days"] == 1.0
    assert found["samples"] == 0
    assert found["intervals"] == {"gap": {"low": 0, "high": 1, "level": 0.95}}
    assert "ines" not in json.dumps(found)


def test_champion_tells_whether_a_version_is_in_force() -> None:
    assert seen(Facts())["champion"] is False
    assert seen(Facts(), champion=())["champion"] is True
