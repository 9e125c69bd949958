"""Label schemas, as MLflow 3 has them: the questions people answer about traces."""

from collections.abc import Mapping
from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.tracking.judging import LabelKind, LabelSchema
from budwood.facades.face import Asked, Endpoint, Run
from budwood.facades.mlflow.values import Values, filled, flag, inner, needed, real, text, texts, whole, wrong
from budwood.verbs.tracking import labels as verbs

_PAGE: Final = 100
_KINDS: Final = {"1": LabelKind.FEEDBACK, "2": LabelKind.EXPECTATION, **{str(each): each for each in LabelKind}}


def create(asked: Asked) -> Json:
    values = asked.values
    experiment, kind = needed(values, "experiment_id"), _KINDS.get(str(values.get("type")))
    needed(values, "name")
    if kind is None:
        raise wrong("type", values.get("type"), f"It is one of {[str(each) for each in LabelKind]}.")
    return _answer(verbs.create_label(asked.whole, asked.namespace, experiment, kind, _wish(values)))


def get(asked: Asked) -> Json:
    return _answer(verbs.get_label(asked.whole, asked.namespace, _id(asked)))


def get_by_name(asked: Asked) -> Json:
    experiment, name = needed(asked.values, "experiment_id"), needed(asked.values, "name")
    return _answer(verbs.get_label_named(asked.whole, asked.namespace, experiment, name))


def find(asked: Asked) -> Json:
    values = asked.values
    experiment, token = needed(values, "experiment_id"), text(values, "page_token")
    page = verbs.list_labels(asked.whole, asked.namespace, experiment, token, whole(values, "max_results", _PAGE))
    return {**filled(label_schemas=[_shown(each) for each in page.schemas]), "next_page_token": page.token}


def update(asked: Asked) -> Json:
    return _answer(verbs.change_label(asked.whole, asked.namespace, _id(asked), _wish(asked.values)))


def delete(asked: Asked) -> Json:
    verbs.delete_label(asked.whole, asked.namespace, _id(asked))
    return None


def _id(asked: Asked) -> str:
    return needed(asked.values, "schema_id")


def _wish(values: Values) -> verbs.LabelWish:
    """Raises BadValue."""
    given = {field: values.get(field) is not None for field in ("name", "instruction", "enable_comment")}
    form = inner(values, "input")
    return verbs.LabelWish(
        text(values, "name") if given["name"] else None,
        _input(form) if form is not None else None,
        text(values, "instruction") if given["instruction"] else None,
        flag(values, "enable_comment") if given["enable_comment"] else None,
    )


def _input(values: Values) -> tuple[str, Mapping[str, Json]]:
    """A form and its bounds; of several, MLflow's messages carry one. Raises BadValue."""
    for form in ("pass_fail", "categorical", "numeric", "text"):
        inside = inner(values, form)
        if inside is None:
            continue
        match form:
            case "pass_fail":
                return form, {name: text(inside, name) for name in ("positive_label", "negative_label")}
            case "categorical":
                return form, {"options": list(texts(inside, "options")), "multi_select": flag(inside, "multi_select")}
            case "numeric":
                given = [name for name in ("min_value", "max_value") if inside.get(name) is not None]
                return form, {name: real(inside, name) for name in given}
            case _:
                said = inside.get("max_length") is not None
                return form, {"max_length": whole(inside, "max_length")} if said else {}
    return "", {}


def _answer(schema: LabelSchema) -> Json:
    return {"label_schema": _shown(schema)}


def _shown(schema: LabelSchema) -> Json:
    """MLflow's LabelSchema."""
    form, bounds = verbs.input_of(schema)
    return {
        "schema_id": schema.schema,
        "experiment_id": str(schema.experiment),
        "name": schema.name,
        "type": str(schema.kind),
        "input": {form: bounds},
        "enable_comment": schema.has_comment,
        "is_default": schema.is_default,
        "created_at": schema.created_ms,
        "last_updated_at": schema.updated_ms,
        **filled(instruction=schema.instruction, created_by=schema.author),
    }


def _endpoint(name: str, method: str, path: str, permission: Permission, run: Run) -> Endpoint:
    return Endpoint(f"mlflow.label-schemas.{name}", method, f"/api/3.0/mlflow/label-schemas/{path}", permission, run)


ENDPOINTS: Final = (
    _endpoint("create", "POST", "create", Permission.PUSH, create),
    _endpoint("get", "GET", "get", Permission.READ, get),
    _endpoint("get-by-name", "GET", "get-by-name", Permission.READ, get_by_name),
    _endpoint("list", "GET", "list", Permission.READ, find),
    _endpoint("update", "PATCH", "update", Permission.PUSH, update),
    _endpoint("delete", "DELETE", "delete", Permission.PUSH, delete),
)
