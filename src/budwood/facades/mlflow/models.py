"""Registered models: made, renamed, described, tagged, deleted, searched."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.limits import LISTED_MODELS_PAGE
from budwood.domain.listing import PROMPT_MARK
from budwood.facades.face import Asked, Endpoint, Pace, Work
from budwood.facades.mlflow.listed import model_shown, version_shown
from budwood.facades.mlflow.shapes import words_of
from budwood.facades.mlflow.values import between, filled, missing, needed, text, texts
from budwood.verbs.listings import models as verbs

_NO_PROMPT: Final = f"tags.`{PROMPT_MARK}` != 'true'"


def create(asked: Asked) -> Work:
    values = asked.values
    name, tags = needed(values, "name"), dict(words_of(values, "tags"))
    work = verbs.register(asked.whole, asked.namespace, name, text(values, "description"), tags)
    return lambda transaction: {"registered_model": model_shown(asked, work(transaction))}


def get(asked: Asked) -> Json:
    found = verbs.get(asked.whole, asked.namespace, needed(asked.values, "name"))
    return {"registered_model": model_shown(asked, found)}


def search(asked: Asked) -> Json:
    values = asked.values
    page = verbs.find(
        asked.whole,
        asked.namespace,
        _without_prompts(text(values, "filter")),
        texts(values, "order_by"),
        text(values, "page_token"),
        between(values, "max_results", 100, 1, LISTED_MODELS_PAGE),
    )
    return filled(registered_models=[model_shown(asked, each) for each in page.models], next_page_token=page.token)


def _without_prompts(filter_text: str) -> str:
    """A search that says nothing of prompts finds none."""
    if PROMPT_MARK in filter_text:
        return filter_text
    return f"{filter_text} AND {_NO_PROMPT}" if filter_text.strip() else _NO_PROMPT


def latest(asked: Asked) -> Json:
    values = asked.values
    found = verbs.latest(asked.whole, asked.namespace, needed(values, "name"), texts(values, "stages"))
    return filled(model_versions=[version_shown(asked, each) for each in found])


def rename(asked: Asked) -> Json:
    name, to = needed(asked.values, "name"), needed(asked.values, "new_name")
    return {"registered_model": model_shown(asked, verbs.rename(asked.whole, asked.namespace, name, to))}


def update(asked: Asked) -> Json:
    name, said = needed(asked.values, "name"), text(asked.values, "description")
    return {"registered_model": model_shown(asked, verbs.describe(asked.whole, asked.namespace, name, said))}


def delete(asked: Asked) -> Json:
    verbs.delete(asked.whole, asked.namespace, needed(asked.values, "name"))
    return None


def set_tag(asked: Asked) -> Json:
    name, key = needed(asked.values, "name"), needed(asked.values, "key")
    if asked.values.get("value") is None:
        raise missing("value")
    verbs.tag(asked.whole, asked.namespace, name, key, text(asked.values, "value"))
    return None


def delete_tag(asked: Asked) -> Json:
    verbs.untag(asked.whole, asked.namespace, needed(asked.values, "name"), needed(asked.values, "key"))
    return None


_ROOT: Final = "/api/2.0/mlflow/registered-models/"
ENDPOINTS: Final = (
    Endpoint("mlflow.models.create", "POST", _ROOT + "create", Permission.PUSH, create, Pace.SOON),
    Endpoint("mlflow.models.get", "GET", _ROOT + "get", Permission.READ, get),
    Endpoint("mlflow.models.search", "GET", _ROOT + "search", Permission.READ, search),
    Endpoint("mlflow.models.latest", "POST", _ROOT + "get-latest-versions", Permission.READ, latest, reads=True),
    Endpoint("mlflow.models.list-latest", "GET", _ROOT + "get-latest-versions", Permission.READ, latest),
    Endpoint("mlflow.models.rename", "POST", _ROOT + "rename", Permission.PUSH, rename),
    Endpoint("mlflow.models.update", "PATCH", _ROOT + "update", Permission.PUSH, update),
    Endpoint("mlflow.models.delete", "DELETE", _ROOT + "delete", Permission.REMOVE, delete),
    Endpoint("mlflow.models.set-tag", "POST", _ROOT + "set-tag", Permission.PUSH, set_tag),
    Endpoint("mlflow.models.delete-tag", "DELETE", _ROOT + "delete-tag", Permission.PUSH, delete_tag),
)
