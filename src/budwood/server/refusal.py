"""What a server says when it does not take a request: a status, a stable code, one sentence; never an internal.

These are the refusals of HTTP itself, made before any route is known. What a verb refuses is an error of errors.py,
and is rendered elsewhere in the same shape (problem+json, RFC 9457).
"""

from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

HeaderList = list[tuple[bytes, bytes]]
PROBLEM_TYPE: Final = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class Refusal:
    """``keeps``: the connection is still in step after it, so that it need not be closed."""

    status: int
    code: str
    title: str
    hint: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())
    keeps: bool = True

    def body(self, request_id: str) -> bytes:
        """The problem as JSON."""
        return msgspec.json.encode(
            {
                "type": "about:blank",
                "title": self.title,
                "status": self.status,
                "code": self.code,
                "hint": self.hint,
                "request_id": request_id,
            }
        )

    def allowing(self, methods: frozenset[str]) -> "Refusal":
        """The same with an Allow header."""
        return replace(self, headers=((b"allow", ", ".join(sorted(methods)).encode("ascii")),))


class Refused(Exception):
    """Leaves ``receive`` when a body may not be read further; the guard answers for whoever was reading."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.title)
        self.refusal = refusal


BAD_REQUEST: Final = Refusal(400, "bad_request", "This is not a well-formed HTTP/1.1 request.", keeps=False)
BAD_PATH: Final = Refusal(
    400, "bad_url_path", "The path of the address is not a plain one.", "Send names as they are, encoded once."
)
BAD_QUERY: Final = Refusal(400, "bad_query", "The query of the address is not valid percent-encoded UTF-8.")
MANY_TERMS: Final = Refusal(400, "too_many_parameters", "The query has too many parameters.")
SECRET_IN_URL: Final = Refusal(
    400,
    "secret_in_url",
    "A token does not belong in an address, where every log keeps it.",
    "Send it as 'Authorization: Bearer ...', and revoke the one that was sent.",
)
OTHER_TARGET: Final = Refusal(400, "bad_target", "The request names another server than this one.", keeps=False)
BAD_HOST: Final = Refusal(400, "bad_host", "A request has exactly one Host header.", keeps=False)
UNKNOWN_HOST: Final = Refusal(
    421, "unknown_host", "This server does not answer to that host name.", "An admin can add it to the allowed hosts."
)
BAD_LENGTH: Final = Refusal(400, "bad_length", "The length of the body is not stated in one plain way.", keeps=False)
NO_BODY: Final = Refusal(400, "unexpected_body", "A request with this method has no body.", keeps=False)
BAD_RANGE: Final = Refusal(416, "bad_range", "One range of bytes can be asked for at a time, such as bytes=0-99.")
NO_METHOD: Final = Refusal(405, "method_not_allowed", "This address does not take that method.")
LONG_URL: Final = Refusal(414, "url_too_long", "The address is too long.", keeps=False)
LARGE_HEAD: Final = Refusal(431, "headers_too_large", "The header fields are too many or too large.", keeps=False)
DOUBLED_HEADER: Final = Refusal(400, "doubled_header", "A header that must stand once stands twice.", keeps=False)
NOT_JSON: Final = Refusal(415, "unsupported_media_type", "The body must have another Content-Type.")
ENCODED_BODY: Final = Refusal(
    415,
    "unsupported_encoding",
    "Bodies are taken as they are, without Content-Encoding.",
    headers=((b"accept-encoding", b"identity"),),
)
UNKNOWN_EXPECTATION: Final = Refusal(417, "unknown_expectation", "Only 'Expect: 100-continue' is understood.")
LARGE_BODY: Final = Refusal(413, "body_too_large", "The body is larger than this route takes.")
SLOW_HEAD: Final = Refusal(408, "request_too_slow", "The request did not arrive in time.", keeps=False)
SLOW_BODY: Final = Refusal(408, "request_too_slow", "The body arrived too slowly.", keeps=False)
BUSY: Final = Refusal(
    503,
    "server_busy",
    "The server works on as many requests as it can.",
    "Try again in a moment.",
    ((b"retry-after", b"1"),),
)
CRASHED: Final = Refusal(500, "internal_error", "The server failed.", "Give the request id to whoever runs it.")
