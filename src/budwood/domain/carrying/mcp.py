"""MCP servers with their versions, and where they are reached, as any side of a carrying holds them; and whether they
are the same on both sides.

As in ``traced``: what is JSON is its text. Deleted versions are not carried, nor endpoints that lead to none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from budwood.domain.canon import Json
from budwood.domain.carrying.compare import Told, same_json
from budwood.domain.carrying.records import unmarked


@dataclass(frozen=True, slots=True)
class CarriedMcpEndpoint:
    """An address of a server. Either ``version`` or ``alias`` is said; the other is empty."""

    endpoint: str
    url: str
    transport: str
    version: str = ""
    alias: str = ""
    created_by: str = ""
    updated_by: str = ""
    created_ms: int = 0
    updated_ms: int = 0


@dataclass(frozen=True, slots=True)
class CarriedMcpServer:
    """A server without its versions. ``description`` and ``icons`` are None where it shows those of its newest one."""

    name: str
    display_name: str | None = None
    description: str | None = None
    icons: str | None = None
    created_by: str = ""
    updated_by: str = ""
    created_ms: int = 0
    updated_ms: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    endpoints: tuple[CarriedMcpEndpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class CarriedMcpVersion:
    """A version. ``definition``, ``tools`` and ``options`` are JSON; without ``tools`` nobody said which it has."""

    server: str
    version: str
    definition: str
    status: str
    tools: str | None = None
    source: str | None = None
    options: str = "{}"
    created_by: str = ""
    updated_by: str = ""
    created_ms: int = 0
    updated_ms: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)


def server_told(each: CarriedMcpServer) -> Told:
    """With its aliases and endpoints."""
    return {
        **server_words_told(each),
        **_changed(each),
        "endpoints": {one.endpoint: [*endpoint_words(one), dict(_changed(one))] for one in each.endpoints},
    }


def server_words_told(each: CarriedMcpServer) -> Told:
    """The same of a server that gives ids and times itself."""
    return {
        "name": each.name,
        "display_name": each.display_name,
        "description": each.description,
        "icons": None if each.icons is None else same_json(each.icons),
        "tags": unmarked(each.tags),
        "aliases": dict(each.aliases),
        "endpoints": sorted(json.dumps(endpoint_words(one)) for one in each.endpoints),
    }


def endpoint_words(each: CarriedMcpEndpoint) -> list[str]:
    """What an endpoint says, without its id and times."""
    return [each.url, each.transport, each.version, each.alias]


def version_told(each: CarriedMcpVersion) -> Told:
    return {**version_words_told(each), **_changed(each)}


def version_words_told(each: CarriedMcpVersion) -> Told:
    """The same of a server that gives times itself."""
    return {
        "server": each.server,
        "version": each.version,
        "definition": same_json(each.definition),
        "status": each.status,
        # Messages write no tools, and none that anybody said, alike.
        "tools": same_json(each.tools or "[]"),
        "source": each.source,
        "options": same_json(each.options),
        "tags": unmarked(each.tags),
    }


def _changed(each: CarriedMcpServer | CarriedMcpVersion | CarriedMcpEndpoint) -> dict[str, Json]:
    return {
        "created_by": each.created_by,
        "updated_by": each.updated_by,
        "created_ms": each.created_ms,
        "updated_ms": each.updated_ms,
    }
