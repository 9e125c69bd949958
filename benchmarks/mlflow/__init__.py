"""MLflow's protocol, asked of MLflow's own server and of ours side by side: ``python -m benchmarks.mlflow --out DIR``.

One generator asks both the same requests, in one run, at the same records; only the artifact goes through MLflow's
client. ``sides`` starts the two, ``fill`` gives both the same runs and versions, ``acts`` asks, ``rows`` makes the
table.
"""
