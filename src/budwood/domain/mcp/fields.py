"""What can be searched and ordered of MCP servers, their versions and where they are reached."""

from typing import Final

from budwood.domain.tracking.fields import TAG
from budwood.domain.tracking.filters import Family, Grammar, Kind

_TIMES: Final = {"created_at": Kind.NUMBER, "last_updated_at": Kind.NUMBER}
_tag: Final = Family(TAG, Kind.ORDERED_TEXT)

SERVERS: Final = Grammar(
    "MCP server",
    attributes={
        "name": Kind.ORDERED_CHOICE,
        "display_name": Kind.ORDERED_TEXT,
        "status": Kind.ORDERED_CHOICE,
        "has_access_endpoints": Kind.EXACT,
        **_TIMES,
    },
    families={"tag": _tag, "tags": _tag},
    orderable=frozenset({"name", *_TIMES}),
)
VERSIONS: Final = Grammar(
    "MCP server version",
    attributes={
        "name": Kind.ORDERED_TEXT,
        "version": Kind.RELEASE,
        "status": Kind.ORDERED_CHOICE,
        **_TIMES,
    },
    orderable=frozenset({"version", *_TIMES}),
)
ENDPOINTS: Final = Grammar(
    "MCP access endpoint",
    attributes={
        "id": Kind.EXACT,
        "status": Kind.ORDERED_TEXT,
        "server_name": Kind.ORDERED_CHOICE,
        "transport_type": Kind.ORDERED_TEXT,
        **_TIMES,
    },
    orderable=frozenset({"id", "server_name", *_TIMES}),
)
