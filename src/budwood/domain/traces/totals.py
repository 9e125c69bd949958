"""What the spans of a trace say of the whole: when, how it ended, the tokens and costs, and a line of what was asked.

A span that sums up what its children used would be counted twice; so below a span that says what was used nothing is
counted again, as MLflow's clients do.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.limits import TRACE_PREVIEW_CHARS
from budwood.domain.traces import conventions
from budwood.domain.traces.records import COSTS, TOKENS, Span, TraceState

Amounts = Mapping[str, int] | Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Node:
    """What a total needs of a span, new or stored."""

    span: str
    parent: str
    attributes: Mapping[str, Json]


def root_of(spans: Sequence[Span]) -> Span | None:
    """The span without a parent, where it has come."""
    return next((span for span in spans if not span.parent), None)


def state_of(spans: Sequence[Span]) -> TraceState | None:
    """How the trace ended, when its root says so."""
    root = root_of(spans)
    if root is None:
        return None
    return TraceState.ERROR if root.status == "ERROR" else TraceState.OK


def tokens(nodes: Sequence[Node]) -> Mapping[str, int] | None:
    """The tokens of all spans; None when none says."""
    found = _summed(nodes, conventions.usage_of, TOKENS[:3])
    return None if found is None else {key: int(found[key]) for key in TOKENS if key in found}


def costs(nodes: Sequence[Node]) -> Mapping[str, float] | None:
    """The costs of all spans; None when none says."""
    found = _summed(nodes, conventions.cost_of, COSTS)
    return None if found is None else {key: float(found[key]) for key in COSTS}


def preview(value: Json, role: str) -> str | None:
    """A line of what was asked or answered: of a conversation the last message of that role."""
    if value is None:
        return None
    whole = value if isinstance(value, str) and _is_json(value) else json.dumps(value, ensure_ascii=False)
    return shortened(_message(value, role, 0) or whole)


def shortened(said: str | None) -> str | None:
    """As much as is shown."""
    if said is None or len(said) <= TRACE_PREVIEW_CHARS:
        return said
    return said[: TRACE_PREVIEW_CHARS - 3] + "..."


def _summed(
    nodes: Sequence[Node], amounts: Callable[[Mapping[str, Json]], Amounts | None], always: Sequence[str]
) -> dict[str, float] | None:
    below: defaultdict[str, list[Node]] = defaultdict(list)
    known = {node.span for node in nodes}
    left: list[Node] = []
    for node in nodes:
        if node.parent and node.parent in known and node.parent != node.span:
            below[node.parent].append(node)
        else:
            left.append(node)
    totals: dict[str, float] = {}
    while left:
        node = left.pop()
        said = amounts(node.attributes)
        if said is None:
            left += below.pop(node.span, ())
            continue
        for key in (*always, *said):
            totals.setdefault(key, 0)
        for key, number in said.items():
            totals[key] += number
    return totals or None


_LISTS: Final = ("messages", "input", "output")
_DEPTH: Final = 4


def _message(value: Json, role: str, depth: int) -> str:
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, Mapping) or depth > _DEPTH:
        return ""
    for key in _LISTS:
        listed = value.get(key)
        if isinstance(listed, Sequence) and not isinstance(listed, str) and listed:
            return _last(listed, role)
    choices = value.get("choices")
    if isinstance(choices, Sequence) and not isinstance(choices, str) and choices:
        first = choices[0]
        return _last([first.get("message")], role) if isinstance(first, Mapping) else ""
    return _message(value.get("request"), role, depth + 1)


def _last(listed: Sequence[Json], role: str) -> str:
    messages = [each for each in listed if isinstance(each, Mapping) and "role" in each and "content" in each]
    if not messages:
        return ""
    chosen = next((each for each in reversed(messages) if each.get("role") == role), messages[-1])
    content = chosen.get("content")
    if isinstance(content, str):
        return content
    for part in content if isinstance(content, Sequence) else ():
        if isinstance(part, str):
            return part
        if isinstance(part, Mapping) and part.get("type") in ("text", "output_text"):
            text = part.get("text")
            return text if isinstance(text, str) else ""
    return ""


def _parsed(text: str) -> Json:
    if text[:1] not in ("{", "["):
        return None
    try:
        found: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found


def _is_json(text: str) -> bool:
    return _parsed(text) is not None
