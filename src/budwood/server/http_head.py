"""One pass over the header fields of a request: what is needed of them, or why the request is refused.

The parser in front has its own opinion on some of this; nothing here relies on it, because another server may be
put in front one day, and because the two parsers of uvicorn differ (design/accepted/0011-guard.md).
"""

import re
from dataclasses import dataclass
from typing import Final

from budwood.server import refusal
from budwood.server.http_hosts import Hosts
from budwood.server.http_limits import HttpLimits
from budwood.server.refusal import Refusal

_DIGITS: Final = re.compile(rb"[0-9]{1,18}")
_ONE_RANGE: Final = re.compile(rb"bytes=(?:([0-9]{1,18})-([0-9]{1,18})?|-0*[1-9][0-9]{0,17})")
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_ONCE: Final = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"content-type", b"content-encoding", b"expect", b"range"}
    | {b"authorization", b"idempotency-key", b"x-request-id", b"if-range", b"origin"}
)
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


@dataclass(slots=True)
class Head:
    """``length`` None: a body in chunks, of a length that only counting tells."""

    method: str
    length: int | None = 0
    expects: bool = False
    media_type: bytes = b""
    encoding: bytes = b""
    request_id: str = ""

    @property
    def has_body(self) -> bool:
        """Whether anything may follow."""
        return self.length != 0


def read_head(
    method: str, version: str, fields: list[tuple[bytes, bytes]], hosts: Hosts, limits: HttpLimits
) -> Head | Refusal:
    """What the fields say. The names are lower case, as ASGI has them."""
    if len(fields) > limits.header_fields:
        return refusal.LARGE_HEAD
    once: dict[bytes, bytes] = {}
    size = 0
    for name, value in fields:
        size += len(name) + len(value) + 4
        if name in _ONCE:
            if name in once:
                return _doubled(name)
            once[name] = value
    if size > limits.head_bytes:
        return refusal.LARGE_HEAD
    return _judge(method, version, once, hosts)


def _judge(method: str, version: str, once: dict[bytes, bytes], hosts: Hosts) -> Head | Refusal:
    host = once.get(b"host")
    if not host:
        return refusal.BAD_HOST
    if not hosts.answers_to(host):
        return refusal.UNKNOWN_HOST
    wanted = once.get(b"range")
    if wanted is not None and not _is_one_range(wanted):
        return refusal.BAD_RANGE
    given = once.get(b"x-request-id", b"")
    request_id = given.decode("ascii") if _REQUEST_ID.fullmatch(given) else ""
    if b"content-length" not in once and b"transfer-encoding" not in once:
        return Head(method, request_id=request_id)
    return _judge_body(method, version, once, request_id)


def _judge_body(method: str, version: str, once: dict[bytes, bytes], request_id: str) -> Head | Refusal:
    length = _length(version, once)
    if isinstance(length, Refusal):
        return length
    if length == 0:
        return Head(method, request_id=request_id)
    if method in _BODILESS:
        return refusal.NO_BODY
    expect = once.get(b"expect", b"").lower()
    if expect not in (b"", b"100-continue"):
        return refusal.UNKNOWN_EXPECTATION
    media_type = once.get(b"content-type", b"").partition(b";")[0].strip().lower()
    encoding = once.get(b"content-encoding", b"").strip().lower()
    return Head(method, length, bool(expect), media_type, encoding, request_id)


def _length(version: str, once: dict[bytes, bytes]) -> int | Refusal | None:
    declared, transfer = once.get(b"content-length"), once.get(b"transfer-encoding")
    if transfer is not None:
        whole = declared is None and version == "1.1" and transfer.lower() == b"chunked"
        return None if whole else refusal.BAD_LENGTH
    return int(declared) if declared is not None and _DIGITS.fullmatch(declared) else refusal.BAD_LENGTH


def _is_one_range(value: bytes) -> bool:
    match = _ONE_RANGE.fullmatch(value)
    if match is None:
        return False
    first, last = match.groups()
    return not (first and last) or int(first) <= int(last)


def _doubled(name: bytes) -> Refusal:
    match name:
        case b"host":
            return refusal.BAD_HOST
        case b"content-length" | b"transfer-encoding":
            return refusal.BAD_LENGTH
        case b"range":
            return refusal.BAD_RANGE
        case _:
            return refusal.DOUBLED_HEADER
