"""From an address to a verb and back: find the route, ask who it is, decide, decode, run, encode.

Everything a route says of itself in the table is done here, once for all routes; a handler only calls its verb. There
are no layers of middleware: a point read costs one walk through this file.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, cast

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from budwood.catalog.api import Catalog, Transaction
from budwood.catalog.people_api import Answered, Known
from budwood.catalog.scoped import ScopedCatalog
from budwood.domain.access import NOBODY, Caller, Permission
from budwood.domain.names import ModelName, Namespace
from budwood.domain.routes.route import Body, Route
from budwood.errors import BudwoodError, Malformed, RegistryBusy
from budwood.facades.face import Face, Reply
from budwood.server import faces, refusal
from budwood.server.ask import Ask, Call, Mode, RawCall, Text
from budwood.server.callers import Uses, bearer, caller_of, check, known_by, reach_of
from budwood.server.counts import Counts
from budwood.server.exchange import Exchange, exchange_of
from budwood.server.http_answer import Words
from budwood.server.keyed import Key, KeyedCatalog, Repeated
from budwood.server.outcomes import Outcomes
from budwood.server.problems import Headers, nowhere, problem
from budwood.server.rates import Rates
from budwood.server.service import Service
from budwood.server.table import Table
from budwood.verbs.apart import Apart
from budwood.verbs.one_view import OneView
from budwood.verbs.wire import decode, decode_query, decode_strictly, encode

Rendered = tuple[int, Headers, bytes]
JSON: Final = (b"content-type", b"application/json")
LONG_MODES: Final = frozenset({Mode.LONG, Mode.LONG_WRITE, Mode.DEED})
WRITING_MODES: Final = frozenset({Mode.WRITE, Mode.LONG_WRITE, Mode.DEED})
SOON_MODES: Final = frozenset({Mode.SOON, Mode.SOON_READING})
SHORT_BODY_BYTES: Final = 1 << 16
POINT_BODY_BYTES: Final = 1 << 12
"""So much is read and judged in the time that a thread takes to be asked."""
MOVING: Final = frozenset({"endpoint", "rollout"})
_ANSWERED: Final[Rendered] = (0, [], b"")
Binding = Mapping[str, Call | RawCall]
Tell = Callable[[Callable[[], Rendered]], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class _Coming:
    """A request that found its route. ``secret`` is the token as it came; empty when there is none."""

    route: Route
    holes: Mapping[str, str]
    scope: Scope
    receive: Receive
    send: Send
    exchange: Exchange
    secret: str
    face: Face | None = None

    @property
    def namespace(self) -> str:
        """Of the address; empty when it names none."""
        return self.holes.get("namespace", "")

    def settled(self, known: Known | None) -> "_Coming":
        """The same, about a namespace: what a face is asked without naming one is about the token's own."""
        if self.face is None or known is None or self.namespace:
            return self
        return replace(self, holes={**self.holes, "namespace": faces.own_namespace(known)})

    def key(self, ask: Ask, content: bytes) -> Key | None:
        """The idempotency key of a write, if it carries one. Raises BadValue."""
        text = _header(self.scope["headers"], b"idempotency-key")
        if not text or ask.known is None or self.face is not None:
            return None
        scope = self.scope
        request = (scope["method"].encode(), scope["raw_path"], scope["query_string"], content)
        return Key.of(ask.known.principal.id, text, *request)


