"""Logged models, by MLflow's own client: made, found, measured, and loaded to the same predictions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def models(client: Any) -> list[str]:
    """Three, each measured on two data sets by one run."""
    run = client.create_run("0").info.run_id
    made = []
    for number in range(3):
        model = client.create_logged_model(
            "0", name=f"net-{number}", source_run_id=run, tags={"team": "risk"}, params={"depth": str(number)}
        )
        for name, value in (("train", 1.0 - number / 10), ("test", number / 10)):
            client.log_metric(run, "auc", value, model_id=model.model_id, dataset_name=name, dataset_digest="d1")
        made.append(model.model_id)
    return made


def found(client: Any, **asked: Any) -> list[str]:
    return [each.name for each in client.search_logged_models(["0"], **asked)]


def test_a_model_is_pending_until_it_is_finalized(client: Any) -> None:
    model = client.create_logged_model("0", name="net", model_type="Agent", params={"a": "1"}, tags={"b": "2"})
    assert model.artifact_location == f"mlflow-artifacts:/0/models/{model.model_id}/artifacts"
    assert (str(model.status), model.model_type, model.params, model.tags) == (
        "PENDING",
        "Agent",
        {"a": "1"},
        {"b": "2"},
    )
    assert str(client.finalize_logged_model(model.model_id, "READY").status) == "READY"
    assert client.get_logged_model(model.model_id).name == "net"


def test_tags_are_set_and_removed(client: Any, models: list[str]) -> None:
    from mlflow.exceptions import RestException

    client.set_logged_model_tags(models[0], {"owner": "mara"})
    assert client.get_logged_model(models[0]).tags == {"team": "risk", "owner": "mara"}
    client.delete_logged_model_tag(models[0], "owner")
    assert client.get_logged_model(models[0]).tags == {"team": "risk"}
    with pytest.raises(RestException, match="RESOURCE_DOES_NOT_EXIST: No tag with key"):
        client.delete_logged_model_tag(models[0], "owner")


def test_a_deleted_model_is_not_there(client: Any, models: list[str]) -> None:
    from mlflow.exceptions import RestException

    client.delete_logged_model(models[1])
    with pytest.raises(RestException, match="not found"):
        client.get_logged_model(models[1])
    assert found(client) == ["net-2", "net-0"]


def test_metrics_tell_the_run_and_the_data_set(client: Any, models: list[str]) -> None:
    metrics = client.get_logged_model(models[2]).metrics
    assert [(each.key, each.value, each.dataset_name, each.model_id) for each in metrics] == [
        ("auc", 0.2, "test", models[2]),
        ("auc", 0.8, "train", models[2]),
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["net-2", "net-1", "net-0"]),
        ("name = 'net-1'", ["net-1"]),
        ("name LIKE 'net-%' AND params.depth != '1'", ["net-2", "net-0"]),
        ("tags.team = 'risk' AND attributes.name IN ('net-0', 'net-2')", ["net-2", "net-0"]),
        ("metrics.auc > 0.95", ["net-0"]),
        ("status = 'PENDING' AND tags.nothing IS NULL", ["net-2", "net-1", "net-0"]),
        ("creation_timestamp < 5", []),
        ("params.nothing != 'x'", []),
    ],
)
def test_a_search_finds_what_its_filter_says(client: Any, models: list[str], text: str, names: list[str]) -> None:
    assert found(client, filter_string=text) == names


def test_a_search_on_a_data_set_looks_at_what_was_measured_there(client: Any, models: list[str]) -> None:
    assert found(client, filter_string="metrics.auc < 0.15", datasets=[{"dataset_name": "test"}]) == ["net-1", "net-0"]
    digest = [{"dataset_name": "test", "dataset_digest": "other"}]
    assert found(client, filter_string="metrics.auc < 0.15", datasets=digest) == []


def test_the_order_may_be_by_a_metric_on_a_data_set(client: Any, models: list[str]) -> None:
    for name, expected in (("train", ["net-0", "net-1", "net-2"]), ("test", ["net-2", "net-1", "net-0"])):
        order = [{"field_name": "metrics.auc", "ascending": False, "dataset_name": name}]
        assert found(client, order_by=order) == expected
    assert found(client, order_by=[{"field_name": "name"}]) == ["net-0", "net-1", "net-2"]


def test_pages_follow_each_other_and_a_token_is_good_for_its_search_alone(client: Any, models: list[str]) -> None:
    from mlflow.exceptions import RestException

    page = client.search_logged_models(["0"], max_results=2)
    assert [each.name for each in page] == ["net-2", "net-1"]
    last = client.search_logged_models(["0"], max_results=2, page_token=page.token)
    assert [each.name for each in last] == ["net-0"]
    assert not last.token
    other = client.create_experiment("other")
    for experiment, rest, different in (
        (other, {}, "Experiment IDs"),
        ("0", {"filter_string": "name = 'a'"}, "Filter string"),
        ("0", {"order_by": [{"field_name": "name"}]}, "Order by"),
    ):
        with pytest.raises(RestException, match=f"INVALID_PARAMETER_VALUE: {different} in the page token do"):
            client.search_logged_models([experiment], page_token=page.token, **rest)


@pytest.mark.parametrize(
    "asked",
    [
        {"filter_string": "nothing = 1"},
        {"filter_string": "name ="},
        {"order_by": [{"field_name": "params.depth"}]},
        {"order_by": [{"field_name": "name", "dataset_name": "x"}]},
        {"page_token": "bogus"},
        {"max_results": -1},
    ],
)
def test_a_search_that_cannot_be_is_refused(client: Any, models: list[str], asked: dict[str, Any]) -> None:
    from mlflow.exceptions import RestException

    with pytest.raises(RestException, match="INVALID_PARAMETER_VALUE"):
        client.search_logged_models(["0"], **asked)


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "a%b", 'a"b'])
def test_a_name_that_would_be_a_path_is_refused(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="Invalid model name"):
        client.create_logged_model("0", name=name)


def test_files_of_a_model_are_listed_and_sent(client: Any, home: Any, tmp_path: Path) -> None:
    model = client.create_logged_model("0", name="net")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("hello")
    client.log_model_artifacts(model.model_id, str(tmp_path / "in"))
    path = f"/api/2.0/mlflow/logged-models/{model.model_id}/artifacts/"
    assert home.ask("GET", path + "directories")["files"] == [{"path": "a.txt", "is_dir": False, "file_size": 5}]
    assert home.ask("GET", path + "files?artifact_file_path=a.txt")["text"] == "hello"
    assert home.ask("GET", path + "files?artifact_file_path=../a.txt")["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_model_of_scikit_learn_predicts_the_same_when_loaded(home: Any, client: Any) -> None:
    import mlflow
    from sklearn.linear_model import LogisticRegression

    x = np.arange(40, dtype=float).reshape(20, 2)
    model = LogisticRegression().fit(x, np.arange(20) > 9)
    with mlflow.start_run() as run:
        logged = mlflow.sklearn.log_model(model, name="net", input_example=x[:2], pip_requirements=["scikit-learn"])
    assert logged.model_id
    assert str(client.get_logged_model(logged.model_id).status) == "READY"
    for uri in (logged.model_uri, f"models:/{logged.model_id}"):
        assert (mlflow.sklearn.load_model(uri).predict(x) == model.predict(x)).all()
        assert (mlflow.pyfunc.load_model(uri).predict(x) == model.predict(x)).all()
    (output,) = client.get_run(run.info.run_id).outputs.model_outputs
    assert output.model_id == logged.model_id


def test_a_model_of_ones_own_predicts_the_same_when_loaded(home: Any) -> None:
    import mlflow

    class Doubles(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input * 2

    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(name="doubles", python_model=Doubles(), pip_requirements=["numpy"])
    given = np.arange(6).reshape(2, 3)
    assert (mlflow.pyfunc.load_model(logged.model_uri).predict(given) == given * 2).all()


def test_a_model_logged_twice_costs_only_what_differs(home: Any) -> None:
    import mlflow
    from sklearn.neural_network import MLPClassifier

    x = np.random.default_rng(1).normal(size=(40, 64))
    model = MLPClassifier((512, 256), max_iter=1).fit(x, np.arange(40) % 2)

    def stored() -> int:
        with home.house.catalog.read() as view:
            return sum(use.live_bytes for use in view.packs())

    sizes = [stored()]
    for _ in range(2):
        with mlflow.start_run():
            mlflow.sklearn.log_model(
                model, name="net", serialization_format="cloudpickle", pip_requirements=["scikit-learn"]
            )
        sizes.append(stored())
    assert sizes[1] - sizes[0] > 500_000
    # MLmodel names the run and the time.
    assert sizes[2] - sizes[1] < 20_000


def test_a_search_by_datasets_finds_what_was_measured_on_them(client: Any) -> None:
    made = [client.create_logged_model("0", name=f"net-{number}") for number in range(2)]
    run = client.create_run("0").info.run_id
    words = {"model_id": made[0].model_id, "dataset_name": "iris", "dataset_digest": "123"}
    client.log_metric(run, "auc", 0.5, **words)
    for given, expected in (("123", [made[0].name]), ("9", [])):
        assert found(client, datasets=[{"dataset_name": "iris", "dataset_digest": given}]) == expected


def test_a_logged_model_tells_which_versions_it_became(client: Any, home: Any) -> None:
    client.create_registered_model("net")
    model = client.create_logged_model("0", name="net")
    for _ in range(2):
        client.create_model_version("net", model.artifact_location, model_id=model.model_id)
    told = client.get_logged_model(model.model_id).tags["mlflow.modelVersions"]
    assert json.loads(told) == [{"name": "net", "version": 1}, {"name": "net", "version": 2}]
