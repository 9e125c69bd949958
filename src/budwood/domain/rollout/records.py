"""What is kept of a rollout. Times are milliseconds since the epoch, UTC; 0 where there is none."""

from dataclasses import dataclass
from enum import StrEnum

from budwood.domain.rollout.next_action import Progress
from budwood.domain.rollout.tally import Tally


class RolloutState(StrEnum):
    """Running until it ends in one of the others."""

    RUNNING = "running"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Rollout:
    """A plan bound to an endpoint, a candidate's arm and manifest. ``alias`` is what the candidate gets when it is
    promoted. ``fence`` is the number of the engine that runs it: whoever holds a lower one may write no more."""

    id: int
    endpoint_id: int
    namespace: str
    endpoint: str
    name: str
    plan_text: str
    plan_digest: str
    candidate: str
    candidate_number: int
    candidate_digest: str
    baseline: str
    baseline_number: int
    alias: str
    author: str
    started_ms: int
    progress: Progress
    state: RolloutState = RolloutState.RUNNING
    ended_ms: int = 0
    ended_why: str = ""
    fence: int = 0


@dataclass(frozen=True, slots=True)
class RolloutEvent:
    """Something that happened to a rollout, in order. ``kind`` is started, shifted, promoted, rolled-back, paused,
    resumed, urged or aborted; ``detail`` a sentence; ``step`` and ``generation`` what was in force after it."""

    rollout_id: int
    number: int
    at_ms: int
    actor: str
    kind: str
    detail: str
    step: int
    generation: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted so far. ``users`` are the bits of who was, test by test, packed; ``seen_to`` is the number of
    the last observation that is in the tally."""

    tally: Tally = Tally()
    users: bytes = b""
    seen_to: int = 0
