"""What the routes about retention, holds and dossiers take and give where no record says it."""

from dataclasses import dataclass

from budwood.domain.retention import Hold, RetentionClass, RulesRecord, Scope

PAGE: int = 100


@dataclass(frozen=True, slots=True)
class RetentionShown:
    """``rules`` None: the namespace has none. ``classes`` are those that can be named, ours first."""

    rules: RulesRecord | None
    classes: tuple[RetentionClass, ...]
    default: str = ""


@dataclass(frozen=True, slots=True)
class PutRules:
    """As they are written, in YAML. What shortens or removes anything needs a reason, unless an admin asks."""

    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SetClass:
    """``name`` is a class; empty takes away what was said."""

    name: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReadDue:
    """Those behind ``after``; with ``every``, also what may not go, and why."""

    after: int = 0
    every: bool = False


@dataclass(frozen=True, slots=True)
class ApplyRetention:
    """The versions whose bytes are to go, as 'due' named them: encoder@v3."""

    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlaceHold:
    """``subject`` is a model, a version or a search, as ``scope`` says; nothing for the namespace."""

    scope: Scope
    reason: str
    reference: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class LiftHold:
    reason: str


@dataclass(frozen=True, slots=True)
class ListHolds:
    """Newest first, with ids below ``before`` when it is not 0; ``every``: lifted ones too."""

    every: bool = False
    before: int = 0
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class HoldPage:
    """``cursor`` is the next page's ``before``; 0 at the end."""

    holds: tuple[Hold, ...]
    cursor: int = 0


@dataclass(frozen=True, slots=True)
class DossierPart:
    """One file of a dossier; ``name`` is its path with '/', ``body`` base64."""

    name: str
    body: str


@dataclass(frozen=True, slots=True)
class DossierParts:
    """All files of a dossier, the signed list of them last."""

    reference: str
    parts: tuple[DossierPart, ...]
