"""What the HTTP parser keeps from ASGI: endless heads, addresses of other servers, trailers, too many connections.

uvicorn's httptools protocol refuses bare LF, folded headers, doubled lengths and bad chunks by itself; it lets through
what is overridden here (measured, design/accepted/0011-guard.md). A verdict on a complete head goes to the guard
through the scope, so that it is answered, logged and counted like any other; bytes that are no request at all are
answered here.
"""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from budwood.server import refusal
from budwood.server.guard import METHODS, VERDICT, Guard
from budwood.server.http_answer import ALWAYS
from budwood.server.http_cycle import Cycle
from budwood.server.http_limits import HttpLimits
from budwood.server.refusal import PROBLEM_TYPE, Refusal

BACKLOG: Final = 512
_FILES_KEPT: Final = 128
_WASTE_BYTES: Final = 1 << 20
_WASTE_FACTOR: Final = 8
_READ_BYTES: Final = 1 << 20
"""Of a large body at one time; asyncio's own 256 KiB cost a fourth more of the processor."""
_BODY_FIELDS: Final = (b"content-length", b"transfer-encoding")
_REASONS: Final = {
    400: b"Bad Request",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    503: b"Service Unavailable",
}


def server_settings(limits: HttpLimits) -> Mapping[str, Any]:
    """What uvicorn.Config must be given for the guard to see everything; its application must be a Guard."""
    return {
        "http": GuardedProtocol,
        "interface": "asgi3",
        "ws": "none",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "backlog": BACKLOG,
        "timeout_keep_alive": limits.keep_alive_s,
    }


