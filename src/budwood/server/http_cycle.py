"""One request and its answer: uvicorn's, but that the head of an answer leaves with the first of its body.

Apart they are two calls of the system, and the client is woken twice: a sixth of what a point read costs. Heads are
looked at once, as a whole: beside the ends of its own lines there is no control character in one.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_CONTROLS: Final = bytes((*range(9), *range(10, 32), 127))
_BODILESS: Final = frozenset({204, 304})


class Cycle(RequestResponseCycle):
    """What is held back is written by the first piece of the body, even if that is empty."""

    _head = b""

    async def send(self, message: Mapping[str, Any]) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start" and not self.response_started:
            self.response_started = True
            self.waiting_for_100_continue = False
            self._head = self._told(message["status"], [*self.default_headers, *message.get("headers", ())])
        elif message["type"] == "http.response.body" and self.response_started and not self.response_complete:
            self._write(message.get("body", b""), ends=not message.get("more_body", False))
        else:
            raise RuntimeError(f"{message['type']} came at the wrong moment.")

    def _told(self, status: int, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The head as it is sent; what follows from it for the body and the connection is remembered."""
        closes = False
        lines = [STATUS_LINE[status]]
        for name, value in fields:
            if name == b"content-length":
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"connection":
                closes = b"close" in value.lower()
            lines.append(b"%b: %b\r\n" % (name, value))
        self.keep_alive = self.keep_alive and not closes
        if not self.keep_alive and not closes:
            lines.append(b"connection: close\r\n")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in _BODILESS:
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
        head = b"".join([*lines, b"\r\n"])
        if len(head) - len(head.translate(None, _CONTROLS)) != 2 * len(lines) + 2:
            raise RuntimeError("A field of an answer holds a control character.")
        return head

    def _write(self, body: bytes, *, ends: bool) -> None:
        if self.scope["method"] == "HEAD":
            body, self.expected_content_length = b"", 0
        elif self.chunked_encoding:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"0\r\n\r\n" if ends else b"")
        else:
            self.expected_content_length -= len(body)
        if self.expected_content_length < 0 or (ends and self.expected_content_length):
            raise RuntimeError("The body of an answer has another length than its head says.")
        if head := self._head:
            self._head = b""
            body = head + body
        if body:
            self.transport.write(body)
        if ends:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()
