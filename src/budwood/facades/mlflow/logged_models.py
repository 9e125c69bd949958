"""Logged models, as MLflow 3 has them: every ``log_model`` makes one, and its files lie below it."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.artifacts import Described, ModelStatus, model_status
from budwood.domain.canon import Json
from budwood.domain.limits import LOGGED_MODELS_PAGE
from budwood.domain.logged_search import ModelOrder, OnDataset, model_order
from budwood.domain.tracking.records import RunMetric
from budwood.errors import BadValue, Malformed
from budwood.facades.face import Asked, Endpoint, Incoming, Outgoing, Pace, Run, Work
from budwood.facades.mlflow.artifacts import listed, send_below
from budwood.facades.mlflow.shapes import located, metric_shown, pairs_shown, words_of
from budwood.facades.mlflow.values import Values, between, filled, flag, missing, needed, objects, text, texts
from budwood.verbs import logged_models as verbs
from budwood.verbs.artifacts import root_of

_STATUSES: Final = dict(enumerate(ModelStatus))


def create(asked: Asked) -> Work:
    values = asked.values
    new = verbs.NewModel(
        model=f"m-{asked.house.ids().replace('-', '')}",
        experiment=needed(values, "experiment_id"),
        name=text(values, "name"),
        kind=text(values, "model_type"),
        run=text(values, "source_run_id"),
        tags=dict(words_of(values, "tags")),
        params=dict(words_of(values, "params")),
    )
    return _answering(asked, verbs.create_model(asked.whole, asked.namespace, new))


def finalize(asked: Asked) -> Work:
    status = _status(asked.values)
    return _answering(asked, verbs.finalize_model(asked.whole, asked.namespace, _id(asked), status))


def get(asked: Asked) -> Json:
    deleted_too = flag(asked.values, "allow_deleted")
    found = verbs.get_model(asked.house, asked.namespace, _id(asked), deleted_too=deleted_too)
    return {"model": model_shown(asked, found)}


def delete(asked: Asked) -> Work:
    return _silent(verbs.delete_model(asked.whole, asked.namespace, _id(asked)))


def search(asked: Asked) -> Json:
    values = asked.values
    experiments = texts(values, "experiment_ids")
    if not experiments:
        raise missing("experiment_ids")
    wanted = verbs.ModelSearch(
        experiments,
        text(values, "filter"),
        tuple(_dataset(each) for each in objects(values, "datasets")),
        tuple(_order(each) for each in objects(values, "order_by")),
    )
    limit = between(values, "max_results", 100, 1, LOGGED_MODELS_PAGE)
    found = verbs.find_models(asked.house, asked.namespace, wanted, text(values, "page_token"), limit)
    return filled(models=[model_shown(asked, each) for each in found.models], next_page_token=found.token)


def set_tags(asked: Asked) -> Work:
    tags = dict(words_of(asked.values, "tags"))
    return _answering(asked, verbs.tag_model(asked.whole, asked.namespace, _id(asked), tags))


def delete_tag(asked: Asked) -> Work:
    key = needed(asked.values, "tag_key")
    return _silent(verbs.untag_model(asked.whole, asked.namespace, _id(asked), key))


def log_params(asked: Asked) -> Work:
    params = dict(words_of(asked.values, "params"))
    return _silent(verbs.log_params(asked.whole, asked.namespace, _id(asked), params))


def list_files(asked: Asked) -> Json:
    return listed(asked, _root(asked), text(asked.values, "artifact_directory_path"))


async def file(asked: Asked, incoming: Incoming) -> Outgoing:
    path = text(asked.values, "artifact_file_path")
    if not path:
        raise Malformed('Request must include the "artifact_file_path" query parameter.')
    return await send_below(asked, _root(asked), path)


def model_shown(asked: Asked, each: Described) -> Json:
    """MLflow's LoggedModel."""
    model, said = each.model, each.said
    info = {
        "model_id": model.model,
        "experiment_id": str(model.experiment),
        "name": model.name,
        "creation_timestamp_ms": model.created_ms,
        "last_updated_timestamp_ms": model.updated_ms,
        "artifact_uri": located(asked, model.location),
        "status": str(model.status),
        **filled(model_type=model.kind, source_run_id=model.run, tags=pairs_shown(tuple(sorted(said.tags.items())))),
    }
    params = pairs_shown(tuple(sorted(said.params.items())))
    metrics = [_metric(each.model.model, one) for one in said.metrics]
    return {"info": info, "data": filled(params=params, metrics=metrics)}


def _metric(model: str, each: RunMetric) -> Json:
    name, digest = each.metric.dataset
    return {
        **metric_shown(each.metric),
        **filled(dataset_name=name, dataset_digest=digest),
        "model_id": model,
        "run_id": each.run,
    }


def _id(asked: Asked) -> str:
    return needed(asked.values, "model_id")


def _root(asked: Asked) -> str:
    found = verbs.get_model(asked.house, asked.namespace, _id(asked))
    return root_of(found.model.location, asked.namespace)


def _status(values: Values) -> ModelStatus:
    """Its name, or its number in MLflow's message."""
    value = values.get("status")
    if value is None:
        raise missing("status")
    if isinstance(value, int) and value in _STATUSES:
        return _STATUSES[value]
    return model_status(str(value))


def _dataset(values: Values) -> OnDataset:
    name = text(values, "dataset_name")
    if not name:
        raise BadValue("`dataset_name` in the `datasets` clause must be specified.")
    return OnDataset(name, text(values, "dataset_digest"))


def _order(values: Values) -> ModelOrder:
    field = text(values, "field_name")
    if not field:
        raise BadValue("`field_name` in the `order_by` clause must be specified.")
    name, digest = text(values, "dataset_name"), text(values, "dataset_digest")
    return model_order(
        field, OnDataset(name, digest) if name or digest else None, ascends=flag(values, "ascending", default=True)
    )


def _answering(asked: Asked, work: verbs.Work) -> Work:
    return lambda transaction: {"model": model_shown(asked, work(transaction))}


def _silent(work: verbs.Work) -> Work:
    def run(transaction: object) -> Json:
        work(transaction)  # type: ignore[arg-type]
        return None

    return run


def _writes(name: str, method: str, path: str, run: Run) -> Endpoint:
    return Endpoint(f"mlflow.logged-models.{name}", method, _ROOT + path, Permission.PUSH, run, Pace.SOON)


_ROOT: Final = "/api/2.0/mlflow/logged-models"
_ONE: Final = "/{model_id}"
ENDPOINTS: Final = (
    _writes("create", "POST", "", create),
    _writes("finalize", "PATCH", _ONE, finalize),
    Endpoint("mlflow.logged-models.get", "GET", _ROOT + _ONE, Permission.READ, get),
    _writes("delete", "DELETE", _ONE, delete),
    Endpoint("mlflow.logged-models.search", "POST", _ROOT + "/search", Permission.READ, search, reads=True),
    _writes("set-tags", "PATCH", _ONE + "/tags", set_tags),
    _writes("delete-tag", "DELETE", _ONE + "/tags/{tag_key}", delete_tag),
    _writes("log-params", "POST", _ONE + "/params", log_params),
    Endpoint(
        "mlflow.logged-models.list-files", "GET", _ROOT + _ONE + "/artifacts/directories", Permission.READ, list_files
    ),
    Endpoint("mlflow.logged-models.file", "GET", _ROOT + _ONE + "/artifacts/files", Permission.READ, stream=file),
)
