"""Whether an address may be looked at: its path decoded exactly once, its query decodable, no token in it.

Servers hand ``..``, ``;``, NUL and broken UTF-8 to the application as they come (measured with uvicorn and granian),
and what decodes twice means two things to two readers. So every path is either plain or refused here.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from budwood.server.http_limits import HttpLimits
from budwood.server.refusal import BAD_PATH, BAD_QUERY, LONG_URL, MANY_TERMS, SECRET_IN_URL, Refusal

_PLAIN: Final = re.compile(rb"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~@:+,=!-]+)+/?")
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\\;]|//|(?:^|/)\.{1,2}(?:/|\Z)|%[0-9A-Fa-f]{2}",
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SECRET_NAME: Final = re.compile(
    rb"(?:^|[&;?])(?:access_?token|id_?token|refresh_?token|api_?key|token|auth|authorization|bearer|password|secret)=",
    re.IGNORECASE,
)
_SECRET_VALUE: Final = re.compile(rb"bw_[A-Za-z0-9_-]{20}")


def refuse_target(raw_path: bytes, query: bytes, limits: HttpLimits) -> Refusal | None:
    """Why the address is not looked at, or None. ``raw_path`` and ``query`` are as they were sent."""
    if len(raw_path) + len(query) > limits.url_bytes:
        return LONG_URL
    if query and (refusal := _refuse_query(query, limits)):
        return refusal
    if raw_path == b"/" or _PLAIN.fullmatch(raw_path):
        return SECRET_IN_URL if _SECRET_VALUE.search(raw_path) else None
    return _refuse_path(raw_path)


def _refuse_path(raw_path: bytes) -> Refusal | None:
    if not raw_path.startswith(b"/") or _BAD_ESCAPE.search(raw_path):
        return BAD_PATH
    decoded = unquote_to_bytes(raw_path)
    try:
        path = decoded.decode("utf-8")
    except UnicodeDecodeError:
        return BAD_PATH
    if _FORBIDDEN.search(path):
        return BAD_PATH
    return SECRET_IN_URL if _SECRET_VALUE.search(decoded) else None


def _refuse_query(query: bytes, limits: HttpLimits) -> Refusal | None:
    if query.count(b"&") + query.count(b";") >= limits.query_terms:
        return MANY_TERMS
    decoded = unquote_to_bytes(query) if b"%" in query else query
    if _SECRET_NAME.search(decoded) or _SECRET_VALUE.search(decoded):
        return SECRET_IN_URL
    if _BAD_ESCAPE.search(query):
        return BAD_QUERY
    try:
        text = decoded.decode("utf-8")
    except UnicodeDecodeError:
        return BAD_QUERY
    return BAD_QUERY if _CONTROL.search(text) else None
