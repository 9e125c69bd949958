"""What the routes take and give where no record or result says it: requests, queries, pages.

A query's fields are the parameters of an address, and so are plain: texts, whole numbers, booleans, lists of texts.
A page says where to go on; its cursor is empty, or 0, at the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from budwood.domain.people import Principal, TokenRecord
from budwood.domain.records import LedgerEntry, Tag
from budwood.domain.results import ModelSummary

PAGE: Final = 100


# Queries


@dataclass(frozen=True, slots=True)
class ListModels:
    """Those behind ``after`` ("namespace/name")."""

    after: str = ""
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Versions with numbers below ``before``, when it is not 0."""

    before: int = 0
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class ReadTrace:
    """``direction`` is up, towards what it was made from, or down; at most so many steps."""

    direction: str = "up"
    depth: int = 50


@dataclass(frozen=True, slots=True)
class ReadImpact:
    """At most so many steps down."""

    depth: int = 50


@dataclass(frozen=True, slots=True)
class Search:
    """``q`` is in the language of ``domain/query.py``; ``cursor`` is that of the page before."""

    q: str = ""
    cursor: str = ""
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class Compare:
    """Two references. ``measure`` False leaves out how far tensors moved, and reads no weights."""

    before: str
    after: str
    measure: bool = True


@dataclass(frozen=True, slots=True)
class ReadLedger:
    """Entries with sequence numbers above ``after``; with a ``subject``, only those about it."""

    after: int = 0
    limit: int = PAGE
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """References of the versions that one bundle is to hold; at most as many as an address may have parameters."""

    references: tuple[str, ...]


# Requests


@dataclass(frozen=True, slots=True)
class SetAlias:
    """``version`` is a selector: v7, 1.2.0, champion, sha256:…; ``~`` for the newest."""

    version: str


@dataclass(frozen=True, slots=True)
class ChangeTags:
    """Tags to put beside a version, and keys of those to take away."""

    put: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetStage:
    stage: str


@dataclass(frozen=True, slots=True)
class RollBack:
    """``pointer`` is an alias or a stage."""

    pointer: str


@dataclass(frozen=True, slots=True)
class Retire:
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verify:
    """``read_data``: decode and hash every block too."""

    read_data: bool = False


@dataclass(frozen=True, slots=True)
class Sweep:
    """``grace_s`` is how long condemned blocks are kept; None: as the server is set."""

    dry_run: bool = False
    grace_s: float | None = None


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The name of the first admin."""

    name: str


# Answers


@dataclass(frozen=True, slots=True)
class ModelPage:
    """In the order of their names. ``cursor`` is the next page's ``after``."""

    models: tuple[ModelSummary, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Oldest first. ``cursor`` is the next page's ``after``; 0 when nothing more was there."""

    entries: tuple[LedgerEntry, ...]
    cursor: int = 0


@dataclass(frozen=True, slots=True)
class Tags:
    """All that stand beside a version."""

    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class RebuiltIndex:
    """How many blocks the packs hold."""

    blocks: int


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token. ``secret`` is shown this once; the registry keeps only its SHA-256."""

    secret: str
    record: TokenRecord


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """The first admin, and a token that acts for them."""

    principal: Principal
    token: IssuedToken


@dataclass(frozen=True, slots=True)
class Health:
    """``status`` is "ok", or says what is wrong; ``parts`` likewise for each part that was asked."""

    status: str
    version: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
