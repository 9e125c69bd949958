"""Mounting faces: their endpoints become routes and handlers like our own, and go the same way through dispatch.

What differs is said here once: a face reads its requests and words its errors itself, its token may come as the
password of HTTP Basic, and a request that names no namespace is about the one its token is for.
"""

import base64
import binascii
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette import requests
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from budwood.catalog.people_api import Known
from budwood.domain.access import Scope
from budwood.domain.names import DEFAULT_NAMESPACE
from budwood.domain.routes.route import Body, Route
from budwood.errors import BudwoodError
from budwood.facades.face import Asked, Endpoint, Face, Outgoing, Pace, Reply, Request
from budwood.facades.mlflow import FACE as MLFLOW
from budwood.server.ask import Ask, Call, Mode, RawCall
from budwood.server.http_answer import Words, as_problem
from budwood.server.problems import Headers
from budwood.server.refusal import Refusal

FACES: Final[tuple[Face, ...]] = (MLFLOW,)
ROOM: Final = "/ns/{namespace}"
_MODES: Final = {Pace.POINT: Mode.POINT, Pace.SHORT: Mode.READ, Pace.LONG: Mode.LONG, Pace.SOON: Mode.SOON}


def routes_of(face: Face) -> tuple[Route, ...]:
    """One route for each address of each endpoint; those of one endpoint share its name."""
    return tuple(
        _route(endpoint, prefix + address)
        for endpoint in face.endpoints
        for address in face.addresses(endpoint.path)
        for prefix in ("", ROOM)
    )


def handlers_of(face: Face) -> dict[str, Call | RawCall]:
    """What each endpoint does, by its name. Raises ValueError when that is not said, or twice."""
    names = [endpoint.name for endpoint in face.endpoints]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"Two endpoints are named {twice[0]!r}.")
    return {endpoint.name: _handler(face, endpoint) for endpoint in face.endpoints}


def face_at(faces: Iterable[Face], raw_path: bytes) -> Face | None:
    """Whose address it is, though there may be nothing at it."""
    path = raw_path.decode("latin-1")
    if path.startswith("/ns/"):
        path = "/" + path[4:].partition("/")[2]
    return next((face for face in faces if face.owns(path)), None)


def refused(face: Face, error: BudwoodError) -> tuple[int, Headers, bytes]:
    """The error as the face's clients expect it."""
    return sent(face.refuse(error))


def words_at(faces: Iterable[Face], raw_path: bytes) -> Words:
    """How what HTTP itself refuses is said there."""
    face = face_at(faces, raw_path)
    if face is None:
        return as_problem
    worded = face.worded

    def words(refusal: Refusal, request_id: str) -> tuple[bytes, bytes]:
        reply = worded(refusal.status, refusal.title)
        return reply.media_type.encode("latin-1"), reply.content

    return words


def sent(reply: Reply) -> tuple[int, Headers, bytes]:
    """Status, headers and body."""
    return reply.status, _head(reply.headers, reply.media_type, len(reply.content)), reply.content


def secret_of(headers: Headers) -> str:
    """The token of an Authorization header: a bearer's, or the password of Basic, whatever the user is called."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, rest = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                return rest
            return _password(rest) if scheme.lower() == "basic" else ""
    return ""


def own_namespace(known: Known) -> str:
    """The one namespace a token is for; the default one where that is not clear."""
    scopes = [Scope.parse(scope).namespace for scope in known.token.scopes or ()]
    if scopes and all(scopes) and len(set(scopes)) == 1:
        return scopes[0]
    if not known.principal.is_admin and DEFAULT_NAMESPACE not in known.roles and len(known.roles) == 1:
        return next(iter(known.roles))
    return DEFAULT_NAMESPACE


def named(face: Face, holes: Mapping[str, str], headers: Headers, query: bytes = b"") -> Mapping[str, str]:
    """The holes of an address, with the namespace that what lies in it or a header names where the address does not."""
    if "namespace" in holes:
        return holes
    if inside := face.named_in(holes, query):
        return {**holes, "namespace": inside}
    if not face.namespace_header:
        return holes
    wanted = face.namespace_header.encode("ascii")
    found = next((value.decode("latin-1") for name, value in headers if name == wanted), "")
    return {**holes, "namespace": found} if found else holes


def read(face: Face, ask: Ask, scope: AsgiScope, content: bytes, *, streams: bool = False) -> None:
    """Put what was asked into ``ask.body``, as the face reads it. Raises Invalid."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    request = Request(scope["method"], ask.holes, scope["query_string"], headers, content, streams)
    ask.body = face.read(request)
    prefix = f"/ns/{ask.holes['namespace']}" if scope["raw_path"].startswith(b"/ns/") else ""
    ask.headers["address"] = f"{scope.get('scheme', 'http')}://{ask.host}{prefix}"


def _route(endpoint: Endpoint, path: str) -> Route:
    return Route(
        name=endpoint.name,
        method=endpoint.method,
        path=path,
        permission=endpoint.permission,
        summary="",
        takes=Body.BYTES if endpoint.stream else Body.JSON,
        gives=Body.BYTES,
        reads=endpoint.reads,
        also=endpoint.also,
        body_bytes=endpoint.body_bytes,
        encodings=endpoint.encodings,
    )


def _handler(face: Face, endpoint: Endpoint) -> Call | RawCall:
    run, stream = endpoint.run, endpoint.stream
    if (run is None) == (stream is None):
        raise ValueError(f"The endpoint {endpoint.name!r} is either run or streamed.")
    if run is not None:
        return Call(lambda ask: run(_asked(ask)), _MODES[endpoint.pace], made=_made(face), face=face)
    assert stream is not None

    async def streamed(ask: Ask, request: requests.Request) -> Response:
        read(face, ask, request.scope, b"", streams=True)
        answer = await stream(_asked(ask), _Incoming(request))
        return _Sent(answer)

    return RawCall(streamed, face=face)


def _asked(ask: Ask) -> Asked:
    namespace = ask.holes.get("namespace", "")
    values: Mapping[str, Any] = ask.body or {}
    address = ask.headers.pop("address", "")
    return Asked(ask.house, ask.whole, ask.caller, namespace, values, address, ask.secret, ask.service.chance.secret)


def _made(face: Face) -> Any:
    return lambda value: value if isinstance(value, Reply) else face.answer(value)


def _head(given: Sequence[tuple[str, str]], media_type: str, length: int) -> Headers:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given]
    return [*headers, (b"content-type", media_type.encode("latin-1")), (b"content-length", b"%d" % length)]


def _password(encoded: str) -> str:
    try:
        user_and_password = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
    return user_and_password.partition(":")[2]


@dataclass(frozen=True, slots=True)
class _Incoming:
    """``facades.face.Incoming`` of a request."""

    request: requests.Request

    @property
    def length(self) -> int | None:
        text = self.header("content-length")
        return int(text) if text.isdigit() else None

    def header(self, name: str) -> str:
        return self.request.headers.get(name, "")

    def pieces(self) -> AsyncIterator[bytes]:
        return self.request.stream()


class _Sent(Response):
    """Sends what a stream gave."""

    def __init__(self, answer: Reply | Outgoing) -> None:
        self._answer = answer

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        answer = self._answer
        if isinstance(answer, Reply):
            status, headers, content = sent(answer)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})
            return
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if scope["method"] != "HEAD":
            async for piece in answer.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
