"""A face: another tool's protocol as data, which the server mounts beside its own routes.

An endpoint says its method, address, permission and pace, as a route does; the server finds it, knows who asks,
decides, and runs it. A face adds how its clients' requests are read, how answers and errors look to them, and by what
else than the address a request names its namespace. Nothing here knows HTTP beyond names, bytes and a status.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol

from budwood.domain.access import Caller, Permission
from budwood.domain.canon import Json
from budwood.domain.limits import REQUEST_BYTES
from budwood.errors import BudwoodError
from budwood.verbs.house import House


class Pace(Enum):
    """How an endpoint is run.

    POINT: in the event loop, in one view of the catalog; it does nothing but one point read, and takes no body.
    SHORT: in a thread. LONG: in one of few threads, for what takes seconds.
    SOON: in one view, in the event loop or in a thread, where it does a handful of point reads. It gives back what is
    to be run in a transaction (a ``Work``), and no thread waits for that. What the work returns is what is answered. It
    is the fast way to write: many are made durable at once. Where there is more to do after all, it gives an ``Apart``.
    """

    POINT = auto()
    SHORT = auto()
    LONG = auto()
    SOON = auto()


@dataclass(frozen=True, slots=True)
class Request:
    """What came, undecoded. ``headers`` have lower-case names; ``holes`` are those of the address, decoded.

    ``streams``: the body is no part of it, but comes piece by piece.
    """

    method: str
    holes: Mapping[str, str]
    query: bytes
    headers: Mapping[str, str]
    body: bytes = b""
    streams: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """``house`` is the registry as the caller may see it, and its author the caller; ``whole`` all of it, for verbs
    whose permission was asked before. ``values`` is what the face read out of the request, holes of the address among
    them. ``address`` is what the client calls this server, with the prefix it came by: ``http://host/ns/risk``;
    ``token`` is the secret it showed."""

    house: House
    whole: House
    by: Caller
    namespace: str
    values: Mapping[str, Json]
    address: str = ""
    token: str = ""
    secret: Callable[[], str] = str

    @property
    def is_addressed(self) -> bool:
        """Whether the client names the namespace in every address it asks."""
        return "/ns/" in self.address


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it is sent."""

    content: bytes
    media_type: str = "application/json"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Work = Callable[[Any], Json]
"""What is run in a transaction of the catalog; verbs make it, faces only pass it on."""
Run = Callable[[Asked], Any]
"""Gives a JSON value, a Reply, or with ``Pace.SOON`` a Work, or an Apart that gives a JSON value."""


class Incoming(Protocol):
    """The body of a request while it comes."""

    @property
    def length(self) -> int | None:
        """As its head says; None when it does not."""

    def header(self, name: str) -> str:
        """Empty when there is none."""

    def pieces(self) -> AsyncIterator[bytes]:
        """The body, once. What is not read is thrown away."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An answer that is sent while it is made. A length among the headers must be true."""

    pieces: AsyncIterator[bytes]
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Stream = Callable[[Asked, Incoming], Awaitable[Reply | Outgoing]]
"""For bytes that do not fit into memory. It runs in the event loop: what blocks goes to ``asyncio.to_thread``."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of a face. Exactly one of ``run`` and ``stream`` is given.

    ``path`` has holes such as ``{model_id}``, and may end in one such as ``{path*}`` that takes the rest, slashes and
    all. ``also`` are permissions any of which will do as well. ``reads``: nothing changes, though it is no GET.
    ``encodings``: what a stream may be packed as; it is the stream's to unpack, within a bound.
    """

    name: str
    method: str
    path: str
    permission: Permission
    run: Run | None = None
    pace: Pace = Pace.SHORT
    also: tuple[Permission, ...] = ()
    reads: bool = False
    stream: Stream | None = None
    body_bytes: int = REQUEST_BYTES
    encodings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Face:
    """``named_in`` finds a namespace in the holes and the query of a request whose address names none.
    ``owns`` tells whether an address (without the prefix of a namespace) is of this face, so that a mistaken one is
    answered in its form; ``worded`` is that form for what HTTP itself refuses, by status and one sentence.

    ``addresses`` are all under which an endpoint's path is served. ``namespace_header`` names a namespace for a request
    whose address does not."""

    name: str
    endpoints: tuple[Endpoint, ...]
    owns: Callable[[str], bool]
    read: Callable[[Request], Mapping[str, Json]]
    answer: Callable[[Json], Reply]
    refuse: Callable[[BudwoodError], Reply]
    nowhere: Callable[[str, str], BudwoodError]
    worded: Callable[[int, str], Reply]
    addresses: Callable[[str], tuple[str, ...]] = field(default=lambda path: (path,))
    namespace_header: str = ""
    named_in: Callable[[Mapping[str, str], bytes], str] = field(default=lambda holes, query: "")
