"""What clients send about MCP servers, read as MLflow's server reads it, with the words of its mistakes.

A body is a shape: fields, each read by a function of the value and of where it stands. All mistakes are told at once.
What a definition says beyond the fields that are known is kept; a tool keeps only what is known.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.limits import MCP_ICONS, MCP_TOOLS
from budwood.domain.mcp.checks import check_icon_address, icon_type
from budwood.errors import BadValue
from budwood.facades.mlflow.values import Values

_SHOWN: Final = 20
_NUMBERED: Final = re.compile(r"\.([0-9]+)")
_OBJECT: Final = "valid dictionary or object to extract fields from"
_OPTION: Final = "dictionary or an instance of ConnectOptionSettings"


class Mistakes:
    """What is wrong with one request."""

    def __init__(self) -> None:
        self._told: list[str] = []

    def add(self, at: str, message: str) -> None:
        self._told.append(f"{at}: {message}" if at else message)

    def check(self) -> None:
        """Raises BadValue where there was any."""
        if self._told:
            raise BadValue("Invalid request: " + "; ".join(self._told[:_SHOWN]))


Read = Callable[[Json, str, Mistakes], Json]
Body = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Part:
    """A field. ``is_needed``: it is there, and not null; ``is_said``: it need not be there, but is not null."""

    read: Read
    is_needed: bool = False
    is_said: bool = False


def text(value: Json, at: str, mistakes: Mistakes) -> Json:
    if not isinstance(value, str):
        mistakes.add(at, "Input should be a valid string")
    return value


def anything(value: Json, at: str, mistakes: Mistakes) -> Json:
    return value


def mapping(value: Json, at: str, mistakes: Mistakes) -> Json:
    if not isinstance(value, Mapping):
        mistakes.add(at, "Input should be a valid dictionary")
    return value


def flag(value: Json, at: str, mistakes: Mistakes) -> Json:
    """True, false, or what MLflow takes for one of them."""
    word = str(value).lower() if isinstance(value, bool | int | float | str) else ""
    if word in ("true", "1", "1.0", "yes", "y", "on", "t"):
        return True
    if word not in ("false", "0", "0.0", "no", "n", "off", "f"):
        how = ", unable to interpret input" if word else ""
        mistakes.add(at, f"Input should be a valid boolean{how}")
    return False


def several(read: Read, most: int | None = None) -> Read:
    """A list of them."""

    def reads(value: Json, at: str, mistakes: Mistakes) -> Json:
        if not isinstance(value, Sequence) or isinstance(value, str):
            mistakes.add(at, "Input should be a valid list")
            return []
        if most is not None and len(value) > most:
            mistakes.add(at, f"List should have at most {most} items after validation, not {len(value)}")
            return []
        return [read(each, f"{at}.{number}", mistakes) for number, each in enumerate(value)]

    return reads


def named(read: Read) -> Read:
    """Values by name."""

    def reads(value: Json, at: str, mistakes: Mistakes) -> Json:
        if not isinstance(value, Mapping):
            mistakes.add(at, "Input should be a valid dictionary")
            return {}
        return {name: read(each, f"{at}.{name}", mistakes) for name, each in value.items()}

    return reads


def shape(parts: Mapping[str, Part], *, keeps_others: bool = False, wanted: str = _OBJECT) -> Read:
    """The fields that are said, and others where they are kept; ``wanted`` is told where there are no fields."""

    def reads(value: Json, at: str, mistakes: Mistakes) -> Json:
        if not isinstance(value, Mapping):
            mistakes.add(at, f"Input should be a {wanted}")
            return {}
        found: Body = {}
        for name, part in parts.items():
            place = f"{at}.{name}" if at else name
            if name not in value:
                if part.is_needed:
                    mistakes.add(place, "Field required")
            elif value[name] is None and not part.is_needed and not part.is_said:
                found[name] = None
            else:
                found[name] = part.read(value[name], place, mistakes)
        return {**found, **({name: each for name, each in value.items() if name not in parts} if keeps_others else {})}

    return reads


def body_of(values: Values, read: Read) -> Body:
    """A request's fields, as far as they are said. Raises BadValue."""
    mistakes = Mistakes()
    found = read(values, "", mistakes)
    mistakes.check()
    assert isinstance(found, dict)
    return found


