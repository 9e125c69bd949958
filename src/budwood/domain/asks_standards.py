"""What the routes about metadata standards take and give where no record says it. Read ``domain/asks.py`` first."""

from dataclasses import dataclass

from budwood.domain.standard import StandardRecord


@dataclass(frozen=True, slots=True)
class PutStandard:
    """As it is written, in YAML."""

    text: str


@dataclass(frozen=True, slots=True)
class Standards:
    """Newest first."""

    standards: tuple[StandardRecord, ...]
