"""Automatic logging: scikit-learn, XGBoost and Lightning train as ever, and what happened is there with the model."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

X = np.random.default_rng(3).normal(size=(60, 4)).astype(np.float32)
Y = (X.sum(axis=1) > 0).astype(int)


@pytest.fixture(autouse=True)
def _automatic(home: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import mlflow

    # What a model imports is found out by another process, which takes seconds and is nothing of ours.
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")
    yield
    mlflow.autolog(disable=True, silent=True)
    mlflow.disable_system_metrics_logging()
    mlflow.set_system_metrics_sampling_interval(None)
    mlflow.set_system_metrics_samples_before_logging(None)


def last_run(client: Any) -> Any:
    (run,) = client.search_runs(["0"])
    return run


def test_scikit_learn_logs_what_it_fits(home: Any, client: Any) -> None:
    import mlflow
    from sklearn.linear_model import LogisticRegression

    mlflow.autolog(log_input_examples=True, silent=True)
    model = LogisticRegression(C=0.5).fit(X, Y)
    run = last_run(client)
    assert run.data.params["C"] == "0.5"
    assert run.data.metrics["training_accuracy_score"] == model.score(X, Y)
    assert run.data.tags["estimator_name"] == "LogisticRegression"
    assert run.info.status == "FINISHED"
    (output,) = run.outputs.model_outputs
    assert (mlflow.sklearn.load_model(f"models:/{output.model_id}").predict(X) == model.predict(X)).all()


def test_a_search_over_parameters_logs_a_run_for_each(home: Any, client: Any) -> None:
    import mlflow
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    mlflow.sklearn.autolog(silent=True, log_models=False)
    with mlflow.start_run() as parent:
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=2).fit(X, Y)
    children = client.search_runs(["0"], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert sorted(run.data.params["C"] for run in children) == ["0.1", "1.0", "10.0"]


def test_xgboost_logs_each_round(home: Any, client: Any) -> None:
    xgboost = pytest.importorskip("xgboost")
    import mlflow

    mlflow.xgboost.autolog(silent=True)
    given = xgboost.DMatrix(X, Y)
    words = {"objective": "binary:logistic", "eval_metric": "logloss", "nthread": 1}
    model = xgboost.train(words, given, 5, evals=[(given, "train")], verbose_eval=False)
    run = last_run(client)
    assert run.data.params["objective"] == "binary:logistic"
    assert [each.step for each in client.get_metric_history(run.info.run_id, "train-logloss")] == [0, 1, 2, 3, 4]
    (output,) = run.outputs.model_outputs
    loaded = mlflow.xgboost.load_model(f"models:/{output.model_id}")
    assert (loaded.predict(given) == model.predict(given)).all()


def test_lightning_logs_what_a_training_says(home: Any, client: Any, tmp_path: Path) -> None:
    import mlflow
    import pytorch_lightning
    import torch

    class Net(pytorch_lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.layer(x)

        def training_step(self, batch: Any, _: int) -> Any:
            loss = torch.nn.functional.cross_entropy(self(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    rows = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    mlflow.pytorch.autolog(silent=True)
    trainer = pytorch_lightning.Trainer(
        max_epochs=3, accelerator="cpu", enable_progress_bar=False, logger=False, default_root_dir=tmp_path
    )
    net = Net()
    with mlflow.start_run() as run:
        trainer.fit(net, torch.utils.data.DataLoader(rows, batch_size=20))
    found = client.get_run(run.info.run_id)
    assert found.data.params["optimizer_name"] == "SGD"
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 3
    (output,) = found.outputs.model_outputs
    loaded = mlflow.pytorch.load_model(f"models:/{output.model_id}")
    with torch.no_grad():
        assert torch.equal(loaded(torch.from_numpy(X)), net(torch.from_numpy(X)))


def test_the_systems_own_metrics_come_with_a_run(home: Any, client: Any) -> None:
    import mlflow
    from mlflow.tracking.fluent import run_id_to_system_metrics_monitor

    mlflow.enable_system_metrics_logging()
    mlflow.set_system_metrics_sampling_interval(0.01)
    mlflow.set_system_metrics_samples_before_logging(1)
    with mlflow.start_run() as run:
        monitor = run_id_to_system_metrics_monitor[run.info.run_id]
        until = time.monotonic() + 30
        while not monitor._logging_step and time.monotonic() < until:
            time.sleep(0.01)
    found = client.get_run(run.info.run_id).data.metrics
    assert found["system/system_memory_usage_percentage"] > 0
    assert "system/cpu_utilization_percentage" in found
