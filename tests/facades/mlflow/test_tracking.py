"""Tracking as users of MLflow know it: experiments, runs, what they log, how they are found."""

import math
import time
from typing import Any

import mlflow
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException, RestException

NOT_THERE = "f" * 32


def test_a_script_logs_and_finds_what_it_logged(home: Any) -> None:
    mlflow.set_experiment("first")
    with mlflow.start_run(run_name="parent", tags={"team": "risk"}) as parent:
        mlflow.log_params({"lr": 0.1, "depth": 3})
        mlflow.log_metric("loss", 0.5, step=1)
        mlflow.log_metrics({"loss": 0.25, "acc": 0.9}, step=2)
        with mlflow.start_run(nested=True) as child:
            mlflow.log_metric("loss", 0.75)
    found = mlflow.get_run(parent.info.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "parent"
    assert found.data.metrics == {"loss": 0.25, "acc": 0.9}
    assert found.data.params == {"lr": "0.1", "depth": "3"}
    assert found.data.tags["team"] == "risk"
    table = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert list(table.run_id) == [child.info.run_id]
    assert mlflow.last_active_run().info.run_id == parent.info.run_id


def test_autologging_for_scikit_learn_tells_of_a_fit(home: Any) -> None:
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_models=False, log_datasets=False)
    try:
        with mlflow.start_run() as run:
            LogisticRegression(C=0.5).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    finally:
        mlflow.sklearn.autolog(disable=True)
    data = mlflow.get_run(run.info.run_id).data
    assert data.params["C"] == "0.5"
    assert data.tags["estimator_name"] == "LogisticRegression"
    assert data.metrics["training_accuracy_score"] == 1.0


def test_the_default_experiment_is_there_before_anything_is(client: Any) -> None:
    assert [(each.experiment_id, each.name) for each in client.search_experiments()] == [("0", "Default")]
    assert client.get_experiment_by_name("Default").artifact_location == "mlflow-artifacts:/0"
    run = client.create_run("0")
    assert run.info.artifact_uri == f"mlflow-artifacts:/0/{run.info.run_id}/artifacts"
    assert len(run.info.run_id) == 32


def test_an_experiment_is_made_renamed_tagged_hidden_and_shown_again(client: Any) -> None:
    one = client.create_experiment("one", tags={"a": "1"})
    assert one == "1"
    client.set_experiment_tag(one, "b", "2")
    client.delete_experiment_tag(one, "a")
    client.rename_experiment(one, "uno")
    run = client.create_run(one)
    found = client.get_experiment(one)
    assert (found.name, dict(found.tags), found.lifecycle_stage) == ("uno", {"b": "2"}, "active")
    assert found.last_update_time >= found.creation_time > 0
    client.delete_experiment(one)
    assert client.get_experiment(one).lifecycle_stage == "deleted"
    assert client.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
    assert [each.name for each in client.search_experiments(ViewType.DELETED_ONLY)] == ["uno"]
    client.restore_experiment(one)
    assert client.get_run(run.info.run_id).info.lifecycle_stage == "active"


def test_experiments_are_searched_page_by_page(client: Any) -> None:
    for name in ("Abc", "abd", "xyz"):
        client.create_experiment(name, tags={"first": name[0]})
        time.sleep(0.002)
    assert [each.name for each in client.search_experiments()] == ["xyz", "abd", "Abc", "Default"]
    assert [each.name for each in client.search_experiments(filter_string="name LIKE 'a%'")] == ["abd"]
    assert {each.name for each in client.search_experiments(filter_string="name ILIKE 'a%'")} == {"Abc", "abd"}
    assert [each.name for each in client.search_experiments(filter_string="tags.first = 'x'")] == ["xyz"]
    ordered = client.search_experiments(order_by=["name ASC"], max_results=3)
    assert [each.name for each in ordered] == ["Abc", "Default", "abd"]
    rest = client.search_experiments(order_by=["name ASC"], max_results=3, page_token=ordered.token)
    assert ([each.name for each in rest], rest.token) == (["xyz"], None)
    with pytest.raises(MlflowException, match="Invalid page token"):
        client.search_experiments(order_by=["name DESC"], page_token=ordered.token)


