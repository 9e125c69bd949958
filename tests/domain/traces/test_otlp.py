"""OTLP: whatever OpenTelemetry's own library writes is read alike in both forms, and noise costs an error, no more."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from budwood.domain.limits import SPAN_VALUE_DEPTH
from budwood.domain.traces import otlp
from budwood.domain.traces.otlp import read_json, read_protobuf
from budwood.domain.traces.protobuf import Wire, fields
from budwood.errors import BadValue, LimitExceeded, Malformed

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
TIMES = st.integers(0, (1 << 63) - 1)


def as_any(value: Any) -> AnyValue:
    found = AnyValue()
    match value:
        case bool():
            found.bool_value = value
        case str():
            found.string_value = value
        case int():
            found.int_value = value
        case float():
            found.double_value = value
        case list():
            found.array_value.SetInParent()
            for each in value:
                found.array_value.values.append(as_any(each))
        case dict():
            found.kvlist_value.SetInParent()
            for key, each in value.items():
                found.kvlist_value.values.add(key=key).value.CopyFrom(as_any(each))
    return found


def as_json(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case str():
            return {"stringValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value if abs(value) != float("inf") else "Infinity" if value > 0 else "-Infinity"}
        case list():
            return {"arrayValue": {"values": [as_json(each) for each in value]}}
        case dict():
            return {"kvlistValue": {"values": [{"key": key, "value": as_json(each)} for key, each in value.items()]}}
    return {}


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    TEXT,
    TIMES,
    TIMES,
    st.dictionaries(TEXT, VALUES, max_size=4),
    st.sampled_from([0, 1, 2]),
    TEXT,
)
@settings(max_examples=150, deadline=None)
def test_both_forms_give_the_spans_that_were_written(
    trace: bytes, span: bytes, name: str, start: int, end: int, attributes: dict[str, Any], code: int, said: str
) -> None:
    request = ExportTraceServiceRequest()
    room = request.resource_spans.add()
    room.resource.attributes.add(key="service.name").value.string_value = "shop"
    written = room.scope_spans.add().spans.add(
        trace_id=trace, span_id=span, name=name, start_time_unix_nano=start, end_time_unix_nano=end
    )
    written.parent_span_id = bytes(7) + b"\1"
    written.status.code, written.status.message = code, said
    for key, value in attributes.items():
        written.attributes.add(key=key).value.CopyFrom(as_any(value))
    event = written.events.add(name="cache", time_unix_nano=start)
    event.attributes.add(key="hit").value.bool_value = True
    link = written.links.add(trace_id=trace, span_id=span)
    link.attributes.add(key="why").value.string_value = "retry"
    (read,) = read_protobuf(request.SerializeToString())
    assert (read.trace, read.span, read.parent) == (trace.hex(), span.hex(), "0" * 15 + "1")
    assert (read.name, read.start_ns, read.end_ns, read.message) == (name, start, end, said)
    assert read.status == ("UNSET", "OK", "ERROR")[code]
    assert dict(read.attributes) == attributes
    assert dict(read.resource) == {"service.name": "shop"}
    assert [(each.name, each.at_ns, dict(each.attributes)) for each in read.events] == [("cache", start, {"hit": True})]
    assert [(each.trace, each.span) for each in read.links] == [(trace.hex(), span.hex())]
    told = {
        "traceId": trace.hex(),
        "spanId": span.hex(),
        "parentSpanId": "0" * 15 + "1",
        "name": name,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": end,
        "status": {"code": code, "message": said},
        "attributes": [{"key": key, "value": as_json(value)} for key, value in attributes.items()],
        "events": [
            {"name": "cache", "timeUnixNano": start, "attributes": [{"key": "hit", "value": {"boolValue": True}}]}
        ],
        "links": [
            {
                "traceId": trace.hex(),
                "spanId": span.hex(),
                "attributes": [{"key": "why", "value": {"stringValue": "retry"}}],
            }
        ],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    value = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [told]}]}]}
    assert read_json(json.loads(json.dumps(value))) == [read]


@given(st.binary(max_size=400))
@settings(max_examples=400, deadline=None)
def test_noise_is_refused_or_read_and_nothing_else(content: bytes) -> None:
    for reader in (lambda: list(fields(memoryview(content))), lambda: read_protobuf(content)):
        with suppress(Malformed, BadValue, LimitExceeded):
            reader()


@given(st.integers(0, 200), st.integers(0, 255), st.integers(0, 200))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_request_that_was_damaged_anywhere_is_refused_or_read(at: int, byte: int, length: int) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=bytes(16), span_id=bytes(8), name="a")
    span.attributes.add(key="k").value.CopyFrom(as_any({"a": [1, 2.5, "x", {"b": None}]}))
    whole = bytearray(request.SerializeToString())
    whole[at % len(whole)] = byte
    for content in (bytes(whole), bytes(whole[:length])):
        with suppress(Malformed, BadValue, LimitExceeded):
            read_protobuf(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceSpans", "scopeSpans", "spans", "traceId", "spanId", "attributes", "key", "value", "intValue"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_json_of_any_shape_is_refused_or_read(value: Any) -> None:
    with suppress(Malformed, BadValue, LimitExceeded):
        read_json(value)


@pytest.mark.parametrize(
    "content",
    [
        b"\x0b",  # a group
        b"\x0a\x05abc",  # longer than its message
        b"\xff" * 11,  # a number without an end
        b"\x00",  # no field has this number
        b"\x09abc",  # eight bytes of which three came
    ],
)
def test_what_breaks_the_wire_format_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed, match="Invalid OpenTelemetry format"):
        list(fields(memoryview(content)))


def test_a_number_is_read_in_every_wire_form() -> None:
    read = list(fields(memoryview(b"\x08\xac\x02\x11\x01\0\0\0\0\0\0\0\x1d\x02\0\0\0\x22\x01x")))
    assert [(each.tag, each.wire) for each in read] == [
        (1, Wire.VARINT),
        (2, Wire.FIXED64),
        (3, Wire.FIXED32),
        (4, Wire.BYTES),
    ]
    assert [each.number for each in read] == [300, 1, 2, 0]


def nested(depth: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=bytes(16), span_id=bytes(8))
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    span.attributes.add(key="k").value.CopyFrom(as_any(value))
    return request


def test_values_nest_as_deep_as_the_limit_and_no_deeper() -> None:
    read_protobuf(nested(SPAN_VALUE_DEPTH).SerializeToString())
    with pytest.raises(LimitExceeded):
        read_protobuf(nested(SPAN_VALUE_DEPTH + 1).SerializeToString())


def test_more_spans_than_one_request_may_bring_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "SPANS_AT_ONCE", 3)
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for _ in range(4):
        spans.add(trace_id=bytes(16), span_id=bytes(8))
    with pytest.raises(LimitExceeded):
        read_protobuf(request.SerializeToString())


@pytest.mark.parametrize(
    "change",
    [
        lambda span: span.ClearField("trace_id"),
        lambda span: span.ClearField("span_id"),
        lambda span: setattr(span, "trace_id", b"x" * 17),
        lambda span: setattr(span, "parent_span_id", b"x"),
        lambda span: setattr(span, "start_time_unix_nano", (1 << 64) - 1),
    ],
)
def test_a_span_that_is_none_is_no_broken_request(change: Callable[[Any], None]) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=bytes(16), span_id=bytes(8))
    change(span)
    with pytest.raises(BadValue):
        read_protobuf(request.SerializeToString())


def test_bytes_are_told_in_base64_and_nul_is_no_text() -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=bytes(16), span_id=bytes(8), name="a\0b")
    span.attributes.add(key="raw").value.bytes_value = b"\xff\0"
    (read,) = read_protobuf(request.SerializeToString())
    assert read.attributes["raw"] == base64.b64encode(b"\xff\0").decode()
    assert read.name == "a\ufffdb"
