"""Metadata standards: what a document says, how a broken one is refused, and who may descend from whom."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.fields import is_field
from budwood.domain.names import Kind, Stage
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Outcome
from budwood.domain.standard import FallsShort, Standard, edge_refusal, fields_shown, read_standard
from budwood.errors import BadStandard, BudwoodError, LimitExceeded
from budwood.verbs.standard_text import standard_from

WHOLE = """\
apiVersion: budwood.dev/v1
kind: MetadataStandard
metadata: {name: risk}
spec:
  requires:
    development: [code, data]
    staging: [metrics.accuracy]
    production: [fairness, parents.trained-on]
  fallsShort: mark
  kinds: [model]
  models: ["fraud-*"]
  lineage:
    from: [shared]
    to: ["*"]
"""


def document(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "budwood.dev/v1", "kind": "MetadataStandard", "spec": spec}


def test_a_standard_says_what_each_stage_asks_for_and_every_later_one_too() -> None:
    standard = standard_from(WHOLE)
    assert standard.falls_short is FallsShort.MARK
    assert standard.asks(Stage.DEVELOPMENT, Kind.MODEL, "fraud-eu") == ("code", "data")
    assert standard.asks(Stage.STAGING, Kind.MODEL, "fraud-eu") == ("code", "data", "metrics.accuracy")
    assert standard.asks(Stage.PRODUCTION, Kind.MODEL, "fraud-eu")[-1] == "parents.trained-on"
    assert standard.asks(Stage.ARCHIVED, Kind.MODEL, "fraud-eu") == ()


def test_other_kinds_and_models_are_asked_for_nothing() -> None:
    standard = standard_from(WHOLE)
    assert standard.asks(Stage.PRODUCTION, Kind.DATASET, "fraud-eu") == ()
    assert standard.asks(Stage.PRODUCTION, Kind.MODEL, "ranker") == ()


@pytest.mark.parametrize(
    ("broken", "field", "said"),
    [
        ("spec: {}\n", "apiVersion", "missing"),
        (WHOLE.replace("budwood.dev/v1", "v2"), "apiVersion", "'v2'"),
        (WHOLE.replace("MetadataStandard", "Policy"), "kind", "'Policy'"),
        (WHOLE.replace("  requires:", "  require:"), "spec.require", "not known"),
        (WHOLE.replace("staging:", "stage:"), "spec.requires.stage", "not known"),
        (WHOLE.replace("production:", "archived:"), "spec.requires.archived", "not known"),
        (WHOLE.replace("[code, data]", "[code, dat]"), "spec.requires.development[1]", "no field"),
        (WHOLE.replace("[code, data]", "[code, code]"), "spec.requires.development", "twice"),
        (WHOLE.replace("[code, data]", "code"), "spec.requires.development", "not a list"),
        (WHOLE.replace("[code, data]", "[]"), "spec.requires.development", "empty list"),
        (WHOLE.replace("[code, data]", "[7]"), "spec.requires.development[0]", "7"),
        (WHOLE.replace("trained-on", "stolen-from"), "spec.requires.production[1]", "no field"),
        (WHOLE.replace("fallsShort: mark", "fallsShort: warn"), "spec.fallsShort", "'warn'"),
        (WHOLE.replace("kinds: [model]", "kinds: [car]"), "spec.kinds[0]", "'car'"),
        (WHOLE.replace("from: [shared]", "from: [Shared!]"), "spec.lineage.from[0]", "'Shared!'"),
        (WHOLE.replace("from: [shared]", "form: [shared]"), "spec.lineage.form", "not known"),
        (WHOLE.replace("{name: risk}", "{nmae: risk}"), "metadata.nmae", "not known"),
        ("apiVersion: budwood.dev/v1\nkind: MetadataStandard\nspec: {kinds: [model]}\n", "spec", "nothing"),
        ("- 1\n", "The document", "mapping"),
        ("", "The document", "empty"),
        ("a: 1\na: 2\n", "a", "twice"),
        ("a: &x 1\nb: *x\n", "document", "anchor"),
        ("a: [\n", "document", "no YAML in line 2"),
        (WHOLE.replace("{name: risk}", "{labels: 2026-11-21}"), "metadata.labels", "date"),
    ],
)
def test_a_broken_standard_is_refused_naming_the_field_and_the_fix(broken: str, field: str, said: str) -> None:
    with pytest.raises(BadStandard) as refused:
        standard_from(broken)
    assert said in refused.value.message
    assert refused.value.facts["field"] == field or field in refused.value.message
    assert refused.value.hint


def test_a_document_that_is_too_long_is_not_read() -> None:
    with pytest.raises(LimitExceeded):
        standard_from(WHOLE + "#" * (1 << 16))


def test_a_typing_mistake_is_met_with_the_word_that_was_meant() -> None:
    with pytest.raises(BadStandard) as refused:
        standard_from(WHOLE.replace("fairness", "fairnes"))
    assert refused.value.hint == "Did you mean fairness?"


def test_the_same_document_written_in_another_way_has_the_same_digest() -> None:
    asks = document(requires={"staging": ["code"]})
    other = {"spec": {"requires": {"staging": ["code"]}}, "kind": "MetadataStandard", "apiVersion": "budwood.dev/v1"}
    assert read_standard(asks).digest == read_standard(other).digest
    assert read_standard(asks).digest != read_standard(document(requires={"staging": ["data"]})).digest


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=12,
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "requires": PLAIN | st.dictionaries(st.sampled_from(list(Stage)), st.lists(st.sampled_from(["code", "x"]))),
        "fallsShort": PLAIN | st.sampled_from(["mark", "refuse"]),
        "kinds": PLAIN | st.lists(st.sampled_from(["model", "car"])),
        "models": PLAIN | st.lists(st.text()),
        "lineage": PLAIN | st.fixed_dictionaries({"from": PLAIN | st.lists(st.text(alphabet="ab*?."), min_size=1)}),
    },
)


def read(reading: Callable[[Any], Standard], value: object) -> Standard | BudwoodError:
    try:
        return reading(value)
    except (BadStandard, LimitExceeded) as refused:
        return refused


@given(PLAIN | SPECS.map(lambda spec: document(**spec)))
def test_whatever_a_document_holds_it_is_a_standard_or_refused_by_name(value: object) -> None:
    found = read(read_standard, value)
    if isinstance(found, BudwoodError):
        assert found.hint
        assert found.facts["field"]
        return
    assert len(found.digest) == 64
    assert all(is_field(name) for names in found.requires.values() for name in names)


@given(st.text() | st.binary().map(lambda b: b.decode("utf-8", "surrogateescape")) | st.text().map(lambda t: WHOLE + t))
def test_whatever_text_is_given_it_is_a_standard_or_refused(text: str) -> None:
    found = read(standard_from, text)
    assert isinstance(found, Standard) or found.message


EVERYBODY = Standard(parents_from=("*",), descend_to=("*",))


@pytest.mark.parametrize(
    ("parent", "child", "refusing"),
    [
        (None, None, "parents"),
        (EVERYBODY, None, "children"),
        (None, EVERYBODY, "parents"),
        (EVERYBODY, EVERYBODY, ""),
        (Standard(descend_to=("child*",)), Standard(parents_from=("parents",)), ""),
        (Standard(descend_to=("other",)), EVERYBODY, "parents"),
        (EVERYBODY, Standard(parents_from=("other",)), "children"),
        # What one allows to one side says nothing of the other.
        (Standard(parents_from=("*",)), Standard(descend_to=("*",)), "parents"),
    ],
)
def test_an_edge_between_namespaces_needs_both(parent: Standard | None, child: Standard | None, refusing: str) -> None:
    assert edge_refusal(parent, "parents", child, "children") == refusing
    assert edge_refusal(parent, "same", child, "same") == ""


def test_evaluations_and_audits_of_fairness_give_facts_that_came_after_birth() -> None:
    def said(kind: EvidenceKind, metrics: Mapping[str, float], outcome: Outcome = Outcome.NONE) -> Evidence:
        return Evidence(0, "ab" * 32, kind, "eva", "eva", (), 1, outcome, metrics=metrics)

    assert fields_shown([said(EvidenceKind.EVALUATION, {"auc": 0.9})]) == {"metrics", "metrics.auc"}
    assert fields_shown([said(EvidenceKind.EVALUATION, {"auc": 0.9}, Outcome.FAILED)]) == frozenset()
    assert fields_shown([said(EvidenceKind.FAIRNESS, {"gap": 0.1})]) == {"fairness", "fairness.gap"}
    assert fields_shown([said(EvidenceKind.ROBUSTNESS, {"auc": 0.9})]) == frozenset()
