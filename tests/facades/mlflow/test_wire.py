"""The wire: who is let in how, what bodies may look like, and that no mistake of a client is a failure of ours."""

import base64
import json
from typing import Any

import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from budwood.facades.mlflow.table import ENDPOINTS
from tests.servers.running import TOKEN

CREATE = "/api/2.0/mlflow/experiments/create"
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["0", "1", "run"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = (
    *("experiment_id", "name", "run_id", "run_uuid", "key", "value", "timestamp", "step", "metrics", "params", "tags"),
    *("filter", "order_by", "max_results", "page_token", "experiment_ids", "run_view_type", "view_type", "datasets"),
    *("models", "status", "end_time", "metric_key", "run_ids", "start_step", "model_json", "new_name", "start_time"),
    *("server_json", "tools", "connect_options", "icons", "url", "alias", "version", "server_alias", "domain", "slug"),
)


def raw(home: Any, body: bytes, **headers: str) -> Any:
    given = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **headers}
    reply = urllib3.request("POST", home.uri + CREATE, body=body, headers=given, retries=False)
    return reply.status, reply.json()


def test_the_password_of_basic_may_be_a_token_whatever_the_user(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "anybody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", TOKEN)
    assert mlflow.search_experiments()[0].name == "Default"
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "password1234")
    with pytest.raises(mlflow.exceptions.RestException) as caught:
        mlflow.search_experiments()
    assert caught.value.error_code == "UNAUTHENTICATED"


def test_a_workspace_is_a_namespace_by_another_name(home: Any) -> None:
    home.ask("POST", CREATE, {"name": "mine"})
    headers = {"Authorization": f"Bearer {TOKEN}", "X-MLFLOW-WORKSPACE": home.namespace}
    path = home.address + "/api/2.0/mlflow/experiments/get-by-name?experiment_name=mine"
    found = urllib3.request("GET", path, headers=headers, retries=False).json()["experiment"]
    assert found["artifact_location"] == f"mlflow-artifacts:/workspaces/{home.namespace}/1"
    assert home.ask("GET", "/api/2.0/mlflow/experiments/get?experiment_id=1")["experiment"]["artifact_location"] == (
        "mlflow-artifacts:/1"
    )
    elsewhere = {**headers, "X-MLFLOW-WORKSPACE": "nowhere"}
    refused = urllib3.request("GET", path, headers=elsewhere, retries=False)
    assert (refused.status, refused.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_body_may_be_json_in_a_text_and_hold_fields_nobody_knows(home: Any) -> None:
    assert raw(home, json.dumps(json.dumps({"name": "a", "new": 1})).encode())[0] == 200
    assert raw(home, b'{"name": "b", "x": NaN}')[0] == 200


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"name=x", {"Content-Type": "application/x-www-form-urlencoded"}, "BAD_REQUEST"),
        (b'{"name": "x"}', {"Content-Type": "text/plain"}, "BAD_REQUEST"),
        (b"[1]", {}, "BAD_REQUEST"),
        (b"{", {}, "BAD_REQUEST"),
        (b'{"name": "\\ud800"}', {}, "BAD_REQUEST"),
        (b'{"name": ' + b"[" * 100_000, {}, "BAD_REQUEST"),
        (b'{"name": 123}', {}, "INVALID_PARAMETER_VALUE"),
        (b'{"name": "a\\u0000b"}', {}, "INVALID_PARAMETER_VALUE"),
        (b'{"name": "x", "tags": "5"}', {}, "INVALID_PARAMETER_VALUE"),
        (b"{}", {}, "INVALID_PARAMETER_VALUE"),
        (b'{"name": "x"}', {"Origin": "https://evil.example"}, "PERMISSION_DENIED"),
    ],
)
def test_a_body_that_is_none_is_refused_in_mlflows_form(home: Any, body: bytes, headers: Any, code: str) -> None:
    status, told = raw(home, body, **headers)
    assert status in (400, 403)
    assert told["error_code"] == code


