"""A table of routes as a tree: a gateway finds an endpoint in one step, however many there are.

The tree is put together from bytes that were made before, one entry an endpoint's beginning, so that a change of one
endpoint costs that one. An entry of a map is a message with a key (1) and a value (2); the rest of the numbers are read
from the descriptions.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from budwood.delivery.gateway.names import MODEL_HEADER
from budwood.delivery.gateway.routes import Entry, unread_routes
from budwood.delivery.xds.messages import TYPE, encoded, number_of
from budwood.domain.canon import Json

_MATCHER: Final = "xds.type.matcher.v3.Matcher"
_TREE: Final = f"{_MATCHER}.MatcherTree"
_MAP: Final = f"{_TREE}.MatchMap"
_ON_MATCH: Final = f"{_MATCHER}.OnMatch"
_INPUT: Final = "envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_LIST: Final = "envoy.config.route.v3.RouteList"
_HOST: Final = "envoy.config.route.v3.VirtualHost"
_TABLE: Final = "envoy.config.route.v3.RouteConfiguration"


def on_match(entry: Entry) -> bytes:
    """What a gateway does with a request that met an entry."""
    return encoded(
        _ON_MATCH,
        {"action": {"name": "routes", "typed_config": {"@type": TYPE + _LIST, "routes": list(entry.routes)}}},
    )


def table(name: str, by_path: Iterable[tuple[str, bytes]], by_model: Mapping[str, bytes]) -> bytes:
    """The whole table: what is found by a path's beginning, and below ``/v1/`` by the model that a body names."""
    unread = on_match(Entry("", tuple(unread_routes())))
    inner = field(number_of(_ON_MATCH, "matcher"), _exact(by_model, unread)) if by_model else unread
    entries = (*by_path, ("/v1/", inner), ("/ns/", unread))
    tree = encoded(_TREE, {"input": _header(":path")}) + field(number_of(_TREE, "prefix_match_map"), _map(entries))
    host = encoded(_HOST, {"name": "all", "domains": ["*"]})
    host += field(number_of(_HOST, "matcher"), field(number_of(_MATCHER, "matcher_tree"), tree))
    return encoded(_TABLE, {"name": name}) + field(number_of(_TABLE, "virtual_hosts"), host)


def field(number: int, body: bytes) -> bytes:
    """A field of bytes as a message holds it: its number and kind, its length, itself."""
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _exact(entries: Mapping[str, bytes], otherwise: bytes) -> bytes:
    tree = encoded(_TREE, {"input": _header(MODEL_HEADER)})
    tree += field(number_of(_TREE, "exact_match_map"), _map(entries.items()))
    return field(number_of(_MATCHER, "matcher_tree"), tree) + field(number_of(_MATCHER, "on_no_match"), otherwise)


def _map(entries: Iterable[tuple[str, bytes]]) -> bytes:
    number = number_of(_MAP, "map")
    return b"".join(field(number, field(1, key.encode()) + field(2, body)) for key, body in entries)


def _header(name: str) -> dict[str, Json]:
    return {"name": "request", "typed_config": {"@type": TYPE + _INPUT, "header_name": name}}


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
