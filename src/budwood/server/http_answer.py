"""An answer on its way out: counted, and given the headers that every answer of this server carries."""

from collections.abc import Callable
from typing import Final

from starlette.types import Message, Send

from budwood.server.exchange import Exchange
from budwood.server.refusal import PROBLEM_TYPE, HeaderList, Refusal

ALWAYS: Final[HeaderList] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
_NO_STORE: Final = (b"cache-control", b"no-store")
_CLOSE: Final = (b"connection", b"close")
_API_POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_PAGE_POLICY: Final = (
    b"content-security-policy",
    b"; ".join(
        [
            b"default-src 'none'",
            b"img-src 'self' data:",
            b"style-src 'self'",
            b"script-src 'self'",
            b"connect-src 'self'",
            b"form-action 'self'",
            b"base-uri 'none'",
            b"frame-ancestors 'none'",
        ]
    ),
)


Words = Callable[[Refusal, str], tuple[bytes, bytes]]
"""What a refusal says to a client, given the request's id: a media type and a body."""


def as_problem(refusal: Refusal, request_id: str) -> tuple[bytes, bytes]:
    """As everything of ours says it."""
    return PROBLEM_TYPE, refusal.body(request_id)


class Answer:
    """Stands in for ``send``. When ``muted``, what the application says is dropped: the guard answers instead."""

    __slots__ = ("_send", "_words", "exchange", "finished", "muted", "started")

    def __init__(self, send: Send, exchange: Exchange, words: Callable[[], Words] = lambda: as_problem) -> None:
        self._send = send
        self._words = words
        self.exchange = exchange
        self.started = False
        self.finished = False
        self.muted = False

    async def send(self, message: Message) -> None:
        """One ASGI message of the application."""
        if self.muted:
            return
        if message["type"] == "http.response.body":
            self.exchange.bytes_out += len(message.get("body", b""))
            self.finished = not message.get("more_body", False)
        elif message["type"] == "http.response.start":
            self.started = True
            self.exchange.status = message["status"]
            message["headers"] = self._dressed(message.get("headers", ()))
        await self._send(message)

    async def begin(self, refusal: Refusal, *, close: bool) -> None:
        """Sends a refusal but for its end, so that a client still sending can read it."""
        media_type, body = self._words()(refusal, self.exchange.request_id)
        headers = [
            (b"content-type", media_type),
            (b"content-length", str(len(body)).encode("ascii")),
            *refusal.headers,
            *([_CLOSE] if close else ()),
        ]
        self.muted = False
        self.exchange.code = refusal.code
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        """Ends what ``begin`` began."""
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _dressed(self, given: HeaderList) -> HeaderList:
        headers = [*given, *ALWAYS, (b"x-request-id", self.exchange.request_id.encode("ascii"))]
        names = dict(given)
        if b"cache-control" not in names:
            headers.append(_NO_STORE)
        if b"content-security-policy" not in names:
            headers.append(_PAGE_POLICY if names.get(b"content-type", b"").startswith(b"text/html") else _API_POLICY)
        return [header for header in headers if header[0] != b"server"] if b"server" in names else headers
