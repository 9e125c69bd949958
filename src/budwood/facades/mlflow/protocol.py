"""How MLflow's clients speak: bodies and parameters as JSON of its messages, errors as a code and a message.

Unknown fields are ignored, as its clients of other releases send them. A body must say that it is JSON: that is what
keeps the pages of strangers from posting forms here. A body may be JSON in a JSON text: old clients send that.
"""

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from budwood import errors
from budwood.domain.canon import Json
from budwood.domain.limits import JSON_DEPTH, QUERY_TERMS
from budwood.errors import BudwoodError, Forbidden, Malformed, NotFound
from budwood.facades.face import Reply, Request
from budwood.facades.mlflow.not_offered import why_not

EMULATED: Final = "3.17.2"
NAMESPACE_HEADER: Final = "x-mlflow-workspace"
_CODES: Final[tuple[tuple[type[BudwoodError], str, int], ...]] = (
    # The first that fits: classes before their families.
    (errors.Malformed, "BAD_REQUEST", 400),
    (errors.NameTaken, "RESOURCE_ALREADY_EXISTS", 400),
    (errors.LabelTaken, "RESOURCE_ALREADY_EXISTS", 400),
    (errors.Unauthenticated, "UNAUTHENTICATED", 401),
    (errors.TooManyRequests, "REQUEST_LIMIT_EXCEEDED", 429),
    (errors.BundleDamaged, "INVALID_PARAMETER_VALUE", 400),
    (errors.Invalid, "INVALID_PARAMETER_VALUE", 400),
    (errors.NotFound, "RESOURCE_DOES_NOT_EXIST", 404),
    (errors.Conflict, "RESOURCE_CONFLICT", 409),
    (errors.Refused, "PERMISSION_DENIED", 403),
    (errors.Damaged, "DATA_LOSS", 500),
    (errors.Unavailable, "TEMPORARILY_UNAVAILABLE", 503),
    (errors.Unsupported, "NOT_IMPLEMENTED", 501),
)
_OF_STATUS: Final = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    413: "INVALID_PARAMETER_VALUE",
    421: "PERMISSION_DENIED",
    503: "TEMPORARILY_UNAVAILABLE",
}
_PREFIXES: Final = (
    *("/api/2.0/mlflow", "/api/3.0/mlflow", "/ajax-api/2.0/mlflow", "/ajax-api/3.0/mlflow"),
    *("/api/2.0mlflow", "/ajax-api/2.0mlflow", "/get-artifact", "/model-versions/get-artifact", "/v1/traces"),
    *("/gateway/", "/graphql", "/version", "/health"),
)
_MCP_SERVER: Final = "/mcp-servers/{name}"
_MCP_SERVER_APART: Final = "/mcp-servers/{domain}/{slug}"


def owns(path: str) -> bool:
    """Whether an address is MLflow's."""
    return path.startswith(_PREFIXES) and not path.startswith("/healthz")


def addresses(path: str) -> tuple[str, ...]:
    """What a browser of MLflow's asks under /ajax-api is the same. An MCP server's name may be two segments."""
    if not path.startswith("/api/"):
        return (path,)
    written = (path, path.replace(_MCP_SERVER, _MCP_SERVER_APART)) if _MCP_SERVER in path else (path,)
    return (*written, *("/ajax" + each.replace("/api", "-api", 1) for each in written))


def read(request: Request) -> Mapping[str, Json]:
    """The fields of a request, those in its address among them. Raises Malformed, Forbidden."""
    if request.method == "GET":
        return {**_of_query(request.query), **request.holes}
    _refuse_foreign(request.headers)
    if request.streams:
        return {**_of_query(request.query), **request.holes}
    if request.body or request.method in ("POST", "PUT"):
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not media_type:
            raise Malformed("Bad Request. Content-Type header is missing.")
        if media_type != "application/json":
            raise Malformed("Bad Request. Content-Type must be one of ['application/json'].")
    return {**_of_query(request.query), **_of_body(request.body), **request.holes}


def answer(value: Json) -> Reply:
    """An answer; None is an empty one."""
    return Reply(msgspec.json.encode({} if value is None else value))


def refuse(error: BudwoodError) -> Reply:
    """An error in MLflow's form, which its clients raise again as one of theirs."""
    code, status = _code(error)
    message = error.message
    if isinstance(error, errors.Refused | errors.Unavailable) and error.hint:
        message = f"{message} {error.hint}"
    told: dict[str, Json] = {"error_code": code, "message": message}
    headers: list[tuple[str, str]] = []
    if isinstance(error, errors.Unauthenticated):
        headers.append(("www-authenticate", 'Basic realm="mlflow"'))
    if isinstance(error, errors.Unavailable):
        headers.append(("retry-after", "1"))
    return Reply(msgspec.json.encode(told), status=status, headers=tuple(headers))


def worded(status: int, message: str) -> Reply:
    """What was refused before anybody looked for an endpoint: a head, a body, a host."""
    code = _OF_STATUS.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")
    told: dict[str, Json] = {"error_code": code, "message": message}
    return Reply(msgspec.json.encode(told), status=status)


def nowhere(method: str, path: str) -> NotFound:
    """For an address that is none, or is not offered."""
    why = why_not(path)
    told = f"No such endpoint: {method} {path[:200]} is not supported by this server"
    return NotFound(f"{told}: {why}." if why else f"{told}.")


def _code(error: BudwoodError) -> tuple[str, int]:
    if type(error) is NotFound:  # Whatever is not there has a class of its own but the address itself.
        return "ENDPOINT_NOT_FOUND", 404
    return next(((code, status) for kind, code, status in _CODES if isinstance(error, kind)), ("INTERNAL_ERROR", 500))


def _of_query(query: bytes) -> dict[str, Json]:
    if not query:
        return {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=QUERY_TERMS)
    except ValueError as error:
        raise Malformed("The query of the address cannot be read.") from error
    found: dict[str, list[str]] = {}
    for field, value in pairs:
        found.setdefault(field, []).append(value)
    return {field: values[0] if len(values) == 1 else values for field, values in found.items()}


def _of_body(body: bytes) -> Mapping[str, Json]:
    if not body:
        return {}
    value = _json(body)
    if isinstance(value, str):
        value = _json(value.encode())
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Malformed("Bad Request. The body must be a JSON object.")
    return value


def _json(content: bytes) -> Json:
    """JSON as clients in Python write it: numbers that are none are let through. Raises Malformed."""
    try:
        try:
            return msgspec.json.decode(content)  # type: ignore[no-any-return]
        except msgspec.DecodeError:
            value: Json = json.loads(content)
            json.dumps(value, ensure_ascii=False).encode()  # halves of characters
            return value
    except RecursionError as error:
        raise Malformed(f"Bad Request. The body is nested deeper than {JSON_DEPTH}.") from error
    except ValueError as error:
        raise Malformed("Bad Request. The body is no JSON.") from error


def _refuse_foreign(headers: Mapping[str, str]) -> None:
    """A browser says where a page that changes something came from: only our own may."""
    origin = headers.get("origin", "")
    if origin and urlsplit(origin).netloc != headers.get("host", ""):
        raise Forbidden("Cross-origin request blocked.")
