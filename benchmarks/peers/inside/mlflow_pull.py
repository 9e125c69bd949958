"""mlflow_pull.py NOTE INTO: download the artifacts of the run named in NOTE."""

import sys
from pathlib import Path

import mlflow

note, into = sys.argv[1:]
run = Path(note).read_text(encoding="utf-8")
mlflow.artifacts.download_artifacts(run_id=run, artifact_path="model", dst_path=into)
