"""A span as the catalog keeps it: JSON in MLflow's words, whose attributes are JSON texts again."""

import json
import math
from collections.abc import Mapping

from budwood.domain.canon import Json
from budwood.domain.traces.records import Span
from budwood.domain.traces.totals import Node


def content_of(span: Span) -> str:
    """What is kept, and what a search for text looks into."""
    kept: dict[str, Json] = {
        "trace_id": span.trace,
        "span_id": span.span,
        "parent_span_id": span.parent,
        "name": span.name,
        "start_time_unix_nano": span.start_ns,
        "end_time_unix_nano": span.end_ns,
        "status": {"code": f"STATUS_CODE_{span.status}", "message": span.message},
        "attributes": {key: text_of(value) for key, value in span.attributes.items()},
        "events": [
            {"name": each.name, "time_unix_nano": each.at_ns, "attributes": text_of(each.attributes)}
            for each in span.events
        ],
        "links": [
            {"trace_id": each.trace, "span_id": each.span, "attributes": text_of(each.attributes)}
            for each in span.links
        ],
    }
    return json.dumps(kept, ensure_ascii=False)


def node_of(span: str, parent: str, content: str) -> Node:
    """What totals need of a stored span."""
    kept = json.loads(content)
    return Node(span, parent, {key: json.loads(value) for key, value in kept["attributes"].items()})


def text_of(value: Json) -> str:
    """JSON, with numbers that are none as Python writes them."""
    return json.dumps(value, ensure_ascii=False)


def amount_of(value: Json) -> float | None:
    """What an assessment counts as: a yes is 1 and a no is 0."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    if isinstance(value, str):
        return {"yes": 1.0, "no": 0.0}.get(value.strip().lower())
    return None


def attributes_of(kept: Mapping[str, Json]) -> dict[str, Json]:
    """The values of a kept span's attributes."""
    inside = kept.get("attributes")
    assert isinstance(inside, Mapping)
    return {key: json.loads(str(value)) for key, value in inside.items()}
