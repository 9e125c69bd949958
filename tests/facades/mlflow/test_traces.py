"""Traces as users of MLflow know them: logged by decorators, found, judged, linked to runs and prompts, measured."""

import json
from collections.abc import Iterator
from typing import Any

import mlflow
import pytest
import urllib3
from mlflow.entities import AssessmentSource, Feedback, SpanType
from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracing.client import TracingClient
from mlflow.tracing.provider import reset

from tests.servers.running import TOKEN

ASKED = "What is Budwood?"


@pytest.fixture(autouse=True)
def at_once(home: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Traces go out when they end, and to this test's server."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    reset()
    mlflow.set_experiment("asked")
    yield
    reset()


@mlflow.trace(span_type=SpanType.RETRIEVER)
def look_up(words: str) -> list[str]:
    return [f"of {words}"]


@mlflow.trace(span_type=SpanType.AGENT, attributes={"model": "small-1"})
def answer(question: str, *, fails: bool = False) -> str:
    mlflow.update_current_trace(tags={"team": "risk"}, metadata={"mlflow.trace.session": "s1"})
    found: list[str] = look_up(question.split()[-1])
    if fails:
        raise ValueError("no answer")
    return found[0]


def asked(question: str = ASKED, *, fails: bool = False) -> Any:
    """The trace that asking leaves."""
    if fails:
        with pytest.raises(ValueError, match="no answer"):
            answer(question, fails=True)
    else:
        answer(question)
    return mlflow.get_trace(mlflow.get_last_active_trace_id())


def found(text: str, **words: Any) -> list[str]:
    return [each.info.trace_id for each in mlflow.search_traces(filter_string=text, return_type="list", **words)]


def test_what_a_decorated_function_did_is_there_with_its_spans() -> None:
    trace = asked()
    assert trace.info.state == "OK"
    assert trace.info.request_preview == json.dumps({"question": ASKED, "fails": False})
    assert trace.info.tags["team"] == "risk"
    root, child = trace.data.spans
    assert (root.name, root.span_type, root.inputs) == ("answer", "AGENT", {"question": ASKED, "fails": False})
    assert (child.name, child.parent_id, child.outputs) == ("look_up", root.span_id, ["of Budwood?"])
    assert root.attributes["model"] == "small-1"
    assert child.start_time_ns >= root.start_time_ns


def test_a_failure_is_an_error_with_its_event() -> None:
    trace = asked(fails=True)
    assert trace.info.state == "ERROR"
    assert [event.name for event in trace.data.spans[0].events] == ["exception"]
    assert found("status = 'ERROR'") == [trace.info.trace_id]


def test_spans_that_are_begun_by_hand_are_kept_alike() -> None:
    with mlflow.start_span("outer", span_type="CHAIN") as span:
        span.set_inputs({"numbers": [1, 2.5, None, {"deep": ["ü", True]}]})
        span.set_attributes({"big": 1 << 70, "none": None})
        span.set_outputs(float("inf"))
    (kept,) = mlflow.get_trace(span.trace_id).data.spans
    assert kept.inputs == {"numbers": [1, 2.5, None, {"deep": ["ü", True]}]}
    assert kept.outputs == float("inf")
    assert str(kept.attributes["big"]) == str(1 << 70)


@pytest.mark.parametrize(
    "text",
    [
        *("name = 'answer'", "trace.status IN ('OK')", "tags.team RLIKE '^r.sk$'", "execution_time_ms >= 0"),
        *("metadata.`mlflow.trace.session` = 's1'", "span.name = 'look_up' AND span.type = 'RETRIEVER'"),
        *("span.attributes.model = 'small-1'", "trace.text LIKE '%Budwood%'", "tags.nothing IS NULL"),
    ],
)
def test_a_trace_is_found_by_what_is_said_of_it(text: str) -> None:
    trace = asked()
    assert found(text) == [trace.info.trace_id]
    assert found(f"{text} AND name != 'answer'") == []


def test_pages_and_orders_hold() -> None:
    ids = [asked(f"How many {number}?").info.trace_id for number in range(5)]
    assert found("", order_by=["timestamp_ms ASC"]) == ids
    client = TracingClient()
    place = [mlflow.get_experiment_by_name("asked").experiment_id]
    page = client.search_traces(locations=place, max_results=2, include_spans=False)
    rest = client.search_traces(locations=place, max_results=3, page_token=page.token, include_spans=False)
    assert {each.info.trace_id for each in [*page, *rest]} == set(ids)
    with pytest.raises(MlflowException, match="max_results"):
        client.store.search_traces(locations=place, max_results=501)


def test_feedback_and_expectations_are_said_changed_overruled_and_taken_back() -> None:
    id_ = asked().info.trace_id
    human = AssessmentSource(source_type="HUMAN", source_id="ada@example.com")
    first = mlflow.log_feedback(trace_id=id_, name="good", value=True, rationale="short", source=human)
    mlflow.log_expectation(trace_id=id_, name="facts", value={"names": ["Budwood"]}, source=human)
    assert mlflow.get_assessment(id_, first.assessment_id).value is True
    mlflow.update_assessment(id_, first.assessment_id, Feedback(name="good", value=False, metadata={"seen": "twice"}))
    second = mlflow.override_feedback(trace_id=id_, assessment_id=first.assessment_id, value=0.75, source=human)
    said = {each.assessment_id: each for each in mlflow.get_trace(id_).info.assessments}
    assert (said[first.assessment_id].value, said[first.assessment_id].valid) == (False, False)
    assert (said[second.assessment_id].value, said[second.assessment_id].overrides) == (0.75, first.assessment_id)
    assert found("feedback.good > 0.7 AND expectation.facts LIKE '%Budwood%'") == [id_]
    assert found("feedback.good = 'false'") == []
    mlflow.delete_assessment(id_, second.assessment_id)
    assert mlflow.get_assessment(id_, first.assessment_id).valid
    with pytest.raises(RestException, match="not found for trace"):
        mlflow.get_assessment(id_, second.assessment_id)


def test_a_judge_that_failed_says_why() -> None:
    id_ = asked().info.trace_id
    made = mlflow.log_feedback(trace_id=id_, name="judged", error=ValueError("no judge"))
    kept = mlflow.get_assessment(id_, made.assessment_id)
    assert (kept.value, kept.error.error_message) == (None, "no judge")


def test_what_is_said_of_a_session_counts_for_all_its_traces() -> None:
    first, second = asked(), asked("And where?")
    mlflow.log_feedback(
        trace_id=first.info.trace_id, name="happy", value="yes", metadata={"mlflow.trace.session": "s1"}
    )
    assert set(found("feedback.happy = 'yes'")) == {first.info.trace_id, second.info.trace_id}
    assert found("feedback.happy IS NULL") == []


def test_tags_are_set_and_taken_but_not_those_that_say_where_spans_are(home: Any) -> None:
    id_ = asked().info.trace_id
    mlflow.set_trace_tag(id_, "seen", "yes")
    assert mlflow.get_trace(id_).info.tags["seen"] == "yes"
    mlflow.delete_trace_tag(id_, "seen")
    assert "seen" not in mlflow.get_trace(id_).info.tags
    with pytest.raises(RestException, match="No trace tag with key 'seen'"):
        mlflow.delete_trace_tag(id_, "seen")
    body = {"key": "mlflow.trace.spansLocation", "value": "elsewhere"}
    refused = home.ask("PATCH", f"/api/3.0/mlflow/traces/{id_}/tags", body)
    assert (refused["status"], "immutable" in refused["message"]) == (400, True)
    with pytest.raises(RestException, match="not found"):
        mlflow.set_trace_tag("tr-" + "0" * 32, "a", "b")


def test_traces_of_a_run_are_those_in_it_and_those_linked_to_it(client: Any) -> None:
    with mlflow.start_run() as run:
        inside = asked().info.trace_id
    outside, other = asked().info.trace_id, asked().info.trace_id
    client.link_traces_to_run([outside], run.info.run_id)
    assert set(found(f"run_id = '{run.info.run_id}'")) == {inside, outside}
    assert other not in found("", run_id=run.info.run_id)
    with pytest.raises(RestException, match="not found"):
        client.link_traces_to_run([outside], "f" * 32)


def test_a_prompt_that_was_used_leads_to_its_traces(client: Any) -> None:
    mlflow.genai.register_prompt("ask", "Answer {{question}}")
    prompt = mlflow.genai.load_prompt("prompts:/ask/1")
    id_ = asked().info.trace_id
    client.link_prompt_versions_to_trace([prompt], id_)
    assert found("prompt = 'ask/1'") == [id_]
    with pytest.raises(MlflowException, match="Expected format"):
        found("prompt = 'ask'")


def test_deleting_takes_the_oldest_or_those_named(client: Any) -> None:
    experiment = mlflow.get_experiment_by_name("asked").experiment_id
    traces = [asked().info for _ in range(4)]
    assert client.delete_traces(experiment, trace_ids=[traces[3].trace_id]) == 1
    assert client.delete_traces(experiment, max_timestamp_millis=traces[3].request_time + 10, max_traces=2) == 2
    assert found("") == [traces[2].trace_id]
    assert mlflow.get_trace(traces[0].trace_id) is None
    with pytest.raises(MlflowException, match="must be specified"):
        client.delete_traces(experiment)


def test_conditions_are_correlated() -> None:
    experiment = mlflow.get_experiment_by_name("asked").experiment_id
    for question in ("a", "b"):
        asked(question)
    asked("c", fails=True)
    result = TracingClient().store.calculate_trace_filter_correlation(
        [experiment], "status = 'ERROR'", "trace.text LIKE '%exception%'"
    )
    assert (result.npmi, result.joint_count, result.total_count) == (1.0, 1, 3)


def test_traces_are_measured_by_what_they_are() -> None:
    experiment = mlflow.get_experiment_by_name("asked").experiment_id
    asked()
    asked(fails=True)
    store = TracingClient().store
    counted = store.query_trace_metrics(
        [experiment],
        MetricViewType.TRACES,
        "trace_count",
        [MetricAggregation(AggregationType.COUNT)],
        dimensions=["trace_status"],
    )
    assert {each.dimensions["trace_status"]: each.values["COUNT"] for each in counted} == {"OK": 1.0, "ERROR": 1.0}
    counted = store.query_trace_metrics(
        [experiment],
        MetricViewType.SPANS,
        "span_count",
        [MetricAggregation(AggregationType.COUNT)],
        dimensions=["span_type"],
        filters=["trace.status = 'OK'"],
    )
    assert {each.dimensions["span_type"]: each.values["COUNT"] for each in counted} == {"AGENT": 1.0, "RETRIEVER": 1.0}
    with pytest.raises(RestException, match="invalid dimension"):
        store.query_trace_metrics(
            [experiment], MetricViewType.TRACES, "latency", [MetricAggregation(AggregationType.AVG)], ["span_type"]
        )


def test_a_trace_that_is_not_there_is_none() -> None:
    assert mlflow.get_trace("tr-" + "0" * 32) is None
    with pytest.raises(RestException, match="not found"):
        TracingClient().get_trace_info("tr-" + "0" * 32)


def test_clients_before_3_0_begin_and_end_their_traces(home: Any) -> None:
    root = "/api/2.0/mlflow/traces"
    begun = home.ask("POST", root, {"experiment_id": "0", "timestamp_ms": 5, "tags": [{"key": "a", "value": "b"}]})
    id_ = begun["trace_info"]["request_id"]
    assert begun["trace_info"]["status"] == "IN_PROGRESS"
    ended = home.ask("PATCH", f"{root}/{id_}", {"timestamp_ms": 25, "status": "OK"})
    assert (ended["trace_info"]["execution_time_ms"], ended["trace_info"]["status"]) == (20, "OK")
    assert home.ask("GET", f"{root}/{id_}/info")["trace_info"] == ended["trace_info"]
    listed = home.ask("GET", f"{root}?experiment_ids=0&filter=tags.a%3D%27b%27")
    assert [each["request_id"] for each in listed["traces"]] == [id_]


def test_another_namespace_knows_nothing_of_a_trace(home: Any) -> None:
    id_ = asked().info.trace_id
    other = f"{home.namespace}-b"
    home.house.catalog.write(lambda transaction: transaction.add_namespace(other, at_ms=1))
    elsewhere = type(home)(home.address, home.house, other)
    assert elsewhere.ask("GET", f"/api/3.0/mlflow/traces/{id_}")["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert elsewhere.ask("GET", f"/api/3.0/mlflow/traces/batchGet?trace_ids={id_}") == {"status": 200}


def test_files_of_a_trace_lie_with_its_experiment_and_go_with_it(home: Any, client: Any) -> None:
    id_ = asked().info.trace_id
    experiment = mlflow.get_experiment_by_name("asked").experiment_id
    path = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/traces/{id_}/artifacts/attachments/a.txt"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert urllib3.request("PUT", home.uri + path, body=b"shown", headers=headers, retries=False).status == 200
    assert urllib3.request("GET", home.uri + path, headers=headers, retries=False).data == b"shown"
    client.delete_traces(experiment, trace_ids=[id_])
    assert urllib3.request("GET", home.uri + path, headers=headers, retries=False).status == 404


def test_the_file_of_a_trace_is_an_attachment_that_no_browser_runs(home: Any) -> None:
    id_ = asked().info.trace_id
    address = f"{home.uri}/ajax-api/2.0/mlflow/get-trace-artifact?request_id={id_}"
    reply = urllib3.request("GET", address, headers={"Authorization": f"Bearer {TOKEN}"}, retries=False)
    assert reply.headers["content-disposition"] == "attachment; filename=traces.json"
    assert [each["name"] for each in reply.json()["spans"]] == ["answer", "look_up"]


def test_traces_under_a_hold_are_not_deleted(home: Any, client: Any) -> None:
    trace = asked()
    experiment = mlflow.get_experiment_by_name("asked").experiment_id
    body = {"scope": "namespace", "reason": "A claim about what was answered", "reference": "C-1"}
    address = f"{home.address}/v1/namespaces/{home.namespace}/holds"
    placed = urllib3.request("POST", address, json=body, headers={"Authorization": f"Bearer {TOKEN}"}, retries=False)
    assert placed.status == 200, placed.data
    with pytest.raises(RestException, match="legal hold"):
        client.delete_traces(experiment, trace_ids=[trace.info.trace_id])
    assert found("") == [trace.info.trace_id]
