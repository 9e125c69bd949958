"""Speaking to an MLflow server: JSON asked and answered, files sent and fetched.

A server is a stranger: its answers are bounded, its redirects are not followed, so that a password goes nowhere else.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from budwood.client.carrying import shapes
from budwood.client.carrying.reader import PIECE_BYTES
from budwood.config import MlflowCredentials
from budwood.domain.limits import CARRIED_TEXT_BYTES, CONNECT_S, IDLE_S, REQUEST_TRIES
from budwood.errors import (
    BadValue,
    BudwoodError,
    Forbidden,
    LimitExceeded,
    Malformed,
    RecordNotFound,
    ServerUnreachable,
    Unauthenticated,
)

API: Final = "/api/2.0/mlflow/"
_BUSY: Final = frozenset({429, 502, 503, 504})
_FIRST_DELAY_S: Final = 0.2
_LONGEST_DELAY_S: Final = 5.0


class Web:
    """One server. ``name`` is its address without a password. Safe to use from several threads."""

    def __init__(self, uri: str, credentials: MlflowCredentials, workspace: str = "") -> None:
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadValue(f"{uri[:200]!r} is no address of a server.", hint="For example http://mlflow:5000")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = f":{parts.port}" if parts.port else ""
        self.name = f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
        self._pool = urllib3.PoolManager(maxsize=8, block=False, retries=False)
        self._headers = {"User-Agent": "budwood", "Accept": "application/json"}
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        user, password = user or credentials.user, password or _foreign(credentials.password)
        if (token := _foreign(credentials.token)) and not parts.username:
            self._headers["Authorization"] = f"Bearer {token}"
        elif user or password:
            self._headers |= urllib3.make_headers(basic_auth=f"{user}:{password}")
        if workspace:
            self._headers["X-MLFLOW-WORKSPACE"] = workspace

    def get(self, path: str, /, **query: object) -> dict[str, Any]:
        """Raises ServerUnreachable, Malformed, RecordNotFound, Unauthenticated, Forbidden, BadValue."""
        return self._asked("GET", path, query, None)

    def post(
        self, path: str, body: Mapping[str, object], method: str = "POST", headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The same. Writes are sent again only where nothing came of them."""
        return self._asked(method, path, {}, body, headers)

    @contextmanager
    def fetched(self, path: str, /, **query: object) -> Iterator[Iterator[bytes]]:
        """A file's bytes as they come. Raises ServerUnreachable, RecordNotFound, Forbidden."""
        response = self._sent("GET", path, query, None)
        try:
            if response.status >= 300:
                raise _refused(self.name, response.status, response.read(CARRIED_TEXT_BYTES))
            yield self._pieces(response)
        finally:
            response.release_conn()
            response.close()

    def put_file(self, path: str, file: IO[bytes], size: int) -> None:
        """Send a file. Raises ServerUnreachable, Forbidden, BadValue."""
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        response = self._sent("PUT", path, {}, iter(lambda: file.read(PIECE_BYTES), b""), headers)
        content = response.read(CARRIED_TEXT_BYTES)
        response.release_conn()
        if response.status >= 300:
            raise _refused(self.name, response.status, content)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _asked(
        self, method: str, path: str, query: Mapping[str, object], body: object, more: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        content = None if body is None else json.dumps(body).encode()
        headers = {**({} if body is None else {"Content-Type": "application/json"}), **(more or {})}
        delay = _FIRST_DELAY_S
        for last in range(1, REQUEST_TRIES + 1):
            try:
                response = self._sent(method, path, query, content, headers)
                answered = _bounded(response)
            except (ServerUnreachable, HTTPError) as error:
                if last == REQUEST_TRIES:
                    raise ServerUnreachable(f"{self.name} cannot be reached.", url=self.name) from error
            else:
                if response.status < 300:
                    return _object(answered)
                if response.status not in _BUSY or last == REQUEST_TRIES:
                    raise _refused(self.name, response.status, answered)
            time.sleep(min(delay, _LONGEST_DELAY_S))
            delay *= 2
        raise AssertionError("unreachable")

    def _sent(
        self,
        method: str,
        path: str,
        query: Mapping[str, object],
        body: Any,
        headers: Mapping[str, str] | None = None,
    ) -> BaseHTTPResponse:
        asked = urlencode([(key, str(value)) for key, value in query.items() if value not in (None, "")])
        address = f"{self.name}{path}{'?' + asked if asked else ''}"
        try:
            return self._pool.request(
                method,
                address,
                body=body,
                headers={**self._headers, **(headers or {})},
                timeout=urllib3.Timeout(connect=CONNECT_S, read=IDLE_S),
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except HTTPError as error:
            raise ServerUnreachable(f"{self.name} cannot be reached.", url=self.name) from error

    def _pieces(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        try:
            yield from response.stream(PIECE_BYTES)
        except HTTPError as error:
            raise ServerUnreachable(f"{self.name} broke off in a file.", url=self.name) from error


def _foreign(secret: str) -> str:
    """What the environment holds for a server of ours is not sent to another."""
    return "" if secret.startswith("bw_") else secret


def paged(ask: Callable[[Mapping[str, str]], Mapping[str, Any]], field: str) -> Iterator[Mapping[str, Any]]:
    """All pages. Raises Malformed for one that leads nowhere new."""
    token = ""
    while True:
        answer = ask({"page_token": token} if token else {})
        yield from shapes.objects(answer, field)
        token, before = shapes.text(answer, "next_page_token"), token
        if not token:
            return
        if token == before:
            raise Malformed("The server gives the same page again and again.")


def path_of(path: str) -> str:
    """A path of artifacts, as an address holds it."""
    return quote(path, safe="/")


def _bounded(response: BaseHTTPResponse) -> bytes:
    try:
        content = response.read(CARRIED_TEXT_BYTES + 1)
    finally:
        response.release_conn()
    if len(content) > CARRIED_TEXT_BYTES:
        response.close()
        raise LimitExceeded("The server answered with more than is read.", limit="CARRIED_TEXT_BYTES")
    return content


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content or b"{}")
    except (ValueError, RecursionError) as error:
        raise Malformed("The server answered with something that is no JSON.") from error
    if not isinstance(value, dict):
        raise Malformed("The server answered with something that is no object.")
    return value


def _refused(name: str, status: int, content: bytes) -> BudwoodError:
    try:
        said = str(_object(content).get("message", ""))[:300]
    except Malformed:
        said = ""
    message = f"{name} answered {status}{': ' + said if said else ''}"
    if 300 <= status < 400:
        return Malformed(f"{message}, and where to is not followed.")
    match status:
        case 401:
            hint = "Set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
            return Unauthenticated(message, hint=hint)
        case 403:
            return Forbidden(message)
        case 404:
            return RecordNotFound(message)
    return BadValue(message) if status < 500 else ServerUnreachable(message, url=name)
