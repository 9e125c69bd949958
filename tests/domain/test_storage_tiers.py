"""Where a version belongs: holds stop everything, what serves stays whole, and then the first rule counts."""

from contextlib import suppress
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.names import Kind, Stage
from budwood.domain.records import VersionRecord
from budwood.domain.storage_tiers.reading import read_tiering
from budwood.domain.storage_tiers.values import (
    MONTH_MS,
    Arrival,
    Price,
    StorageTier,
    Tiering,
    TierRule,
    TierStanding,
    VersionUse,
    place,
)
from budwood.errors import BadPolicy

DAY_MS = 86_400_000
VERSION = VersionRecord(
    1, 1, "default", "encoder", 3, "ab" * 32, "", Kind.MODEL, Stage.DEVELOPMENT, "mara", 0, 10, 20, ()
)
COLD_RULE = TierRule(StorageTier.COLD, stages=(Stage.ARCHIVED,))
WARM_RULE = TierRule(StorageTier.WARM, age_s=3600)
TIERING = Tiering((COLD_RULE, WARM_RULE))
HEAD = {"apiVersion": "budwood.dev/v1", "kind": "Tiering"}


def test_a_version_without_a_policy_stays() -> None:
    placed = place(TierStanding(VERSION, None), DAY_MS)
    assert (placed.to, placed.moves, placed.why) == (None, False, "no policy")


def test_the_first_rule_that_matches_counts() -> None:
    archived = replace(VERSION, stage=Stage.ARCHIVED)
    assert place(TierStanding(archived, TIERING), DAY_MS).to is StorageTier.COLD
    assert place(TierStanding(VERSION, TIERING), DAY_MS).to is StorageTier.WARM
    assert place(TierStanding(VERSION, TIERING), 3_599_999).to is None


def test_what_serves_stays_whole_whatever_the_rules_say() -> None:
    placed = place(TierStanding(VERSION, TIERING, pointers=("champion",)), DAY_MS)
    assert (placed.to, placed.why) == (StorageTier.HOT, "serves: champion")


def test_a_hold_stops_even_what_serves() -> None:
    placed = place(TierStanding(VERSION, TIERING, pointers=("champion",), holds=(7,)), DAY_MS)
    assert (placed.to, placed.why) == (None, "under hold 7")


def test_bytes_that_were_let_go_go_nowhere() -> None:
    assert place(TierStanding(replace(VERSION, gone_ms=5), TIERING), DAY_MS).to is None


def test_the_time_without_a_pull_counts_from_the_last_or_from_birth() -> None:
    tiering = Tiering((TierRule(StorageTier.COLD, unused_s=86_400),))
    assert place(TierStanding(VERSION, tiering, used_ms=DAY_MS), DAY_MS + 5).to is None
    assert place(TierStanding(VERSION, tiering, used_ms=DAY_MS), 2 * DAY_MS).to is StorageTier.COLD
    assert place(TierStanding(VERSION, tiering), DAY_MS).to is StorageTier.COLD


def test_a_version_that_is_there_does_not_move() -> None:
    assert not place(TierStanding(VERSION, TIERING, StorageTier.WARM), DAY_MS).moves


def test_pulls_of_the_first_days_count_as_those_of_a_month() -> None:
    use = VersionUse(1, 6, 0, 5)
    assert use.a_month(DAY_MS) == 6
    assert use.a_month(2 * MONTH_MS) == 3


def test_a_policy_is_read_whole() -> None:
    text = """
    push: raw
    rules:
      - {tier: cold, stages: [archived], kinds: [model], models: ["fraud-*"], age: 30d, unused: 90d}
      - {tier: warm}
    prices: {currency: eur, hot: {stored: 0.02}, cold: {stored: 0.004, read: 0.01}}
    """
    tiering = read_tiering({**HEAD, "spec": yaml.safe_load(text)})
    cold, warm = tiering.rules
    assert tiering.push is Arrival.RAW
    assert (cold.age_s, cold.unused_s, cold.models) == (30 * 86_400, 90 * 86_400, ("fraud-*",))
    assert cold.words == ("stages archived; kinds model; models fraud-*; older than 30d; not pulled for 90d")
    assert warm == TierRule(StorageTier.WARM)
    assert (tiering.prices.currency, tiering.prices.of(StorageTier.COLD)) == ("EUR", Price(0.004, 0.01))


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("{rules: [{tier: luke}]}", "spec.rules[0].tier"),
        ("{rules: [{}]}", "spec.rules[0].tier"),
        ("{rules: [{tier: cold, stage: [archived]}]}", "spec.rules[0].stage"),
        ("{rules: [{tier: cold, age: a while}]}", "spec.rules[0].age"),
        ("{push: fast}", "spec.push"),
        ("{prices: {cold: {stored: -1}}}", "spec.prices.cold.stored"),
        ("{prices: {currency: euros}}", "spec.prices.currency"),
        ("{tiers: []}", "spec.tiers"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(spec: str, field: str) -> None:
    with pytest.raises(BadPolicy) as refused:
        read_tiering({**HEAD, "spec": yaml.safe_load(spec)})
    assert refused.value.facts["field"] == field


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(spec=ANYTHING, rule=ANYTHING, prices=ANYTHING)
def test_no_document_does_anything_but_to_be_read_or_refused(spec: object, rule: object, prices: object) -> None:
    for document in ({**HEAD, "spec": spec}, {**HEAD, "spec": {"rules": [rule], "prices": prices}}, spec):
        with suppress(BadPolicy):
            read_tiering(document)
