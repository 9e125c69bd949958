"""Requests that a server sends to addresses others chose: webhooks, identity providers.

Whoever chose the address may mean harm. The name is resolved once and every address it has is judged
(``domain.targets``); the connection goes to a judged one, so that the name cannot point elsewhere a moment later. No
redirect is followed and no proxy of the environment is used. From the name to the last byte takes at most
``FETCH_S``, and at most ``FETCHED_BYTES`` of an answer are read. What goes wrong is said without what is inside:
a name that is not there and a name that leads inside look alike.
"""

import io
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from ipaddress import ip_address
from typing import Final, Self

from budwood.domain.limits import FETCH_S, FETCHED_BYTES
from budwood.domain.targets import DEFAULT_PORTS, Address, Network, Target, embedded, why_not_public
from budwood.errors import BadValue, TargetUnreachable

Resolve = Callable[[str, int], Sequence[Address]]
"""The addresses of a host and port. Raises OSError when there are none."""

ADDRESSES_TRIED: Final = 4
WIRE_BYTES: Final = 2 * FETCHED_BYTES
"""Of an answer with its head, its chunk sizes and all."""

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\x20-\x7e\t]*")
_METHODS: Final = frozenset({"GET", "POST"})
_NOWHERE: Final = "The name leads to no public address."
_ODD: Final = "What answered there does not speak HTTP as it should."


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case; ``body`` is cut off at ``FETCHED_BYTES``."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def resolve(host: str, port: int) -> Sequence[Address]:
    """What the machine's own resolver says. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(text) for text in dict.fromkeys(str(entry[4][0]) for entry in found)]


class Outgoing:
    """Sends to public addresses over HTTPS, and to networks an admin ``allowed`` over HTTP too."""

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        resolve: Resolve = resolve,
        context: ssl.SSLContext | None = None,
        within_s: float = FETCH_S,
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve
        self._context = context
        self._within_s = within_s

    def send(
        self, url: str, *, method: str = "POST", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """One request, one answer; whatever its status. Raises BadValue for what is no address, TargetUnreachable."""
        target = Target.parse(url)
        request = _request(target, method, headers or {}, body)
        left = _Left(self._within_s)
        try:
            with closing(self._connect(target, left)) as connection:
                wire = _Wire(connection, left)
                wire.send_all(request)
                return wire.answer(method)
        except TimeoutError as error:
            raise TargetUnreachable(f"There was no whole answer within {self._within_s:g} seconds.") from error
        except ssl.SSLError as error:
            raise TargetUnreachable("No trusted connection: TLS or its certificate is not in order.") from error
        except (HTTPException, ValueError) as error:
            raise TargetUnreachable(_ODD) from error
        except OSError as error:
            raise TargetUnreachable("The connection was refused or broke off.") from error

    def _connect(self, target: Target, left: "_Left") -> socket.socket:
        addresses = self._judged(target, left)
        for number, address in enumerate(addresses, start=1):
            share_s = left() / (len(addresses) - number + 1)
            try:
                plain = socket.create_connection((str(address), target.port), timeout=share_s)
            except OSError:
                if number == len(addresses):
                    raise
                continue
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(left())
            return plain if target.scheme == "http" else self._secured(plain, target)
        raise AssertionError("a judged name has an address")

    def _secured(self, plain: socket.socket, target: Target) -> socket.socket:
        # Made when it is first needed: it reads every certificate this machine trusts.
        self._context = self._context or ssl.create_default_context()
        try:
            return self._context.wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise

    def _judged(self, target: Target, left: "_Left") -> Sequence[Address]:
        """Every address of the name, if every one may be spoken to. Raises TargetUnreachable."""
        literal = target.literal
        addresses = [literal] if literal is not None else _resolved(self._resolve, target, left)
        if not addresses or any(why_not_public(address, self._allowed) for address in addresses):
            raise TargetUnreachable(_NOWHERE)
        if target.scheme == "http" and not all(self._opened(address) for address in addresses):
            raise TargetUnreachable("A server sends over https only.")
        return addresses[:ADDRESSES_TRIED]

    def _opened(self, address: Address) -> bool:
        return any(address in network or embedded(address) in network for network in self._allowed)


class _Left:
    """Seconds until it is too late."""

    def __init__(self, within_s: float) -> None:
        self._until = time.monotonic() + within_s

    def __call__(self) -> float:
        """Raises TimeoutError when none are left."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class _Wire(io.RawIOBase):
    """A connection whose every read and write ends in time, and that reads so many bytes and no more."""

    def __init__(self, connection: socket.socket, left: _Left) -> None:
        self._connection = connection
        self._left = left
        self._read = 0

    def send_all(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            self._connection.settimeout(self._left())
            rest = rest[self._connection.send(rest) :]

    def answer(self, method: str) -> Answer:
        """Raises OSError, HTTPException."""
        with HTTPResponse(self, method=method) as response:  # type: ignore[arg-type]  # It only asks for makefile.
            response.begin()
            body = response.read(FETCHED_BYTES)
            if response.length and len(body) < FETCHED_BYTES:
                raise ConnectionError
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, body)

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        if self._read >= WIRE_BYTES:
            raise ConnectionError
        self._connection.settimeout(self._left())
        count = self._connection.recv_into(buffer)
        self._read += count
        return count


def _request(target: Target, method: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Raises BadValue for a header that would be two."""
    assert method in _METHODS
    host = f"[{target.host}]" if ":" in target.host else target.host
    if target.port != DEFAULT_PORTS[target.scheme]:
        host = f"{host}:{target.port}"
    fields = {"Host": host, "User-Agent": "budwood", "Accept-Encoding": "identity", **headers, "Connection": "close"}
    if body or method == "POST":
        fields["Content-Length"] = str(len(body))
    for name, value in fields.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise BadValue("A header that is sent out holds what no header may.")
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target.path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


@dataclass(slots=True)
class _Found:
    """What a resolver said in its own thread; it cannot be told to hurry."""

    addresses: Sequence[Address] = ()
    done: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def ask(cls, resolve: Resolve, host: str, port: int) -> Self:
        found = cls()

        def ask() -> None:
            try:
                found.addresses = resolve(host, port)
            except (OSError, ValueError):
                found.addresses = ()
            finally:
                found.done.set()

        threading.Thread(target=ask, name="budwood-resolve", daemon=True).start()
        return found


def _resolved(resolve: Resolve, target: Target, left: _Left) -> Sequence[Address]:
    found = _Found.ask(resolve, target.host, target.port)
    if not found.done.wait(left()):
        raise TimeoutError
    return found.addresses
