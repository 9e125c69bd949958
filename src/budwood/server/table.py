"""Finding the route of an address: a tree of the table's paths, walked once from left to right.

A literal segment wins over a hole, and that over a hole that takes the rest. Holes are decoded here, once; the guard
has refused what would decode twice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

from budwood.domain.routes.route import Body, Route
from budwood.server.http_limits import Door

# No segment of an address holds a slash, so none is taken for a hole: it may well be called "{}".
_HOLE: Final = "/"
_REST: Final = "/*"
_MEDIA: Final = {Body.JSON: "application/json", Body.BYTES: "", Body.TEXT: "", Body.NOTHING: ""}


@dataclass(slots=True)
class _Node:
    below: dict[str, "_Node"] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """What an address leads to: the route of each method it takes, and what its holes hold."""

    routes: Mapping[str, Route]
    holes: Mapping[str, str]

    @property
    def methods(self) -> frozenset[str]:
        """Those the address takes; HEAD wherever GET is."""
        return frozenset(self.routes) | ({"HEAD"} if "GET" in self.routes else frozenset())


class Table:
    """The routes of a server. Two routes of one address must differ in their method, and name their holes alike."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.path.split("/")[1:]:
                key = segment if not segment.startswith("{") else _REST if segment.endswith("*}") else _HOLE
                node = node.below.setdefault(key, _Node())
            assert route.method not in node.routes, f"two routes answer {route.method} {route.path}"
            node.routes[route.method] = route

    def find(self, raw_path: bytes) -> Found | None:
        """None where there is nothing."""
        node, filled = self._root, []
        segments = raw_path.decode("ascii").split("/")
        for at, segment in enumerate(segments[1:], 1):
            below = node.below.get(segment)
            if below is None:
                below = node.below.get(_HOLE)
                if below is None and (rest := node.below.get(_REST)) is not None and segment:
                    filled.append(unquote("/".join(segments[at:])))
                    node = rest
                    break
                if below is None or not segment:
                    return None
                filled.append(unquote(segment) if "%" in segment else segment)
            node = below
        if not node.routes:
            return None
        names = next(iter(node.routes.values())).holes
        return Found(node.routes, dict(zip(names, filled, strict=True)))

    def door(self, path: str, method: str) -> Door:
        """What the guard should let through for an address."""
        # It comes decoded; a file's name may hold any letter.
        found = self.find((path if path.isascii() else quote(path)).encode("ascii"))
        if found is None:
            return Door()
        route = found.routes.get(method)
        if route is None:
            return Door(found.methods)
        media_type = _MEDIA[route.takes] if route.request is not None else ""
        encodings = frozenset(each.encode("ascii") for each in route.encodings)
        return Door(found.methods, route.body_bytes, media_type, encodings)
