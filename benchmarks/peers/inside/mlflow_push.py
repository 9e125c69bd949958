"""mlflow_push.py MODEL ARTIFACTS NOTE: log a folder as one run's artifacts; the run's id goes into NOTE."""

import sys
from pathlib import Path

import mlflow

model, artifacts, note = sys.argv[1:]
if mlflow.get_experiment_by_name("bench") is None:
    mlflow.create_experiment("bench", artifact_location=artifacts)
mlflow.set_experiment("bench")
with mlflow.start_run() as run:
    mlflow.log_artifacts(model, artifact_path="model")
    Path(note).write_text(run.info.run_id, encoding="utf-8")
