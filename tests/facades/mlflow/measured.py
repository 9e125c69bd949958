"""What a user of ``mlflow.models.evaluate`` runs: trains a model, logs it, and measures it twice. Prints the ids of the
runs, and what the client says it measured, as one line of JSON."""

import json
from typing import Any

import mlflow
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from sklearn.linear_model import LinearRegression, LogisticRegression

NO_PLOTS = {"log_model_explainability": False, "log_explainer": False}


def largest(predictions: Any, targets: Any) -> float:
    return float((predictions - targets).abs().max())


def rows() -> Any:
    random = np.random.default_rng(7)
    found = random.normal(size=(40, 3))
    return pd.DataFrame(found, columns=["a", "b", "c"]).assign(target=found @ [1.0, -2.0, 0.5])


def main() -> None:
    frame = rows()
    answers = LinearRegression().fit(frame[["a", "b", "c"]], frame["target"]).predict(frame[["a", "b", "c"]])
    mlflow.set_experiment("measured")
    with mlflow.start_run() as answered:
        largest_error = mlflow.metrics.make_metric(eval_fn=largest, greater_is_better=False, name="largest")
        data = mlflow.data.from_pandas(
            frame.assign(answer=answers), name="rows", targets="target", predictions="answer"
        )
        of_answers = mlflow.models.evaluate(data=data, model_type="regressor", extra_metrics=[largest_error])
    with mlflow.start_run() as classified:
        sure = frame.assign(target=frame["target"] > 0)
        logged = mlflow.sklearn.log_model(
            LogisticRegression().fit(sure[["a", "b", "c"]], sure["target"]),
            name="side",
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )
        of_model = mlflow.models.evaluate(
            logged.model_uri, sure, targets="target", model_type="classifier", evaluator_config=NO_PLOTS
        )
    told = {
        "answered": {"run": answered.info.run_id, "metrics": of_answers.metrics},
        "classified": {
            "run": classified.info.run_id,
            "model": logged.model_id,
            "metrics": of_model.metrics,
            "artifacts": sorted(of_model.artifacts),
        },
    }
    print(json.dumps(told, default=float))  # noqa: T201


if __name__ == "__main__":
    main()
