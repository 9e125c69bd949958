"""What a served registry tells OpenLineage receivers, read by the official client's classes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import dataset_version_dataset

from budwood.errors import BadValue
from tests.server.receiving import Receiver, receiving

HOOKS = "/v1/namespaces/ours/webhooks"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def server(start: Callable[..., Any], make_team: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """One that may send to this machine."""
    monkeypatch.setenv("BUDWOOD_ALLOW_NETWORKS", "127.0.0.0/8")
    found = start(make_team())
    yield found
    found.stop()


def hooked(server: Any, url: str, **more: object) -> dict[str, Any]:
    reply = server.ask("POST", HOOKS, by="owner", json={"url": url, "kind": "openlineage", **more})
    assert reply.status == 200, reply
    value = reply.value
    assert isinstance(value, dict)
    return value


def read(body: bytes) -> RunEvent:
    """By the client's own classes, which check what they are given."""
    said = json.loads(body)
    assert said.keys() == {"eventType", "eventTime", "producer", "schemaURL", "run", "job", "inputs", "outputs"}

    def facets(each: dict[str, Any]) -> dict[str, Any]:
        version = each["facets"]["version"]
        assert version.keys() == {"_producer", "_schemaURL", "datasetVersion"}
        return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=version["datasetVersion"])}

    return RunEvent(
        eventType=RunState[said["eventType"]],
        eventTime=said["eventTime"],
        producer=said["producer"],
        run=Run(said["run"]["runId"]),
        job=Job(said["job"]["namespace"], said["job"]["name"]),
        inputs=[InputDataset(each["namespace"], each["name"], facets(each)) for each in said["inputs"]],
        outputs=[OutputDataset(each["namespace"], each["name"], facets(each)) for each in said["outputs"]],
    )


def test_what_is_released_is_told_as_events_with_the_receivers_key(server: Any, receiver: Receiver) -> None:
    made = hooked(server, receiver.url, key="marquez-key")
    assert made["secret"] == ""
    assert made["webhook"]["kind"] == "openlineage"
    server.ask("PUT", "/v1/models/ours/encoder/aliases/champion", by="owner", json={"version": "v2"})
    server.ask("PATCH", "/v1/models/ours/encoder/versions/v1/tags", by="owner", json={"put": {"a": "b"}, "remove": []})
    server.ask("PUT", "/v1/models/ours/encoder/versions/v1/stage", by="owner", json={"stage": "production"})
    messages = receiver.wait(2)
    assert {message.headers["authorization"] for message in messages} == {"Bearer marquez-key"}
    events = {event.job.name: event for event in (read(message.body) for message in messages)}
    assert events.keys() == {"ours/encoder champion", "ours/encoder production"}
    alias = events["ours/encoder champion"]
    assert [each.name for each in alias.inputs or ()] == ["ours/encoder@v2"]
    assert [each.name for each in alias.outputs or ()] == ["ours/encoder@champion"]
    assert alias.job.namespace.startswith("budwood")
    assert UUID(alias.run.runId).version == 8


ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {name: fraud}
spec:
  model: encoder
  arms:
    stable: {version: v1, backends: ["http://127.0.0.1:8081"]}
    canary: {version: v2, backends: ["http://127.0.0.1:8082"]}
  split: {stable: 90, canary: 10}
"""


def test_traffic_that_moves_is_told_with_the_versions_that_answer(server: Any, receiver: Receiver) -> None:
    hooked(server, receiver.url)
    path = "/v1/namespaces/ours/endpoints/fraud"
    assert server.ask("PUT", path, by="owner", json={"text": ENDPOINT}).status == 200
    assert server.ask("POST", f"{path}/back", by="owner", json={"reason": "slow"}).status == 200
    first, second = sorted((read(message.body) for message in receiver.wait(2)), key=lambda event: event.eventTime)
    assert [each.name for each in first.inputs or ()] == ["ours/encoder@v1", "ours/encoder@v2"]
    assert [each.name for each in second.inputs or ()] == ["ours/encoder@v1"]
    assert {each.job.name for each in (first, second)} == {"endpoint:ours/fraud"}
    assert [each.name for each in first.outputs or ()] == ["endpoint:ours/fraud"]


def test_only_what_is_lineage_can_be_asked_for(server: Any, receiver: Receiver) -> None:
    wish = {"url": receiver.url, "kind": "openlineage", "actions": ["version.tagged"]}
    assert server.ask("POST", HOOKS, by="owner", json=wish).status == 422
    for key in ("two words", "new\nline", "ключ", "x" * 1001):
        assert server.ask("POST", HOOKS, by="owner", json={**wish, "actions": [], "key": key}).status == 422
    made = hooked(server, receiver.url, actions=["alias.set"])
    change = {"actions": ["*"]}
    assert server.ask("PATCH", f"{HOOKS}/{made['webhook']['id']}", by="owner", json=change).status == 422


def test_a_test_is_an_event_too(server: Any, receiver: Receiver) -> None:
    made = hooked(server, receiver.url)
    assert server.ask("POST", f"{HOOKS}/{made['webhook']['id']}/test", by="owner").status == 200
    (message,) = receiver.wait(1)
    assert read(message.body).job.name == "webhook test"
    assert "authorization" not in message.headers


def test_what_we_send_can_be_told_to_another_registry(server: Any, receiver: Receiver) -> None:
    hooked(server, receiver.url)
    server.ask("PUT", "/v1/models/ours/encoder/aliases/champion", by="owner", json={"version": "v1"})
    (message,) = receiver.wait(1)
    reply = server.ask("POST", "/api/v1/lineage?namespace=ours", by="writer", body=message.body)
    assert reply.value == {"namespace": "ours", "edges": 2}


def test_a_kind_of_webhook_that_is_none_is_said_so() -> None:
    from budwood.domain.webhooks import parse_kind

    with pytest.raises(BadValue, match="no kind"):
        parse_kind("slack")
