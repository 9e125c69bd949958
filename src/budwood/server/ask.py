"""What a handler is given, and how it is to be run: one request, after it was read, allowed and decoded.

A handler calls one verb and returns what the route's ``response`` says. It knows no HTTP: the few words of HTTP that
matter to a verb (the ETag a change was based on, the bytes of a body) are here as values.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from budwood.catalog.people_api import Known
from budwood.domain.access import Caller, Within
from budwood.domain.records import model_path
from budwood.domain.routes.route import Route
from budwood.domain.routes.versions import NEWEST
from budwood.facades.face import Face
from budwood.server.service import Service
from budwood.verbs.house import House


@dataclass(slots=True)
class Ask:
    """``house`` is the registry as the caller may see it, and its author the caller; ``whole`` is all of it, with
    the same author, for verbs that look at what the caller may see by themselves. ``expected`` is what If-Match
    said, without its quotes; empty when nothing was said. ``secret`` is the bearer token as it came.
    ``client`` is the address the request came from, ``host`` the name it was sent to.
    """

    service: Service
    route: Route
    holes: Mapping[str, str]
    caller: Caller
    house: House
    whole: House
    known: Known | None = None
    query: Any = None
    body: Any = None
    expected: str = ""
    secret: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    client: str = ""
    host: str = ""

    @property
    def namespace(self) -> str:
        """Of the address."""
        return self.holes["namespace"]

    @property
    def model(self) -> str:
        """The model of the address, as a reference to its newest version."""
        return f"{self.holes['namespace']}/{self.holes['model']}"

    @property
    def reference(self) -> str:
        """The version of the address."""
        return self.version(self.holes["selector"])

    def version(self, selector: str) -> str:
        """A version of the model of the address."""
        return self.model if selector == NEWEST else f"{self.model}@{selector}"

    @property
    def path(self) -> str:
        """The model as people are told it."""
        return model_path(self.holes["namespace"], self.holes["model"])

    @property
    def within(self) -> Within | None:
        """The same, to ask about single ones."""
        return None if self.caller.reads_all else Within(self.caller)

    @property
    def reach(self) -> frozenset[str] | None:
        """The namespaces the caller may read; None for all."""
        return self.caller.reach()


class Mode(Enum):
    """How a handler is run.

    POINT: in the event loop; it does nothing but one point read. READ, WRITE: in a thread; what a WRITE's one
    transaction returns is what it answers. LONG, LONG_WRITE, DEED: in one of few threads, for those that take
    seconds or more; a DEED has several transactions, and to do it again does no harm.

    SOON: in one view from the token on; it gives back what is to be run in a transaction, and no thread waits for that.
    What the transaction returns is what it answers. It looks as a POINT does, in the event loop where the body is
    small, or gives back an ``Apart``, which is run in a thread. SOON_READING: the same, but it reads files where it
    looks, and so in a thread.
    """

    POINT = auto()
    READ = auto()
    WRITE = auto()
    LONG = auto()
    LONG_WRITE = auto()
    DEED = auto()
    SOON = auto()
    SOON_READING = auto()


def same(value: Any) -> Any:
    """What was returned is what is answered."""
    return value


def no_mark(answer: Any) -> str:
    """There is no ETag."""
    return ""


@dataclass(frozen=True, slots=True)
class Call:
    """``made`` turns what ``run`` returns into the answer; ``mark`` gives an answer's ETag; ``kept`` is what of an
    answer is kept for whoever asks again with the same key. ``face`` reads the request, where it is of one."""

    run: Callable[[Ask], Any]
    mode: Mode = Mode.READ
    made: Callable[[Any], Any] = same
    mark: Callable[[Any], str] = no_mark
    kept: Callable[[Any], Any] = same
    face: Face | None = None


RawRun = Callable[[Ask, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class RawCall:
    """For bytes that stream: it reads the request and makes the response itself."""

    run: RawRun
    face: Face | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is no JSON value."""

    content: bytes
    media_type: str
