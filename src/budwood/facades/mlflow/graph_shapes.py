"""What MLflow's pages may ask of answers by GraphQL: its types as data, and answers cut to what was asked for.

A type says of each field what it is: a plain kind, another type, or ``[X]`` for several. Its names are those of the
answers, in camel case. A long whole number is a text there, and a number that is none is null.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from budwood.domain.canon import Json
from budwood.errors import BadValue
from budwood.facades.mlflow.graph_language import Field

Answer = Mapping[str, Json]
Beside = Mapping[tuple[str, str], Callable[[Answer], Json]]
"""Fields that are in no answer, by type and name: found from the answer that they belong to."""

_PAIR: Final = {"key": "String", "value": "String"}
_METRIC: Final = {"key": "String", "value": "Float", "timestamp": "Long", "step": "Long", "runId": "String"}
_ON_DATASET: Final = {"datasetName": "String", "datasetDigest": "String", "modelId": "String"}
TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "Test": {"output": "String"},
    "ApiError": {"code": "String", "message": "String"},
    "GetExperiment": {"experiment": "Experiment", "apiError": "ApiError"},
    "GetRun": {"run": "Run", "apiError": "ApiError"},
    "SearchRuns": {"runs": "[Run]", "nextPageToken": "String", "apiError": "ApiError"},
    "SearchDatasets": {"datasetSummaries": "[DatasetSummary]", "apiError": "ApiError"},
    "SearchModelVersions": {"modelVersions": "[ModelVersion]", "nextPageToken": "String", "apiError": "ApiError"},
    "GetMetricHistoryBulkInterval": {"metrics": "[MetricWithRunId]", "apiError": "ApiError"},
    "ListArtifacts": {"rootUri": "String", "files": "[FileInfo]", "nextPageToken": "String", "apiError": "ApiError"},
    "Experiment": {
        **dict.fromkeys(("experimentId", "name", "artifactLocation", "lifecycleStage", "workspace"), "String"),
        **dict.fromkeys(("lastUpdateTime", "creationTime"), "Long"),
        "tags": "[Pair]",
    },
    "Run": {
        "info": "RunInfo",
        "data": "RunData",
        "inputs": "RunInputs",
        "outputs": "RunOutputs",
        "experiment": "Experiment",
        "modelVersions": "[ModelVersion]",
    },
    "RunInfo": {
        **dict.fromkeys(("runId", "runUuid", "runName", "experimentId", "userId", "status"), "String"),
        **dict.fromkeys(("artifactUri", "lifecycleStage"), "String"),
        **dict.fromkeys(("startTime", "endTime"), "Long"),
    },
    "RunData": {"metrics": "[Metric]", "params": "[Pair]", "tags": "[Pair]"},
    "RunInputs": {"datasetInputs": "[DatasetInput]", "modelInputs": "[ModelInput]"},
    "RunOutputs": {"modelOutputs": "[ModelOutput]"},
    "DatasetInput": {"tags": "[Pair]", "dataset": "Dataset"},
    "Dataset": dict.fromkeys(("name", "digest", "sourceType", "source", "schema", "profile"), "String"),
    "DatasetSummary": dict.fromkeys(("experimentId", "name", "digest", "context"), "String"),
    "ModelInput": {"modelId": "String"},
    "ModelOutput": {"modelId": "String", "step": "Long"},
    "ModelVersion": {
        **dict.fromkeys(("name", "version", "userId", "currentStage", "description", "source", "runId"), "String"),
        **dict.fromkeys(("status", "statusMessage", "runLink", "modelId"), "String"),
        **dict.fromkeys(("creationTimestamp", "lastUpdatedTimestamp"), "Long"),
        "tags": "[Pair]",
        "aliases": "[String]",
    },
    "FileInfo": {"path": "String", "isDir": "Boolean", "fileSize": "Long"},
    "Metric": {**_METRIC, **_ON_DATASET},
    "MetricWithRunId": _METRIC,
    "Pair": _PAIR,
}
_EMPTY: Final[Mapping[str, Json]] = {"String": "", "Long": "0", "Boolean": False, "Float": 0.0}
_HUMP: Final = re.compile(r"(?<=[a-z0-9])[A-Z]")


def snake(word: str) -> str:
    """``runId`` as ``run_id``."""
    return _HUMP.sub(lambda hump: "_" + hump[0], word).lower()


def cut(answer: Answer, kind: str, wanted: Sequence[Field], beside: Beside) -> dict[str, Json]:
    """Of an answer what was asked for. Raises BadValue."""
    if not wanted:
        raise BadValue(f"Field of type '{kind}' must have a selection of subfields.")
    fields = TYPES[kind]
    for each in wanted:
        if each.name not in fields:
            raise BadValue(f"Cannot query field '{each.name[:80]}' on type '{kind}'.")
    return {each.shown_as: _field(answer, kind, each, beside) for each in wanted}


def _field(answer: Answer, kind: str, wanted: Field, beside: Beside) -> Json:
    of = TYPES[kind][wanted.name]
    find = beside.get((kind, wanted.name))
    value = find(answer) if find is not None else answer.get(snake(wanted.name))
    if of.startswith("["):
        several = value if isinstance(value, list) else []
        return [_one(each, of[1:-1], wanted, beside) for each in several]
    return _one(value, of, wanted, beside)


def _one(value: Json, kind: str, wanted: Field, beside: Beside) -> Json:
    if kind in TYPES:
        if kind == "ApiError":
            return None
        return cut(value if isinstance(value, Mapping) else {}, kind, wanted.inside, beside)
    if wanted.inside:
        raise BadValue(f"Field '{wanted.name[:80]}' must not have a selection, for it is a plain value.")
    if value is None:
        return _EMPTY[kind]
    if kind == "Long":
        return str(value)
    if kind == "Float" and not (isinstance(value, int | float) and math.isfinite(value)):
        return None
    return value
