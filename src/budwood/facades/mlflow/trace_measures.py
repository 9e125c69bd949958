"""Numbers of traces: counts, latencies, tokens, costs and judgements, over time and by what they are grouped."""

from datetime import UTC, datetime
from typing import Final

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.traces.measures import FILTERED, Aggregation, Condition, Measuring, Subject
from budwood.domain.tracking.words import Shape, tokens
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint
from budwood.facades.mlflow.values import Values, between, filled, missing, needed, objects, real, texts
from budwood.verbs.traces import finding

_MOST: Final = 1_000
_SUBJECTS: Final = {1: "TRACES", 2: "SPANS", 3: "ASSESSMENTS"}
_WORDS: Final = {1: "COUNT", 2: "SUM", 3: "AVG", 4: "PERCENTILE", 5: "MIN", 6: "MAX"}
_YEAR_S: Final = 366 * 86_400


def measure(asked: Asked) -> Json:
    values = asked.values
    experiments = texts(values, "experiment_ids")
    if not experiments:
        raise missing("experiment_ids")
    measuring = _measuring(values)
    limit = between(values, "max_results", _MOST, 1, _MOST)
    points = finding.measure(asked.whole, asked.namespace, experiments, measuring, limit)
    return filled(
        data_points=[
            {
                "metric_name": measuring.metric,
                "values": dict(point.values),
                **filled(dimensions=_dimensions(measuring, point.dimensions, point.bucket_ms)),
            }
            for point in points
        ]
    )


def _measuring(values: Values) -> Measuring:
    aggregated = objects(values, "aggregations")
    if not aggregated:
        raise missing("aggregations")
    return Measuring(
        _subject(values.get("view_type")),
        needed(values, "metric_name"),
        tuple(map(_aggregation, aggregated)),
        texts(values, "dimensions"),
        tuple(map(_condition, texts(values, "filters"))),
        between(values, "time_interval_seconds", 0, 0, 100 * _YEAR_S),
        _time(values, "start_time_ms"),
        _time(values, "end_time_ms"),
    )


def _subject(value: Json) -> Subject:
    if value is None:
        raise missing("view_type")
    word = _SUBJECTS.get(value, str(value)) if isinstance(value, int) else str(value)
    try:
        return Subject(word)
    except ValueError as error:
        raise BadValue(f"view_type must be one of {[str(each) for each in Subject]}, got '{word[:100]}'") from error


def _aggregation(values: Values) -> Aggregation:
    value = values.get("aggregation_type")
    word = _WORDS.get(value, "") if isinstance(value, int) else str(value or "")
    if word not in _WORDS.values():
        raise BadValue(f"Unsupported aggregation type: {word[:100]}")
    if word != "PERCENTILE":
        return Aggregation(word)
    percentile = real(values, "percentile_value")
    if not 0 <= percentile <= 100:
        raise BadValue(f"Percentile value must be between 0 and 100, got {percentile}")
    return Aggregation(word, percentile)


def _condition(text: str) -> Condition:
    """``trace.status = 'OK'``, ``trace.tag.`a key` = 'b'``. Raises BadValue, BadFilter, LimitExceeded."""
    found = tokens(text)
    if len(found) != 4:
        raise BadValue(f"Invalid clause(s) in filter string: '{text[:200]}'. Expected one filter clause.")
    name, operator, value, _ = found
    subject, has_field, rest = name.text.partition(".")
    if not has_field:
        raise BadValue(
            f"Invalid identifier '{subject[:100]}'. It is 'trace.<key>', 'span.<key>' or 'assessment.<key>'."
        )
    field, dot, key = rest.partition(".")
    if subject not in FILTERED:
        raise BadValue(f"Invalid view type '{subject[:100]}'. Valid values are {list(FILTERED)}")
    if field not in FILTERED[subject]:
        known = list(FILTERED[subject])
        raise BadValue(
            f"Invalid entity '{field[:100]}' specified for view type '{subject}'. Valid entities are {known}"
        )
    if FILTERED[subject][field] and not key:
        raise BadValue(f"Filtering by {field} requires a key, e.g. '{subject}.{field}.<key> = <value>'")
    if not FILTERED[subject][field] and dot:
        raise BadValue(f"Filtering by {field} does not require a key, use '{subject}.{field}' instead")
    if operator.text != "=":
        raise BadValue(f"Invalid comparator: '{operator.text[:20]}', only '=' operator is supported")
    if value.shape is not Shape.STRING:
        raise BadValue(f"Expected a quoted string value for {field} value (e.g. 'my-value'). Got value {value.shown}")
    return Condition(subject, field, key.strip("`\"'"), value.text)


def _time(values: Values, field: str) -> int | None:
    if values.get(field) is None:
        return None
    most = 253_402_300_799_999 // 30  # In nanoseconds it is a number of 64 bits.
    return between(values, field, 0, -most, most)


def _dimensions(measuring: Measuring, words: tuple[str, ...], bucket_ms: int | None) -> dict[str, Json]:
    shown: dict[str, Json] = {}
    if bucket_ms is not None:
        shown["time_bucket"] = datetime.fromtimestamp(bucket_ms / 1000, UTC).isoformat()
    return {**shown, **dict(zip(measuring.dimensions, words, strict=False))}


ENDPOINTS: Final = (
    Endpoint("mlflow.traces.measure", "POST", "/api/3.0/mlflow/traces/metrics", Permission.READ, measure, reads=True),
)
