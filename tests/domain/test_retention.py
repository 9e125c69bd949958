"""Which class counts, from when, and what may be changed without asking anybody."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.moment import DAY_MS
from budwood.domain.names import Kind, Stage
from budwood.domain.records import VersionRecord
from budwood.domain.retention import (
    FOREVER,
    REGULATORY,
    ClassSaid,
    Clock,
    Gone,
    Hold,
    KeepState,
    RetentionClass,
    RetentionRule,
    Rules,
    Scope,
    Service,
    Standing,
    judge,
)
from budwood.domain.retention_rules import read_rules
from budwood.errors import BadPolicy

VERSION = VersionRecord(
    7, 3, "default", "encoder", 2, "ab" * 32, "", Kind.MODEL, Stage.DEVELOPMENT, "mara", 100 * DAY_MS, 10, 20, ()
)
BORN = VERSION.created_ms
SHORT, LONG = RetentionClass("short", 30), RetentionClass("long", 365)
HOLD = Hold(4, "default", Scope.MODEL, "encoder", "a claim was made", "LEG-1", "mara", 5)


def said(name: str, version_id: int = 0) -> ClassSaid:
    return ClassSaid(3, version_id, name, "mara", 5)


def test_without_a_class_bytes_stay_and_are_never_due() -> None:
    found = judge(Standing(VERSION, Rules()), BORN + 10_000 * DAY_MS)
    assert (found.state, found.until_ms, found.name) == (KeepState.UNCLASSED, 0, "")


def test_a_class_keeps_to_the_millisecond() -> None:
    standing = Standing(VERSION, Rules((SHORT,)), (said("short"),))
    until = BORN + 30 * DAY_MS
    assert judge(standing, until - 1).state is KeepState.KEPT
    assert judge(standing, until).state is KeepState.DUE
    assert judge(standing, until).until_ms == until


def test_of_several_classes_the_longest_counts() -> None:
    rules = Rules((SHORT, LONG), (RetentionRule("short", kinds=(Kind.MODEL,)),), "short")
    standing = Standing(VERSION, rules, (said("short"), said("long", 7)))
    assert judge(standing, BORN).name == "long"
    assert "version" in judge(standing, BORN).why


def test_the_default_counts_only_where_nothing_else_does() -> None:
    rules = Rules((SHORT, LONG), (), "long")
    assert judge(Standing(VERSION, rules), BORN).name == "long"
    assert judge(Standing(VERSION, rules, (said("short"),)), BORN).name == "short"


def test_the_regulatory_clock_begins_anew_when_it_last_left_a_pointer_that_serves() -> None:
    services = (
        Service("champion", BORN + 1 * DAY_MS, BORN + 400 * DAY_MS, "mara"),
        Service("stage:production", BORN + 2 * DAY_MS, BORN + 300 * DAY_MS, "mara"),
        Service("stage:staging", BORN + 500 * DAY_MS, BORN + 900 * DAY_MS, "mara"),
    )
    standing = Standing(VERSION, Rules(), (said("regulatory"),), services)
    found = judge(standing, BORN + 1_000 * DAY_MS)
    assert (found.since_ms, found.until_ms) == (BORN + 400 * DAY_MS, BORN + (400 + 3660) * DAY_MS)
    never = judge(Standing(VERSION, Rules(), (said("regulatory"),)), BORN)
    assert never.since_ms == BORN
    in_stage = Standing(VERSION, Rules(), (said("regulatory"),), services, left_production_ms=BORN + 700 * DAY_MS)
    assert judge(in_stage, BORN).since_ms == BORN + 700 * DAY_MS


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"pointers": ("champion",)}, KeepState.SERVING),
        ({"holds": (HOLD,)}, KeepState.HELD),
        ({"pointers": ("champion",), "holds": (HOLD,)}, KeepState.HELD),
        ({"gone": Gone(1, "mara", "short", "rule", 0, 1), "holds": (HOLD,)}, KeepState.GONE),
    ],
)
def test_what_serves_or_is_held_is_never_due(more: dict[str, object], state: KeepState) -> None:
    standing = Standing(VERSION, Rules((SHORT,)), (said("short"),), **more)  # type: ignore[arg-type]
    assert judge(standing, BORN + 10_000 * DAY_MS).state is state


def test_a_rule_for_a_stage_keeps_what_was_ever_in_it() -> None:
    rules = Rules((), (RetentionRule("regulatory", stages=(Stage.PRODUCTION,)),))
    been = frozenset({Stage.DEVELOPMENT, Stage.PRODUCTION, Stage.ARCHIVED})
    assert judge(Standing(VERSION, rules, been=been), BORN).name == "regulatory"
    assert judge(Standing(VERSION, rules), BORN).name == ""


def test_a_class_that_the_rules_no_longer_know_keeps_for_ever() -> None:
    found = judge(Standing(VERSION, Rules(), (said("gone-from-the-rules"),)), BORN + 10_000 * DAY_MS)
    assert found.state is KeepState.FOREVER


def test_longer_means_longer_for_every_version() -> None:
    assert LONG.covers(SHORT)
    assert not SHORT.covers(LONG)
    assert FOREVER.covers(REGULATORY)
    assert not REGULATORY.covers(FOREVER)
    late = RetentionClass("late", 30, Clock.LAST_RELEASE)
    assert late.covers(SHORT)
    assert not SHORT.covers(late)


classes = st.builds(
    RetentionClass, st.sampled_from(["a", "b", "c"]), st.sampled_from([0, 1, 30, 400]), st.sampled_from(Clock)
)
names = st.sampled_from(["a", "b", "c", "forever", "regulatory"])
rule = st.builds(
    RetentionRule,
    names,
    st.sampled_from([(), (Stage.PRODUCTION,)]),
    st.sampled_from([(), (Kind.MODEL,), (Kind.PROMPT,)]),
    st.sampled_from([(), ("enc*",), ("other",)]),
)


@st.composite
def some_rules(draw: st.DrawFn) -> Rules:
    own = draw(st.lists(classes, max_size=3, unique_by=lambda each: each.name))
    known = {each.name for each in (*own, FOREVER, REGULATORY)}
    rules = [each for each in draw(st.lists(rule, max_size=3)) if each.name in known]
    default = draw(st.sampled_from(["", *sorted(known)]))
    return Rules(tuple(own), tuple(rules), default)


@given(some_rules(), some_rules(), st.lists(names, max_size=2), st.booleans(), st.integers(0, 2_000))
def test_rules_that_cover_others_keep_no_version_shorter(
    before: Rules, after: Rules, given_names: list[str], was_released: bool, left_days: int
) -> None:
    been = frozenset({Stage.DEVELOPMENT, *([Stage.PRODUCTION] if was_released else [])})
    services = (Service("champion", BORN, BORN + left_days * DAY_MS, "mara"),) if was_released else ()
    words = tuple(said(name, 7 * n) for n, name in enumerate(given_names) if before.named(name))
    if after.covers(before):
        old = judge(Standing(VERSION, before, words, services, been=been), 0)
        new = judge(Standing(VERSION, after, words, services, been=been), 0)
        kept_for_ever = new.state is KeepState.FOREVER
        assert kept_for_ever or new.until_ms >= old.until_ms
        assert kept_for_ever or old.state is not KeepState.FOREVER


def document(**spec: object) -> dict[str, object]:
    return {"apiVersion": "budwood.dev/v1", "kind": "Retention", "spec": spec}


def test_a_document_is_read_whole() -> None:
    rules = read_rules(
        document(
            classes=[{"name": "audit", "keep": "7y", "from": "last-release"}, {"name": "brief", "keep": "90d"}],
            rules=[{"class": "regulatory", "stages": ["production"]}, {"class": "audit", "kinds": ["dataset"]}],
            default="brief",
        )
    )
    assert rules.classes == (RetentionClass("audit", 7 * 366, Clock.LAST_RELEASE), RetentionClass("brief", 90))
    assert rules.rules[0] == RetentionRule("regulatory", stages=(Stage.PRODUCTION,))
    assert rules.default == "brief"


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ([], "The document"),
        ({"apiVersion": "budwood.dev/v1", "kind": "Retention"}, "spec"),
        ({**document(), "kind": "Policy"}, "kind"),
        (document(clases=[]), "spec.clases"),
        (document(classes={}), "spec.classes"),
        (document(classes=[]), "spec.classes"),
        (document(classes=[{"name": "Bad Name", "keep": "1d"}]), "spec.classes[0].name"),
        (document(classes=[{"name": "forever", "keep": "1d"}]), "spec.classes[0].name"),
        (document(classes=[{"name": "a", "keep": "1d"}, {"name": "a", "keep": "2d"}]), "spec.classes[0].name"),
        (document(classes=[{"name": "a", "keep": 10}]), "spec.classes[0].keep"),
        (document(classes=[{"name": "a", "keep": "0d"}]), "spec.classes[0].keep"),
        (document(classes=[{"name": "a", "keep": "101y"}]), "spec.classes[0].keep"),
        (document(classes=[{"name": "a", "keep": "1d", "from": "now"}]), "spec.classes[0].from"),
        (document(rules=[{"class": "nobody"}]), "spec.rules[0].class"),
        (document(rules=[{"stages": ["production"]}]), "spec.rules[0].class"),
        (document(rules=[{"class": "forever", "stages": ["live"]}]), "spec.rules[0].stages[0]"),
        (document(rules=[{"class": "forever", "models": ["../x"]}]), "spec.rules[0].models[0]"),
        (document(default="nobody"), "spec.default"),
        (document(default=["forever"]), "spec.default"),
    ],
)
def test_what_is_wrong_with_a_document_is_named(bad: object, field: str) -> None:
    with pytest.raises(BadPolicy) as refused:
        read_rules(bad)
    assert refused.value.facts["field"] == field
    assert refused.value.hint


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["classes", "rules", "default"]), values))
def test_any_document_is_read_or_refused(spec: dict[str, object]) -> None:
    with contextlib.suppress(BadPolicy):
        read_rules(document(**spec))
