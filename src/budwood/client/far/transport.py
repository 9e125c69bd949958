"""One server, spoken to over HTTP: calls by route, retried where that is safe, errors as they are raised in process.

A write carries an Idempotency-Key, so that sending it again after a lost answer does it once. Redirects are never
followed: the token is for this server alone.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.response import BaseHTTPResponse

from budwood.domain.limits import ANSWER_BYTES, CONNECT_S, IDLE_S, REQUEST_TRIES
from budwood.domain.routes.route import Body, Route
from budwood.errors import BudwoodError, Damaged, ServerUnreachable, from_problem
from budwood.verbs.wire import decode, encode, query_pairs

T = TypeVar("T")
_BUSY: Final = frozenset({429, 503})
_NO_HOLES: Final[Mapping[str, str]] = {}
_FIRST_DELAY_S: Final = 0.2
_LONGEST_DELAY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded answer and what its headers say about the thing."""

    value: Any
    etag: str = ""


class Transport:
    """``ids`` gives fresh unique names, for idempotency keys. Safe to use from several threads."""

    def __init__(self, url: str, token: str, *, ids: Callable[[], str], connections: int = 8) -> None:
        self.url = url
        self._ids = ids
        self._pool = urllib3.PoolManager(maxsize=connections, block=False, retries=False)
        self._headers = {"User-Agent": "budwood", "Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def call(
        self,
        route: Route,
        holes: Mapping[str, str] = _NO_HOLES,
        *,
        query: object = None,
        body: object = None,
        etag: str = "",
        long: bool = False,
    ) -> Any:
        """The value a route answers with. ``long``: it may take as long as it likes. Raises what the verb raises."""
        return self.ask(route, holes, query=query, body=body, etag=etag, long=long).value

    def ask(
        self,
        route: Route,
        holes: Mapping[str, str] = _NO_HOLES,
        *,
        query: object = None,
        body: object = None,
        etag: str = "",
        long: bool = False,
    ) -> Answer:
        """Like ``call``, with the answer's ETag. Raises ServerUnreachable, and what the verb raises."""
        headers = dict(self._headers)
        if route.writes:
            headers["Idempotency-Key"] = self._ids()
        if etag:
            headers["If-Match"] = f'"{etag}"'
        content = None
        if body is not None:
            content, headers["Content-Type"] = encode(body), "application/json"
        response = self._tried(
            lambda: self._send(route.method, self._address(route, query, holes), headers, content, long=long)
        )
        value = decode(route.response, response.data) if route.response and route.gives is Body.JSON else response.data
        return Answer(value, response.headers.get("ETag", "").strip('"'))

    @contextmanager
    def stream(
        self, route: Route, holes: Mapping[str, str] = _NO_HOLES, *, query: object = None
    ) -> Iterator[BaseHTTPResponse]:
        """An answer of raw bytes, read as it comes. Not retried."""
        response = self._send(
            route.method, self._address(route, query, holes), dict(self._headers), None, long=True, whole=False
        )
        try:
            if response.status >= 400:
                raise _error(response.status, response.read(ANSWER_BYTES))
            yield response
        finally:
            response.release_conn()
            response.close()

    def upload(self, route: Route, content: Iterator[bytes], size: int, holes: Mapping[str, str] = _NO_HOLES) -> Any:
        """Send raw bytes of a known size, and decode the answer. Not retried."""
        headers = {
            **self._headers,
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            "Idempotency-Key": self._ids(),
        }
        response = self._send(route.method, self._address(route, None, holes), headers, content, long=True)
        if response.status >= 400:
            raise _error(response.status, response.data)
        return decode(route.response, response.data) if route.response else None

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _address(self, route: Route, query: object, holes: Mapping[str, str]) -> str:
        path = route.path.format(**{name: quote(value, safe="") for name, value in holes.items()})
        asked = query_pairs(query) if query is not None else []
        return f"{self.url}{path}{'?' + urlencode(asked) if asked else ''}"

    def _send(
        self, method: str, address: str, headers: Mapping[str, str], content: Any, *, long: bool, whole: bool = True
    ) -> BaseHTTPResponse:
        timeout = urllib3.Timeout(connect=CONNECT_S, read=None if long else IDLE_S)
        try:
            return self._pool.request(
                method,
                address,
                body=content,
                headers=headers,
                timeout=timeout,
                redirect=False,
                retries=False,
                preload_content=whole,
            )
        except HTTPError as error:
            raise self._unreachable(error) from error

    def _tried(self, send: Callable[[], BaseHTTPResponse]) -> BaseHTTPResponse:
        delay = _FIRST_DELAY_S
        for last in range(1, REQUEST_TRIES + 1):
            try:
                response = send()
            except ServerUnreachable:
                if last == REQUEST_TRIES:
                    raise
            else:
                if response.status < 400:
                    return response
                if response.status not in _BUSY or last == REQUEST_TRIES:
                    raise _error(response.status, response.data)
                delay = max(delay, _asked_delay(response))
            time.sleep(min(delay, _LONGEST_DELAY_S))
            delay *= 2
        raise AssertionError("unreachable")

    def _unreachable(self, error: HTTPError) -> ServerUnreachable:
        reason = "the connection broke" if isinstance(error, ProtocolError) else "no answer"
        return ServerUnreachable(f"The server {self.url} cannot be reached: {reason}.", url=self.url)


def _asked_delay(response: BaseHTTPResponse) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def _error(status: int, content: bytes) -> BudwoodError:
    """The error the server raised; one of ours also when what answered is no server of ours."""
    try:
        return from_problem(decode(dict[str, Any], content))
    except BudwoodError:
        return Damaged(f"The server answered {status} with something that is no error of ours.", status=status)
