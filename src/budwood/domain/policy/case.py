"""Everything a decision looks at, gathered in one transaction, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from budwood.domain.access import Role
from budwood.domain.canon import Json
from budwood.domain.facts import Facts
from budwood.domain.policy.evidence import Evidence
from budwood.domain.policy.policy import Left


@dataclass(frozen=True, slots=True)
class Review:
    """A person's yes or no to one request. ``binds`` is the digest of what they looked at; ``roles`` maps each role
    they hold to since when, by somebody else's grant, at the moment of deciding."""

    person: str
    approves: bool
    at_ms: int
    binds: str
    roles: Mapping[Role, int] = field(default_factory=dict)
    reason: str = ""


class State(StrEnum):
    """A check passes, or fails, or cannot be decided. Only a pass lets through."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of a policy and what came of it. ``inputs`` are the values it looked at."""

    policy: str
    name: str
    state: State
    why: str
    inputs: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """What an expression came to, or why it came to nothing."""

    value: bool | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What was done by an account was done by the people behind it: ``requesters``, ``authors``, ``evaluators`` and
    ``trainers`` are people, and ``unknown`` the accounts behind which nobody is known, by what they did. ``champion``
    is the evidence about the version in force (None: there is none), ``reviews`` are in the order they came, ``gaps``
    what of the lineage is missing, ``said`` what each expression came to."""

    now_ms: int
    requested_ms: int
    binds: str
    facts: Facts
    requesters: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()
    evaluators: frozenset[str] = frozenset()
    trainers: frozenset[str] = frozenset()
    unknown: Mapping[Left, frozenset[str]] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    champion: tuple[Evidence, ...] | None = None
    reviews: tuple[Review, ...] = ()
    signed: bool = False
    # The digests of the evidence that a key trusted now has signed.
    vouched: frozenset[str] = frozenset()
    gaps: tuple[str, ...] = ()
    said: Mapping[str, Said] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checks of every policy that guards a pointer came to."""

    checks: tuple[Check, ...]

    @property
    def allowed(self) -> bool:
        return all(check.state is State.PASSED for check in self.checks)

    @property
    def open(self) -> tuple[Check, ...]:
        """Those that did not pass."""
        return tuple(check for check in self.checks if check.state is not State.PASSED)

    @property
    def waits_for_people_only(self) -> bool:
        """Whether reviews are all that is missing."""
        return bool(self.open) and all(check.name.startswith("reviews") for check in self.open)
