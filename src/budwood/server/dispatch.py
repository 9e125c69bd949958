"""From an address to a verb and back: find the route, ask who it is, decide, decode, run, encode.

Everything a route says of itself in the table is done here, once for all routes; a handler only calls its verb. There
are no layers of middleware: a point read costs one walk through this file.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, cast

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from budwood.catalog.people_api import Answered, Known
from budwood.catalog.scoped import ScopedCatalog
from budwood.domain.access import NOBODY, Caller, Permission
from budwood.domain.names import ModelName, Namespace
from budwood.domain.routes.route import Body, Route
from budwood.errors import BudwoodError, Malformed, RegistryBusy
from budwood.server import refusal
from budwood.server.ask import Ask, Call, Mode, RawCall, Text
from budwood.server.callers import Uses, bearer, caller_of, check, known_by, reach_of
from budwood.server.exchange import Exchange, exchange_of
from budwood.server.keyed import Key, KeyedCatalog, Repeated
from budwood.server.problems import Headers, nowhere, problem
from budwood.server.service import Service
from budwood.server.table import Table
from budwood.verbs.house import House
from budwood.verbs.wire import decode, decode_query, decode_strictly, encode

JSON: Final = (b"content-type", b"application/json")
LONG_MODES: Final = frozenset({Mode.LONG, Mode.LONG_WRITE, Mode.DEED})
WRITING_MODES: Final = frozenset({Mode.WRITE, Mode.LONG_WRITE, Mode.DEED})
_UNKEYED: Final = ""
Binding = Mapping[str, Call | RawCall]


class Dispatch:
    """The application behind the guard. Every route has a handler, or it does not come to be."""

    def __init__(self, service: Service, routes: tuple[Route, ...], handlers: Binding) -> None:
        check_binding(routes, handlers)
        self._service = service
        self._handlers = handlers
        self._uses = Uses(service)
        self.table = Table(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        try:
            await self._answer(scope, receive, send, exchange)
        except BudwoodError as error:
            exchange.code = error.code
            status, headers, body = problem(error, exchange.request_id)
            await _send(send, scope, status, headers, body)
        except ClientDisconnect:
            return

    async def _answer(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        found = self.table.find(scope["raw_path"])
        if found is None:
            raise nowhere()
        method = scope["method"]
        route = found.routes.get("GET" if method == "HEAD" else method)
        if route is None:
            await _refuse(send, refusal.NO_METHOD.allowing(found.methods), exchange)
            return
        exchange.route = route.name
        handler = self._handlers[route.name]
        if self._service.stopping and route.path.startswith("/v1/"):
            raise RegistryBusy("The server is about to stop.", hint="Try again in a moment.")
        secret = bearer(scope["headers"])
        known = await self._known(route, secret)
        ask = self._allowed(route, found.holes, known, secret, exchange)
        if isinstance(handler, RawCall):
            request = Request({**scope, "path_params": dict(found.holes)}, receive)
            ask.query = None if route.query is None else decode_query(route.query, scope["query_string"])
            response = await handler.run(ask, request)
            await response(scope, receive, send)
            return
        content = await _body(receive) if route.request is not None and route.takes is Body.JSON else b""
        status, headers, body = await self._run(handler, ask, scope, content)
        await _send(send, scope, status, headers, body)

    async def _known(self, route: Route, secret: str) -> Known | None:
        if route.permission is Permission.ANYONE or not secret:
            return None
        if self._service.on_loop:
            return self._look_up(secret)
        found: Known | None = await self._in_thread(partial(self._look_up, secret))
        return found

    def _look_up(self, secret: str) -> Known | None:
        house = self._service.house
        with house.catalog.read() as view:
            return known_by(view, secret, house.clock())

    def _allowed(
        self, route: Route, holes: Mapping[str, str], known: Known | None, secret: str, exchange: Exchange
    ) -> Ask:
        """The request with its house. Raises Unauthenticated, Forbidden, NotFound."""
        service = self._service
        caller = caller_of(known) if known is not None else None
        if caller is not None:
            exchange.principal = caller.name
        check(caller, route, holes)
        namespace = holes.get("namespace", "")
        exchange.namespace = namespace
        if known is not None:
            self._uses.note(known)
        caller = caller or NOBODY
        whole = replace(service.house, author=caller.name) if caller.name else service.house
        house = _within(whole, caller, namespace, route)
        return Ask(service, route, holes, caller, house, whole, known, secret=secret)

    async def _run(self, handler: Call, ask: Ask, scope: Scope, content: bytes) -> tuple[int, Headers, bytes]:
        if handler.mode is Mode.POINT and self._service.on_loop:
            return self._work(handler, ask, scope, content)
        work = partial(self._work, handler, ask, scope, content)
        if handler.mode in LONG_MODES:
            return cast(tuple[int, Headers, bytes], await asyncio.wrap_future(self._service.threads.long(work)))
        rendered: tuple[int, Headers, bytes] = await self._in_thread(work)
        return rendered

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._service.threads.short, work)

    def _work(self, handler: Call, ask: Ask, scope: Scope, content: bytes) -> tuple[int, Headers, bytes]:
        route = ask.route
        _check_holes(ask.holes)
        if route.query is not None:
            ask.query = decode_query(route.query, scope["query_string"])
        elif scope["query_string"]:
            raise Malformed("This address takes no parameters.")
        if route.request is not None:
            ask.body = decode_strictly(route.request, content)
        if route.edits:
            ask.expected = _expected(scope["headers"])
        key = self._key(ask, scope, content) if handler.mode in WRITING_MODES else None
        if key is None:
            return _rendered(handler, ask, handler.made(handler.run(ask)))
        return self._once(handler, ask, key)

    def _key(self, ask: Ask, scope: Scope, content: bytes) -> Key | None:
        text = _header(scope["headers"], b"idempotency-key")
        if text == _UNKEYED or ask.known is None:
            return None
        request = (scope["method"].encode(), scope["raw_path"], scope["query_string"], content)
        return Key.of(ask.known.principal.id, text, *request)

    def _once(self, handler: Call, ask: Ask, key: Key) -> tuple[int, Headers, bytes]:
        """Do it, or give the answer of when it was done."""
        route, catalog, clock = ask.route, self._service.house.catalog, self._service.house.clock
        with catalog.read() as view:
            answered = key.answered(view)
        if answered is not None:
            return _again(handler, route, answered)

        def body(value: Any) -> bytes:
            return _content(handler.made(value), route)

        try:
            if handler.mode is Mode.DEED:
                rendered = _rendered(handler, ask, handler.made(handler.run(ask)))
                catalog.write(lambda transaction: key.remember(transaction, clock(), route.status, rendered[2]))
                return rendered
            ask.house = replace(ask.house, catalog=KeyedCatalog(ask.house.catalog, key, clock, route.status, body))
            ask.whole = replace(ask.whole, catalog=KeyedCatalog(ask.whole.catalog, key, clock, route.status, body))
            return _rendered(handler, ask, handler.made(handler.run(ask)))
        except Repeated as repeated:
            return _again(handler, route, repeated.answered)


def check_binding(routes: tuple[Route, ...], handlers: Binding) -> None:
    """That a server may start: every route has a name of its own, a permission and a handler. Raises ValueError."""
    names = [route.name for route in routes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"Two routes are named {twice[0]!r}.")
    for route in routes:
        if not isinstance(route.permission, Permission):
            raise ValueError(f"The route {route.name!r} has no permission.")
        if route.name not in handlers:
            raise ValueError(f"The route {route.name!r} has no handler.")
    if stray := sorted(handlers.keys() - set(names)):
        raise ValueError(f"The handler {stray[0]!r} has no route.")


def _within(whole: House, caller: Caller, namespace: str, route: Route) -> House:
    """The house as the caller may see it."""
    reach = reach_of(caller, namespace, route.permission)
    if reach is not None:
        return replace(whole, catalog=ScopedCatalog(whole.catalog, reach))
    return whole


def _check_holes(holes: Mapping[str, str]) -> None:
    """Raises BadName."""
    if "namespace" in holes:
        Namespace(holes["namespace"])
    if "model" in holes:
        ModelName(holes["model"])


def _rendered(handler: Call, ask: Ask, answer: Any) -> tuple[int, Headers, bytes]:
    body = _content(answer, ask.route)
    return ask.route.status, _headers(handler, answer, ask.route, body), body


def _again(handler: Call, route: Route, answered: Answered) -> tuple[int, Headers, bytes]:
    answer = decode(route.response, answered.body) if route.response is not None else None
    headers = _headers(handler, answer, route, answered.body)
    return answered.status, [*headers, (b"idempotency-replayed", b"true")], answered.body


def _content(answer: Any, route: Route) -> bytes:
    if isinstance(answer, Text):
        return answer.content
    return b"" if route.gives is Body.NOTHING else encode(answer)


def _headers(handler: Call, answer: Any, route: Route, body: bytes) -> Headers:
    if route.gives is Body.NOTHING:
        return []
    kind = (b"content-type", answer.media_type.encode()) if isinstance(answer, Text) else JSON
    headers = [kind, (b"content-length", b"%d" % len(body))]
    if route.edits and (mark := handler.mark(answer)):
        headers.append((b"etag", f'"{mark}"'.encode("ascii")))
    return headers


def _expected(headers: Headers) -> str:
    """What If-Match says. Raises Malformed for a list or a weak one: neither can be promised."""
    text = _header(headers, b"if-match")
    if text in ("", "*"):
        return ""
    if len(text) < 3 or text[0] != '"' or text[-1] != '"' or '"' in text[1:-1]:
        raise Malformed('If-Match takes one ETag as it was given, such as "17".')
    return text[1:-1]


def _header(headers: Headers, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in headers if key == name), "")


async def _body(receive: Receive) -> bytes:
    """The whole of it; the guard bounds it. Raises ClientDisconnect."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _send(send: Send, scope: Scope, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _refuse(send: Send, refused: refusal.Refusal, exchange: Exchange) -> None:
    body = refused.body(exchange.request_id)
    exchange.code = refused.code
    headers = [(b"content-type", refusal.PROBLEM_TYPE), (b"content-length", b"%d" % len(body)), *refused.headers]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