class Dispatch:
    """The application behind the guard. Every route has a handler, or it does not come to be."""

    def __init__(
        self,
        service: Service,
        routes: tuple[Route, ...],
        handlers: Binding,
        counts: Counts | None = None,
        mounted: Sequence[Face] = (),
    ) -> None:
        check_binding(routes, handlers)
        self._service = service
        self._rates = Rates(service.house, counts)
        self._faces = mounted
        self._handlers = {**handlers, **{n: call for face in mounted for n, call in faces.handlers_of(face).items()}}
        self._uses = Uses(service)
        self._outcomes: Outcomes[Rendered] = Outcomes()
        self.table = Table([*routes, *(route for face in mounted for route in faces.routes_of(face))])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        try:
            await self._answer(scope, receive, send, exchange)
        except BudwoodError as error:
            exchange.code = error.code
            face = faces.face_at(self._faces, scope["raw_path"])
            status, headers, body = faces.refused(face, error) if face else problem(error, exchange.request_id)
            await _send(send, scope, status, headers, body)
        except ClientDisconnect:
            return

    async def _answer(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        found = self.table.find(scope["raw_path"])
        if found is None:
            face = faces.face_at(self._faces, scope["raw_path"])
            raise face.nowhere(scope["method"], scope["path"]) if face else nowhere()
        method = scope["method"]
        route = found.routes.get("GET" if method == "HEAD" else method)
        if route is None:
            words = faces.words_at(self._faces, scope["raw_path"])
            await _refuse(send, refusal.NO_METHOD.allowing(found.methods), exchange, words)
            return
        exchange.route = route.name
        handler = self._handlers[route.name]
        face, holes, headers = handler.face, found.holes, scope["headers"]
        if self._service.stopping and (route.path.startswith("/v1/") or face):
            raise RegistryBusy("The server is about to stop.", hint="Try again in a moment.")
        if face is not None:
            holes = faces.named(face, holes, headers, scope["query_string"])
        secret = bearer(headers) if face is None else faces.secret_of(headers)
        coming = _Coming(route, holes, scope, receive, send, exchange, secret, face)
        status, headers, body = await self._run(coming, handler)
        if route.noun in MOVING and route.writes:
            self._service.moved()
        if status:
            await _send(send, scope, status, headers, body)

    async def _run(self, coming: "_Coming", handler: Call | RawCall) -> Rendered:
        route = coming.route
        if isinstance(handler, Call) and handler.mode is Mode.POINT:
            if self._service.on_loop or route.permission is Permission.ANYONE:
                return self._point(coming, handler)
            return cast(Rendered, await self._soon(partial(self._point, coming, handler)))
        if isinstance(handler, Call) and handler.mode in SOON_MODES:
            return await self._look_and_write(coming, handler)
        ask = self._allowed(coming, await self._known(coming), self._service.house.catalog)
        if isinstance(handler, RawCall):
            await _run_raw(coming, handler, ask)
            return _ANSWERED
        has_body = route.request is not None or coming.face is not None
        content = await _body(coming.receive) if has_body else b""
        work = partial(self._work, coming, handler, ask, content)
        if handler.mode in LONG_MODES:
            return cast(Rendered, await asyncio.wrap_future(self._service.threads.long(work)))
        return cast(Rendered, await self._in_thread(work))

    def _point(self, coming: "_Coming", handler: Call) -> Rendered:
        """All of it in one view of the catalog; what asks for no token asks the catalog nothing."""
        house = self._service.house
        if coming.route.permission is Permission.ANYONE:
            return self._work(coming, handler, self._allowed(coming, None, house.catalog), b"")
        with house.catalog.read() as view:
            known = known_by(view, coming.secret, house.clock(), coming.namespace)
            return self._work(coming, handler, self._allowed(coming, known, OneView(house.catalog, view)), b"")

    async def _look_and_write(self, coming: "_Coming", handler: Call) -> Rendered:
        """This or a thread looks, the catalog's writes, and whoever made the transaction durable calls back here."""
        threads, pool, length = self._service.threads, self._service.threads.soon, _length(coming.scope)
        if length > SHORT_BODY_BYTES:
            # A stranger must not make us hold much; and what is large is worth a thread of its own.
            pool, known = threads.short, await self._known(coming)
            about = coming.settled(known)
            check(self._caller(about, known), about.route, about.holes)
        content = await _body(coming.receive)
        answer: asyncio.Future[Rendered] = asyncio.get_running_loop().create_future()
        tell = partial(self._outcomes.tell, answer)
        if handler.mode is Mode.SOON and self._service.on_loop and length <= POINT_BODY_BYTES:
            self._look(coming, handler, content, tell)
        else:
            pool.submit(self._look, coming, handler, content, tell)
        try:
            return await answer
        except Repeated as repeated:
            return _again(handler, coming.route, repeated.answered)

    def _look(self, coming: "_Coming", handler: Call, content: bytes, tell: Tell) -> None:
        house = self._service.house
        try:
            with house.catalog.read() as view:
                seen = OneView(house.catalog, view)
                known = known_by(view, coming.secret, house.clock(), coming.namespace)
                ask = self._allowed(coming, known, seen)
                self._decode(coming, ask, content)
                key = coming.key(ask, content)
                if key is not None and (before := key.answered(view)) is not None:
                    raise Repeated(before)
                work: Callable[[Transaction], Any] | Apart[Any] = handler.run(ask)
                seen.view = None
            if isinstance(work, Apart):
                self._service.threads.short.submit(_run_apart, handler, ask, work, tell)
                return
            publish: Callable[[Transaction], Any] = work
            catalog: Catalog = house.catalog
            if key is not None:
                catalog = KeyedCatalog(catalog, key, house.clock, ask.route.status, _body_of)
            catalog.write_soon(lambda transaction: _rendered(handler, ask, handler.made(publish(transaction))), tell)
        except BaseException as error:
            tell(partial(_raise, error))()

    async def _known(self, coming: "_Coming") -> Known | None:
        if coming.route.permission is Permission.ANYONE or not coming.secret:
            return None
        if self._service.on_loop:
            return self._look_up(coming)
        return cast(Known | None, await self._soon(partial(self._look_up, coming)))

    def _look_up(self, coming: "_Coming") -> Known | None:
        house = self._service.house
        with house.catalog.read() as view:
            return known_by(view, coming.secret, house.clock(), coming.namespace)

    def _allowed(self, coming: "_Coming", known: Known | None, catalog: Catalog) -> Ask:
        """The request with its house. Raises Unauthenticated, Forbidden, NotFound."""
        coming = coming.settled(known)
        service, route, holes = self._service, coming.route, coming.holes
        caller = self._caller(coming, known)
        if caller is not None:
            coming.exchange.principal = caller.name
        if caller is None and coming.secret and route.permission is not Permission.ANYONE:
            self._rates.bad_token(coming.exchange.client)
        check(caller, route, holes)
        namespace = coming.namespace
        if namespace:
            self._rates.request(namespace)
        coming.exchange.namespace = namespace
        if known is not None:
            self._uses.note(known)
        caller = caller or NOBODY
        whole = service.house.seen(catalog, caller.name or service.house.author)
        reach = reach_of(caller, namespace, route.permission)
        house = whole if reach is None else whole.seen(ScopedCatalog(catalog, reach), whole.author)
        host = _header(coming.scope["headers"], b"host")
        client = coming.exchange.client
        return Ask(service, route, holes, caller, house, whole, known, secret=coming.secret, client=client, host=host)

    def _caller(self, coming: "_Coming", known: Known | None) -> Caller | None:
        return caller_of(known, coming.namespace, self._service.house.catalog) if known is not None else None

    async def _soon(self, look: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._service.threads.point, look)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._service.threads.short, work)

    def _work(self, coming: "_Coming", handler: Call, ask: Ask, content: bytes) -> Rendered:
        self._decode(coming, ask, content)
        key = coming.key(ask, content) if handler.mode in WRITING_MODES else None
        if key is None:
            return _rendered(handler, ask, handler.made(handler.run(ask)))
        return self._once(handler, ask, key)

    def _decode(self, coming: "_Coming", ask: Ask, content: bytes) -> None:
        """What was asked, as values. Raises Invalid."""
        route, scope = ask.route, coming.scope
        _check_holes(ask.holes)
        if coming.face is not None:
            faces.read(coming.face, ask, scope, content)
            return
        if route.query is not None:
            ask.query = decode_query(route.query, scope["query_string"])
        elif scope["query_string"]:
            raise Malformed("This address takes no parameters.")
        if route.request is not None:
            ask.body = decode_strictly(route.request, content)
        if route.edits:
            ask.expected = _expected(scope["headers"])

    def _once(self, handler: Call, ask: Ask, key: Key) -> Rendered:
        """Do it, or give the answer of when it was done."""
        route, catalog, clock = ask.route, self._service.house.catalog, self._service.house.clock
        with catalog.read() as view:
            answered = key.answered(view)
        if answered is not None:
            return _again(handler, route, answered)

        def body(value: Any) -> bytes:
            return _content(handler.kept(handler.made(value)), route)

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


