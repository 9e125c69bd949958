"""What served at a moment, and what stood behind it, as values that travel."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes or no to a version, for a stage or an alias."""

    person: str
    approves: bool
    at_ms: int
    pointer: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Behind:
    """A version that answered: who made it and when, what it was made from, and who let it through until then.
    ``points`` is its part of the traffic; ``past_gates``: it was let through in an emergency, by this person."""

    arm: str
    version: str
    digest: str
    points: int
    author: str = ""
    made_ms: int = 0
    made_from: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    past_gates: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """What the split of an endpoint was at a moment, since when, by whose word, and what stood behind each arm."""

    endpoint: str
    at_ms: int
    generation: int
    since_ms: int
    actor: str
    reason: str
    split: Mapping[str, int]
    killed: bool = False
    arms: tuple[Behind, ...] = ()
