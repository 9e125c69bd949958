"""The first thing every request meets: what is malformed, too large, too slow or too much goes no further.

``Guard(app)`` is the ASGI application that a server runs. It refuses before a body is read, counts and times what is
read, gives every answer its headers, and tells the watchers (logs, metrics) about every request, refused ones too.
What a parser hides from ASGI is judged in protocol.py, which hands its verdict over in the scope.
"""

import time
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from budwood.server import refusal
from budwood.server.exchange import EXCHANGE, Exchange, Watcher
from budwood.server.http_answer import Answer, Words, as_problem
from budwood.server.http_body import Body
from budwood.server.http_head import Head, read_head
from budwood.server.http_hosts import Hosts
from budwood.server.http_limits import Door, HttpLimits
from budwood.server.http_target import refuse_target
from budwood.server.refusal import Refusal, Refused

VERDICT: Final = "budwood.verdict"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNBOUNDED_PATHS: Final = frozenset({"/healthz"})
Doors = Callable[[str, str], Door]


class Unread(Enum):
    """Where the body of a refused request is: there is none, it is on its way, or its sender waits to be asked."""

    NOTHING = auto()
    COMING = auto()
    PENDING = auto()


def _plain_door(path: str, method: str) -> Door:
    return Door(methods=METHODS)


def _plain_words(raw_path: bytes) -> Words:
    return as_problem


class Guard:
    """``doors(path, method)`` answers for the route table; it is asked only when a request has a body or an odd method.
    ``new_id`` makes request ids of ASCII characters.

    ``words`` are how refusals at an address are said.

    ``watchers`` are called once for each request, after its last byte; they must be quick and must not raise.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        new_id: Callable[[], str],
        hosts: Hosts | None = None,
        limits: HttpLimits | None = None,
        doors: Doors = _plain_door,
        watchers: tuple[Watcher, ...] = (),
        words: Callable[[bytes], Words] = _plain_words,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._hosts = hosts or Hosts()
        self._doors = doors
        self._watchers = watchers
        self._words = words
        self._clock = clock
        self._new_id = new_id
        self.limits = limits or HttpLimits()
        self.in_flight = 0
        self.waiting: dict[Any, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def refused_unread(self, client: str, verdict: Refusal) -> Exchange:
        """Tells the watchers of bytes that never became a request."""
        exchange = Exchange(self._new_id(), "", self._clock(), client)
        exchange.status, exchange.code = verdict.status, verdict.code
        for watch in self._watchers:
            watch(exchange)
        return exchange

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = self._examine(scope)
        request_id = (head.request_id if isinstance(head, Head) else "") or self._new_id()
        client = scope.get("client")
        exchange = Exchange(request_id, scope["method"], self._clock(), client[0] if client else "")
        scope[EXCHANGE] = exchange
        answer = Answer(send, exchange, partial(self._words, scope["raw_path"]))
        self.in_flight += 1
        try:
            if isinstance(head, Refusal):
                await self._refuse(head, answer, self._body(receive, answer, 0), _unread(scope))
            elif head.has_body:
                await self._run_with_body(scope, receive, head, answer)
            else:
                await self._run(scope, receive, answer)
        finally:
            self.in_flight -= 1
            exchange.seconds = self._clock() - exchange.started
            for watch in self._watchers:
                watch(exchange)

    def _examine(self, scope: Scope) -> Head | Refusal:
        """The head of a request that may go on."""
        verdict = scope.get(VERDICT)
        if verdict is not None:
            assert isinstance(verdict, Refusal)
            return verdict
        if refused := refuse_target(scope["raw_path"], scope["query_string"], self.limits):
            return refused
        method: str = scope["method"]
        head = read_head(method, scope["http_version"], scope["headers"], self._hosts, self.limits)
        if isinstance(head, Refusal):
            return head
        if method not in METHODS:
            return refusal.NO_METHOD.allowing(self._doors(scope["path"], method).methods or METHODS)
        if self.in_flight >= self.limits.requests_at_once and scope["path"] not in UNBOUNDED_PATHS:
            return refusal.BUSY
        return head

    async def _run_with_body(self, scope: Scope, receive: Receive, head: Head, answer: Answer) -> None:
        door = self._doors(scope["path"], head.method)
        body = self._body(receive, answer, door.body_bytes)
        if refused := _refuse_body(head, door):
            await self._refuse(refused, answer, body, Unread.PENDING if head.expects else Unread.COMING)
            return
        await self._run(scope, body.receive, answer)
        if body.refusal is not None and not answer.started:
            await self._refuse(body.refusal, answer, body, Unread.COMING)

    async def _run(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        """Runs the application. An answer that breaks off is left unfinished, and the server drops the connection."""
        try:
            await self._app(scope, receive, answer.send)
        except Refused:
            return
        except Exception as crash:
            answer.exchange.crash = crash
            if not answer.started:
                await answer.begin(refusal.CRASHED, close=True)
                await answer.end()

    def _body(self, receive: Receive, answer: Answer, limit: int) -> Body:
        return Body(receive, answer, limit, self.limits, self._clock)

    async def _refuse(self, refused: Refusal, answer: Answer, body: Body, unread: Unread) -> None:
        """Answers, and for a client in the middle of sending reads on a little, outside the count of what runs."""
        await answer.begin(refused, close=unread is not Unread.NOTHING or not refused.keeps)
        if unread is Unread.COMING and refused.keeps:
            self.in_flight -= 1
            try:
                await body.drain()
            finally:
                self.in_flight += 1
        await answer.end()


def _refuse_body(head: Head, door: Door) -> Refusal | None:
    if door.methods and head.method not in door.methods:
        return refusal.NO_METHOD.allowing(door.methods)
    if head.length is not None and head.length > door.body_bytes:
        return refusal.LARGE_BODY
    if head.encoding not in (b"", b"identity") and head.encoding not in door.encodings:
        return refusal.ENCODED_BODY
    if door.media_type and head.media_type != door.media_type.encode("ascii"):
        return refusal.NOT_JSON
    return None


def _unread(scope: Scope) -> Unread:
    """What may still follow a request whose head was refused."""
    fields = dict(scope["headers"])
    if fields.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in fields:
        return Unread.NOTHING
    return Unread.PENDING if b"expect" in fields else Unread.COMING