def _check_holes(holes: Mapping[str, str]) -> None:
    """Raises BadName."""
    if "namespace" in holes:
        Namespace(holes["namespace"])
    if "model" in holes:
        ModelName(holes["model"])


def _rendered(handler: Call, ask: Ask, answer: Any) -> Rendered:
    if isinstance(answer, Reply):
        return faces.sent(answer)
    body = _content(answer, ask.route)
    return ask.route.status, _headers(handler, answer, ask.route, body), body


def _run_apart(handler: Call, ask: Ask, work: Apart[Any], tell: Tell) -> None:
    try:
        rendered = _rendered(handler, ask, handler.made(work.run()))
    except BaseException as error:
        tell(partial(_raise, error))()
    else:
        tell(lambda: rendered)()


def _body_of(rendered: Rendered) -> bytes:
    return rendered[2]


def _raise(error: BaseException) -> Rendered:
    try:
        raise error
    finally:
        del error  # It remembers this frame.


def _length(scope: Scope) -> int:
    """Of the body, by its head; as much as may be where that says nothing."""
    text = _header(scope["headers"], b"content-length")
    return int(text) if text.isdigit() else SHORT_BODY_BYTES + 1


def _again(handler: Call, route: Route, answered: Answered) -> Rendered:
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


async def _run_raw(coming: _Coming, handler: RawCall, ask: Ask) -> None:
    request = Request({**coming.scope, "path_params": dict(coming.holes)}, coming.receive)
    if coming.route.query is not None:
        ask.query = decode_query(coming.route.query, coming.scope["query_string"])
    response = await handler.run(ask, request)
    await response(coming.scope, coming.receive, coming.send)


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


async def _refuse(send: Send, refused: refusal.Refusal, exchange: Exchange, words: Words) -> None:
    media_type, body = words(refused, exchange.request_id)
    exchange.code = refused.code
    headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body)), *refused.headers]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