@pytest.mark.parametrize(
    "location",
    [
        *(
            "file:///etc",
            "file:///C:\\..",
            "/etc",
            "../x",
            "http://evil.example/x",
            "mlflow-artifacts://evil.example/x",
        ),
        *(
            "s3://bucket/a/../../b",
            "s3://bucket/%2e%2e/x",
            "s3://bucket/x#frag",
            "s3://b/x?y=1",
            "s3://b/a;b",
            "hdfs://h/x",
        ),
        *("mlflow-artifacts:/..%2f..%2fx", "ftp://h/x", "dbfs:/x", "s3://bucket/%2E%2E%2fx"),
    ],
)
def test_no_experiment_points_at_a_disk_or_another_server(home: Any, location: str) -> None:
    reply = home.ask("POST", CREATE, {"name": "x", "artifact_location": location})
    assert (reply["status"], reply["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_bucket_is_a_place_for_artifacts(client: Any) -> None:
    id_ = client.create_experiment("bucket", artifact_location="s3://bucket/some/path")
    run = client.create_run(id_)
    assert run.info.artifact_uri == f"s3://bucket/some/path/{run.info.run_id}/artifacts"


def test_what_is_not_offered_says_so(home: Any) -> None:
    for path in ("gateway/secrets/list", "prompt-optimization/jobs", "review-queues/list", "workspaces"):
        reply = home.ask("GET", f"/api/3.0/mlflow/{path}")
        assert (reply["status"], reply["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_basic_that_is_none_is_nobody(home: Any) -> None:
    for words in ("Basic", "Basic !!!", "Basic " + base64.b64encode(b"\xff\xfe").decode(), "Digest x", "Bearer"):
        headers = {"Authorization": words}
        path = home.uri + "/api/2.0/mlflow/experiments/search"
        assert urllib3.request("GET", path, headers=headers, retries=False).status in (401, 429)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=6))
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_no_body_makes_an_endpoint_fail(home: Any, endpoint: Any, fields: dict[str, Any]) -> None:
    path = endpoint.path
    while "{" in path:
        path = path[: path.index("{")] + "x" + path[path.index("}") + 1 :]
    if endpoint.method == "GET":
        pairs = {key: str(value).encode("utf-8", "replace").decode() for key, value in fields.items()}
        reply = urllib3.request(
            "GET", home.uri + path, fields=pairs, headers={"Authorization": f"Bearer {TOKEN}"}, retries=False
        )
    else:
        reply = urllib3.request(
            endpoint.method,
            home.uri + path,
            body=json.dumps(fields).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            retries=False,
        )
    assert reply.status < 500, (endpoint.name, fields, reply.data)


def test_a_namespace_with_live_experiments_stays(home: Any) -> None:
    from budwood.errors import StillInUse
    from budwood.verbs.namespaces import remove_namespace

    home.ask("POST", CREATE, {"name": "mine"})
    with pytest.raises(StillInUse, match="still holds experiments"):
        remove_namespace(home.house, home.namespace)
    home.ask("POST", "/api/2.0/mlflow/experiments/delete", {"experiment_id": "1"})
    assert remove_namespace(home.house, home.namespace).name == home.namespace


def test_what_happens_to_experiments_and_runs_is_in_the_ledger(home: Any) -> None:
    home.ask("POST", CREATE, {"name": "mine"})
    run = home.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "1"})["run"]["info"]["run_id"]
    home.ask("POST", "/api/2.0/mlflow/runs/log-metric", {"run_id": run, "key": "a", "value": 1, "timestamp": 1})
    home.ask("POST", "/api/2.0/mlflow/runs/delete", {"run_id": run})
    home.ask("POST", "/api/2.0/mlflow/experiments/delete", {"experiment_id": "1"})
    with home.house.catalog.read() as view:
        entries = [
            entry
            for after in range(0, 10_000, 1_000)
            for entry in view.ledger(after=after, limit=1_000, reach=frozenset({home.namespace}))
        ]
    assert list(dict.fromkeys((entry.action, entry.actor) for entry in entries)) == [
        *(("experiment.created", "mara"), ("run.created", "mara")),
        *(("run.deleted", "mara"), ("experiment.deleted", "mara")),
    ]


@pytest.mark.parametrize(
    ("path", "words", "status", "code"),
    [
        (CREATE, {"body": b"x" * (17 << 20)}, 413, "INVALID_PARAMETER_VALUE"),
        (CREATE, {"headers": {"Host": "evil.example"}}, 421, "PERMISSION_DENIED"),
        (CREATE, {"headers": {"Content-Encoding": "gzip"}, "body": b"x"}, 415, "BAD_REQUEST"),
        ("/api/2.0/mlflow/artifacts/%252e%252e/x", {}, 400, "BAD_REQUEST"),
        (
            "/api/2.0/mlflow/nothing/at/all",
            {"body": b"x", "headers": {"Content-Type": "text/html"}},
            415,
            "BAD_REQUEST",
        ),
        ("/api/2.0/mlflow/runs/get", {"body": b"{}"}, 405, "BAD_REQUEST"),
    ],
)
def test_what_http_itself_refuses_is_told_in_mlflows_form(
    home: Any, path: str, words: dict[str, Any], status: int, code: str
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **words.pop("headers", {})}
    try:
        reply = urllib3.request("POST", home.uri + path, headers=headers, retries=False, **words)
    except urllib3.exceptions.ProtocolError:
        assert status == 413  # Told while the client is still sending, which not every client hears.
        return
    assert (reply.status, reply.json()["error_code"]) == (status, code)
