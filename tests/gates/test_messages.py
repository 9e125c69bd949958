"""Broken policies and inputs, each typed at the command line: the message names what is wrong, the hint says the fix.

What else a document may get wrong is in ``tests/domain/policy/test_reading.py``.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import budwood
from budwood.errors import BudwoodError
from budwood.verbs.policy_text import policy_from
from tests.cli.conftest import Run
from tests.cli.conftest import _new_user as _new_user
from tests.cli.conftest import run as run

POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata:
  name: production
spec:
  stages: [production]
  aliases: ["live-*"]
  thresholds:
    - {metric: accuracy, operator: ">=", value: 0.9}
  reviews:
    - {role: reviewer, count: 1, validFor: 30d}
  validations:
    - {expression: "version.number > 0", message: Not the first.}
"""

# What of the policy is written instead of what; what the message must name; what the hint must say.
DOCUMENTS = [
    ("budwood.dev/v1", "budwood.dev/v9", "apiVersion", "apiVersion: budwood.dev/v1"),
    ("kind: Policy\n", "", "kind is missing", "Give kind"),
    ("kind: Policy", "kind: Polices", "kind", "kind: Policy"),
    ("  name: production\n", "  name: Production\n", "metadata.name", "Lower-case"),
    ("spec:", "specs:", "specs", "Did you mean spec?"),
    ("  stages:", "  stage:", "spec.stage", "Did you mean stages?"),
    ("[production]", "[prodution]", "spec.stages[0]", "Did you mean production?"),
    ("[production]", "production", "spec.stages", "stages: [...]"),
    ("[production]", "[development]", "spec.stages[0]", "staging, production, archived"),
    ("[production]", "[]", "spec.stages", "leave the field out"),
    ("[production]", "[production", "stages", "Close the bracket"),
    ('["live-*"]', "[live-*, *]", "aliases", 'aliases: ["*"]'),
    ('["live-*"]', "[&a live]", "aliases", "Write it out"),
    ('["live-*"]', "[Live!]", "spec.aliases[0]", "fraud-*"),
    ("  stages:", "\tstages:", "stages", "Indent with spaces"),
    ("  stages: [production]\n", "  stages: [production]\n  stages: [staging]\n", "'stages'", "Keep one"),
    ("  stages: [production]\n", "  on: [production]\n", "True", "quotes"),
    ('">="', ">=", "operator", 'operator: ">="'),
    ('">="', '"=>"', "spec.thresholds[0].operator", "Did you mean >=?"),
    ('">="', "=", "operator", "Quote it"),
    ("0.9}", "high}", "spec.thresholds[0].value", "finite number"),
    ("0.9}", ".nan}", "spec.thresholds[0].value", "finite number"),
    ("0.9}", "1" + "0" * 400 + "}", "spec.thresholds[0].value", "finite number"),
    ("0.9}", "0x" + "f" * 5_000 + "}", "spec.thresholds[0].value", "finite number"),
    ("0.9}", "2026-01-01}", "spec.thresholds[0].value", "0.9"),
    ("value: 0.9}", "value: 0.9, champion: {tolerance: 1}}", "spec.thresholds[0]", "either"),
    ("value: 0.9}", "champion: {tolerance: -1}}", "spec.thresholds[0].champion.tolerance", "how much worse"),
    ("0.9}", "0.9, maxAge: 30 days}", "spec.thresholds[0].maxAge", "30d"),
    ("0.9}", "0.9, minSamples: -1}", "spec.thresholds[0].minSamples", "whole number"),
    ("metric: accuracy", "metrics: accuracy", "spec.thresholds[0].metrics", "Did you mean metric?"),
    ("role: reviewer", "role: boss", "spec.reviews[0].role", "reviewer"),
    ("count: 1", "count: 0", "spec.reviews[0].count", "from 1"),
    ("30d", "a month", "spec.reviews[0].validFor", "30d"),
    ("30d", "30d, exclude: [autor]", "spec.reviews[0].exclude[0]", "Did you mean author?"),
    ("message: Not the first.", "message: no", "spec.validations[0].message", "quotes"),
    (", message: Not the first.", "", "spec.validations[0].message", "Give message"),
    ("version.number > 0", "x" * 4_097, "spec.validations[0].expression", "Shorten"),
    ("apiVersion: budwood.dev/v1\n", "hello\n", "line", "indentation"),
    (POLICY, "", "The document is empty", "apiVersion, kind, metadata, spec"),
    (POLICY, POLICY + "---\n" + POLICY, "another document", "one document"),
    (POLICY, POLICY + "#" * 65_536, "65536 bytes", "Leave out"),
]
EXPRESSIONS = [
    ("version.number > 0", "versoin.number > 0", "spec.validations[0].expression", "variables"),
    ("version.number > 0", "version.number > ", "spec.validations[0].expression", "Correct"),
    ("version.number > 0", "(" * 3_000 + ")" * 3_000, "spec.validations[0].expression", "Shorten"),
    ("version.number > 0", " || ".join(["true"] * 5_000), "spec.validations[0].expression", "Shorten"),
]
# What is typed; what is named; what is said to do.
WORDS = [
    ("policy put missing.yaml", "missing.yaml", "Check the path"),
    ("policy put policy.yaml --namespace nowhere", "'nowhere'", "namespace add"),
    ("policy show prodution", "'prodution'", "policy list"),
    ("policy remove prodution", "'prodution'", "policy list"),
    ("policy tier encoder extreme", "'extreme'", "low, limited, high"),
    ("policy tier encodr high", "'encodr'", "budwood list"),
    ("evidence add encoder@v1 evaluatoin --metric a=1", "'evaluatoin'", "evaluation"),
    ("evidence add encoder@v1 evaluation --metric accuracy", "'accuracy'", "KEY=VALUE"),
    ("evidence add encoder@v1 evaluation --metric accuracy=high", "'accuracy'", "KEY=VALUE"),
    ("evidence add encoder@v1 evaluation --metric accuracy=nan", "'accuracy'", "finite number"),
    ("evidence add encoder@v1 evaluation --metric accuracy=1e999", "'accuracy'", "finite number"),
    ("evidence add encoder@v1 evaluation --metric a=1 --metric a=2", "'a'", "Keep one"),
    ("evidence add encoder@v1 evaluation --metric a=1 --samples -1", "--samples", "greater than or equal to 0"),
    ("evidence add encoder@v1 evaluation --metric a=1 --samples many", "--samples", "valid integer"),
    ("evidence add encoder@v1 scan --outcome maybe", "'maybe'", "passed, failed"),
    ("evidence add encoder@v1 evaluation", "says nothing", "Give metrics"),
    ("evidence add encoder@v1 signature --outcome passed", "signature", "budwood sign"),
    ("evidence add encoder@v9 scan --outcome passed", "v9", "budwood log"),
    ("promotion request encoder@v1 prodution", "'prodution'", "Did you mean production?"),
    ("promotion request encoder@v1 staging", "'staging'", "budwood stage encoder@1.0.0 staging"),
    ("promotion request encoder@^1 production", "'^1'", "encoder@1.2.0"),
    ("promotion request encoder@v1 Champion!", "'Champion!'", "lower-case"),
    ("promotion show 9", "promotion 9", "promotion list"),
    ("promotion show zero", "NUMBER", "valid integer"),
    ("promotion list --state opened", "'opened'", "open, applied"),
    ("promotion break-glass encoder@v1 production", "--reason", "Missing option"),
    ("promotion break-glass encoder@v1 production --reason short", "reason", "--reason"),
    ("promotion break-glass encoder@v1 staging --reason payments-are-refused", "'staging'", "budwood stage"),
    ("promotion look 7", "promotion 7", "promotion list"),
    ("person add bot --service --owner nobody", "'nobody'", "person list"),
    ("person add mara --owner jon", "mara", "has an owner"),
    ("group add crew nobody", "'nobody'", "person list"),
    ("stage encoder@v1 prod", "'prod'", "production"),
    ("stage encoder@v1 production", "'production'", "budwood promotion request encoder@1.0.0 production"),
]


