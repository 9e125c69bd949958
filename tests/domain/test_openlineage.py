"""Events of others are read strictly, and ours are read back as what they say."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.openlineage import Emitted, LineageEvent, Thing, event_of, own_reference, read_event, run_id
from budwood.errors import BadValue, LimitExceeded

AT = "2026-11-05T14:30:00Z"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMED = st.fixed_dictionaries({}, optional={"namespace": JSON, "name": JSON, "facets": JSON, "runId": JSON})
EVENTS = st.builds(
    LineageEvent,
    eventTime=st.sampled_from([AT, "", "x", "2026-13-01T00:00:00Z"]) | st.text(max_size=30),
    eventType=st.sampled_from([None, "START", "COMPLETE", "FAIL", "what"]),
    run=st.none() | NAMED,
    job=st.none() | NAMED,
    dataset=st.none() | NAMED,
    inputs=st.none() | st.lists(NAMED, max_size=3).map(tuple),
    outputs=st.none() | st.lists(NAMED, max_size=3).map(tuple),
)
NAMES = st.text("abcxyz/@._-:1", min_size=1, max_size=30)
THINGS = st.builds(Thing, source=NAMES, name=NAMES, version=st.sampled_from(["", "1", "v7"]))


@given(EVENTS)
def test_whatever_comes_is_read_or_refused(event: LineageEvent) -> None:
    try:
        told = read_event(event)
    except (BadValue, LimitExceeded):
        return
    for thing in (*told.inputs, *told.outputs, *([told.job] if told.job else [])):
        assert isinstance(thing.name, str)
        assert thing.name
        assert thing.source


@given(st.lists(THINGS, max_size=5), st.lists(THINGS, max_size=5), st.integers(1, 1 << 50), st.integers(0, 1 << 40))
def test_our_events_are_read_back(inputs: list[Thing], outputs: list[Thing], sequence: int, at_ms: int) -> None:
    said: Any = event_of(Emitted("3966ab47", sequence, at_ms, "encoder push", inputs, outputs))
    assert json.loads(json.dumps(said)) == said
    told = read_event(LineageEvent(**{**said, "inputs": tuple(said["inputs"]), "outputs": tuple(said["outputs"])}))

    def plain(things: list[Thing]) -> list[Thing]:
        return list(dict.fromkeys(Thing(each.source, each.name, each.version.removeprefix("v")) for each in things))

    assert list(told.inputs) == plain(inputs)
    assert list(told.outputs) == plain(outputs)
    assert told.job == Thing("budwood://3966ab47", "encoder push")
    assert UUID(told.run).version == 8


def test_a_run_has_one_id_for_ever() -> None:
    assert run_id("a", 7) == "c28444f7-2e63-8e40-8349-6b710b2607ca"
    assert len({run_id("a", 7), run_id("a", 8), run_id("b", 7)}) == 3


@pytest.mark.parametrize(
    ("thing", "reference"),
    [
        (Thing("budwood", "risk/encoder@v3"), "risk/encoder@v3"),
        (Thing("budwood://me", "encoder@champion"), "encoder@champion"),
        (Thing("budwood://me/", "encoder@1.2.0"), "encoder@1.2.0"),
        (Thing("budwood", "encoder", "3"), "encoder@v3"),
        (Thing("budwood", "encoder", "1.2.0"), "encoder@1.2.0"),
        (Thing("budwood", "encoder"), ""),
        (Thing("budwood://another", "encoder@v3"), ""),
        (Thing("s3://bucket", "encoder@v3"), ""),
        (Thing("budwood.example", "encoder@v3"), ""),
    ],
)
def test_which_data_sets_are_versions_of_ours(thing: Thing, reference: str) -> None:
    assert own_reference(thing, "me") == reference
