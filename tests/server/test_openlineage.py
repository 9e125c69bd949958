"""OpenLineage's own client sends to a real server, and its own event classes read what we send."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    DatasetEvent,
    InputDataset,
    Job,
    JobEvent,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    StaticDataset,
)
from openlineage.client.facet_v2 import DatasetFacet, dataset_version_dataset
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport

from tests.server.conftest import token_of

RUN = "0197fd4e-6a2c-7c3e-9d52-9f6d0f6a1a01"
AT = "2026-11-05T14:30:00.000Z"
NEVER_5XX = range(400, 500)


@pytest.fixture(scope="module")
def server(start: Callable[..., Any], make_team: Callable[[], Path]) -> Iterator[Any]:
    found = start(make_team())
    yield found
    found.stop()


def client(server: Any, role: str, endpoint: str = "api/v1/lineage") -> OpenLineageClient:
    config = HttpConfig(
        url=server.url,
        endpoint=endpoint,
        auth=ApiKeyTokenProvider({"api_key": token_of(role)}),
        retry={"total": 0},
    )
    return OpenLineageClient(transport=HttpTransport(config))


def run(state: RunState, inputs: list[InputDataset], outputs: list[OutputDataset], run_id: str = RUN) -> RunEvent:
    return RunEvent(
        eventType=state,
        eventTime=AT,
        run=Run(run_id),
        job=Job("ours", "daily.train"),
        producer="https://airflow.example",
        inputs=inputs,
        outputs=outputs,
    )


def trace(server: Any, reference: str, direction: str = "up", by: str = "reader") -> dict[str, Any]:
    model, _, selector = reference.partition("@")
    reply = server.ask("GET", f"/v1/models/{model}/versions/{selector}/trace?direction={direction}", by=by)
    assert reply.status == 200, reply
    found = reply.value
    assert isinstance(found, dict)
    return found


def names(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["kind"], each["source"], each["name"]) for each in found.get("named", ())]


def test_the_official_client_joins_data_a_job_and_a_version(server: Any) -> None:
    teller = client(server, "writer")
    teller.emit(run(RunState.START, [InputDataset("s3://raw", "tickets.csv")], []))
    teller.emit(run(RunState.COMPLETE, [], [OutputDataset("budwood", "ours/encoder@v1")]))
    found = trace(server, "ours/encoder@v1")
    assert names(found) == [("job", "ours", "daily.train"), ("dataset", "s3://raw", "tickets.csv")]
    assert [each["depth"] for each in found["named"]] == [1, 2]
    assert {edge["relation"] for edge in found["edges"]} == {"built-by", "reads"}
    assert {edge["told_by"] for edge in found["edges"]} == {"writer"}


def test_telling_the_same_twice_changes_nothing(server: Any) -> None:
    event = json.loads(json.dumps(EVENT))
    first, second = (server.ask("POST", "/api/v1/lineage", by="writer", json=event) for _ in range(2))
    assert (first.status, first.value) == (200, {"namespace": "ours", "edges": 2})
    assert (second.status, second.value) == (200, {"namespace": "ours", "edges": 0})
    entries = server.ask("GET", "/v1/ledger?limit=1000", by="reader").value["entries"]
    assert len([each for each in entries if each["action"] == "lineage.told" and each["body"]["run"] == "twice"]) == 1


EVENT: dict[str, Any] = {
    "eventTime": AT,
    "eventType": "OTHER",
    "producer": "me",
    "run": {"runId": "twice"},
    "job": {"namespace": "ours", "name": "score", "facets": {"any": {"thing": [1, 2.5, None]}}},
    "inputs": [{"namespace": "budwood", "name": "ours/encoder", "facets": {"version": {"datasetVersion": "v2"}}}],
    "outputs": [{"namespace": "warehouse://x", "name": "public.scores"}],
    "somethingOfTheirs": {"is": "let be"},
}


def test_what_a_job_made_with_a_version_is_in_its_impact(server: Any) -> None:
    assert server.ask("POST", "/api/v1/lineage", by="writer", json=EVENT).status == 200
    found = trace(server, "ours/encoder@v2", "down")
    assert ("dataset", "warehouse://x", "public.scores") in names(found)
    assert ("job", "ours", "score") in names(found)


def test_impact_over_http_tells_what_serves_before_the_rest(server: Any) -> None:
    assert server.ask("POST", "/api/v1/lineage", by="writer", json=EVENT).status == 200
    reply = server.ask("GET", "/v1/models/ours/encoder/versions/v2/impact?depth=9", by="reader")
    assert reply.status == 200
    assert reply.value["version"]["version"]["number"] == 2
    assert reply.value["serving"] == []
    assert ("dataset", "warehouse://x", "public.scores") in names(reply.value)
    assert server.ask("GET", "/v1/models/ours/encoder/versions/v2/impact?depth=99", by="reader").status == 422


def test_a_version_may_be_named_by_a_facet_of_the_official_client(server: Any) -> None:
    facet: dict[str, DatasetFacet] = {"version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion="1")}
    used = InputDataset("budwood", "ours/encoder", facets=facet)
    client(server, "writer").emit(run(RunState.COMPLETE, [used], [OutputDataset("s3://out", "facet")], RUN[:-1] + "2"))
    assert ("dataset", "s3://out", "facet") in names(trace(server, "ours/encoder@v1", "down"))


def test_events_without_a_run_are_taken_too(server: Any) -> None:
    teller = client(server, "writer", "api/v1/lineage?namespace=ours")
    teller.emit(
        DatasetEvent(eventTime=AT, dataset=StaticDataset("s3://raw", "alone.csv"), producer="https://x.example")
    )
    job = Job("elsewhere", "static")
    teller.emit(
        JobEvent(eventTime=AT, job=job, inputs=[InputDataset("s3://raw", "alone.csv")], producer="https://x.example")
    )


def test_a_run_that_failed_wrote_nothing(server: Any) -> None:
    lost = OutputDataset("budwood", "ours/encoder@v2")
    client(server, "writer").emit(run(RunState.FAIL, [InputDataset("s3://raw", "bad")], [lost], RUN[:-1] + "3"))
    assert ("dataset", "s3://raw", "bad") not in names(trace(server, "ours/encoder@v2"))


@pytest.mark.parametrize(
    ("role", "status"), [("reader", 403), ("nobody", 404), ("elsewhere", 404), ("writer", 200), ("admin", 200)]
)
def test_only_those_who_may_push_there_tell(server: Any, role: str, status: int) -> None:
    event = {**EVENT, "run": {"runId": f"by-{role}"}}
    assert server.ask("POST", "/api/v1/lineage?namespace=ours", by=role, json=event).status == status


def test_without_a_namespace_of_theirs_an_event_is_told_in_the_default_one(server: Any) -> None:
    event = {**EVENT, "job": {"namespace": "airflow://prod", "name": "score"}}
    assert server.ask("POST", "/api/v1/lineage", by="writer", json=event).status in (403, 404)
    assert server.ask("POST", "/api/v1/lineage", by="admin", json=event).value["namespace"] == "default"


def test_what_a_teller_may_not_read_is_only_a_name(server: Any) -> None:
    event = {**EVENT, "run": {"runId": "theirs"}, "inputs": [{"namespace": "budwood", "name": "theirs/secret@v1"}]}
    assert server.ask("POST", "/api/v1/lineage", by="writer", json=event).value["edges"] == 2
    down = trace(server, "theirs/secret@v1", "down", by="admin")
    assert names(down) == []


def test_edges_lead_across_namespaces_where_both_allow_it(server: Any) -> None:
    used = {"namespace": "budwood", "name": "theirs/secret@v1"}

    def told(run_id: str) -> list[tuple[str, str, str]]:
        event = {**EVENT, "run": {"runId": run_id}, "inputs": [used]}
        assert server.ask("POST", "/api/v1/lineage?namespace=ours", by="admin", json=event).status == 200
        return names(trace(server, "theirs/secret@v1", "down", by="admin"))

    assert told("refused") == []
    for room, side in (("ours", "{from: [theirs]}"), ("theirs", "{to: [ours]}")):
        text = f"apiVersion: budwood.dev/v1\nkind: MetadataStandard\nspec: {{lineage: {side}}}\n"
        reply = server.ask("PUT", f"/v1/namespaces/{room}/standard", by="admin", json={"text": text})
        assert reply.status == 200, reply
    assert ("dataset", "warehouse://x", "public.scores") in told("allowed")


def test_nobody_becomes_the_origin_of_what_is_not_theirs(server: Any) -> None:
    event = {**EVENT, "run": {"runId": "reach"}, "outputs": [{"namespace": "budwood", "name": "theirs/secret@v1"}]}
    assert server.ask("POST", "/api/v1/lineage?namespace=ours", by="admin", json=event).status == 200
    assert names(trace(server, "theirs/secret@v1", by="admin")) == []


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"eventTime": AT},
        {"eventTime": "yesterday", "job": {"namespace": "ours", "name": "a"}},
        {"eventTime": AT, "job": {"namespace": "ours"}},
        {"eventTime": AT, "job": {"namespace": "ours", "name": 7}},
        {"eventTime": AT, "job": {"namespace": "ours", "name": "a"}, "run": {}},
        {"eventTime": AT, "job": {"namespace": "ours", "name": "a"}, "run": {"runId": "x"}, "inputs": [{"name": "b"}]},
        {"eventTime": AT, "job": {"namespace": "ours", "name": "a\u0000b"}},
        {"eventTime": AT, "job": {"namespace": "ours", "name": "a" * 5000}},
        {"eventTime": AT, "job": {"namespace": "ours", "name": "a"}, "inputs": [{"namespace": "n", "name": "x"}] * 201},
        {"eventTime": AT, "job": {"namespace": "ours", "name": "\ud800"}},
        {"eventTime": AT, "job": "ours"},
        {"eventTime": AT, "dataset": {"namespace": "n"}},
        {"eventTime": 10**40},
        [],
    ],
)
def test_what_is_no_event_is_refused_and_never_fails(server: Any, event: object) -> None:
    assert server.ask("POST", "/api/v1/lineage?namespace=ours", by="writer", json=event).status in NEVER_5XX


def test_an_event_has_a_size(server: Any) -> None:
    event = {**EVENT, "more": "x" * (1 << 20)}
    assert server.ask("POST", "/api/v1/lineage?namespace=ours", by="writer", json=event).status == 413
