"""Errors as problem+json (RFC 9457): the same codes, messages, hints and facts as everywhere, and the request's id."""

from pathlib import PurePath
from typing import Final

from budwood.errors import BadBundle, BudwoodError, Damaged, NotFound, Unauthenticated, Unavailable
from budwood.server.refusal import PROBLEM_TYPE
from budwood.verbs.wire import encode

RETRY_S: Final = 1
_TITLES: Final = {
    400: "Malformed request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    410: "Gone",
    409: "Conflict",
    412: "Precondition failed",
    413: "Too large",
    422: "Invalid request",
    429: "Too many requests",
    500: "Damaged",
    501: "Not offered",
    503: "Unavailable",
    507: "Storage full",
}
Headers = list[tuple[bytes, bytes]]


def problem(error: BudwoodError, request_id: str) -> tuple[int, Headers, bytes]:
    """Status, headers and body."""
    status = error.http_status
    said = _without_our_paths(error)
    body = encode(
        {
            "type": "about:blank",
            "title": _TITLES.get(status, "Error"),
            "status": status,
            "detail": said["message"],
            **said,
            "request_id": request_id,
        }
    )
    headers = [(b"content-type", PROBLEM_TYPE), (b"content-length", b"%d" % len(body))]
    if isinstance(error, Unavailable):
        wanted = error.facts.get("retry_after_s")
        headers.append((b"retry-after", b"%d" % (wanted if isinstance(wanted, int) else RETRY_S)))
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b'Bearer realm="budwood"'))
    return status, headers, body


def nowhere() -> NotFound:
    """For an address that is none."""
    return NotFound("There is nothing at this address.", hint="/docs lists what can be asked.")


def _without_our_paths(error: BudwoodError) -> dict[str, object]:
    """The error without the name of a file of this machine, which is nobody's business who asks over HTTP."""
    said = error.to_json()
    path = error.facts.get("path")
    # What a request got wrong names a path of its own, and is told.
    if (
        isinstance(error, Damaged | Unavailable | NotFound | BadBundle)
        and isinstance(path, str)
        and PurePath(path).is_absolute()
    ):
        message = error.message.replace(f" at {path}", "").replace(path, "A file of the server")
        said |= {"message": message, "facts": {key: fact for key, fact in error.facts.items() if key != "path"}}
    return said
