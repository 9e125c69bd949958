"""What can be searched and ordered of runs and of experiments: the grammars of MLflow's search."""

from typing import Final

from budwood.domain.tracking.filters import Family, Grammar, Kind

METRIC: Final = "metric"
PARAM: Final = "parameter"
TAG: Final = "tag"
DATASET: Final = "dataset"
_metric: Final = Family(METRIC, Kind.NUMBER)
_param: Final = Family(PARAM, may_be_absent=True)
_tag: Final = Family(TAG, may_be_absent=True)
_dataset: Final = Family(DATASET, Kind.CHOICE, frozenset({"name", "digest", "context"}))

RUNS: Final = Grammar(
    "run",
    attributes={
        "run_id": Kind.CHOICE,
        "run_name": Kind.TEXT,
        "status": Kind.TEXT,
        "user_id": Kind.TEXT,
        "artifact_uri": Kind.TEXT,
        "start_time": Kind.NUMBER,
        "end_time": Kind.NUMBER,
    },
    families={
        **dict.fromkeys(("metric", "metrics"), _metric),
        **dict.fromkeys(("param", "params", "parameter", "parameters"), _param),
        **dict.fromkeys(("tag", "tags"), _tag),
        **dict.fromkeys(("dataset", "datasets"), _dataset),
    },
    aliases={
        **dict.fromkeys(("run name", "run_name", "name"), "run_name"),
        **dict.fromkeys(("run id", "run_id"), "run_id"),
        **dict.fromkeys(("created", "start_time"), "start_time"),
        "user": "user_id",
    },
    orderable=frozenset(
        {METRIC, PARAM, TAG, "run_id", "run_name", "status", "user_id", "artifact_uri", "start_time", "end_time"}
    ),
)
EXPERIMENTS: Final = Grammar(
    "experiment",
    attributes={
        "name": Kind.TEXT,
        "experiment_id": Kind.NUMBERED_CHOICE,
        "creation_time": Kind.NUMBER,
        "last_update_time": Kind.NUMBER,
    },
    families=dict.fromkeys(("tag", "tags"), _tag),
    orderable=frozenset({"name", "experiment_id", "creation_time", "last_update_time"}),
    attribute_words=frozenset({"attribute", "attributes", "attr"}),
)
