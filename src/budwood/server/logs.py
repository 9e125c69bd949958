"""What a server writes of its life: one line of JSON a request, and one for everything else worth a line.

A line names the route, never the address; no header, query or body is ever in it. All text in a line is printable
ASCII or escaped, so nothing a client sends can forge a line or steer a terminal. A write that was denied or malformed
is told to ``denied``, so that it can leave an event in the ledger.
"""

import logging
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from budwood.server.exchange import Exchange

TEXT_CHARS: Final = 200
MESSAGE_CHARS: Final = 4_000
FRAMES: Final = 20
DENIED_STATUSES: Final = frozenset({400, 401, 403, 404, 405, 411, 413, 414, 415, 416, 421, 422, 431})
DENIALS_AT_ONCE: Final = 60
DENIALS_A_SECOND: Final = 1.0

Write = Callable[[bytes], object]
"""Takes whole lines; it must not block for long, because requests wait for it."""

_SECRETS: Final = (
    (re.compile(r"bw_[A-Za-z0-9_-]{8,}"), "bw_***"),
    (re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), "eyJ***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}"), r"\1 ***"),
    (re.compile(r"://[^/\s:@]*:[^/\s@]+@"), "://***@"),
    (
        re.compile(r"(?i)((?:password|passwd|secret|token|signature|api_?key|access_?key|\bsig))(['\"]?\s*[=:]\s*['\"]?)[^\s&'\",;]+"),
        r"\1\2***",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Denial:
    """A write that was not allowed, or not understood. ``actor`` "" is nobody known.

    ``unsaid`` counts those before it that were not told, because too many came at once.
    """

    actor: str
    namespace: str
    route: str
    reason: str
    request_id: str
    unsaid: int = 0


class RequestLog:
    """Watches exchanges. ``now`` is seconds since 1970; ``denied`` is called in the event loop and must be quick."""

    def __init__(self, write: Write, now: Callable[[], float], denied: Callable[[Denial], None] | None = None) -> None:
        self._write = write
        self._now = now
        self._denied = denied
        self._allowance = float(DENIALS_AT_ONCE)
        self._allowance_at = now()
        self._unsaid = 0

    def __call__(self, exchange: Exchange) -> None:
        now = self._now()
        self._write(_line(now, _fields(exchange)))
        if exchange.crash is not None:
            self._write(_line(now, _crash_fields(exchange, exchange.crash)))
        if self._denied is not None and exchange.writes and exchange.status in DENIED_STATUSES:
            self._tell(exchange, now, self._denied)

    def _tell(self, exchange: Exchange, now: float, denied: Callable[[Denial], None]) -> None:
        """Tells of a denial, at a bounded rate: a stranger must not be able to fill the ledger."""
        gained = max(now - self._allowance_at, 0.0) * DENIALS_A_SECOND
        self._allowance = min(self._allowance + gained, DENIALS_AT_ONCE)
        self._allowance_at = now
        if self._allowance < 1:
            self._unsaid += 1
            return
        self._allowance -= 1
        reason = exchange.code or str(exchange.status)
        denied(
            Denial(exchange.principal, exchange.namespace, exchange.route, reason, exchange.request_id, self._unsaid)
        )
        self._unsaid = 0


class JsonFormatter(logging.Formatter):
    """For lines that libraries log: the same shape, without what looks like a secret."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(redact(record.getMessage()), MESSAGE_CHARS),
        }
        if record.exc_info and record.exc_info[1]:
            fields |= _crash(record.exc_info[1])
        return _line(record.created, fields).decode("ascii").rstrip("\n")


def redact(text: str) -> str:
    """The text without tokens, passwords in addresses, and values that are named like a secret; a long one is cut."""
    text = text[:MESSAGE_CHARS]
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def clean(text: str, most: int = TEXT_CHARS) -> str:
    """The text as printable ASCII: everything else is escaped, and a long one is cut."""
    if len(text) > most:
        text = text[:most] + "..."
    return text if text.isascii() and text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _fields(exchange: Exchange) -> dict[str, object]:
    return {
        "level": "info" if exchange.status and exchange.status < 500 else "warning",
        "logger": "budwood.request",
        "request": clean(exchange.request_id),
        "client": clean(exchange.client),
        "method": clean(exchange.method),
        "route": clean(exchange.route),
        "status": exchange.status,
        "code": clean(exchange.code),
        "ms": round(exchange.seconds * 1e3, 3),
        "bytes_in": exchange.bytes_in,
        "bytes_out": exchange.bytes_out,
        "principal": clean(exchange.principal),
        "namespace": clean(exchange.namespace),
    }


def _crash_fields(exchange: Exchange, crash: BaseException) -> dict[str, object]:
    request = {"request": clean(exchange.request_id), "route": clean(exchange.route)}
    return {"level": "error", "logger": "budwood.crash", **request, **_crash(crash)}


def _crash(crash: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(crash.__traceback__)[-FRAMES:]
    return {
        "error": type(crash).__name__,
        "why": clean(redact(str(crash)), MESSAGE_CHARS),
        "frames": [clean(f"{frame.filename}:{frame.lineno} {frame.name}") for frame in frames],
    }


def _line(now: float, fields: dict[str, object]) -> bytes:
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return msgspec.json.encode({"time": moment, **fields}) + b"\n"