@pytest.fixture
def guarded(run: Run, tmp_path: Path) -> Path:
    """A registry with one version, whose production is guarded, and the policy beside it."""
    registry = tmp_path / "registry"
    (tmp_path / "config.json").write_text("{}")
    with budwood.connect(registry, author="mara") as made:
        made.push(tmp_path / "config.json", "encoder", label="1.0.0")
        made.gates.put_policy(POLICY.split("  validations")[0])
    Path("policy.yaml").write_text(POLICY.split("  validations")[0])
    return registry


def told(run: Run, registry: Path, words: list[str], names: str, fix: str) -> None:
    ran = run("--registry", registry, *words)
    assert ran.code in (2, 3, 5), ran
    assert ran.out == ""
    message, _, hint = ran.err.partition("budwood: ")[2].partition("\n")
    assert names in message, ran.err
    assert fix in f"{message}\n{hint}", ran.err
    assert hint.strip(), "there is no hint"
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(("old", "new", "names", "fix"), DOCUMENTS, ids=[case[2][:40] for case in DOCUMENTS])
def test_a_broken_policy_is_told_with_its_field_and_the_fix(
    old: str, new: str, names: str, fix: str, run: Run, guarded: Path
) -> None:
    assert old in POLICY
    Path("policy.yaml").write_text(POLICY.replace(old, new, 1))
    told(run, guarded, ["policy", "put", "policy.yaml"], names, fix)


@pytest.mark.parametrize(("old", "new", "names", "fix"), EXPRESSIONS, ids=["name", "end", "brackets", "ors"])
def test_a_broken_expression_is_told_with_its_place(
    old: str, new: str, names: str, fix: str, run: Run, guarded: Path
) -> None:
    pytest.importorskip("cel")
    Path("policy.yaml").write_text(POLICY.replace(old, new, 1))
    told(run, guarded, ["policy", "put", "policy.yaml"], names, fix)


@pytest.mark.parametrize(("typed", "names", "fix"), WORDS, ids=[case[0][:60] for case in WORDS])
def test_a_wrong_word_is_told_with_what_would_be_right(
    typed: str, names: str, fix: str, run: Run, guarded: Path
) -> None:
    told(run, guarded, typed.split(), names, fix)


def test_forty_and_more_are_told() -> None:
    assert len(DOCUMENTS) >= 40
    assert len(WORDS) >= 30


LETTERS = st.sampled_from("{}[]:-,?!&*#|>%@`\"' \n\t\\0129.eEx=<~\x00\ud800")


@given(st.lists(st.tuples(st.integers(0, len(POLICY) - 1), st.integers(0, 6), st.text(LETTERS, max_size=3))))
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_is_a_policy_or_told(edits: list[tuple[int, int, str]]) -> None:
    text = POLICY
    for at, gone, come in edits:
        text = text[:at] + come + text[at + gone :]
    told_wrong: list[BudwoodError] = []
    try:
        policy_from(text)
    except BudwoodError as error:
        told_wrong.append(error)
    assert all(error.hint and error.facts["field"] for error in told_wrong)
