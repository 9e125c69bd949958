"""``mlflow.models.evaluate``, unmodified, which needs the whole of MLflow: what it measures, the data and the artifacts
are kept with the run.

``BUDWOOD_TEST_MLFLOW`` names a Python that has ``mlflow`` 3.17, scikit-learn and matplotlib; without it nothing is
tested here, as the client of these tests, ``mlflow-skinny``, evaluates no models.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.servers.running import TOKEN

WHOLE = os.environ.get("BUDWOOD_TEST_MLFLOW", "")
SCRIPT = Path(__file__).with_name("measured.py")

pytestmark = pytest.mark.skipif(not WHOLE, reason="BUDWOOD_TEST_MLFLOW names no Python that has all of MLflow")


def test_what_is_measured_of_models_and_answers_is_kept(client: Any, home: Any, tmp_path: Path) -> None:
    told = measured(home.uri, tmp_path)
    answered = client.get_run(told["answered"]["run"])
    assert answered.data.metrics == pytest.approx(told["answered"]["metrics"])
    assert answered.data.metrics["largest"] < 1e-9
    (used,) = answered.inputs.dataset_inputs
    assert used.dataset.name == "rows"
    classified = client.get_run(told["classified"]["run"])
    metrics = told["classified"]["metrics"]
    assert {"accuracy_score", "roc_auc", "log_loss"} <= metrics.keys()
    assert classified.data.metrics == pytest.approx(metrics)
    kept = {each.path.partition(".")[0] for each in client.list_artifacts(told["classified"]["run"])}
    assert kept >= {"confusion_matrix", "roc_curve_plot", "precision_recall_curve_plot"}
    assert set(told["classified"]["artifacts"]) <= kept
    model = client.get_logged_model(told["classified"]["model"])
    assert {each.key: each.value for each in model.metrics} == pytest.approx(metrics)


def measured(uri: str, folder: Path) -> Any:
    """What the script prints."""
    words = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_TRACKING_TOKEN": TOKEN, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [WHOLE, str(SCRIPT)], env={**os.environ, **words}, cwd=folder, text=True, capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.strip().splitlines()[-1])
