"""Runs: begun, ended, hidden, searched; what they log."""

import json
from dataclasses import replace
from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.limits import REQUEST_BYTES, RUNS_PAGE
from budwood.domain.tracking.records import Dataset, DatasetUse, ModelUse
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint, Pace, Run, Work
from budwood.facades.mlflow.shapes import metric_of, metrics_of, run_info, run_of, run_shown, showing_of, words_of
from budwood.facades.mlflow.values import (
    Values,
    between,
    filled,
    inner,
    missing,
    needed,
    objects,
    text,
    texts,
    whole,
    within,
)
from budwood.verbs.tracking import log, runs

HISTORY_TAG: Final = "mlflow.log-model.history"
_MODEL_FIELDS: Final = frozenset({"artifact_path", "flavors", "utc_time_created", "run_id"})


def create(asked: Asked) -> Work:
    values = asked.values
    new = runs.NewRun(
        run=asked.house.ids().replace("-", ""),
        experiment=text(values, "experiment_id") or "0",
        name=text(values, "run_name"),
        user=text(values, "user_id"),
        start_ms=whole(values, "start_time") if values.get("start_time") is not None else None,
        tags=dict(words_of(values, "tags")),
    )
    work = runs.create_run(asked.whole, asked.namespace, new)
    return lambda transaction: {"run": run_shown(asked, work(transaction))}


def get(asked: Asked) -> Json:
    return {"run": run_shown(asked, runs.get_run(asked.whole, asked.namespace, run_of(asked.values)))}


def update(asked: Asked) -> Work:
    values = asked.values
    work = runs.update_run(
        asked.whole,
        asked.namespace,
        run_of(values),
        status=_status(values.get("status")),
        end_ms=whole(values, "end_time") if values.get("end_time") is not None else None,
        name=text(values, "run_name"),
    )
    return lambda transaction: {"run_info": run_info(asked, work(transaction))}


def delete(asked: Asked) -> Work:
    return runs.delete_run(asked.whole, asked.namespace, run_of(asked.values))


def restore(asked: Asked) -> Work:
    return runs.restore_run(asked.whole, asked.namespace, run_of(asked.values))


def search(asked: Asked) -> Json:
    values = asked.values
    found = runs.find_runs(
        asked.whole,
        asked.namespace,
        texts(values, "experiment_ids"),
        text(values, "filter"),
        texts(values, "order_by"),
        showing_of(values, "run_view_type"),
        text(values, "page_token"),
        between(values, "max_results", 1_000, 1, RUNS_PAGE),
    )
    return filled(runs=[run_shown(asked, each) for each in found.runs], next_page_token=found.token)


def log_metric(asked: Asked) -> Work:
    return _logs(asked, run_of(asked.values), log.Batch(metrics=[metric_of(asked.values)], single=True))


def log_param(asked: Asked) -> Work:
    id_ = run_of(asked.values)
    return _logs(asked, id_, log.Batch(params=[_word(asked)], single=True))


def set_tag(asked: Asked) -> Work:
    id_ = run_of(asked.values)
    return _logs(asked, id_, log.Batch(tags=[_word(asked)], single=True))


def delete_tag(asked: Asked) -> Work:
    return log.remove_tag(asked.whole, asked.namespace, run_of(asked.values), needed(asked.values, "key"))


def log_batch(asked: Asked) -> Work:
    values = asked.values
    id_ = needed(values, "run_id")
    return _logs(asked, id_, log.Batch(metrics_of(values), words_of(values, "params"), words_of(values, "tags")))


def log_model(asked: Asked) -> Work:
    """The way before MLflow 3: what a model is, as one more entry of a tag."""
    id_, written = needed(asked.values, "run_id"), needed(asked.values, "model_json")
    try:
        model = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise BadValue(f"Malformed model info. \n {written[:200]} \n is not a valid JSON.") from error
    lacking = sorted(_MODEL_FIELDS.difference(model if isinstance(model, dict) else ()))
    if lacking:
        raise BadValue(f"Model json is missing mandatory fields: {lacking}")
    return log.append_model(asked.whole, asked.namespace, id_, HISTORY_TAG, model)


def log_inputs(asked: Asked) -> Work:
    values = asked.values
    id_ = needed(values, "run_id")
    datasets = [_dataset_use(each, within("datasets", at)) for at, each in enumerate(objects(values, "datasets"))]
    models = [ModelUse(needed(each, "model_id")) for each in objects(values, "models")]
    return log.log_inputs(asked.whole, asked.namespace, id_, datasets, models)


def log_outputs(asked: Asked) -> Work:
    values = asked.values
    id_ = needed(values, "run_id")
    models = [ModelUse(needed(each, "model_id"), whole(each, "step"), True) for each in objects(values, "models")]
    return log.log_inputs(asked.whole, asked.namespace, id_, (), models)


def _word(asked: Asked) -> tuple[str, str]:
    return needed(asked.values, "key"), text(asked.values, "value")


def _logs(asked: Asked, id_: str, batch: log.Batch) -> Work:
    return log.log_batch(asked.whole, asked.namespace, id_, batch)


def _dataset_use(values: Values, at: str) -> DatasetUse:
    dataset = inner(values, "dataset")
    if dataset is None:
        raise missing(at + "dataset")
    tags = dict(words_of(values, "tags"))
    return DatasetUse(
        Dataset(
            needed(dataset, "name", at=at + "dataset."),
            needed(dataset, "digest", at=at + "dataset."),
            needed(dataset, "source_type", at=at + "dataset."),
            needed(dataset, "source", at=at + "dataset."),
            text(dataset, "schema", at=at + "dataset."),
            text(dataset, "profile", at=at + "dataset."),
        ),
        tags,
    )


def _status(value: Json) -> str:
    """Its name, or its number in MLflow's message."""
    names = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
    if value is None or isinstance(value, str):
        return value or ""
    return names.get(value, str(value)) if isinstance(value, int) else str(value)


def _writes(name: str, path: str, run: Run) -> Endpoint:
    return Endpoint(f"mlflow.runs.{name}", "POST", _ROOT + path, Permission.PUSH, run, Pace.SOON)


_ROOT: Final = "/api/2.0/mlflow/runs/"
ENDPOINTS: Final = (
    _writes("create", "create", create),
    Endpoint("mlflow.runs.get", "GET", _ROOT + "get", Permission.READ, get),
    _writes("update", "update", update),
    _writes("delete", "delete", delete),
    _writes("restore", "restore", restore),
    Endpoint("mlflow.runs.search", "POST", _ROOT + "search", Permission.READ, search, reads=True),
    _writes("log-metric", "log-metric", log_metric),
    _writes("log-param", "log-parameter", log_param),
    _writes("set-tag", "set-tag", set_tag),
    _writes("delete-tag", "delete-tag", delete_tag),
    _writes("log-batch", "log-batch", log_batch),
    _writes("log-model", "log-model", log_model),
    replace(_writes("log-inputs", "log-inputs", log_inputs), body_bytes=2 * REQUEST_BYTES),
    _writes("log-outputs", "outputs", log_outputs),
)
