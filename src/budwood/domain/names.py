"""Names that cannot exist unless they are valid: namespaces, models, aliases, tag keys, digests.

A label (1.2.0), a number (v7), an alias (champion) and a stage (production) can never be mistaken
for each other: aliases start with a letter, are no stage and do not look like a number.
"""

import re
from enum import StrEnum
from typing import Final, Self

from budwood.domain.limits import KEY_CHARS
from budwood.errors import BadName

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_ALIAS: Final = re.compile(r"[a-z][a-z0-9._-]{0,127}")
_PRINCIPAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
_NUMBER_LIKE: Final = re.compile(r"v[0-9]+(?:\.[0-9].*)?")
_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]*")
DEFAULT_NAMESPACE: Final = "default"


class Kind(StrEnum):
    """What a model is a model of."""

    MODEL = "model"
    ADAPTER = "adapter"
    PROMPT = "prompt"
    RETRIEVAL = "retrieval"
    DATASET = "dataset"
    BUNDLE = "bundle"


class Stage(StrEnum):
    """Where a version stands in its life; every version starts in development."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"


class _Name(str):
    __slots__ = ()
    what = "name"
    pattern = _NAME

    def __new__(cls, text: str) -> Self:
        if not cls.pattern.fullmatch(text):
            raise BadName(f"{text[:200]!r} is not a valid {cls.what}.", name=text[:200])
        return super().__new__(cls, text)


class Namespace(_Name):
    """A tenant's room."""

    __slots__ = ()
    what = "namespace"


class ModelName(_Name):
    """The name under which versions are kept."""

    __slots__ = ()
    what = "model name"


class AliasName(_Name):
    """A movable name for one version."""

    __slots__ = ()
    what = "alias"
    pattern = _ALIAS

    def __new__(cls, text: str) -> Self:
        if text in frozenset(Stage):
            raise BadName(f"{text!r} is a stage, not an alias.", hint=f"Use 'budwood stage REF {text}'.", name=text)
        if _NUMBER_LIKE.fullmatch(text):
            raise BadName(f"{text[:200]!r} reads as a version number or label, not an alias.", name=text[:200])
        return super().__new__(cls, text)


class PrincipalName(_Name):
    """What a person, a service account or a workload is called here; an e-mail address will do."""

    __slots__ = ()
    what = "name of a person or account"
    pattern = _PRINCIPAL


class TagKey(_Name):
    """The key of a tag, metric or parameter."""

    __slots__ = ()
    what = "key"
    pattern = _KEY

    def __new__(cls, text: str) -> Self:
        if len(text) > KEY_CHARS:
            raise BadName(f"A key has at most {KEY_CHARS} characters.", name=text[:200])
        return super().__new__(cls, text)
