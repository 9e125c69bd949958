"""Experiments: made, named, tagged, hidden, searched."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.limits import RUNS_PAGE
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint
from budwood.facades.mlflow.shapes import experiment_shown, showing_of, words_of
from budwood.facades.mlflow.values import between, filled, missing, needed, text, texts
from budwood.verbs.tracking import experiments as verbs

_DATASETS_FROM: Final = 20


def create(asked: Asked) -> Json:
    if asked.values.get("name") is None:
        raise missing("name")
    name = text(asked.values, "name")
    tags = dict(words_of(asked.values, "tags"))
    location = text(asked.values, "artifact_location")
    made = verbs.create_experiment(asked.whole, asked.namespace, name, location, tags)
    return {"experiment_id": str(made.number)}


def get(asked: Asked) -> Json:
    found = verbs.get_experiment(asked.whole, asked.namespace, needed(asked.values, "experiment_id"))
    return {"experiment": experiment_shown(asked, found)}


def get_by_name(asked: Asked) -> Json:
    found = verbs.get_experiment_named(asked.whole, asked.namespace, needed(asked.values, "experiment_name"))
    return {"experiment": experiment_shown(asked, found)}


def search(asked: Asked) -> Json:
    values = asked.values
    page = verbs.find_experiments(
        asked.whole,
        asked.namespace,
        text(values, "filter"),
        texts(values, "order_by"),
        showing_of(values, "view_type"),
        text(values, "page_token"),
        between(values, "max_results", 1_000, 1, RUNS_PAGE),
    )
    return filled(experiments=[experiment_shown(asked, each) for each in page.experiments], next_page_token=page.token)


def update(asked: Asked) -> Json:
    id_, name = needed(asked.values, "experiment_id"), text(asked.values, "new_name")
    if name:
        verbs.rename_experiment(asked.whole, asked.namespace, id_, name)
    return None


def delete(asked: Asked) -> Json:
    verbs.delete_experiment(asked.whole, asked.namespace, needed(asked.values, "experiment_id"))
    return None


def restore(asked: Asked) -> Json:
    verbs.restore_experiment(asked.whole, asked.namespace, needed(asked.values, "experiment_id"))
    return None


def set_tag(asked: Asked) -> Json:
    id_, key = needed(asked.values, "experiment_id"), needed(asked.values, "key")
    verbs.tag_experiment(asked.whole, asked.namespace, id_, key, text(asked.values, "value"))
    return None


def delete_tag(asked: Asked) -> Json:
    id_, key = needed(asked.values, "experiment_id"), needed(asked.values, "key")
    verbs.untag_experiment(asked.whole, asked.namespace, id_, key)
    return None


def search_datasets(asked: Asked) -> Json:
    ids = texts(asked.values, "experiment_ids")
    if not ids:
        raise BadValue("SearchDatasets request must specify at least one experiment_id.")
    if len(ids) > _DATASETS_FROM:
        raise BadValue(f"SearchDatasets request cannot specify more than {_DATASETS_FROM} experiment_ids.")
    found = verbs.list_datasets(asked.whole, asked.namespace, ids)
    return filled(
        dataset_summaries=[
            {"experiment_id": str(each.experiment), "name": each.name, "digest": each.digest, "context": each.context}
            for each in found
        ]
    )


_ROOT: Final = "/api/2.0/mlflow/experiments/"
ENDPOINTS: Final = (
    Endpoint("mlflow.experiments.create", "POST", _ROOT + "create", Permission.PUSH, create),
    Endpoint("mlflow.experiments.get", "GET", _ROOT + "get", Permission.READ, get),
    Endpoint("mlflow.experiments.get-by-name", "GET", _ROOT + "get-by-name", Permission.READ, get_by_name),
    Endpoint("mlflow.experiments.search", "POST", _ROOT + "search", Permission.READ, search, reads=True),
    Endpoint("mlflow.experiments.list", "GET", _ROOT + "search", Permission.READ, search),
    Endpoint("mlflow.experiments.update", "POST", _ROOT + "update", Permission.PUSH, update),
    Endpoint("mlflow.experiments.delete", "POST", _ROOT + "delete", Permission.PUSH, delete),
    Endpoint("mlflow.experiments.restore", "POST", _ROOT + "restore", Permission.PUSH, restore),
    Endpoint("mlflow.experiments.set-tag", "POST", _ROOT + "set-experiment-tag", Permission.PUSH, set_tag),
    Endpoint("mlflow.experiments.delete-tag", "POST", _ROOT + "delete-experiment-tag", Permission.PUSH, delete_tag),
    *(
        Endpoint(
            f"mlflow.experiments.search-datasets{which}", "POST", path, Permission.READ, search_datasets, reads=True
        )
        # One of its releases forgot a slash, and its pages ask there.
        for which, path in (("", _ROOT + "search-datasets"), ("-2", "/api/2.0mlflow/experiments/search-datasets"))
    ),
)
