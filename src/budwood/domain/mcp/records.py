"""MCP servers, their versions, and where they are reached. Values, and what follows from them; times are milliseconds.

A server is a name; its versions are semantic ones, each with a definition (MCP's ``server.json``) and the tools it has.
A deleted version keeps its place, so that its number never means something else. The newest version is an active one
where there is any; a server without a description or icons of its own shows that version's. What is JSON is kept as
the text it is sent on as, and nothing in it is ever fetched or run.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from budwood.domain.canon import Json

LATEST: Final = "latest"
"""The alias that nobody sets: whichever version is the newest."""
Icons = Sequence[Mapping[str, Json]]


class McpStatus(StrEnum):
    """Where a version stands."""

    DRAFT = "draft"
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    DELETED = "deleted"


class McpTransport(StrEnum):
    """How a server is spoken to where it is reached."""

    STREAMABLE_HTTP = "streamable-http"
    SSE = "sse"


@dataclass(frozen=True, slots=True)
class Newest:
    """What a server shows of its newest version. Icons are JSON; None where the definition says nothing."""

    version_id: int
    version: str
    status: McpStatus
    description: str | None = None
    icons: str | None = None


@dataclass(frozen=True, slots=True)
class McpServer:
    """``description`` and ``icons`` (JSON) are its own; None where it shows what its newest version says."""

    id: int
    namespace: str
    name: str
    display_name: str | None
    description: str | None
    icons: str | None
    created_by: str
    updated_by: str
    created_ms: int
    updated_ms: int
    newest: Newest | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown_description(self) -> str | None:
        """Its own, also an empty one, before its newest version's."""
        if self.description is None and self.newest is not None:
            return self.newest.description
        return self.description

    @property
    def shown_icons(self) -> list[dict[str, Json]] | None:
        """Its own, and those of its newest version for themes that it has none for; an empty list stays empty."""
        own = read_icons(self.icons)
        if own == []:
            return []
        themes = [each.get("theme") for each in own or ()]
        theirs = read_icons(self.newest.icons if self.newest else None) or ()
        shown = [{**each, "source": "server"} for each in own or ()]
        shown += [{**each, "source": "version"} for each in theirs if each.get("theme") not in themes]
        return shown or None


@dataclass(frozen=True, slots=True)
class McpVersion:
    """``definition``, ``tools`` and ``options`` are JSON; ``tools`` None where nobody said which it has;
    ``aliases`` are those that point at it."""

    id: int
    server_id: int
    server: str
    version: str
    definition: str
    status: McpStatus
    tools: str | None
    source: str | None
    options: str
    created_by: str
    updated_by: str
    created_ms: int
    updated_ms: int
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The bytes it takes in an answer."""
        return len(self.definition) + len(self.tools or "") + len(self.options)

    def as_newest(self) -> Newest:
        """What its server shows of it."""
        said = json.loads(self.definition)
        description, icons = said.get("description"), said.get("icons")
        return Newest(self.id, self.version, self.status, description, json.dumps(icons) if icons else None)


@dataclass(frozen=True, slots=True)
class McpRelease:
    """A version in its server's order, without what it holds."""

    id: int
    version: str
    status: McpStatus
    created_ms: int
    key: tuple[int, int, int, str]

    @property
    def is_deleted(self) -> bool:
        return self.status is McpStatus.DELETED


@dataclass(frozen=True, slots=True)
class McpEndpoint:
    """An address at which a version, or whatever an alias points at, is reached. Exactly one of ``version`` and
    ``alias`` is said; ``resolved`` is the version it comes to, None where that was deleted."""

    id: int
    endpoint: str
    server_id: int
    server: str
    url: str
    transport: McpTransport
    version_id: int
    version: str | None
    alias: str | None
    created_by: str
    updated_by: str
    created_ms: int
    updated_ms: int
    resolved: McpVersion | None = None


def newest_of(releases: Iterable[McpRelease]) -> McpRelease | None:
    """The active one before others, then by precedence, then the one made last. None where all are deleted."""
    there = [each for each in releases if not each.is_deleted]

    def rank(each: McpRelease) -> tuple[bool, tuple[int, int, int, str], int, str]:
        return each.status is McpStatus.ACTIVE, each.key, each.created_ms, each.version

    return max(there, key=rank, default=None)


def read_icons(text: str | None) -> list[dict[str, Json]] | None:
    """Icons as they were written."""
    icons: list[dict[str, Json]] | None = json.loads(text) if text is not None else None
    return icons