def test_a_run_is_begun_updated_hidden_and_shown_again(client: Any) -> None:
    run = client.create_run("0", start_time=123, tags={"mlflow.runName": "slow", "mlflow.user": "bo"})
    assert (run.info.run_name, run.info.start_time, run.info.status) == ("slow", 123, "RUNNING")
    id_ = run.info.run_id
    client.update_run(id_, name="fast")
    client.set_terminated(id_, "FAILED", end_time=456)
    found = client.get_run(id_)
    assert (found.info.run_name, found.data.tags["mlflow.runName"]) == ("fast", "fast")
    assert (found.info.status, found.info.end_time) == ("FAILED", 456)
    client.set_tag(id_, "mlflow.runName", "faster")
    assert client.get_run(id_).info.run_name == "faster"
    client.delete_run(id_)
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        client.log_metric(id_, "loss", 1)
    assert client.search_runs(["0"]) == []
    assert [each.info.run_id for each in client.search_runs(["0"], run_view_type=ViewType.ALL)] == [id_]
    client.restore_run(id_)
    assert client.search_runs(["0"])[0].info.run_id == id_


def test_metrics_keep_their_history_and_the_newest_is_by_step(client: Any) -> None:
    id_ = client.create_run("0").info.run_id
    client.log_metric(id_, "loss", 3.0, timestamp=30, step=3)
    client.log_metric(id_, "loss", 1.0, timestamp=10, step=1)
    client.log_metric(id_, "loss", 1.0, timestamp=10, step=1)
    client.log_metric(id_, "odd", math.nan, timestamp=1)
    client.log_metric(id_, "odd", -math.inf, timestamp=2)
    metrics = client.get_run(id_).data.metrics
    assert metrics["loss"] == 3.0
    assert metrics["odd"] == -1.7976931348623157e308
    points = client.get_metric_history(id_, "loss")
    assert [(point.timestamp, point.step, point.value) for point in points] == [(10, 1, 1.0), (30, 3, 3.0)]
    assert math.isnan(client.get_metric_history(id_, "odd")[0].value)
    assert client.get_metric_history(id_, "none") == []


def test_a_batch_is_logged_whole_or_not_at_all(client: Any) -> None:
    id_ = client.create_run("0").info.run_id
    metrics = [Metric(f"m{n % 10}", float(n), n, n) for n in range(800)]
    client.log_batch(id_, metrics, [Param(f"p{n}", str(n)) for n in range(100)], [RunTag("a", "b")])
    data = client.get_run(id_).data
    assert data.metrics == {f"m{n}": 790.0 + n for n in range(10)}
    assert len(data.params) == 100
    assert len(client.get_metric_history(id_, "m3")) == 80
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_batch(id_, [Metric("late", 1, 1, 1)], [Param("p1", "other")], [])
    assert "late" not in client.get_run(id_).data.metrics
    client.log_param(id_, "p1", "1")


def test_datasets_and_models_are_inputs_and_outputs_of_runs(client: Any, home: Any) -> None:
    id_ = client.create_run("0").info.run_id
    dataset = Dataset("sales", "abc", "local", "{}", schema="{}", profile="{}")
    use = DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])
    client.log_inputs(id_, [use, use])
    (found,) = client.get_run(id_).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest, found.tags[0].value) == ("sales", "abc", "train")
    other = client.create_run("0").info.run_id
    home.ask("POST", "/api/2.0/mlflow/runs/log-inputs", {"run_id": other, "models": [{"model_id": "m-1"}]})
    home.ask("POST", "/api/2.0/mlflow/runs/outputs", {"run_id": other, "models": [{"model_id": "m-2", "step": 4}]})
    run = client.get_run(other)
    assert [each.model_id for each in run.inputs.model_inputs] == ["m-1"]
    assert [(each.model_id, each.step) for each in run.outputs.model_outputs] == [("m-2", 4)]
    assert [each.info.run_id for each in client.search_runs(["0"], "datasets.name = 'sales'")] == [id_]
    shown = home.ask("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": ["0"]})
    assert shown["dataset_summaries"] == [{"experiment_id": "0", "name": "sales", "digest": "abc", "context": "train"}]