def _icon(value: Json, at: str, mistakes: Mistakes) -> Json:
    """One of a browser's pictures. Raises BadValue for an address, or a kind, that none is shown from."""
    found = _ICON(value, at, mistakes)
    assert isinstance(found, dict)
    kept = {name: each for name, each in found.items() if each is not None or name not in _ICON_PARTS}
    if kept.pop("source", None) == "version":
        place = _NUMBERED.sub(r"[\1]", at)
        raise BadValue(
            f"Invalid {place}.source: 'version' is response-only and cannot be written. Writing it would persist "
            "a version-resolved icon as a server override. Omit source, or send source='server' when echoing a server "
            "icon."
        )
    return kept


def _icon_address(value: Json, at: str, mistakes: Mistakes) -> Json:
    if isinstance(value, str):
        check_icon_address(value)
    return text(value, at, mistakes)


def _icon_type(value: Json, at: str, mistakes: Mistakes) -> Json:
    return icon_type(value) if isinstance(value, str) else text(value, at, mistakes)


_needed: Final = Part(text, is_needed=True)
_text: Final = Part(text)
_mapping: Final = Part(mapping)
_ICON_PARTS: Final = {
    "src": Part(_icon_address, is_needed=True),
    "sizes": Part(several(text)),
    "mimeType": Part(_icon_type),
    "theme": _text,
}
_ICON: Final = shape(_ICON_PARTS, keeps_others=True)
_icons: Final = Part(several(_icon, MCP_ICONS))
_VARIABLE: Final = shape(
    {"name": _needed, "description": _text, "isRequired": Part(flag), "isSecret": Part(flag)}, keeps_others=True
)
_PACKAGE: Final = shape(
    {
        "registryType": _needed,
        "identifier": _needed,
        "transport": Part(anything, is_needed=True),
        "registryBaseUrl": _text,
        "version": _text,
        "environmentVariables": Part(several(_VARIABLE)),
    },
    keeps_others=True,
)
_DEFINITION: Final = shape(
    {
        "name": _needed,
        "version": _needed,
        "title": _text,
        "description": _text,
        "icons": _icons,
        "packages": Part(several(_PACKAGE)),
        "remotes": Part(several(shape({"type": _text, "url": _text}, keeps_others=True))),
        "repository": Part(
            shape({"url": _needed, "source": _needed, "id": _text, "subfolder": _text}, keeps_others=True)
        ),
        "websiteUrl": _text,
        "_meta": _mapping,
    },
    keeps_others=True,
)
_TOOL: Final = shape(
    {
        "name": _needed,
        "title": _text,
        "description": _text,
        "inputSchema": _mapping,
        "outputSchema": _mapping,
        "annotations": _mapping,
        "icons": _icons,
        "execution": _mapping,
    }
)
_tools: Final = Part(several(_TOOL, MCP_TOOLS))
_options: Final = Part(named(shape({"hidden": Part(flag, is_said=True)}, wanted=_OPTION)))
NEW_SERVER: Final = shape({"name": _needed, "description": _text, "icons": _icons})
CHANGED_SERVER: Final = shape({"display_name": _text, "description": _text, "icons": _icons})
NEW_VERSION: Final = shape(
    {
        "server_json": Part(_DEFINITION, is_needed=True),
        "status": Part(text, is_said=True),
        "source": _text,
        "tools": _tools,
        "connect_options": _options,
    }
)
CHANGED_VERSION: Final = shape({"status": _text, "tools": _tools, "connect_options": _options})
NEW_ENDPOINT: Final = shape(
    {"server_version": _text, "server_alias": _text, "url": _needed, "transport_type": Part(text, is_said=True)}
)
CHANGED_ENDPOINT: Final = shape(dict.fromkeys(("server_version", "server_alias", "url", "transport_type"), _text))
ALIAS: Final = shape({"alias": _needed, "version": _needed})
TAG: Final = shape({"key": _needed, "value": _needed})
