"""Spans as they come: kept, and made part of what is known of their traces.

A trace that is not there yet begins with its first span. Until its client tells of it, its spans say when it was, how
it ended, and what was asked; tokens and costs are summed over all spans there are, unless its client counted them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.canon import Json
from budwood.domain.limits import TRACE_METADATA_CHARS, TRACE_SPANS
from budwood.domain.traces import conventions, totals
from budwood.domain.traces.records import (
    COST_KEY,
    SESSION_KEY,
    SPANS_HERE,
    SPANS_TAG,
    TOKENS_KEY,
    USER_KEY,
    Span,
    Trace,
    TraceState,
)
from budwood.domain.traces.stored import node_of, text_of
from budwood.domain.traces.totals import Node
from budwood.domain.tracking.records import Experiment
from budwood.errors import Invalid, LimitExceeded
from budwood.verbs.house import House
from budwood.verbs.traces import found, linking

_MS: Final = 1_000_000
_UNDECIDED: Final = (TraceState.IN_PROGRESS, TraceState.UNSPECIFIED)
_OWN: Final = ("telemetry.sdk.", "mlflow.")
"""What a process says of itself by these names is no tag of its traces."""


def log_spans(house: House, namespace: str, experiment: str, spans: Sequence[Span], run: str = "") -> None:
    """All are kept, or none. Raises BadValue, RecordNotFound, LimitExceeded.

    ``run`` is one that the traces whose roots came are linked to, where it is there.
    """
    by_trace: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_trace[conventions.trace_of(span)].append(conventions.completed(span))

    def work(transaction: Transaction) -> None:
        home = found.home(house, transaction, namespace, experiment)
        there = {each.trace: each for each in transaction.traces(namespace, list(by_trace))}
        ended: list[str] = []
        for id_, its in sorted(by_trace.items()):
            _log(transaction, namespace, home, there.get(id_), id_, its)
            if totals.root_of(its) is not None:
                ended.append(id_)
        if run and ended:
            linking.link_where_there(transaction, namespace, ended, run)

    house.catalog.write(work)


def _log(
    transaction: Transaction, namespace: str, home: Experiment, there: Trace | None, id_: str, spans: Sequence[Span]
) -> Trace:
    before = there or _begun(home, id_, spans)
    nodes = [Node(span.span, span.parent, span.attributes) for span in spans]
    if there is not None:
        nodes += _others(transaction, there, spans)
    if len(nodes) > TRACE_SPANS:
        raise LimitExceeded(f"A trace can have at most {TRACE_SPANS} spans.", limit="TRACE_SPANS")
    kept = transaction.put_trace(namespace, _gathered(before, spans, nodes))
    transaction.put_spans(kept, spans)
    return kept


def _others(transaction: Transaction, there: Trace, spans: Sequence[Span]) -> list[Node]:
    """The spans that came before. They are read only where these spans add to the totals, or there may be too many."""
    said = [
        each for span in spans for each in (conventions.usage_of(span.attributes), conventions.cost_of(span.attributes))
    ]
    adds = any(each is not None for each in said)
    if not adds and transaction.span_count(there.id) + len(spans) <= TRACE_SPANS:
        return []
    ours = {span.span for span in spans}
    stored = transaction.spans_of([there.id], limit=TRACE_SPANS + 1).get(there.id, ())
    return [node_of(each.span, each.parent, each.content) for each in stored if each.span not in ours]


def _begun(home: Experiment, id_: str, spans: Sequence[Span]) -> Trace:
    start = min(span.start_ns for span in spans) // _MS
    tags = found.located(home, id_)
    return Trace(0, id_, home.id, home.number, start, state=TraceState.IN_PROGRESS, tags=tags)


def _gathered(before: Trace, spans: Sequence[Span], nodes: Sequence[Node]) -> Trace:
    """The trace with what its new spans say of it."""
    root = totals.root_of(spans)
    state = totals.state_of(spans)
    tags = {**before.tags, **_tags(spans, root), SPANS_TAG: SPANS_HERE}
    after = replace(before, tags=tags, metadata=_metadata(before, spans, nodes))
    if root is not None:
        attributes = root.attributes
        after = replace(
            after,
            request=before.request or totals.preview(attributes.get(conventions.INPUTS), "user"),
            response=before.response or totals.preview(attributes.get(conventions.OUTPUTS), "assistant"),
        )
    if state is not None and before.state in _UNDECIDED:
        after = replace(after, state=state)
    return after if before.told else _timed(after, spans)


def _timed(trace: Trace, spans: Sequence[Span]) -> Trace:
    start = min(trace.at_ms, min(span.start_ns for span in spans) // _MS)
    ends = [span.end_ns // _MS for span in spans if span.end_ns]
    if trace.duration_ms is not None:
        ends.append(trace.at_ms + trace.duration_ms)
    return replace(trace, at_ms=start, duration_ms=max(ends) - start if ends else None)


def _metadata(before: Trace, spans: Sequence[Span], nodes: Sequence[Node]) -> dict[str, str]:
    known = dict(before.metadata)
    for key, total in ((TOKENS_KEY, totals.tokens(nodes)), (COST_KEY, totals.costs(nodes))):
        if total and not (before.told and key in known):
            known[key] = text_of(dict(total))
    for key, names in ((SESSION_KEY, conventions.SESSIONS), (USER_KEY, (conventions.USER,))):
        said = next((word for span in spans if (word := _word(span, names))), "")
        if said and key not in known:
            known[key] = said[:TRACE_METADATA_CHARS]
    return known


def _word(span: Span, names: Sequence[str]) -> str:
    said = next((span.attributes[name] for name in names if span.attributes.get(name)), None)
    return said if isinstance(said, str) else "" if said is None else text_of(said)


def _tags(spans: Sequence[Span], root: Span | None) -> dict[str, str]:
    """What the process says of itself, and the tags that a client put on the root. What cannot be a tag is none."""
    said: dict[str, Json] = {}
    resource = next((span.resource for span in spans if span.resource), {})
    said.update((key, value) for key, value in resource.items() if not key.startswith(_OWN))
    prefix = conventions.TAG_PREFIX
    if root is not None:
        own = [(key, value) for key, value in root.attributes.items() if key.startswith(prefix)]
        said.update((key.removeprefix(prefix), value) for key, value in own)
    kept: dict[str, str] = {}
    for key, value in said.items():
        try:
            found.check_free_tag(key, "set")
            kept.update([found.tag(key, value if isinstance(value, str) else text_of(value))])
        except Invalid:
            continue
    return kept
