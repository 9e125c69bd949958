"""The door for spans: in both forms, packed or not, from exporters and from whoever means us harm."""

import gzip
import json
import zlib
from typing import Any

import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from budwood.domain import limits
from budwood.facades.mlflow import assessments, otlp, trace_measures, traces
from tests.servers.running import TOKEN

PROTOBUF = "application/x-protobuf"
TRACE = bytes(range(16))
ID = f"tr-{TRACE.hex()}"


def request(*, spans: int = 2, root: bool = True, **attributes: str) -> bytes:
    """A root and its children."""
    found = ExportTraceServiceRequest()
    room = found.resource_spans.add()
    for key, value in {"service.name": "shop", "telemetry.sdk.name": "x", "mlflow.odd": "y"}.items():
        room.resource.attributes.add(key=key).value.string_value = value
    for number in range(0 if root else 1, spans):
        span = room.scope_spans.add().spans.add(trace_id=TRACE, span_id=number.to_bytes(8, "big"), name=f"s{number}")
        span.parent_span_id = (0).to_bytes(8, "big") if not number else b"\0" * 7 + b"\x09"
        span.start_time_unix_nano, span.end_time_unix_nano = 2_000_000_000 + number, 3_000_000_000
        for key, value in attributes.items():
            span.attributes.add(key=key.replace("__", ".")).value.string_value = value
    return bytes(found.SerializeToString())


def send(home: Any, body: bytes, **headers: str) -> Any:
    given = {"Authorization": f"Bearer {TOKEN}", "Content-Type": PROTOBUF, "X-MLflow-Experiment-Id": "0"}
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    whole = {key: value for key, value in {**given, **named}.items() if value}
    return urllib3.request("POST", f"{home.uri}/v1/traces", body=body, headers=whole, retries=False)


def got(home: Any) -> Any:
    return home.ask("GET", f"/api/3.0/mlflow/traces/get?trace_id={ID}&allow_partial=true")


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("pack", "encoding"),
    [
        (bytes, ""),
        (bytes, "identity"),
        (gzip.compress, "gzip"),
        (lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]), "gzip"),
        (zlib.compress, "deflate"),
        (raw_deflate, "deflate"),
    ],
)
def test_spans_come_plain_or_packed(pack: Any, encoding: str, home: Any) -> None:
    reply = send(home, pack(request()), Content_Encoding=encoding)
    assert (reply.status, reply.data, reply.headers["content-type"]) == (200, b"", PROTOBUF)
    trace = got(home)["trace"]
    assert [each["name"] for each in trace["spans"]] == ["s0", "s1"]
    assert trace["trace_info"]["execution_duration"] == "1.000s"
    assert trace["trace_info"]["tags"]["service.name"] == "shop"
    assert not {"telemetry.sdk.name", "mlflow.odd"} & trace["trace_info"]["tags"].keys()


