"""Addresses into a bucket, which this server gives to nobody: files are its own, or lie in buckets that it has no keys
for. Clients are told so in MLflow's words, after the same looks at what they ask for."""

from typing import Final, NoReturn
from urllib.parse import urlsplit

from budwood.domain.access import Permission
from budwood.domain.artifacts import artifact_path
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint
from budwood.facades.mlflow.values import between, needed, text
from budwood.verbs import logged_models
from budwood.verbs.tracking import runs

_LIFE_S: Final = 900
_LIFE_MOST_S: Final = 7 * 24 * 3_600


def to_upload(asked: Asked) -> NoReturn:
    path, run, model = needed(asked.values, "path"), text(asked.values, "run_id"), text(asked.values, "model_id")
    if bool(run) == bool(model):
        raise BadValue("Exactly one of run_id and model_id must be provided.")
    artifact_path(path)
    if run:
        location = runs.get_run(asked.house, asked.namespace, run).run.location
    else:
        location = logged_models.get_model(asked.house, asked.namespace, model).model.location
    raise _refused("upload", "", location)


def to_download(asked: Asked) -> NoReturn:
    run, path = needed(asked.values, "run_id"), needed(asked.values, "path")
    artifact_path(path)
    between(asked.values, "expiration", _LIFE_S, 1, _LIFE_MOST_S)
    raise _refused("download", "runs with ", runs.get_run(asked.house, asked.namespace, run).run.location)


def _refused(way: str, what: str, location: str) -> BadValue:
    scheme = urlsplit(location).scheme
    if scheme != "mlflow-artifacts":
        return BadValue(f"Presigned {way} is not supported: this server has no keys for {scheme} locations.")
    told = f"Presigned {way} is not supported for {what}proxied artifact storage (artifact URI scheme: {scheme})."
    return BadValue(f"{told} This endpoint requires a direct cloud storage artifact URI.")


_ROOT: Final = "/api/2.0/mlflow/artifacts/"
_UPLOAD, _DOWNLOAD = _ROOT + "presigned-upload-url", _ROOT + "presigned-download-url"
ENDPOINTS: Final = (
    Endpoint("mlflow.artifacts.presigned-upload", "POST", _UPLOAD, Permission.PUSH, to_upload),
    Endpoint("mlflow.artifacts.presigned-download", "POST", _DOWNLOAD, Permission.READ, to_download, reads=True),
)
