"""Addresses into a bucket are given to nobody, and that is said as MLflow's server says it of files it keeps itself."""

from typing import Any

import pytest

from tests.facades.mlflow.conftest import Home

ROOT = "/api/2.0/mlflow/artifacts/presigned-"
OURS = "(artifact URI scheme: mlflow-artifacts)"


@pytest.fixture
def run(client: Any) -> str:
    made: str = client.create_run("0").info.run_id
    return made


def refused(home: Home, way: str, **body: object) -> tuple[str, str]:
    told = home.ask("POST", f"{ROOT}{way}-url", body)
    assert told["status"] in (400, 404)
    return told["error_code"], told["message"]


def test_files_of_this_server_have_no_address_elsewhere(home: Home, client: Any, run: str) -> None:
    for way, words in (("upload", "proxied artifact storage"), ("download", "runs with proxied artifact storage")):
        code, message = refused(home, way, run_id=run, path="model/weights.bin")
        assert (code, f"is not supported for {words} {OURS}" in message) == ("INVALID_PARAMETER_VALUE", True)
    model = client.create_logged_model("0").model_id
    assert OURS in refused(home, "upload", model_id=model, path="x")[1]


def test_files_in_a_bucket_have_one_that_others_know(home: Home, client: Any) -> None:
    experiment = client.create_experiment("bucket", artifact_location="s3://bucket/path")
    run = client.create_run(experiment).info.run_id
    assert "no keys for s3 locations" in refused(home, "download", run_id=run, path="x")[1]


@pytest.mark.parametrize(
    ("way", "body", "says"),
    [
        ("upload", {"path": "x"}, "Exactly one of run_id and model_id"),
        ("upload", {"path": "x", "run_id": "a", "model_id": "b"}, "Exactly one of run_id and model_id"),
        ("upload", {"run_id": "a"}, "Missing value for required parameter 'path'"),
        ("upload", {"run_id": "a", "path": "../x"}, "path"),
        ("download", {"run_id": "a", "path": "%252e%252e/x"}, "path"),
        ("download", {"run_id": "a", "path": "x", "expiration": 0}, "expiration"),
        ("download", {"run_id": "a", "path": "x", "expiration": 604_801}, "expiration"),
    ],
)
def test_requests_that_are_none_are_refused(way: str, body: Any, says: str, home: Home) -> None:
    code, message = refused(home, way, **body)
    assert (code, says in message) == ("INVALID_PARAMETER_VALUE", True)


def test_a_run_that_is_not_there_is_told_before(home: Home) -> None:
    assert refused(home, "download", run_id="a" * 32, path="x")[0] == "RESOURCE_DOES_NOT_EXIST"
