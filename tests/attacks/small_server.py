"""A child process: the guard and its protocol around an application that says what reached it.

    python -m tests.attacks.small_server '{"head_s": 1}'

The argument overrides HttpLimits. It prints its port once it listens. /healthz answers 200; everything else tells the
method, path and number of body bytes that reached the application, after /slow waits a moment; /large gives 8 MiB.
"""

import asyncio
import json
import secrets
import socket
import sys
from functools import partial

import uvicorn
from starlette.types import Receive, Scope, Send

from budwood.server.guard import Guard
from budwood.server.http_hosts import Hosts
from budwood.server.http_limits import Door, HttpLimits
from budwood.server.protocol import server_settings

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    read = 0
    more = scope["method"] in ("POST", "PUT")
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        read += len(message.get("body", b""))
        more = message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    body = json.dumps({"method": scope["method"], "path": scope["path"], "read": read, "headers": headers}).encode()
    if scope["path"] == "/large":
        body = b"x" * (8 << 20)
    given = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": given})
    for start in range(0, len(body), 1 << 16):
        piece = body[start : start + (1 << 16)]
        await send({"type": "http.response.body", "body": piece, "more_body": start + len(piece) < len(body)})


def doors(path: str, method: str) -> Door:
    if path == "/bytes":
        return Door(METHODS, body_bytes=64 << 20, media_type="")
    return Door(METHODS, body_bytes=1 << 20)


def main() -> None:
    limits = HttpLimits(**json.loads(sys.argv[1]))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    guard = Guard(
        app, new_id=partial(secrets.token_hex, 8), hosts=Hosts(["registry.example"]), limits=limits, doors=doors
    )
    listener.listen()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(guard, lifespan="off", **server_settings(limits))).run(sockets=[listener])


if __name__ == "__main__":
    main()
