"""Evaluation datasets, as MLflow 3 has them. Tags and records come and go as JSON inside of texts."""

import json
from collections.abc import Mapping
from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.tracking.evaluation import EvaluationDataset, EvaluationRecord, read_json, write_json
from budwood.facades.face import Asked, Endpoint, Pace, Run
from budwood.facades.mlflow.values import filled, missing, needed, text, texts, whole, wrong
from budwood.verbs.tracking import evaluation as verbs

_RECORDS: Final = 1_000


def create(asked: Asked) -> Json:
    values = asked.values
    name, experiments = needed(values, "name"), texts(values, "experiment_ids")
    made = verbs.create_dataset(asked.whole, asked.namespace, name, _tags(asked), experiments)
    return {"dataset": {**_shown(made), **filled(experiment_ids=list(experiments))}}


def get(asked: Asked) -> Json:
    return {"dataset": _shown(verbs.get_dataset(asked.whole, asked.namespace, _id(asked)))}


def delete(asked: Asked) -> Json:
    verbs.delete_dataset(asked.whole, asked.namespace, _id(asked))
    return None


def search(asked: Asked) -> Json:
    values = asked.values
    page = verbs.find_datasets(
        asked.whole,
        asked.namespace,
        text(values, "filter_string"),
        texts(values, "order_by"),
        texts(values, "experiment_ids"),
        text(values, "page_token"),
        whole(values, "max_results") or _RECORDS,
    )
    return filled(datasets=[_shown(each) for each in page.datasets], next_page_token=page.token)


def set_tags(asked: Asked) -> Json:
    if not text(asked.values, "tags"):
        raise missing("tags")
    return {"dataset": _shown(verbs.tag_dataset(asked.whole, asked.namespace, _id(asked), _tags(asked)))}


def delete_tag(asked: Asked) -> Json:
    verbs.untag_dataset(asked.whole, asked.namespace, _id(asked), needed(asked.values, "key"))
    return None


def upsert(asked: Asked) -> Json:
    done = verbs.upsert_records(asked.whole, asked.namespace, _id(asked), needed(asked.values, "records"))
    return {"inserted_count": done.inserted, "updated_count": done.updated}


def records(asked: Asked) -> Json:
    values = asked.values
    limit = whole(values, "max_results") or _RECORDS
    page = verbs.list_records(asked.whole, asked.namespace, _id(asked), text(values, "page_token"), limit)
    shown = write_json([_record_shown(_id(asked), each) for each in page.records])
    return {"records": shown, **filled(next_page_token=page.token)}


def delete_records(asked: Asked) -> Json:
    gone = texts(asked.values, "dataset_record_ids")
    return {"deleted_count": verbs.delete_records(asked.whole, asked.namespace, _id(asked), gone)}


def experiments(asked: Asked) -> Json:
    uses = verbs.list_uses(asked.whole, asked.namespace, _id(asked))
    return filled(experiment_ids=[str(each) for each in uses])


def use(asked: Asked) -> Json:
    wanted = texts(asked.values, "experiment_ids")
    return {"dataset": _shown(verbs.use_dataset(asked.whole, asked.namespace, _id(asked), wanted))}


def disuse(asked: Asked) -> Json:
    wanted = texts(asked.values, "experiment_ids")
    return {"dataset": _shown(verbs.disuse_dataset(asked.whole, asked.namespace, _id(asked), wanted))}


def _id(asked: Asked) -> str:
    return needed(asked.values, "dataset_id")


def _tags(asked: Asked) -> dict[str, str]:
    """Values that are no texts become some, as MLflow's server has it; None is none. Raises BadValue."""
    written = text(asked.values, "tags")
    tags = read_json("tags", written) if written else {}
    if not isinstance(tags, Mapping):
        raise wrong("tags", written, "It is no JSON object.")
    return {key: str(value) for key, value in tags.items() if value is not None}


def _shown(dataset: EvaluationDataset) -> dict[str, Json]:
    """MLflow's Dataset."""
    return {
        "dataset_id": dataset.dataset,
        "name": dataset.name,
        "tags": write_json(dict(dataset.tags)),
        "digest": dataset.digest,
        "created_time": dataset.created_ms,
        "last_update_time": dataset.updated_ms,
        **filled(
            schema=dataset.schema,
            profile=write_json({"num_records": dataset.records}) if dataset.records else None,
            created_by=dataset.created_by,
            last_updated_by=dataset.updated_by,
        ),
    }


def _record_shown(dataset: str, record: EvaluationRecord) -> Json:
    """MLflow's DatasetRecord. What came from a trace names it."""
    content: dict[str, Json] = json.loads(record.content)
    source, more = content.get("source"), dict[str, Json]()
    if isinstance(source, Mapping) and isinstance(inside := source.get("source_data"), Mapping):
        kind = source["source_type"]
        more = filled(source_type=kind, source_id=inside.get("trace_id" if kind == "TRACE" else "source_id"))
    return {
        "dataset_record_id": record.record,
        "dataset_id": dataset,
        **content,
        "created_time": record.created_ms,
        "last_update_time": record.updated_ms,
        **more,
        **filled(created_by=record.created_by, last_updated_by=record.updated_by),
    }


def _reads(name: str, path: str, run: Run) -> Endpoint:
    return Endpoint(f"mlflow.evaluation-datasets.{name}", "GET", _ROOT + path, Permission.READ, run)


def _writes(name: str, method: str, path: str, run: Run, pace: Pace = Pace.SHORT) -> Endpoint:
    return Endpoint(f"mlflow.evaluation-datasets.{name}", method, _ROOT + path, Permission.PUSH, run, pace)


_ROOT: Final = "/api/3.0/mlflow/datasets/"
_ONE: Final = "{dataset_id}"
ENDPOINTS: Final = (
    _writes("create", "POST", "create", create),
    Endpoint("mlflow.evaluation-datasets.search", "POST", _ROOT + "search", Permission.READ, search, reads=True),
    _reads("list", "search", search),
    _reads("get", _ONE, get),
    _writes("delete", "DELETE", _ONE, delete),
    _writes("set-tags", "PATCH", _ONE + "/tags", set_tags),
    _writes("delete-tag", "DELETE", _ONE + "/tags/{key}", delete_tag),
    _writes("upsert-records", "POST", _ONE + "/records", upsert, Pace.LONG),
    _reads("records", _ONE + "/records", records),
    _writes("delete-records", "DELETE", _ONE + "/records", delete_records),
    _reads("experiments", _ONE + "/experiment-ids", experiments),
    _writes("use", "POST", _ONE + "/add-experiments", use),
    _writes("disuse", "POST", _ONE + "/remove-experiments", disuse),
)