def test_runs_are_searched_by_everything_they_have(client: Any) -> None:
    ids = []
    for number in range(6):
        run = client.create_run("0", start_time=number + 1, run_name=f"run {number}")
        client.log_batch(
            run.info.run_id,
            [Metric("val loss", number / 2, 1, 1)] if number else [],
            [Param("kind", "Big" if number % 2 else "small")],
            [RunTag("owner.name", "bo")] if number > 3 else [],
        )
        ids.append(run.info.run_id)

    def found(text: str = "", *orders: str) -> list[int]:
        return [ids.index(run.info.run_id) for run in client.search_runs(["0"], text, order_by=list(orders))]

    assert found() == [5, 4, 3, 2, 1, 0]
    assert found("metrics.`val loss` >= 1 and params.kind = 'Big'") == [5, 3]
    assert found("", "metrics.`val loss` DESC") == [5, 4, 3, 2, 1, 0]
    assert found("", "metrics.`val loss` ASC") == [1, 2, 3, 4, 5, 0]
    assert found("params.kind LIKE 'b%'") == []
    assert found("params.kind ILIKE 'b%'", "start_time ASC") == [1, 3, 5]
    assert found("tags.owner.name IS NOT NULL") == [5, 4]
    assert found("attributes.run_name = 'run 3'") == [3]
    assert found(f"run_id IN ('{ids[0]}', '{ids[1]}')") == [1, 0]
    assert found("attribute.start_time > 4 AND status = 'RUNNING'") == [5, 4]


def test_pages_of_runs_hold_while_new_runs_begin(client: Any) -> None:
    ids = [client.create_run("0", start_time=number).info.run_id for number in range(1, 6)]
    first = client.search_runs(["0"], max_results=2)
    client.create_run("0", start_time=99)
    second = client.search_runs(["0"], max_results=2, page_token=first.token)
    assert [each.info.run_id for each in (*first, *second)] == [ids[4], ids[3], ids[2], ids[1]]


@pytest.mark.parametrize(
    ("act", "code", "said"),
    [
        (lambda client: client.get_run(NOT_THERE), "RESOURCE_DOES_NOT_EXIST", "not found"),
        (lambda client: client.get_experiment("99"), "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=99"),
        (lambda client: client.get_experiment("x"), "INVALID_PARAMETER_VALUE", "must be a valid integer"),
        (lambda client: client.create_experiment("Default"), "RESOURCE_ALREADY_EXISTS", "already exists"),
        (lambda client: client.search_runs(["0"], "metrics.a = 'x'"), "INVALID_PARAMETER_VALUE", "Expected numeric"),
        (lambda client: client.search_runs(["0"], "a OR b"), "INVALID_PARAMETER_VALUE", "at position 1"),
        (lambda client: client.search_runs(["0"], page_token="x"), "INVALID_PARAMETER_VALUE", "page token"),
        (lambda client: client.create_run("7"), "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=7"),
        (lambda client: client.create_experiment("x", "file:///etc"), "INVALID_PARAMETER_VALUE", "artifact location"),
    ],
)
def test_a_mistake_is_told_in_mlflows_words(act: Any, code: str, said: str, client: Any) -> None:
    client.create_run("0")
    with pytest.raises(RestException, match=said) as caught:
        act(client)
    assert caught.value.error_code == code


def test_histories_of_several_runs_come_for_charts(client: Any, home: Any) -> None:
    ids = [client.create_run("0").info.run_id for _ in range(2)]
    for id_ in ids:
        client.log_batch(id_, [Metric("loss", float(step), 1, step) for step in range(20)])
    query = "&".join(f"run_id={id_}" for id_ in ids)
    whole = home.ask("GET", f"/ajax-api/2.0/mlflow/metrics/get-history-bulk?metric_key=loss&{query}")
    assert len(whole["metrics"]) == 40
    query = "&".join(f"run_ids={id_}" for id_ in ids)
    path = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
    sampled = home.ask("GET", f"{path}?metric_key=loss&max_results=5&{query}")
    assert [each["step"] for each in sampled["metrics"]] == [0, 4, 8, 12, 16, 19] * 2
    assert sampled["metrics"][0] == {"key": "loss", "value": 0.0, "timestamp": 1, "step": 0, "run_id": ids[0]}
