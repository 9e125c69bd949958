"""mlflow_push.py MODEL NOTE: log a folder as one run's artifacts through the server; the run's id goes into NOTE."""

import sys
from pathlib import Path

import mlflow

model, note = sys.argv[1:]
mlflow.set_experiment("bench")
with mlflow.start_run() as run:
    mlflow.log_artifacts(model, artifact_path="model")
    Path(note).write_text(run.info.run_id, encoding="utf-8")
