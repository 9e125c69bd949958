"""What may be kept of an MCP server. Texts of mistakes are MLflow's: its users and its clients match on them.

A definition says which programs to run and which addresses to ask. Here it is text, bounded and otherwise left as it
came. Icons are what browsers will load, so their addresses are judged as MLflow judges them, but for one thing: no name
is looked up, because a name that was public when it was looked up may be another a moment later.
"""

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from budwood.domain.canon import Json
from budwood.domain.limits import (
    JSON_DEPTH,
    MCP_ADDRESS_CHARS,
    MCP_ALIAS_CHARS,
    MCP_DEFINITION_BYTES,
    MCP_ICONS,
    MCP_ICONS_BYTES,
    MCP_NAME_CHARS,
    MCP_OPTIONS_BYTES,
    MCP_SOURCE_CHARS,
    MCP_TAG_CHARS,
    MCP_TEXT_CHARS,
    MCP_TOOLS,
    MCP_TOOLS_BYTES,
    TRACKING_KEY_CHARS,
)
from budwood.domain.mcp.records import LATEST, Icons, McpStatus
from budwood.domain.targets import why_not_public
from budwood.domain.tracking.evaluation import check_text
from budwood.errors import BadValue, LimitExceeded

_DOMAIN: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]*[a-zA-Z0-9]")
_SLUG: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*[a-zA-Z0-9]")
_RESERVED: Final = frozenset({"aliases", "endpoints", "tags", "versions"})
_NO_NAME: Final = (
    "Invalid MCP server name. Expected '<reverse-dns namespace>/<server slug>' such as 'com.example/server-name'."
)
_NUMBER_LIKE: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)
_MOVES: Final = {
    McpStatus.DRAFT: (McpStatus.ACTIVE, McpStatus.DELETED),
    McpStatus.ACTIVE: (McpStatus.DEPRECATED, McpStatus.DRAFT),
    McpStatus.DEPRECATED: (McpStatus.ACTIVE, McpStatus.DELETED),
    McpStatus.DELETED: (),
}


def check_name(name: str) -> None:
    """Raises BadValue, LimitExceeded."""
    if not name:
        raise BadValue("MCP server name must not be empty")
    check_text("name", name, MCP_NAME_CHARS, "MCP_NAME_CHARS")
    domain, slash, slug = name.partition("/")
    named = slash and _DOMAIN.fullmatch(domain) and _SLUG.fullmatch(slug)
    if not named or slug in _RESERVED:
        raise BadValue(_NO_NAME)


def check_words(what: str, text: str | None) -> None:
    """A description or a title. Raises BadValue, LimitExceeded."""
    check_text(what, text or "", MCP_TEXT_CHARS, "MCP_TEXT_CHARS")


def check_source(source: str | None) -> None:
    """Where a version is said to come from. Raises BadValue, LimitExceeded."""
    check_text("source", source or "", MCP_SOURCE_CHARS, "MCP_SOURCE_CHARS")


def check_tag(key: str, value: str) -> None:
    """Raises BadValue, LimitExceeded."""
    if not key:
        raise BadValue("Invalid value for parameter 'key' supplied: it is empty.")
    check_text("key", key, TRACKING_KEY_CHARS, "TRACKING_KEY_CHARS")
    check_text("value", value, MCP_TAG_CHARS, "MCP_TAG_CHARS")


def check_alias(alias: str) -> None:
    """One that is to be set. Raises BadValue, LimitExceeded."""
    if alias == LATEST:
        raise BadValue("The alias name 'latest' is reserved for automatic resolution")
    if not alias:
        raise BadValue("Invalid value for parameter 'alias' supplied: it is empty.")
    check_text("alias", alias, MCP_ALIAS_CHARS, "MCP_ALIAS_CHARS")


def check_address(url: str) -> None:
    """Where a server is reached: any text, because nobody here goes there. Raises BadValue, LimitExceeded."""
    if not url.strip():
        raise BadValue(f"MCP access endpoint url cannot be empty or just whitespace: {url[:80]!r}")
    check_text("url", url, MCP_ADDRESS_CHARS, "MCP_ADDRESS_CHARS")


def check_first(status: McpStatus) -> None:
    """The status a version begins with. Raises BadValue."""
    if status not in (McpStatus.DRAFT, McpStatus.ACTIVE):
        raise BadValue("Initial MCP server registration status must be 'draft' or 'active'.")


def check_move(before: McpStatus, after: McpStatus) -> None:
    """Raises BadValue."""
    allowed = [str(each) for each in _MOVES[before]]
    if after not in allowed:
        message = f"Invalid status transition from '{before}' to '{after}'. Allowed transitions: {allowed}"
        raise BadValue(message)


