"""One route: a line of the table that server, client, OpenAPI and tests all read.

The table says what can be asked over HTTP and by whom; it holds no code. A server binds a handler to each name and
refuses to start when one is missing, or when a route has no permission. The client builds its calls from the same
lines, so the two cannot drift apart.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from budwood.domain.access import Permission
from budwood.domain.limits import REQUEST_BYTES
from budwood.errors import BudwoodError

_HOLE: Final = re.compile(r"\{([a-z_]+)\*?\}")
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})


class Body(StrEnum):
    """What travels: a JSON value of the declared type, raw bytes as a stream, plain text, or nothing."""

    JSON = "json"
    BYTES = "bytes"
    TEXT = "text"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` has holes such as ``{namespace}``; ``permission`` is asked in that namespace, or in the registry.

    ``also`` are permissions any of which will do as well. ``query`` and ``request`` are frozen dataclasses (None:
    none); ``response`` is the type of the answer. ``body_bytes`` bounds what is sent. ``edits``: answers carry an
    ETag, and If-Match is heeded. ``reads``: nothing changes, but the question is too long for an address, and so a
    POST. ``errors`` are those a caller should be ready for, beyond the ones any route may give (Invalid, unknown
    token, Unavailable). ``slow``: it changes something, and may take minutes.
    ``encodings`` are those that a body may come in; its handler unpacks it, and bounds what comes out.
    """

    name: str
    method: str
    path: str
    permission: Permission
    summary: str
    response: type | None = None
    request: type | None = None
    query: type | None = None
    errors: tuple[type[BudwoodError], ...] = ()
    takes: Body = Body.JSON
    gives: Body = Body.JSON
    edits: bool = False
    reads: bool = False
    status: int = 200
    also: tuple[Permission, ...] = ()
    body_bytes: int = REQUEST_BYTES
    slow: bool = False
    encodings: tuple[str, ...] = ()

    @property
    def holes(self) -> tuple[str, ...]:
        """The names in the path, in order."""
        return tuple(_HOLE.findall(self.path))

    @property
    def noun(self) -> str:
        """What it is about: the first word of its name."""
        return self.name.partition(".")[0]

    @property
    def writes(self) -> bool:
        """Whether it changes something, and so takes an Idempotency-Key."""
        return self.method not in SAFE_METHODS and not self.reads
