"""A guard around an application that says what reached it, asked in this process."""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import pytest
from starlette.types import Message, Receive, Scope, Send

from budwood.server.exchange import Exchange
from budwood.server.guard import Guard

Fields = list[tuple[bytes, bytes]]
LOCAL: Fields = [(b"host", b"localhost:8080")]


@dataclass
class Said:
    """What came back, and what the application and the watchers saw."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    reached: bool = False
    read: bytes = b""
    asked: int = 0
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        value = msgspec.json.decode(self.body)
        assert isinstance(value, dict)
        return value


Ask = Callable[..., Said]


@pytest.fixture
def ask() -> Ask:
    """``ask(method, path, headers, body)``; other keywords go to Guard. ``app`` replaces the echo."""

    def asked(
        method: str = "GET",
        path: bytes = b"/",
        headers: Fields | None = None,
        body: Iterable[bytes | None] = (),
        *,
        query: bytes = b"",
        version: str = "1.1",
        app: Callable[[Scope, Receive, Send, Said], Any] | None = None,
        **keywords: Any,
    ) -> Said:
        said = Said()

        async def echo(scope: Scope, receive: Receive, send: Send) -> None:
            said.reached = True
            if app is not None:
                await app(scope, receive, send, said)
                return
            more = method not in ("GET", "HEAD")
            while more:
                message = await receive()
                said.read += message.get("body", b"")
                more = message.get("more_body", False)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

        pieces = list(body)

        async def receive() -> Message:
            said.asked += 1
            if not pieces:
                return {"type": "http.request", "body": b"", "more_body": False}
            piece = pieces.pop(0)
            if piece is None:
                await asyncio.sleep(3600)
            return {"type": "http.request", "body": piece or b"", "more_body": bool(pieces)}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                assert said.status == 0, "one answer only"
                said.status = message["status"]
                said.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                said.body += message.get("body", b"")
                said.ended = not message.get("more_body", False)

        guard = Guard(echo, new_id=partial(secrets.token_hex, 8), watchers=(said.exchanges.append,), **keywords)
        scope: Scope = {
            "type": "http",
            "method": method,
            "http_version": version,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": LOCAL if headers is None else headers,
            "client": ("127.0.0.1", 5),
        }
        asyncio.run(guard(scope, receive, send))
        return said

    return asked
