"""Traces and what judges them in any store that MLflow's client can write, and all of it as that client is told."""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def standing_at(uri: str, experiment: str) -> Iterator[None]:
    """What names no server goes to this one, and traces when they end."""
    import mlflow
    from mlflow.tracing.provider import reset

    os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment_id=experiment)
    reset()
    try:
        yield
    finally:
        reset()
        mlflow.set_tracking_uri("")
        del os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"]


def fill_traces(client: Any) -> list[str]:
    """One with spans below spans, judged, and judged otherwise since; one that failed."""
    import mlflow
    from mlflow.entities import AssessmentSource

    traces = [_asked("Wer bleibt?"), _asked("")]
    source = AssessmentSource("HUMAN", "bob")
    mlflow.log_expectation(trace_id=traces[0], name="answer", value={"parts": [1, "zwei"], "of": 2.5}, source=source)
    said = mlflow.log_feedback(
        trace_id=traces[0], name="helpful", value=True, source=source, rationale="héllo", metadata={"why": "so"}
    )
    mlflow.override_feedback(
        trace_id=traces[0], assessment_id=said.assessment_id, value=0.5, rationale="not quite", source=source
    )
    mlflow.log_feedback(trace_id=traces[1], name="broken", error=ValueError("no answer"), source=source)
    client.set_trace_tag(traces[0], "stage", "tried")
    return traces


def fill_judging(client: Any, experiment: str, run: str, traces: list[str]) -> None:
    """A dataset with three records, two versions of a scorer, a label schema, and an issue that a trace shows."""
    from mlflow.entities.assessment import IssueReference
    from mlflow.entities.issue import IssueSeverity
    from mlflow.genai import label_schemas
    from mlflow.genai.scorers import Guidelines

    client.link_traces_to_run([traces[1]], run)
    dataset = client.create_dataset("qa", experiment_id=experiment, tags={"team": "risk", "mlflow.user": "mara"})
    dataset.merge_records(
        [
            {"inputs": {"q": "eins?"}, "expectations": {"a": 0.5, "ok": True}, "tags": {"part": "1"}},
            {"inputs": {"q": "two?", "n": 2}, "outputs": ["yes", {"deep": None}]},
            {
                "inputs": {"q": "three?"},
                "source": {"source_type": "TRACE", "source_data": {"trace_id": traces[0]}},
            },
        ]
    )
    for words in ("be polite", "be very polite"):
        Guidelines(name="polite", guidelines=words).register(experiment_id=experiment)
    tone = label_schemas.InputCategorical(options=["warm", "cold"])
    label_schemas.create_label_schema("tone", type="feedback", input=tone, instruction="Wie?", experiment_id=experiment)
    store = client._tracking_client.store
    issue = store.create_issue(
        experiment, "wrong", "it is wrong", severity=IssueSeverity.HIGH, root_causes=["ü"], source_run_id=run
    )
    store.create_assessment(IssueReference(issue.issue_id, issue.name, trace_id=traces[1]))


def everything_judged(client: Any, *, ids: bool = True) -> Mapping[str, Any]:
    """Without ``ids``, what a server names and times by itself is left out."""
    experiment = client.get_experiment_by_name("churn").experiment_id
    store = client._tracking_client.store
    issues = {each.issue_id: each for each in store.search_issues(experiment)}
    names = {each: (each if ids else issue.name) for each, issue in issues.items()}
    traces = client.search_traces(locations=[experiment], order_by=["timestamp_ms ASC"])
    runs = client.search_runs([experiment], run_view_type=3)
    linked = {
        run.info.run_name: [
            each.info.trace_id
            for each in client.search_traces(locations=[experiment], filter_string=f"run_id = '{run.info.run_id}'")
        ]
        for run in runs
    }
    return {
        "traces": [_trace(each, names) for each in traces],
        "linked": linked,
        "datasets": [_dataset(store, each, ids) for each in client.search_datasets()],
        "scorers": [
            (each.scorer_name, each.scorer_version, each._serialized_scorer, each.creation_time if ids else 0)
            for listed in store.list_scorers(experiment)
            for each in store.list_scorer_versions(experiment, listed.scorer_name)
        ],
        "labels": [
            (each.name, str(each.type), str(each.input), each.instruction, each.created_at if ids else 0)
            for each in store.list_label_schemas(experiment)
            if not each.is_default
        ],
        "issues": [
            (names[each.issue_id], each.name, each.description, each.status, each.severity, each.root_causes)
            for each in issues.values()
        ],
    }


def _asked(question: str) -> str:
    """The id of the trace that asking leaves."""
    import mlflow

    @mlflow.trace(span_type="RETRIEVER", attributes={"odd": math.nan, "many": [1, {"ü": None}]})
    def look_up(words: str) -> list[str]:
        return [f"of {words}"]

    @mlflow.trace(span_type="AGENT")
    def answer(words: str) -> str:
        mlflow.update_current_trace(tags={"team": "risk"}, metadata={"mlflow.trace.session": "s1", "size": "7"})
        found: list[str] = look_up(words)
        if not words:
            raise ValueError("nothing was asked")
        return found[0]

    try:
        answer(question)
    except ValueError:
        assert not question
    return str(mlflow.get_last_active_trace_id())


_PLACES = ("mlflow.artifactLocation", "mlflow.trace.spansLocation", "mlflow.trace.infoFinalized")


def _trace(trace: Any, names: Mapping[str, str]) -> dict[str, Any]:
    info = trace.info
    return {
        "id": info.trace_id,
        "said": (info.request_time, info.execution_duration, str(info.state)),
        "previews": (info.request_preview, info.response_preview, info.client_request_id),
        "tags": {key: value for key, value in info.tags.items() if key not in _PLACES},
        "metadata": {key: value for key, value in info.trace_metadata.items() if key not in _PLACES},
        "spans": sorted(repr({**each.to_dict(), "links": []}) for each in trace.data.spans),
        "assessments": sorted(repr(_assessment(each, names)) for each in info.assessments),
    }


def _assessment(each: Any, names: Mapping[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = each.to_dictionary()
    return {**said, "assessment_name": names.get(each.name, each.name)}


def _dataset(store: Any, each: Any, ids: bool) -> tuple[Any, ...]:
    # What the data set itself is asked for, it asks of the one server that everything goes to.
    records = sorted(
        repr((one.inputs, one.outputs, one.expectations, one.tags, one.source and one.source.to_dict()))
        for one in store._load_dataset_records(each.dataset_id)[0]
    )
    uses = store.get_dataset_experiment_ids(each.dataset_id)
    own = (each.dataset_id, each.digest, each.created_time, each.last_update_time, uses) if ids else ()
    tags = {key: value for key, value in each.tags.items() if not key.startswith("budwood.")}
    return each.name, each.schema, tags, records, own
