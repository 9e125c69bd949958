"""Aliases of registered models: set, found, taken away."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.facades.face import Asked, Endpoint, Pace, Work
from budwood.facades.mlflow.listed import version_shown
from budwood.facades.mlflow.values import needed, text
from budwood.facades.mlflow.versions import number_of
from budwood.verbs.listings import pointing


def put(asked: Asked) -> Work:
    name, alias = needed(asked.values, "name"), text(asked.values, "alias")
    return pointing.point_alias(asked.whole, asked.namespace, name, alias, number_of(asked))


def get(asked: Asked) -> Json:
    name, alias = needed(asked.values, "name"), text(asked.values, "alias")
    return {"model_version": version_shown(asked, pointing.version_at(asked.whole, asked.namespace, name, alias))}


def remove(asked: Asked) -> Work:
    name, alias = needed(asked.values, "name"), text(asked.values, "alias")
    return pointing.remove_alias(asked.whole, asked.namespace, name, alias)


_PATH: Final = "/api/2.0/mlflow/registered-models/alias"
_ALSO: Final = (Permission.RELEASE,)
ENDPOINTS: Final = (
    Endpoint("mlflow.aliases.get", "GET", _PATH, Permission.READ, get, Pace.POINT),
    Endpoint("mlflow.aliases.put", "POST", _PATH, Permission.PUSH, put, Pace.SOON, _ALSO),
    Endpoint("mlflow.aliases.remove", "DELETE", _PATH, Permission.PUSH, remove, Pace.SOON, _ALSO),
)
