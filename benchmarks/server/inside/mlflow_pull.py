"""mlflow_pull.py NOTE INTO: bring the artifacts of the run named in NOTE back through the server."""

import sys
from pathlib import Path

import mlflow

note, into = sys.argv[1:]
run_id = Path(note).read_text(encoding="utf-8")
mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="model", dst_path=into)
