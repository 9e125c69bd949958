"""How a model and its versions are listed in another tool's words: title, description, source, tags of any length.

A title is what people of that tool call a model, and may hold capitals and spaces; a model's own name never changes
with it. All of this is said beside the records and may change; the records themselves do not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from budwood.domain.limits import NAME_CHARS, VALUE_BYTES
from budwood.domain.names import Kind, Stage, TagKey
from budwood.errors import BadName

PROMPT_MARK: Final = "mlflow.prompt.is_prompt"
"""The tag of what is a prompt, on the model and on each of its versions."""

_ODD: Final = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model with its title. ``updated_ms`` is when anything said of it last changed."""

    id: int
    namespace: str
    name: str
    title: str
    kind: Kind
    owner: str
    created_ms: int
    updated_ms: int
    description: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a version came from, as it was said: the source itself, where its files lie, the run and the logged model
    that made it, and a link to the run where it is kept elsewhere."""

    source: str = ""
    location: str = ""
    run: str = ""
    logged: str = ""
    run_link: str = ""


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A version with the title of its model. ``message`` was fixed at its birth, ``description`` may change.

    One of no bytes is only known here: its files lie where its origin says."""

    id: int
    model_id: int
    namespace: str
    name: str
    title: str
    number: int
    kind: Kind
    stage: Stage
    author: str
    created_ms: int
    updated_ms: int
    message: str = ""
    size_bytes: int = 0
    description: str = ""
    origin: Origin = field(default_factory=Origin)


@dataclass(frozen=True, slots=True)
class Named:
    """An alias in force."""

    model_id: int
    pointer: str
    number: int


@dataclass(frozen=True, slots=True)
class ListedWebhook:
    """What a webhook is called, and the events it wants, as text."""

    webhook_id: int
    title: str
    description: str
    events: str
    updated_ms: int


Texts = Mapping[str, str]


def name_from(title: str) -> str:
    """A model's name that resembles a title; the title itself where that will do."""
    return _ODD.sub("-", title.lower()).strip("._-")[:NAME_CHARS] or "model"


def numbered_name(name: str, number: int) -> str:
    """Another name, for when one is taken."""
    end = f"-{number}"
    return name[: NAME_CHARS - len(end)] + end


def is_short(key: str, value: str) -> bool:
    """Whether a tag can be one of ours, which search finds; it is kept apart otherwise."""
    try:
        TagKey(key)
    except BadName:
        return False
    return len(value.encode()) <= VALUE_BYTES
