"""What the routes about storage tiers take and give where no record says it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PutTiering:
    """As it is written, in YAML; nothing takes the policy away."""

    text: str


@dataclass(frozen=True, slots=True)
class RunTiers:
    """Work for so many seconds at most; 0 for as long as a server works in one request. ``take_over``: from another.
    ``prints``: afterwards make those that versions lack."""

    seconds: float = 0.0
    take_over: bool = False
    prints: bool = False


@dataclass(frozen=True, slots=True)
class PauseTiers:
    """Why."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class TiersPaused:
    """Who paused the work on tiers, and why; empty when nobody did."""

    said: str = ""


@dataclass(frozen=True, slots=True)
class NotedUse:
    """Whether pulls are counted here."""

    counted: bool
