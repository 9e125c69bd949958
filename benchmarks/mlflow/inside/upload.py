"""upload.py FILE: log it as an artifact of a new run, and print the seconds that alone took."""

import sys
import time

import mlflow

(file,) = sys.argv[1:]
with mlflow.start_run():
    began = time.perf_counter()
    mlflow.log_artifact(file)
    print(time.perf_counter() - began)