def written_definition(definition: Mapping[str, Json]) -> str:
    """As it is kept. Raises BadValue, LimitExceeded."""
    return _written("server_json", definition, MCP_DEFINITION_BYTES, "MCP_DEFINITION_BYTES")


def written_tools(tools: Sequence[Mapping[str, Json]]) -> str:
    """As they are kept. Raises BadValue, LimitExceeded."""
    if len(tools) > MCP_TOOLS:
        message = f"Invalid tools. It must contain at most {MCP_TOOLS} items."
        raise LimitExceeded(message, limit="MCP_TOOLS")
    return _written("tools", tools, MCP_TOOLS_BYTES, "MCP_TOOLS_BYTES")


def written_icons(icons: Icons) -> str:
    """As they are kept. Raises BadValue, LimitExceeded."""
    if len(icons) > MCP_ICONS:
        raise LimitExceeded(f"Invalid icons. It must contain at most {MCP_ICONS} items.", limit="MCP_ICONS")
    return _written("icons", icons, MCP_ICONS_BYTES, "MCP_ICONS_BYTES")


def written_options(options: Mapping[str, Json]) -> str:
    """Which ways to connect a version's page hides, as they are kept. Raises BadValue, LimitExceeded."""
    return _written("connect_options", options, MCP_OPTIONS_BYTES, "MCP_OPTIONS_BYTES")


def check_icon_address(url: str) -> None:
    """Raises BadValue. The message names no address that holds a password."""
    if not url.strip():
        raise BadValue(f"Icon URL cannot be empty or just whitespace: {url[:80]!r}")
    check_text("src", url, MCP_ADDRESS_CHARS, "MCP_ADDRESS_CHARS")
    parts = _parts(url)
    if parts.scheme != "https":
        raise BadValue(f"Invalid Icon URL scheme: {parts.scheme[:80]!r}. Allowed schemes are: 'https'.")
    if parts.username or parts.password:
        raise BadValue("Icon URL must not include embedded credentials.")
    host = parts.hostname
    if not host:
        raise BadValue(f"Icon URL must include a hostname: {url[:200]!r}")
    _check_host(host)


def check_icons(icons: Json) -> None:
    """That each says an address that may be shown; what else it says is left. Raises BadValue."""
    for each in icons if isinstance(icons, list) else ():
        if not isinstance(each, Mapping) or not isinstance(each.get("src"), str):
            raise BadValue("An icon says no address: its 'src' is missing.")
        check_icon_address(str(each["src"]))
        said = each.get("mimeType")
        icon_type(said if isinstance(said, str) else None)


def icon_type(text: str | None) -> str | None:
    """A media type of icons, in small letters. Raises BadValue."""
    if text is None:
        return None
    word = text.strip().lower()
    if not word.startswith("image/") or word == "image/":
        raise BadValue(f"Invalid icon mimeType {text[:80]!r}. Allowed values must use the 'image/*' media type.")
    return word


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 it is looked at when it is asked for
    except ValueError as error:
        raise BadValue(f"Invalid Icon URL: {error}") from error
    return parts


def _check_host(host: str) -> None:
    """An address in numbers is written as everybody reads it, and public. Raises BadValue."""
    is_number = ":" in host or _NUMBER_LIKE.fullmatch(host.removesuffix(".").rpartition(".")[2])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if is_number:
            raise BadValue(f"Icon URL host {host[:80]!r} is not a canonical IP address literal.") from None
        if host == "localhost" or host.endswith(".localhost"):
            message = "Icon URL must not resolve to a non-public IP address."
            raise BadValue(f"{message} {host[:80]!r} resolves to 127.0.0.1.") from None
        return
    if why_not_public(address):
        raise BadValue(f"Icon URL must not resolve to a non-public IP address. {host!r} resolves to {address}.")


def _written(what: str, value: Json, most: int, limit: str) -> str:
    if _is_deep(value):
        raise BadValue(f"Invalid value for parameter '{what}' supplied: it is nested deeper than {JSON_DEPTH}.")
    # In ASCII: every database keeps it as it came, NUL and halves of characters too.
    text = json.dumps(value)
    if len(text) > most:
        raise LimitExceeded(f"'{what}' takes {len(text)} bytes; the limit is {most}.", limit=limit)
    return text


def _is_deep(value: Json) -> bool:
    level = [value]
    for _ in range(JSON_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: Json) -> Sequence[Json]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
