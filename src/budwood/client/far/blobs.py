"""Raw bytes to and from signed addresses: the server's own, or an object store's. No token travels here.

Both ways are tried again when a connection breaks: a range is read again, a pack is sent again whole. An address that
is refused has run out, or what it named is gone; then another must be asked for.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from budwood.domain.limits import CONNECT_S, IDLE_S, REQUEST_TRIES
from budwood.errors import BudwoodError, ServerUnreachable, from_problem
from budwood.store.archived import archived
from budwood.verbs.wire import decode

_FULL: Final = 507
_GONE: Final = frozenset({400, 401, 403, 404, 410})
_AGAIN: Final = frozenset({408, 409, 425, 429})
_FIRST_DELAY_S: Final = 0.2
_LONGEST_DELAY_S: Final = 5.0
_HEADERS: Final = {"User-Agent": "budwood", "Accept-Encoding": "identity"}


class AddressGone(BudwoodError):
    """An address is not good any more. Never leaves this room."""


class Blobs:
    """Connections for bytes. Shared by threads."""

    def __init__(self, url: str, *, connections: int = 8) -> None:
        self._url = url + "/"
        self._pool = urllib3.PoolManager(maxsize=connections, block=False, retries=False)

    def get(self, address: str, start: int, length: int) -> bytes:
        """Exactly these bytes. Raises AddressGone, ServerUnreachable."""
        headers = {**_HEADERS, "Range": f"bytes={start}-{start + length - 1}"}
        answer = self._tried("GET", address, headers, None)
        # A server that knows no ranges sends it all.
        content = answer.data[start : start + length] if answer.status == 200 else answer.data
        if len(content) != length:
            raise AddressGone(f"{len(content)} bytes came instead of {length}.")
        return content

    def put(self, address: str, content: memoryview) -> None:
        """Send the content as one object. Raises AddressGone, ServerUnreachable."""
        headers = {**_HEADERS, "Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
        if "://" in address:
            headers["x-ms-blob-type"] = "BlockBlob"  # Azure asks for it; other stores do not look.
        self._tried("PUT", address, headers, content)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _tried(
        self, method: str, address: str, headers: Mapping[str, str], content: memoryview | None
    ) -> BaseHTTPResponse:
        delay = _FIRST_DELAY_S
        for last in range(1, REQUEST_TRIES + 1):
            try:
                answer = self._pool.request(
                    method,
                    urljoin(self._url, address),
                    body=cast(bytes, content),
                    headers=headers,
                    timeout=urllib3.Timeout(connect=CONNECT_S, read=IDLE_S),
                    redirect=False,
                    retries=False,
                )
            except HTTPError as error:
                if last == REQUEST_TRIES:
                    raise ServerUnreachable(f"Bytes cannot be sent or read at {self._url}.", url=self._url) from error
            else:
                if answer.status < 300:
                    return answer
                if found := archived("What was asked for", answer.data.decode("utf-8", "replace")):
                    raise found
                if answer.status in _GONE:
                    raise AddressGone(f"The address was answered with {answer.status}.")
                final = answer.status == _FULL or (answer.status < 500 and answer.status not in _AGAIN)
                if final or last == REQUEST_TRIES:
                    raise self._refused(answer)
            time.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY_S)
        raise AssertionError("unreachable")

    def _refused(self, answer: BaseHTTPResponse) -> BudwoodError:
        """What a server of ours raised; an object store says it in words of its own."""
        if answer.headers.get("Content-Type") == "application/problem+json":
            with suppress(BudwoodError):
                return from_problem(decode(dict[str, Any], answer.data))
        message = f"The server answered {answer.status} where bytes are sent and read."
        return ServerUnreachable(message, url=self._url, status=answer.status)