def test_json_is_read_as_well(home: Any) -> None:
    span = {"traceId": TRACE.hex(), "spanId": "01" * 8, "name": "j", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    assert send(home, body, Content_Type="application/json; charset=utf-8").status == 200
    assert [each["name"] for each in got(home)["trace"]["spans"]] == ["j"]


def test_a_real_exporter_is_understood(home: Any) -> None:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    headers = {"x-mlflow-experiment-id": "0", "authorization": f"Bearer {TOKEN}"}
    exporter = OTLPSpanExporter(f"{home.uri}/v1/traces", headers=headers, compression=Compression.Gzip)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("shop").start_as_current_span("buy") as span:
        span.set_attribute("openinference.span.kind", "LLM")
        span.set_attribute("input.value", "two, please")
        span.set_attribute("llm.token_count.prompt", 3)
        span.set_attribute("session.id", "s9")
    provider.shutdown()
    found = home.ask("POST", "/api/3.0/mlflow/traces/search", {"locations": [at("0")], "filter": "span.type = 'LLM'"})
    (info,) = found["traces"]
    assert info["request_preview"] == '"two, please"'
    assert json.loads(info["trace_metadata"]["mlflow.trace.tokenUsage"])["input_tokens"] == 3
    assert info["trace_metadata"]["mlflow.trace.session"] == "s9"


def at(experiment: str) -> dict[str, Any]:
    return {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}


def test_spans_that_come_in_any_order_make_one_trace(home: Any) -> None:
    usage = '{"input_tokens": 4, "output_tokens": 1, "total_tokens": 5}'
    send(home, request(spans=3, root=False, mlflow__chat__tokenUsage=usage))
    begun = got(home)["trace"]["trace_info"]
    assert begun["state"] == "IN_PROGRESS"
    assert json.loads(begun["trace_metadata"]["mlflow.trace.tokenUsage"])["total_tokens"] == 10
    send(home, request(spans=1, mlflow__spanInputs="hi", mlflow__traceTag__team="risk"))
    ended = got(home)["trace"]["trace_info"]
    assert (ended["state"], ended["request_preview"], ended["tags"]["team"]) == ("OK", '"hi"', "risk")
    assert json.loads(ended["trace_metadata"]["mlflow.trace.tokenUsage"])["total_tokens"] == 10


def test_a_run_that_is_named_in_the_head_gets_the_trace(home: Any) -> None:
    run = home.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    for named in (run, "f" * 32, "../odd"):
        assert send(home, request(), X_MLflow_Run_Id=named).status == 200
    body = {"locations": [at("0")], "filter": f"run_id = '{run}'"}
    assert len(home.ask("POST", "/api/3.0/mlflow/traces/search", body)["traces"]) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"no protobuf at all", {}, 400, "Invalid OpenTelemetry format"),
        (b"", {}, 400, "no spans found"),
        (b"{}", {"Content_Type": "application/json"}, 400, "no spans found"),
        (b"[" * 100_000, {"Content_Type": "application/json"}, 400, "Invalid OpenTelemetry format"),
        (b'{"resourceSpans": "x"}', {"Content_Type": "application/json"}, 400, "Invalid OpenTelemetry format"),
        (request(), {"Content_Type": "text/plain"}, 400, "Invalid Content-Type"),
        (request(), {"X_MLflow_Experiment_Id": ""}, 422, "x-mlflow-experiment-id"),
        (request(), {"X_MLflow_Experiment_Id": "none"}, 400, "must be a valid integer"),
        (request(), {"X_MLflow_Experiment_Id": "77"}, 404, "No Experiment with id=77"),
        (request(), {"Content_Encoding": "gzip"}, 400, "Failed to decompress gzip"),
        (gzip.compress(request())[:-9], {"Content_Encoding": "gzip"}, 400, "Failed to decompress gzip"),
        (request(), {"Content_Encoding": "deflate"}, 400, "Failed to decompress deflate"),
        (request(), {"Content_Encoding": "br"}, 415, ""),
        (gzip.compress(gzip.compress(request())), {"Content_Encoding": "gzip, gzip"}, 415, ""),
        (gzip.compress(bytes(limits.OTLP_EXPANDED_BYTES + 1)), {"Content_Encoding": "gzip"}, 400, "when unpacked"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_reason(
    body: bytes, headers: dict[str, str], status: int, said: str, home: Any
) -> None:
    reply = send(home, body, **headers)
    assert reply.status == status, reply.data
    assert said in reply.json()["message"]


def test_a_body_over_the_bound_is_not_read(home: Any) -> None:
    assert send(home, bytes(limits.OTLP_BYTES + 1)).status == 413


def test_bombs_are_unpacked_no_further_than_the_bound() -> None:
    from budwood.errors import LimitExceeded

    bomb = gzip.compress(bytes(limits.OTLP_EXPANDED_BYTES // 2)) * 8
    with pytest.raises(LimitExceeded):
        otlp.unpacked(bomb, "gzip")


def test_other_doors_take_nothing_packed(home: Any) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", "Content-Encoding": "gzip"}
    for path in ("/api/3.0/mlflow/traces/search", "/api/2.0/mlflow/runs/create"):
        reply = urllib3.request("POST", home.uri + path, body=gzip.compress(b"{}"), headers=headers, retries=False)
        assert reply.status == 415


def test_a_trace_holds_as_many_spans_as_the_limit(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from budwood.verbs.traces import spans

    monkeypatch.setattr(spans, "TRACE_SPANS", 3)
    assert send(home, request(spans=3)).status == 200
    assert send(home, request(spans=3)).status == 200
    assert send(home, request(spans=4)).status == 400


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["0", ID, "1s"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = (
    *("trace", "trace_info", "trace_id", "trace_ids", "request_ids", "experiment_id", "experiment_ids", "locations"),
    *("filter", "order_by", "max_results", "page_token", "key", "value", "tags", "trace_metadata", "request_metadata"),
    *("assessment", "update_mask", "assessment_name", "feedback", "expectation", "source", "metadata", "create_time"),
    *("view_type", "metric_name", "aggregations", "dimensions", "filters", "time_interval_seconds", "start_time_ms"),
    *("request_time", "execution_duration", "state", "assessments", "prompt_versions", "run_id", "filter_string1"),
    *("filter_string2", "timestamp_ms", "status", "max_timestamp_millis", "max_traces", "trace_location"),
)
ASKED = [
    (each.method, each.path.replace("{trace_id}", ID).replace("{assessment_id}", "a-1"))
    for each in (*traces.ENDPOINTS, *assessments.ENDPOINTS, *trace_measures.ENDPOINTS)
    if each.method != "GET"
]
SENSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "trace": st.fixed_dictionaries({"trace_info": st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=6)}),
    "filter": st.sampled_from(["name = 'a'", "feedback.a > 1", "span.name RLIKE '('", "tags.a IN (", "x" * 99]),
    "locations": st.just([at("0")]),
    "assessment": st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=6),
    "aggregations": st.just([{"aggregation_type": "COUNT"}]),
    "view_type": st.sampled_from(["TRACES", "SPANS", 3]),
}


@given(st.data())
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_request_about_traces_is_a_failure_of_ours(home: Any, data: st.DataObject) -> None:
    method, path = data.draw(st.sampled_from(ASKED))
    body: dict[str, Any] = data.draw(st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=6))
    for field, values in SENSIBLE.items():
        if data.draw(st.booleans()):
            body[field] = data.draw(values)
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    reply = urllib3.request(method, home.uri + path, body=content, headers=headers, retries=False)
    assert reply.status < 500, (method, path, body, reply.data)
