"""Asking one gateway itself, over the socket in its folder: is it ready, what has it, what did it count."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any, Final

from budwood.errors import GatewayDown

_WAIT_S: Final = 5.0


class _Socket(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("gateway", timeout=_WAIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_WAIT_S)
        self.sock.connect(str(self._path))


def is_ready(path: Path) -> bool:
    """Whether it answers clients."""
    try:
        return asked(path, "/ready").startswith(b"LIVE")
    except GatewayDown:
        return False


def epoch_ready(path: Path) -> int:
    """Which of the processes that took over from one another answers clients; -1 while none does."""
    try:
        said = json.loads(asked(path, "/server_info"))
    except (GatewayDown, ValueError):
        return -1
    return int(said["command_line_options"].get("restart_epoch", 0)) if said["state"] == "LIVE" else -1


def has(path: Path) -> list[dict[str, Any]]:
    """The configuration in force, part by part. Raises GatewayDown."""
    dump: dict[str, list[dict[str, Any]]] = json.loads(asked(path, "/config_dump"))
    return dump["configs"]


def asked(path: Path, what: str, method: str = "GET") -> bytes:
    """The answer to one question. Raises GatewayDown."""
    connection = _Socket(path)
    try:
        connection.request(method, what)
        answer = connection.getresponse()
        return answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise GatewayDown(f"The gateway in {path.parent} does not answer.", hint="See its log there.") from error
    finally:
        connection.close()
