"""The table of routes to be read: as a page of the server itself, and as docs/api.md. Nothing in it is fetched."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, fields
from html import escape
from textwrap import wrap
from typing import Any, Final, get_type_hints

from budwood.domain.access import ROLE_PERMISSIONS, Permission, Role
from budwood.domain.routes.route import Body, Route
from budwood.server.openapi import statuses

STYLE: Final = """\
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem 1.5rem 4rem; }
h1, h2, h3 { line-height: 1.25; }
h2 { border-bottom: 1px solid #8886; margin-top: 3rem; padding-bottom: .25rem; text-transform: capitalize; }
h3 { font: 600 1rem/1.4 ui-monospace, monospace; margin: 2rem 0 .25rem; overflow-wrap: anywhere; }
h3 b { background: #3a7a3a; border-radius: .25rem; color: #fff; display: inline-block; min-width: 3.5rem;
  padding: 0 .4rem; text-align: center; }
nav a { margin-right: 1rem; text-transform: capitalize; }
table { border-collapse: collapse; }
td, th { padding: .1rem 1rem .1rem 0; text-align: left; vertical-align: top; }
code { font-family: ui-monospace, monospace; font-size: .9em; }
p { margin: .25rem 0; }
"""
ALONE: Final = "general"
_INTRODUCTION: Final = (
    "Everything the SDK and the command line ask of a server. Send the token as 'Authorization: Bearer bw_…'. Values "
    "are JSON, bytes in them base64. Errors are problem+json with a stable code. A write may carry an "
    "Idempotency-Key: sent again with the same one it is done once and answered alike. What can be edited has an "
    "ETag; If-Match makes a change depend on it."
)


def html_page(routes: Sequence[Route], version: str) -> str:
    """The page at /docs."""
    nouns = "".join(f'<a href="#{escape(noun)}">{escape(noun)}</a>' for noun, _ in _by_noun(routes))
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Budwood: what can be asked</title>',
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs/style.css"></head>',
        f"<body><h1>Budwood {escape(version)}</h1><p>{escape(_INTRODUCTION)}</p>",
        f'<p><a href="/openapi.json">OpenAPI 3.1</a></p><nav>{nouns}</nav>',
    ]
    for noun, listed in _by_noun(routes):
        parts.append(f'<h2 id="{escape(noun)}">{escape(noun)}</h2>')
        parts += [_html_route(route) for route in listed]
    return "".join([*parts, "</body></html>\n"])


def _html_route(route: Route) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{_coded(text)}</td></tr>" for name, text in _facts(route))
    return (
        f'<h3 id="{escape(route.name)}"><b>{escape(route.method)}</b> {escape(route.path)}</h3>'
        f"<p>{escape(route.summary)}</p><table>{rows}</table>"
    )


def _coded(text: str) -> str:
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if at % 2 else piece for at, piece in enumerate(pieces))


def markdown(routes: Sequence[Route]) -> str:
    """The page docs/api.md."""
    lines = [
        "# The API",
        "",
        "<!-- Made from the table of routes by `python -m tests.server.write_api_page`; a test keeps it so. -->",
        "",
        *wrap(_INTRODUCTION, 118),
        "",
        "A running server says the same at `/docs`, and as OpenAPI 3.1 at `/openapi.json`.",
        "",
        *_roles(),
    ]
    for noun, listed in _by_noun(routes):
        lines += ["", f"## {noun.capitalize()}"]
        for route in listed:
            lines += ["", f"### {route.method} {route.path}", "", route.summary, ""]
            lines += [f"- {name}: {text}" for name, text in _facts(route)]
    return "\n".join(lines) + "\n"


def _roles() -> list[str]:
    asked = [each for each in Permission if each not in (Permission.ANYONE, Permission.KNOWN, Permission.ADMINISTER)]
    lines = ["| role | " + " | ".join(asked) + " |", "|---" * (len(asked) + 1) + "|"]
    for role in Role:
        cells = ["yes" if each in ROLE_PERMISSIONS[role] else "" for each in asked]
        lines.append(f"| {role} | " + " | ".join(cells) + " |")
    return [*lines, "", "An admin may do all this everywhere, and `administer`. `known` is any valid token."]


def _by_noun(routes: Iterable[Route]) -> Iterator[tuple[str, list[Route]]]:
    """Routes under their nouns, in the order of the table; those that stand alone in the first group."""
    grouped: dict[str, list[Route]] = {ALONE: []}
    for route in routes:
        grouped.setdefault(route.noun if "." in route.name else ALONE, []).append(route)
    yield from grouped.items()


def _facts(route: Route) -> Iterator[tuple[str, str]]:
    """What there is to say of a route, as words and texts with code in back-ticks."""
    yield "permission", " or ".join(f"`{each}`" for each in (route.permission, *route.also))
    if route.query is not None:
        yield "parameters", _fields(route.query)
    if route.request is not None:
        yield "body", _fields(route.request)
    elif route.takes is Body.BYTES:
        yield "body", "bytes"
    if route.response is not None:
        yield "answer", f"`{route.response.__name__}`: {_fields(route.response)}"
    elif route.gives is not Body.JSON:
        yield "answer", {Body.BYTES: "bytes", Body.TEXT: "text", Body.NOTHING: "nothing"}[route.gives]
    if route.edits:
        yield "ETag", "in answers; `If-Match` is heeded" if route.writes else "in answers"
    codes = [f"`{code}` ({status})" for status, named in statuses(route).items() for code in named]
    yield "errors", ", ".join(codes)


def _fields(kind: type) -> str:
    hints = get_type_hints(kind)
    told = []
    for field in fields(kind):
        optional = field.default is not MISSING or field.default_factory is not MISSING
        told.append(f"`{field.name}` {_type(hints[field.name])}{' (optional)' if optional else ''}")
    return ", ".join(told) or "nothing"


def _type(hint: Any) -> str:
    """A type in words."""
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false", bytes: "base64"}
    if hint in plain:
        return plain[hint]
    arguments = [each for each in getattr(hint, "__args__", ()) if each is not Ellipsis]
    origin = getattr(hint, "__origin__", None)
    if origin is tuple:
        return f"list of {_type(arguments[0])}" if len(arguments) == 1 else "list"
    if origin is not None and len(arguments) == 2:
        return f"map of {_type(arguments[1])}"
    if type(None) in arguments:
        return f"{_type(next(each for each in arguments if each is not type(None)))} or null"
    return getattr(hint, "__name__", "any value")
