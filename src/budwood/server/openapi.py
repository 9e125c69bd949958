"""The table of routes as an OpenAPI 3.1 document. Types come from the dataclasses, bounds from the limits."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from budwood.domain.access import Permission
from budwood.domain.asks import Health
from budwood.domain.routes.route import Body, Route
from budwood.errors import (
    BudwoodError,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    StorageFull,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)

_PREFIX: Final = "#/components/schemas/"
_PROBLEM: Final = "Problem"
_TEXTS: Final = {
    "docs": "text/html",
    "docs.style": "text/css",
    "login.code": "text/html",
    "openapi": "application/json",
}
"""What is no plain text."""
_HOLES: Final = {
    "namespace": "A tenant's room.",
    "model": "A model's name.",
    "selector": "What stands behind the @ in a reference: v7, 1.2.0, champion, sha256:…; ~ is the newest.",
    "alias": "An alias; for reading also stage:NAME.",
    "push": "A push under way.",
    "pack": "A pack's name.",
    "block": "A block's BLAKE3 digest, in hexadecimal.",
}


def document(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """The whole of it, as JSON values."""
    listed = list(routes)
    kinds = {kind for route in listed for kind in (route.request, route.response, route.query) if kind is not None}
    schemas = _schemas(kinds | {Health})
    paths: dict[str, dict[str, Any]] = {}
    for route in listed:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Budwood",
            "version": version,
            "summary": "Every version of every model, immutable, stored once, compared, released and taken back.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas, _PROBLEM: _problem_schema()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "A token: bw_…"}},
        },
    }


def statuses(route: Route) -> dict[int, list[str]]:
    """The codes of the errors a route may give, by status."""
    kinds: list[type[BudwoodError]] = [Malformed, Invalid, Unavailable, *route.errors]
    if route.permission is not Permission.ANYONE:
        kinds += [Unauthenticated, TooManyRequests]
    if route.writes:
        kinds.append(StorageFull)
    if route.permission not in (Permission.ANYONE, Permission.KNOWN):
        kinds += [Forbidden, NotFound]
    found: dict[int, list[str]] = {}
    for kind in kinds:
        codes = found.setdefault(kind.http_status, [])
        if kind.code not in codes:
            codes.append(kind.code)
    return dict(sorted(found.items()))


def _schemas(kinds: Iterable[type]) -> dict[str, Any]:
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template=_PREFIX + "{name}")
    return dict(sorted(components.items()))


def _operation(route: Route, schemas: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.noun],
        "description": f"Takes the permission {' or '.join(f'`{each}`' for each in (route.permission, *route.also))}.",
        "parameters": [*_holes(route), *_query(route, schemas), *_header_fields(route)],
        "responses": _responses(route),
        "security": [] if route.permission is Permission.ANYONE else [{"token": []}],
    }
    if route.request is not None:
        schema = {"$ref": _PREFIX + route.request.__name__}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    elif route.takes is Body.BYTES:
        operation["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}
    return operation


def _holes(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": hole,
            "in": "path",
            "required": True,
            "description": _HOLES.get(hole, hole),
            "schema": {"type": "string", "minLength": 1},
        }
        for hole in route.holes
    ]


def _query(route: Route, schemas: Mapping[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = schemas[route.query.__name__]
    required = set(schema.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": each}
        for name, each in schema["properties"].items()
    ]


def _header_fields(route: Route) -> list[dict[str, Any]]:
    fields = []
    if route.writes and route.permission is not Permission.ANYONE and route.takes is Body.JSON:
        text = "A fresh name for this write: sent again with the same one, it is done once and answered alike."
        schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}
        fields.append(
            {"name": "Idempotency-Key", "in": "header", "required": False, "description": text, "schema": schema}
        )
    if route.edits and route.writes:
        text = "The ETag of what you saw; 412 when it was changed since."
        fields.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": False,
                "description": text,
                "schema": {"type": "string", "pattern": '^("[^"]+"|\\*)$'},
            }
        )
    return fields


def _responses(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "It worked."}
    if route.gives is Body.JSON and route.response is not None:
        answer["content"] = {"application/json": {"schema": {"$ref": _PREFIX + route.response.__name__}}}
    elif route.gives is Body.TEXT:
        answer["content"] = {_TEXTS.get(route.name, "text/plain"): {}}
    elif route.gives is Body.BYTES:
        answer["content"] = {"application/octet-stream": {}}
    if route.edits:
        answer["headers"] = {"ETag": {"description": "For If-Match.", "schema": {"type": "string"}}}
    content = {"application/problem+json": {"schema": {"$ref": _PREFIX + _PROBLEM}}}
    wrong = {str(status): {"description": ", ".join(codes), "content": content} for status, codes in _all(route)}
    # What HTTP itself refuses can meet any request: a path, a length, a Host.
    return {str(route.status): answer, **wrong, "default": {"description": "It was refused.", "content": content}}


def _all(route: Route) -> Iterable[tuple[int, list[str]]]:
    """The errors of a route with those that HTTP itself may give."""
    found = statuses(route)
    for status, code in ((409, "key_reused"), (413, "body_too_large"), (415, "unsupported_media_type")):
        if route.writes or status != 409:
            codes = found.setdefault(status, [])
            codes.extend([] if code in codes else [code])
    return sorted(found.items())


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "title": _PROBLEM,
        "description": "An error (RFC 9457). `code` is stable; docs/errors.md lists them.",
        "type": "object",
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "code": text,
            "detail": text,
            "message": text,
            "hint": text,
            "facts": {"type": "object"},
            "request_id": text,
        },
        "required": ["type", "title", "status", "code", "request_id"],
    }
