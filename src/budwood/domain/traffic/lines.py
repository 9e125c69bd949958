"""A gateway's access log: one JSON object a line, read strictly, because whoever sends requests writes parts of it.

The names of the fields are what ``delivery/gateway/config.py`` tells a gateway to write. A line that is none is counted
as garbled and says nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from budwood.domain.limits import LOG_LINE_BYTES
from budwood.domain.traffic.log_line import REQUEST_ID, line_of, number_in, text_in

FIELDS: Final = (
    *("at", "request", "endpoint", "generation", "why", "cluster", "tenant", "user", "code", "flags", "us"),
    *("backend_us", "sent", "asked", "prompt_tokens", "completion_tokens"),
)
SPLIT: Final = frozenset({"split", "shadow"})
"""Why a request went where it did, when it was the split that said so."""

_NOTHING: Final = "-"


@dataclass(frozen=True, slots=True)
class Line:
    """One answered request. ``endpoint`` is ``namespace.name``; ``arm`` is empty where no backend was asked, ``user``
    and ``tenant`` where nobody said. ``code`` 0: the client went away. Latency in µs, -1 where there is none; so are
    tokens, where the answer did not say what it used."""

    at_ms: int
    request: str
    endpoint: str
    generation: int
    why: str
    arm: str
    code: int
    latency_us: int
    user: str = ""
    tenant: str = ""
    flags: str = ""
    asked_bytes: int = 0
    sent_bytes: int = 0
    prompt_tokens: int = -1
    completion_tokens: int = -1

    @property
    def failed(self) -> bool:
        """Whether the arm is to blame: what a client did wrong or gave up is not the version's fault."""
        return self.code >= 500


@dataclass(frozen=True, slots=True)
class Lines:
    """What was read, in order, and how many lines were none."""

    lines: tuple[Line, ...]
    garbled: int = 0


def read_lines(content: bytes) -> Lines:
    """Whole lines of a log. Those of requests that met no endpoint are left out."""
    read = [_read(line) for line in content.split(b"\n") if line.strip()]
    return Lines(
        tuple(line for line in read if isinstance(line, Line) and line.endpoint), sum(line is None for line in read)
    )


def arm_of_cluster(cluster: str) -> str:
    """The arm's name: what comes after the last dot, since arms' names have none."""
    return cluster.rpartition(".")[2]


def _read(text: bytes) -> Line | None:
    said = line_of(text, LOG_LINE_BYTES)
    if said is None:
        return None
    at, request = number_in(said, "at"), _text(said, "request")
    generation, code, latency = (number_in(said, name) for name in ("generation", "code", "us"))
    endpoint = _text(said, "endpoint")
    if not endpoint:
        return Line(0, request, "", 0, "", "", 0, -1)
    if at is None or generation is None or code is None or code > 999:
        return None
    if not REQUEST_ID.fullmatch(request):
        return None
    return Line(
        int(at * 1_000),
        request,
        endpoint,
        int(generation),
        _text(said, "why"),
        arm_of_cluster(_text(said, "cluster")),
        int(code),
        int(latency) if latency is not None else -1,
        _text(said, "user"),
        _text(said, "tenant"),
        _text(said, "flags"),
        *(max(0, _whole(said, name)) for name in ("asked", "sent")),
        *(_whole(said, name) for name in ("prompt_tokens", "completion_tokens")),
    )


def _whole(said: dict[str, Any], name: str) -> int:
    """-1 where it says nothing that could be."""
    value = number_in(said, name)
    return int(value) if value is not None else -1


def _text(said: dict[str, Any], name: str) -> str:
    """A gateway writes ``-`` where there is nothing to say."""
    value = text_in(said, name)
    return "" if value == _NOTHING else value


def in_order(lines: Iterable[Line]) -> list[Line]:
    """By when they were answered; a gateway's workers write side by side."""
    return sorted(lines, key=lambda line: line.at_ms)
