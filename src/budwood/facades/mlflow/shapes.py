"""Experiments, runs and metrics as MLflow's messages, and what of them is read out of a request."""

from collections.abc import Sequence

from budwood.domain.canon import Json
from budwood.domain.names import DEFAULT_NAMESPACE
from budwood.domain.tracking.records import Experiment, Logged, Metric, Run, RunMetric, Showing
from budwood.errors import BadValue
from budwood.facades.face import Asked
from budwood.facades.mlflow.values import Values, filled, missing, needed, objects, real, shown, text, whole, within
from budwood.verbs.tracking.found import LOCATION
from budwood.verbs.tracking.runs import FoundRun

WORKSPACES = LOCATION + "workspaces/"
_SHOWINGS = {
    "": Showing.ACTIVE,
    "ACTIVE_ONLY": Showing.ACTIVE,
    "DELETED_ONLY": Showing.DELETED,
    "ALL": Showing.ALL,
    "1": Showing.ACTIVE,
    "2": Showing.DELETED,
    "3": Showing.ALL,
}


def run_of(values: Values) -> str:
    """The id of the run a request is about, by either of its names. Raises BadValue."""
    return text(values, "run_id") or text(values, "run_uuid") or needed(values, "run_id")


def showing_of(values: Values, field: str) -> Showing:
    """Which of the living and the deleted are asked for. Raises BadValue."""
    word = str(values.get(field) or "")
    if word not in _SHOWINGS:
        raise BadValue(f"Invalid value \"{word[:100]}\" for parameter '{field}' supplied: it is no ViewType.")
    return _SHOWINGS[word]


def words_of(values: Values, field: str) -> list[tuple[str, str]]:
    """Pairs of key and value: parameters, tags. Raises BadValue."""
    return [
        (needed(each, "key", at=within(field, at)), text(each, "value", at=within(field, at)))
        for at, each in enumerate(objects(values, field))
    ]


def metrics_of(values: Values) -> list[Metric]:
    """The metrics of a batch. Raises BadValue."""
    return [
        _plain(each) or metric_of(each, within("metrics", at)) for at, each in enumerate(objects(values, "metrics"))
    ]


def _plain(values: Values) -> Metric | None:
    """A metric that is as nearly all are, in a fraction of the time: a batch has a thousand."""
    key, value, at_ms, step = values.get("key"), values.get("value"), values.get("timestamp"), values.get("step")
    if len(values) == 4 and key and type(key) is str and type(value) is float and type(at_ms) is type(step) is int:
        return Metric(key, value, at_ms, step)
    return None


def metric_of(values: Values, at: str = "") -> Metric:
    """One metric. Raises BadValue."""
    key = needed(values, "key", at=at)
    value = real(values, "value", at=at)
    if values.get("timestamp") is None:
        raise missing(at + "timestamp")
    dataset = (text(values, "dataset_name", at=at), text(values, "dataset_digest", at=at))
    model = text(values, "model_id", at=at)
    return Metric(key, value, whole(values, "timestamp", at=at), whole(values, "step", at=at), model, dataset)


def experiment_shown(asked: Asked, experiment: Experiment) -> Json:
    return {
        "experiment_id": str(experiment.number),
        "name": experiment.name,
        "artifact_location": located(asked, experiment.location),
        "lifecycle_stage": "deleted" if experiment.removed_ms else "active",
        "last_update_time": experiment.updated_ms,
        "creation_time": experiment.created_ms,
        **filled(tags=pairs_shown(tuple(experiment.tags.items()))),
    }


def run_shown(asked: Asked, found: FoundRun) -> Json:
    return {"info": run_info(asked, found.run), "data": logged_shown(found.logged), **_uses(found.logged)}


def run_info(asked: Asked, run: Run) -> dict[str, Json]:
    info: dict[str, Json] = {
        "run_uuid": run.run,
        "experiment_id": str(run.experiment),
        "run_name": run.name,
        "user_id": run.user,
        "status": str(run.status),
        "start_time": run.start_ms,
        "artifact_uri": located(asked, run.location),
        "lifecycle_stage": "deleted" if run.removed_ms else "active",
        "run_id": run.run,
    }
    return info if run.end_ms is None else {**info, "end_time": run.end_ms}


def logged_shown(logged: Logged) -> Json:
    return filled(
        metrics=[metric_shown(each) for each in logged.metrics],
        params=pairs_shown(logged.params),
        tags=pairs_shown(logged.tags),
    )


def metric_shown(metric: Metric) -> dict[str, Json]:
    return {"key": metric.key, "value": shown(metric.value), "timestamp": metric.at_ms, "step": metric.step}


def run_metric_shown(each: RunMetric) -> Json:
    return {**metric_shown(each.metric), "run_id": each.run}


def pairs_shown(pairs: Sequence[tuple[str, str]]) -> list[Json]:
    return [{"key": key, "value": value} for key, value in pairs]


def located(asked: Asked, location: str) -> str:
    """Where artifacts lie, as this client can find it: artifacts are asked for without the header of a workspace."""
    if asked.namespace == DEFAULT_NAMESPACE or asked.is_addressed or not location.startswith(LOCATION):
        return location
    return f"{WORKSPACES}{asked.namespace}/{location.removeprefix(LOCATION)}"


def _uses(logged: Logged) -> dict[str, Json]:
    datasets = [
        {
            **filled(tags=pairs_shown(tuple(use.tags.items()))),
            "dataset": filled(
                name=use.dataset.name,
                digest=use.dataset.digest,
                source_type=use.dataset.source_type,
                source=use.dataset.source,
                schema=use.dataset.schema,
                profile=use.dataset.profile,
            ),
        }
        for use in logged.datasets
    ]
    read: list[Json] = [{"model_id": each.model} for each in logged.models if not each.is_output]
    written: list[Json] = [{"model_id": each.model, "step": each.step} for each in logged.models if each.is_output]
    return filled(
        inputs=filled(dataset_inputs=datasets, model_inputs=read),
        outputs=filled(model_outputs=written),
    )