class _OutOfStepError(Exception):
    """Stops the parser in the middle of what it was given."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. Connections that wait for a request stand in a line, so that the oldest can make room."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        assert isinstance(self.app, Guard)
        self._guard = self.app
        self._limits = self.app.limits
        self._most = min(self._limits.connections, max(_open_files() - BACKLOG - _FILES_KEPT, 64))
        self._waiting: dict[GuardedProtocol, None] = self._guard.waiting
        self.url = b""
        self._in_body = False
        self._in_head = True
        self._closing = False
        self._fields = 0
        self._head_bytes = 0
        self._head_wire = 0
        self._head_is_new = False
        self._waste_bytes = 0
        self._idle_since = 0.0
        self._verdict: Refusal | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _send_at_once(transport)
        _read_more(transport)
        if len(self.connections) > self._most and not self._make_room():
            self._reply(refusal.BUSY)
            return
        self._waiting[self] = None
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.pop(self, None)
        self._stop_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._waste_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Whatever follows would be another protocol, and there is none: answer this request, then close.
            self._stop_after_this()
        except httptools.HttpParserInvalidMethodError:
            self._out_of_step(refusal.NO_METHOD.allowing(METHODS))
        except httptools.HttpParserError:
            self._out_of_step(self._verdict if self._in_head and self._verdict else refusal.BAD_REQUEST)
        else:
            self._watch_pace(len(data))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self.loop.call_later(self._limits.stalled_answer_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def timeout_keep_alive_handler(self) -> None:
        """One timer goes on over all requests: to set it for each would take a twentieth of what a look-up does."""
        self.timeout_keep_alive_task = None
        if self not in self._waiting or self._head_timer is not None:
            return  # A request is under way, or comes and has a time of its own; the end of its answer sets it again.
        left_s = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._time_idle(left_s)
        elif self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    # The parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._head_is_new = True
        self._fields = self._head_bytes = self._head_wire = 0
        self._verdict = None

    def on_url(self, url: bytes) -> None:
        if len(self.url) + len(url) > self._limits.url_bytes:
            self._verdict = refusal.LONG_URL
            return
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # A trailer: uvicorn would add it to the headers of a request that has been judged already.
        self._fields += 1
        self._head_bytes += len(name) + len(value) + 4
        if self._fields > self._limits.header_fields or self._head_bytes > self._limits.head_bytes:
            self._verdict = self._verdict or refusal.LARGE_HEAD
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body = False, True
        self._waste_bytes = 0
        self._stop_head_timer()
        self._waiting.pop(self, None)
        if len(self.pipeline) >= self._limits.requests_ahead:
            raise _OutOfStepError
        verdict = self._verdict or self._judge_line()
        if verdict is not None:
            self.url = b"/"
            self.scope[VERDICT] = verdict  # type: ignore[typeddict-unknown-key]
        self._begin()

    def on_body(self, body: bytes) -> None:
        self._waste_bytes -= len(body) * _WASTE_FACTOR
        cycle = self.cycle
        if cycle.body or self.parser.should_upgrade() or cycle.response_complete:
            super().on_body(body)
            return
        # What super would do, but for two copies: this piece is handed on as it is.
        cycle.body = body  # type: ignore[assignment]
        if len(body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """What super does, but for the timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._waiting[self] = None
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._time_idle(self.timeout_keep_alive)

    def _begin(self) -> None:
        """What super would do, for a cycle of ours. Raises HttpParserInvalidURLError."""
        scope, version = self.scope, self.parser.get_http_version()
        target = httptools.parse_url(self.url)
        scope["http_version"] = version
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["path"], scope["raw_path"] = unquote(target.path.decode("ascii")), target.path
        scope["query_string"] = target.query or b""
        before = self.cycle
        self.cycle = Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _judge_line(self) -> Refusal | None:
        """What uvicorn drops from the request line before ASGI: another server's name, a fragment, the version."""
        if self.parser.get_http_version() not in ("1.1", "1.0"):
            return refusal.BAD_REQUEST
        if self.parser.should_upgrade() and any(name in _BODY_FIELDS for name, _ in self.headers):
            return refusal.NO_BODY  # The parser takes that body for another protocol and drops it.
        if b"#" in self.url:
            return refusal.BAD_PATH
        if self.url[:1] == b"/":
            return None
        scheme, _, rest = self.url.partition(b"://")
        authority = rest.partition(b"/")[0].partition(b"?")[0]
        hosts = [value for name, value in self.headers if name == b"host"]
        if scheme.lower() in (b"http", b"https") and [authority] == hosts:
            return None
        return refusal.OTHER_TARGET

    # Pace and order

    def _watch_pace(self, size: int) -> None:
        """After each piece of bytes: an incomplete head is counted and timed, and framing may not outweigh content."""
        if self._in_head:
            # The piece a head began in may hold the end of the request before; from the next on all is head.
            self._head_wire += 0 if self._head_is_new else size
            self._head_is_new = False
            if self._verdict or self._head_wire > self._limits.head_bytes + self._limits.url_bytes:
                self._out_of_step(self._verdict or refusal.LARGE_HEAD)
                return
            self._time_head()
        elif self.cycle.response_complete:
            self._time_head()
        if not self._in_head and self._waste_bytes > _WASTE_BYTES:
            self._out_of_step(refusal.BAD_REQUEST)

    def _time_idle(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _time_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.head_s, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._in_head and (self._head_bytes or self.url):
            self._out_of_step(refusal.SLOW_HEAD)
        else:
            # Nothing was asked, so an answer would be taken for that to the next request.
            self.transport.abort()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_timers(self) -> None:
        self._stop_head_timer()
        self._unset_keepalive_if_required()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _make_room(self) -> bool:
        """Closes the connection that has waited longest for a request; False when all are at work."""
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        del self._waiting[oldest]
        oldest.transport.abort()
        return True

    def _stop_after_this(self) -> None:
        """Takes no more bytes; closes once what was asked is answered."""
        self._closing = True
        self._stop_head_timer()
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def _out_of_step(self, verdict: Refusal) -> None:
        """The bytes cannot be followed any more: whoever is still owed an answer gets it, then the connection ends."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            if self._in_body:
                # It was answered before its body ended: a second answer would be taken for that to the next request.
                self._closing = True
                self._stop_head_timer()
                self._linger()
            else:
                self._reply(verdict)
        elif not cycle.more_body:
            self._stop_after_this()
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.abort()
            else:
                self._reply(verdict)

    def _reply(self, verdict: Refusal) -> None:
        """Answers bytes that never became a request."""
        self._closing = True
        self._stop_head_timer()
        if self.transport.is_closing():
            return
        exchange = self._guard.refused_unread(self.client[0] if self.client else "", verdict)
        body = verdict.body(exchange.request_id)
        fields = [
            (b"content-type", PROBLEM_TYPE),
            (b"content-length", str(len(body)).encode("ascii")),
            (b"connection", b"close"),
            (b"cache-control", b"no-store"),
            (b"x-request-id", exchange.request_id.encode("ascii")),
            *ALWAYS,
            *verdict.headers,
        ]
        reason = _REASONS.get(verdict.status, b"Refused")
        head = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
        self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (verdict.status, reason, head, body))
        self._linger()

    def _linger(self) -> None:
        """Ends our half and drops what still comes: closing at once would reset the answer on its way."""
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self._waiting[self] = None
        self._head_timer = self.loop.call_later(self._limits.linger_s, self.transport.abort)


def _send_at_once(transport: asyncio.BaseTransport) -> None:
    """asyncio does this only for sockets made with the protocol spelled out; else every answer waits 40 ms."""
    line = transport.get_extra_info("socket")
    if line is not None and line.family in (socket.AF_INET, socket.AF_INET6):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _read_more(transport: asyncio.BaseTransport) -> None:
    """asyncio has no word for it; where it has another way of reading, nothing changes."""
    if hasattr(transport, "max_size"):
        transport.max_size = _READ_BYTES


def _open_files() -> int:
    """How many files this process may hold open; a connection is one."""
    with contextlib.suppress(OSError, ValueError):
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return soft if soft != resource.RLIM_INFINITY else 1 << 20
    return 1024
