"""What can be counted and measured of traces, spans and assessments, and by what it is grouped.

Rows come from the catalog one for each thing; here they are gathered by their groups and become numbers.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from budwood.domain.traces.records import COSTS, TOKENS
from budwood.errors import BadValue


class Subject(StrEnum):
    """What is measured."""

    TRACES = "TRACES"
    SPANS = "SPANS"
    ASSESSMENTS = "ASSESSMENTS"


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How numbers become one. ``percentile`` is of 100."""

    word: str
    percentile: float | None = None

    def __str__(self) -> str:
        return self.word if self.percentile is None else f"P{self.percentile}"


@dataclass(frozen=True, slots=True)
class Condition:
    """``subject.field = value``, or ``subject.field.key = value``."""

    subject: str
    field: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Measuring:
    """A question. Times are milliseconds, both included."""

    subject: Subject
    metric: str
    aggregations: tuple[Aggregation, ...]
    dimensions: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    interval_s: int = 0
    start_ms: int | None = None
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One group: what it is, and its numbers by aggregation. ``bucket_ms`` is where its time begins."""

    dimensions: tuple[str, ...]
    values: Mapping[str, float]
    bucket_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Metric:
    aggregations: frozenset[str]
    dimensions: frozenset[str]


_COUNT: Final = frozenset({"COUNT"})
_SPREAD: Final = frozenset({"AVG", "MIN", "MAX", "PERCENTILE"})
_SUMS: Final = _SPREAD | {"SUM"}
_OF_MODELS: Final = frozenset({"span_model_name", "span_model_provider"})
_METRICS: Final[Mapping[Subject, Mapping[str, _Metric]]] = {
    Subject.TRACES: {
        "trace_count": _Metric(_COUNT, frozenset({"trace_name", "trace_status"})),
        "session_count": _Metric(_COUNT, frozenset()),
        "latency": _Metric(_SPREAD, frozenset({"trace_name"})),
        **{key: _Metric(_SUMS, frozenset({"trace_name"})) for key in TOKENS},
    },
    Subject.SPANS: {
        "span_count": _Metric(_COUNT, frozenset({"span_name", "span_type", "span_status"}) | _OF_MODELS),
        "latency": _Metric(_SPREAD, frozenset({"span_name", "span_status"})),
        **{key: _Metric(_SUMS, _OF_MODELS) for key in COSTS},
    },
    Subject.ASSESSMENTS: {
        "assessment_count": _Metric(_COUNT, frozenset({"assessment_name", "assessment_value"})),
        "assessment_value": _Metric(_SPREAD, frozenset({"assessment_name"})),
    },
}
FILTERED: Final[Mapping[str, Mapping[str, bool]]] = {
    "trace": {"status": False, "tag": True, "metadata": True},
    "span": {"name": False, "status": False, "type": False},
    "assessment": {"name": False, "type": False},
}
"""What conditions may be about, and whether with a key."""
_OF: Final = {"span": Subject.SPANS, "assessment": Subject.ASSESSMENTS}


def check(measuring: Measuring) -> None:
    """Raises BadValue."""
    metrics = _METRICS[measuring.subject]
    metric = metrics.get(measuring.metric)
    if metric is None:
        raise BadValue(f"metric_name must be one of {list(metrics)}, got '{measuring.metric[:100]}'")
    if wrong := sorted({each.word for each in measuring.aggregations} - metric.aggregations):
        known = sorted(metric.aggregations)
        raise BadValue(f"Found invalid aggregation_type(s): {wrong}. Supported aggregation types: {known}")
    if unknown := sorted(set(measuring.dimensions) - metric.dimensions):
        known = sorted(metric.dimensions)
        raise BadValue(f"Found invalid dimension(s): {unknown}. Supported dimensions: {known}")
    if measuring.interval_s and (measuring.start_ms is None or measuring.end_ms is None):
        raise BadValue("start_time_ms and end_time_ms are required if time_interval_seconds is set")
    for each in measuring.conditions:
        if _OF.get(each.subject, measuring.subject) is not measuring.subject:
            wanted = _OF[each.subject].value
            message = f"Filtering by {each.subject} is only supported for {wanted} view type"
            raise BadValue(f"{message}, got {measuring.subject.value}")


def gathered(measuring: Measuring, rows: Iterable[tuple[int, tuple[str, ...], float]], limit: int) -> list[Point]:
    """The numbers of each group: by time, then by dimension, ``limit`` of them."""
    every_ms = measuring.interval_s * 1000
    groups: defaultdict[tuple[int, tuple[str, ...]], list[float]] = defaultdict(list)
    for at_ms, dimensions, number in rows:
        groups[at_ms // every_ms * every_ms if every_ms else 0, dimensions].append(number)
    if measuring.metric == "session_count":  # Rows name the session: each counts once.
        counted: defaultdict[int, set[tuple[str, ...]]] = defaultdict(set)
        for bucket, session in groups:
            counted[bucket].add(session)
        groups = defaultdict(list, {(bucket, ()): [1.0] * len(its) for bucket, its in counted.items()})
    points = [
        Point(
            dimensions,
            {str(each): _number(each, numbers) for each in measuring.aggregations},
            bucket if every_ms else None,
        )
        for (bucket, dimensions), numbers in sorted(groups.items())[:limit]
    ]
    if not points and not every_ms and not measuring.dimensions and measuring.metric.endswith("_count"):
        return [Point((), {str(each): 0.0 for each in measuring.aggregations})]
    return points


def _number(aggregation: Aggregation, numbers: Sequence[float]) -> float:
    if aggregation.percentile is not None:
        return _percentile(sorted(numbers), aggregation.percentile)
    return _WAYS[aggregation.word](numbers)


def _percentile(ordered: Sequence[float], percentile: float) -> float:
    """Between the two that are nearest, as far from each as the place is."""
    place = percentile / 100 * (len(ordered) - 1)
    low, high = math.floor(place), math.ceil(place)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


_WAYS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "COUNT": len,
    "SUM": math.fsum,
    "AVG": lambda numbers: math.fsum(numbers) / len(numbers),
    "MIN": min,
    "MAX": max,
}
