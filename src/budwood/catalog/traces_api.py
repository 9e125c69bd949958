"""The part of the catalog's port that speaks of traces: what clients told of requests, and what is thought of it.

A trace is found in its namespace; what begins at the id of one found so names no namespace again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from budwood.domain.traces.correlation import Counts
from budwood.domain.traces.measures import Measuring
from budwood.domain.traces.records import Assessment, Span, Trace
from budwood.domain.tracking.filters import Comparison, Order


class Linked(StrEnum):
    """What a trace may be linked to."""

    RUN = "run"
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True)
class TraceSearch:
    """``experiments`` are the ids of those whose traces are looked for."""

    comparisons: tuple[Comparison, ...] = ()
    orders: tuple[Order, ...] = ()
    experiments: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TracePage:
    """Traces in the order that was asked for; ``token`` is empty at the end."""

    traces: tuple[Trace, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """``content`` is what ``put_spans`` was given, as JSON."""

    span: str
    parent: str
    content: str


MeasuredRow = tuple[int, tuple[str, ...], float]
"""When, in milliseconds; by what it is grouped; how much."""


class TracesView(Protocol):
    """What can be read of traces."""

    def traces(self, namespace: str, ids: Sequence[str]) -> Sequence[Trace]:
        """Those that are there, with their tags and metadata, in any order."""

    def assessments_of(self, trace_ids: Sequence[int]) -> Mapping[int, Sequence[Assessment]]:
        """Of each, the oldest first; those without are left out."""

    def spans_of(self, trace_ids: Sequence[int], *, limit: int) -> Mapping[int, Sequence[StoredSpan]]:
        """Of each by start, ``limit`` in all; those without are left out."""

    def span_count(self, trace_id: int) -> int: ...
    def find_traces(self, namespace: str, search: TraceSearch, *, token: str = "", limit: int = 100) -> TracePage:
        """Raises BadValue for a token of another search."""

    def count_traces(
        self, namespace: str, search: TraceSearch, first: Sequence[Comparison], second: Sequence[Comparison]
    ) -> Counts:
        """For how many of those that a search finds each of two conditions holds."""

    def measured(
        self, namespace: str, experiments: Sequence[int], measuring: Measuring, *, limit: int
    ) -> Sequence[MeasuredRow]:
        """One row for each trace, span or assessment that counts."""

    def traces_before(self, experiment_id: int, at_ms: int, limit: int) -> Sequence[Trace]:
        """The oldest first, without tags and metadata."""


class TracesTransaction(Protocol):
    """What can be changed of traces. Keys and lengths are checked by the domain before they come here."""

    def put_trace(self, namespace: str, trace: Trace) -> Trace:
        """A new one where its id is 0. Tags and metadata are added to those there are. With its id."""

    def remove_trace_tag(self, trace: Trace, key: str) -> bool:
        """Whether there was one."""

    def put_spans(self, trace: Trace, spans: Sequence[Span]) -> None:
        """Each in the place of the one with its id."""

    def put_assessment(self, trace: Trace, assessment: Assessment) -> None:
        """In the place of the one with its id."""

    def remove_assessment(self, trace_id: int, assessment: str) -> None: ...
    def link_traces(self, namespace: str, traces: Sequence[str], kind: Linked, target: str) -> None:
        """By their own ids, be they there or still on their way. Those that are linked already stay so."""

    def remove_traces(self, trace_ids: Sequence[int]) -> None:
        """With their spans and assessments; for good."""
