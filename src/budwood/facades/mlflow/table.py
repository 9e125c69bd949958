"""Every endpoint of MLflow's that is offered, as one table. What is not in it answers ENDPOINT_NOT_FOUND."""

from typing import Final

from budwood.facades.face import Endpoint
from budwood.facades.mlflow import (
    about,
    aliases,
    artifacts,
    assessments,
    evaluation,
    experiments,
    graph,
    issues,
    labels,
    logged_models,
    mcp_endpoints,
    mcp_servers,
    mcp_versions,
    metrics,
    models,
    otlp,
    runs,
    scorers,
    trace_measures,
    traces,
    versions,
    webhooks,
)

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *about.ENDPOINTS,
    *artifacts.ENDPOINTS,
    *experiments.ENDPOINTS,
    *logged_models.ENDPOINTS,
    *runs.ENDPOINTS,
    *metrics.ENDPOINTS,
    *models.ENDPOINTS,
    *versions.ENDPOINTS,
    *aliases.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *evaluation.ENDPOINTS,
    *scorers.ENDPOINTS,
    *labels.ENDPOINTS,
    *issues.ENDPOINTS,
    *mcp_servers.ENDPOINTS,
    *mcp_versions.ENDPOINTS,
    *mcp_endpoints.ENDPOINTS,
    *traces.ENDPOINTS,
    *trace_measures.ENDPOINTS,
    *assessments.ENDPOINTS,
    *otlp.ENDPOINTS,
    *graph.ENDPOINTS,
)
