"""What MLflow's clients may ask and is not offered, by where its addresses begin.

A test walks all that the client knows: each thing is an endpoint, or is named here.
"""

from collections.abc import Mapping
from typing import Final

NOT_OFFERED: Final[Mapping[str, str]] = {
    "/api/3.0/mlflow/gateway/": "it has no gateway to language models",
    "/gateway/": "it has no gateway to language models",
    "/api/3.0/mlflow/prompt-optimization/": "it runs no jobs that optimise prompts",
    "/api/3.0/mlflow/review-queues/": "it keeps no review queues",
    "/api/3.0/mlflow/workspaces": "workspaces are namespaces here, and 'budwood namespace' looks after them",
    "/api/2.0/mlflow/unified-traces": "only Databricks has traces elsewhere",
    "/api/2.0/mlflow/get-online-trace-details": "only Databricks has traces elsewhere",
}


def why_not(path: str) -> str:
    """Empty for an address that nobody knows. The prefix of a namespace, or of a browser, may stand before it."""
    plain = path.replace("/ajax-api/", "/api/", 1)
    return next((why for begins, why in NOT_OFFERED.items() if begins in plain), "")
