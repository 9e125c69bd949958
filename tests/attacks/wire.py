"""Bytes to a server and back over a plain socket: no library that would tidy up what is sent."""

import contextlib
import json
import re
import socket
from dataclasses import dataclass
from typing import Any

INTERNALS = re.compile(
    rb"Traceback|File \"|\.py\b|site-packages|/home/|/usr/|/root|/tmp/|SELECT |INSERT |sqlite|psycopg|0x[0-9a-f]{8}",
    re.I,
)


PATIENCE_S = 10.0


@dataclass(frozen=True)
class Reply:
    """One answer, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem; "" when this is none."""
        if self.headers.get("content-type") != "application/problem+json":
            return ""
        value = json.loads(self.body)
        assert value["status"] == self.status
        return str(value["code"])

    @property
    def said(self) -> Any:
        return json.loads(self.body)


def connect(port: int, timeout_s: float = 5.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=timeout_s)


def exchange(port: int, sent: bytes, wait_s: float = PATIENCE_S) -> list[Reply]:
    """Everything the server answers until it closes, or is silent for a moment after it answered."""
    with connect(port, wait_s) as line:
        # A server may refuse in the middle of what is sent.
        with contextlib.suppress(OSError):
            line.sendall(sent)
        return replies(received(line, wait_s))


def received(line: socket.socket, wait_s: float = PATIENCE_S, quiet_s: float = 0.15) -> bytes:
    """What comes until the end, or until nothing has come for ``quiet_s`` behind whole answers. ``wait_s`` is for the
    first byte; the rest of an answer may take longer, since the machine may be busy."""
    came = bytearray()
    while True:
        line.settimeout((quiet_s if _is_whole(bytes(came)) else PATIENCE_S) if came else wait_s)
        try:
            piece = line.recv(1 << 16)
        except OSError:
            break
        if not piece:
            break
        came += piece
    return bytes(came)


def _is_whole(came: bytes) -> bool:
    try:
        replies(came)
    except (AssertionError, ValueError):
        return False
    return True


def replies(came: bytes) -> list[Reply]:
    """Answers one after another; asserts that each is complete and that nothing lies between them."""
    found: list[Reply] = []
    while came:
        head, end, rest = came.partition(b"\r\n\r\n")
        assert end, came[:200]
        line, *fields = head.decode("latin-1").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1", line
        if status == "100":
            came = rest
            continue
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
        length = int(headers["content-length"])
        assert len(rest) >= length, (line, len(rest), length)
        found.append(Reply(int(status), headers, rest[:length]))
        came = rest[length:]
    return found
