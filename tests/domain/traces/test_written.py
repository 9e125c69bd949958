"""Spans as they were written down: what we wrote comes back as it was, MLflow's forms say the same, and of what is no
span nothing is believed."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.limits import SPAN_VALUE_DEPTH
from budwood.domain.traces.records import Event, Link, Span
from budwood.domain.traces.stored import content_of
from budwood.domain.traces.written import span_of, span_read
from budwood.errors import BadValue, LimitExceeded

TRACE, CHILD, ROOT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
SPAN = Span(
    TRACE,
    CHILD,
    ROOT,
    "look up",
    1_700_000_000_000_000_001,
    1_700_000_000_000_000_002,
    "OK",
    "",
    {"mlflow.spanInputs": {"words": ["ü", 1, None]}, "many": 2.0},
    [Event("exception", 5, {"exception.type": "ValueError"})],
)
SAID = {
    "name": "look up",
    "start_time_unix_nano": 1_700_000_000_000_000_001,
    "end_time_unix_nano": 1_700_000_000_000_000_002,
    "attributes": {"mlflow.spanInputs": '{"words": ["ü", 1, null]}', "many": "2.0"},
    "events": [{"name": "exception", "time_unix_nano": 5, "attributes": {"exception.type": "ValueError"}}],
}
NEWEST: dict[str, Any] = {
    **SAID,
    "trace_id": "CvdlGRbNQ92ESOshHIAxnA==",
    "span_id": "t61rcWkgMzE=",
    "parent_span_id": "APBnqgupArc=",
    "status": {"code": "STATUS_CODE_OK", "message": ""},
    "links": [],
}
OF_3_5: dict[str, Any] = {
    **SAID,
    "trace_id": f"tr-{TRACE}",
    "span_id": CHILD,
    "parent_span_id": ROOT,
    "status": {"code": "OK", "message": None},
}
OF_2: dict[str, Any] = {
    "name": "look up",
    "context": {"trace_id": f"0x{TRACE}", "span_id": f"0x{CHILD}"},
    "parent_id": f"0x{ROOT.lstrip('0')}",
    "start_time": SAID["start_time_unix_nano"],
    "end_time": SAID["end_time_unix_nano"],
    "status_code": "OK",
    "status_message": "",
    "attributes": SAID["attributes"],
    "events": [{"name": "exception", "timestamp": 5, "attributes": {"exception.type": "ValueError"}}],
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize("said", [NEWEST, OF_3_5, OF_2], ids=["newest", "3.5", "2"])
def test_every_form_of_mlflow_says_the_same(said: dict[str, Any]) -> None:
    assert content_of(span_of(said)) == content_of(SPAN)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_what_we_wrote_comes_back(attributes: dict[str, Any]) -> None:
    cleaned = json.loads(json.dumps(attributes).replace("\\u0000", "\\ufffd"))
    span = Span(TRACE, CHILD, "", "n", 1, 0, attributes=cleaned, links=[Link(TRACE, ROOT, {"a": 1})])
    assert content_of(span_read(content_of(span))) == content_of(span)


def test_a_value_that_is_no_json_is_a_text() -> None:
    assert span_of({**NEWEST, "attributes": {"plain": "hello", "number": 3}}).attributes == {
        "plain": "hello",
        "number": 3,
    }


def test_what_no_database_keeps_is_replaced() -> None:
    said = {**NEWEST, "name": "a\0b", "attributes": {"k\ud800": json.dumps(["\0", {"\0": "\udfff"}])}}
    span = span_of(said)
    assert (span.name, span.attributes) == ("a\ufffdb", {"k\ufffd": ["\ufffd", {"\ufffd": "\ufffd"}]})
    content_of(span).encode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trace_id", "../../etc"),
        ("trace_id", "x" * 24),
        ("span_id", ""),
        ("span_id", 5),
        ("start_time_unix_nano", -1),
        ("start_time_unix_nano", 1 << 63),
        ("end_time_unix_nano", True),
        ("attributes", []),
        ("events", "none"),
        ("events", [1]),
        ("links", [{}]),
        ("status", "OK"),
        ("name", {}),
    ],
)
def test_what_is_no_span_is_refused(field: str, value: Any) -> None:
    with pytest.raises(BadValue):
        span_of({**NEWEST, field: value})


def test_what_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        span_of({**NEWEST, "attributes": {"deep": "[" * (SPAN_VALUE_DEPTH + 2) + "]" * (SPAN_VALUE_DEPTH + 2)}})
    for content in ("[" * 100_000, "[]", "{}", "x"):
        with pytest.raises(BadValue):
            span_read(content)


@given(st.dictionaries(st.sampled_from([*NEWEST, *OF_2]), VALUES))
def test_nothing_a_stranger_writes_does_harm(said: dict[str, Any]) -> None:
    with contextlib.suppress(BadValue, LimitExceeded):
        content_of(span_of({**NEWEST, **said})).encode()
