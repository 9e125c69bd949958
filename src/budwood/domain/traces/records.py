"""Traces, their spans and their assessments. Values; times are milliseconds since the epoch, UTC, but those of spans.

A trace is known by an id that its client chose, in its namespace; everything said of it hangs from one row. Its spans
come when they end, and often before the trace itself is told of: what is told is then completed, never begun anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from budwood.domain.canon import Json

NAME_TAG: Final = "mlflow.traceName"
LOCATION_TAG: Final = "mlflow.artifactLocation"
SPANS_TAG: Final = "mlflow.trace.spansLocation"
SPANS_HERE: Final = "TRACKING_STORE"
FIXED_TAGS: Final = frozenset({SPANS_TAG, "mlflow.trace.archiveLocation", "mlflow.trace.archivalFailure"})
"""Tags that say where spans are: nobody else sets them."""
RUN_KEY: Final = "mlflow.sourceRun"
SESSION_KEY: Final = "mlflow.trace.session"
USER_KEY: Final = "mlflow.trace.user"
TOKENS_KEY: Final = "mlflow.trace.tokenUsage"
COST_KEY: Final = "mlflow.trace.cost"
TOKENS: Final = (
    *("input_tokens", "output_tokens", "total_tokens"),
    *("cache_read_input_tokens", "cache_creation_input_tokens"),
)
COSTS: Final = ("input_cost", "output_cost", "total_cost")


class TraceState(StrEnum):
    """How a request ended."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    OK = "OK"
    ERROR = "ERROR"
    IN_PROGRESS = "IN_PROGRESS"


class AssessmentKind(StrEnum):
    """What is said of a trace: how good it was, what it should have been, which issue it shows."""

    FEEDBACK = "feedback"
    EXPECTATION = "expectation"
    ISSUE = "issue"


@dataclass(frozen=True, slots=True)
class Trace:
    """One request. ``told``: its client has told of it, so its spans no longer say when it was and how it ended."""

    id: int
    trace: str
    experiment_id: int
    experiment: int
    at_ms: int
    duration_ms: int | None = None
    state: TraceState = TraceState.UNSPECIFIED
    client_request: str | None = None
    request: str | None = None
    response: str | None = None
    told: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a span, at a moment."""

    name: str
    at_ns: int
    attributes: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Link:
    """Another span that belongs to this one. Ids are hexadecimal."""

    trace: str
    span: str
    attributes: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Span:
    """One step of a trace; ids are hexadecimal, ``parent`` is empty for a root, ``end_ns`` is 0 while it runs.

    ``status`` is OK, ERROR or UNSET. ``resource``: what its process says of itself.
    """

    trace: str
    span: str
    parent: str
    name: str
    start_ns: int
    end_ns: int
    status: str = "UNSET"
    message: str = ""
    attributes: Mapping[str, Json] = field(default_factory=dict)
    events: Sequence[Event] = ()
    links: Sequence[Link] = ()
    resource: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What somebody thinks of a trace, or of a span of it. ``value`` and ``error`` are JSON; ``said`` orders them.

    ``overrides`` is the one it stands in for, which is then no longer ``valid``.
    """

    assessment: str
    kind: AssessmentKind
    name: str
    value: Json
    source_type: str
    source: str
    created_ms: int
    updated_ms: int
    error: Mapping[str, str] | None = None
    span: str | None = None
    run: str | None = None
    rationale: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    overrides: str | None = None
    valid: bool = True

    @property
    def is_of_session(self) -> bool:
        """Whether it is about all traces of a session."""
        return SESSION_KEY in self.metadata


@dataclass(frozen=True, slots=True)
class TraceWithAll:
    """A trace with what is said of it."""

    trace: Trace
    assessments: Sequence[Assessment] = ()
