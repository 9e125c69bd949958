"""Whatever JSON a server answers is read as values, or refused as ours; and columns of points come back."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from budwood.client.carrying import shapes_traced
from budwood.client.carrying.stock import logged_of, model_of, run_of, version_of
from budwood.domain.carrying.records import Point, Series
from budwood.errors import BudwoodError

RUNS = ("info", "data", "inputs", "outputs", "tags", "params", "metrics", "key", "value", "timestamp", "step")
MODELS = (
    "run_id",
    "status",
    "end_time",
    "dataset_inputs",
    "dataset",
    "name",
    "version",
    "aliases",
    "alias",
    "model_id",
    "source",
)
TRACES = (
    *("trace_id", "request_id", "request_time", "execution_duration", "state", "trace_metadata", "assessments"),
    *("assessment_id", "feedback", "expectation", "serialized_value", "issue", "error", "metadata", "valid"),
)
JUDGES = (
    *("dataset_id", "tags", "schema", "inputs", "outputs", "expectations", "source_type", "source_data"),
    *("scorer_version", "serialized_scorer", "type", "input", "categorical", "options", "numeric", "min_value"),
    *("root_causes", "severity"),
)
NAMES = some.sampled_from((*RUNS, *MODELS, *TRACES, *JUDGES))
PLAIN = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=9)
JSON = some.recursive(
    PLAIN, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(NAMES, inner, max_size=6), max_leaves=20
)
READERS: tuple[Callable[[Any], object], ...] = (
    *(run_of, logged_of, model_of, version_of),
    lambda said: shapes_traced.trace_of(said, "1"),
    shapes_traced.assessment_of,
    shapes_traced.content,
    lambda said: shapes_traced.dataset_of(said, ()),
    shapes_traced.record_of,
    shapes_traced.body_of,
    lambda said: shapes_traced.label_of(said, "1"),
    lambda said: shapes_traced.issue_of(said, "1"),
)
POINTS = some.builds(Point.of, some.integers(-9, 9), some.integers(-9, 9), some.floats(allow_infinity=False))


@settings(max_examples=150, deadline=None)
@given(some.dictionaries(NAMES, JSON, max_size=6))
def test_any_json_is_read_or_refused(said: dict[str, Any]) -> None:
    for reader in READERS:
        try:
            reader(said)
        except BudwoodError:
            continue


@given(some.lists(POINTS, max_size=20))
def test_points_come_back_from_their_columns(points: list[Point]) -> None:
    assert Series.of("loss", points).points == tuple(points)
