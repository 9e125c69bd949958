"""The handshake: whether it is well, which MLflow it behaves like, and what it can do."""

from typing import Final

from budwood.domain.access import Permission
from budwood.facades.face import Asked, Endpoint, Pace, Reply
from budwood.facades.mlflow.protocol import EMULATED


def health(asked: Asked) -> Reply:
    return Reply(b"OK", "text/plain; charset=utf-8")


def version(asked: Asked) -> Reply:
    return Reply(EMULATED.encode(), "text/plain; charset=utf-8")


def server_info(asked: Asked) -> dict[str, bool | str]:
    return {
        "store_type": "SqlStore",
        "workspaces_enabled": True,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": True,
        "multipart_downloads_enabled": False,
    }


ENDPOINTS: Final = (
    Endpoint("mlflow.health", "GET", "/health", Permission.ANYONE, health, Pace.POINT),
    Endpoint("mlflow.version", "GET", "/version", Permission.ANYONE, version, Pace.POINT),
    Endpoint("mlflow.server-info", "GET", "/api/3.0/mlflow/server-info", Permission.ANYONE, server_info, Pace.POINT),
)
