"""Traces as they are elsewhere: with their ids and times, their spans, and what is thought of them.

Everything may be sent again, as with runs. What came is kept as it is: nothing is worked out from spans anew, as that
was done where they came in first.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from budwood.catalog.api import Transaction
from budwood.catalog.traces_api import Linked
from budwood.domain.carrying.compare_traced import TOLD_KEY
from budwood.domain.carrying.traced import CarriedAssessment, CarriedTrace
from budwood.domain.limits import ASSESSMENTS, LISTING_TITLE_CHARS, SPANS_AT_ONCE, TRACE_SPANS
from budwood.domain.traces.records import FIXED_TAGS, SPANS_HERE, SPANS_TAG, Assessment, AssessmentKind, Trace
from budwood.domain.traces.totals import shortened
from budwood.domain.traces.written import span_read
from budwood.domain.tracking import checks
from budwood.domain.tracking.evaluation import read_json
from budwood.domain.tracking.records import Experiment
from budwood.errors import BadValue, LimitExceeded, NameTaken
from budwood.verbs.carrying.take_runs import check_source, experiment_of, record_import
from budwood.verbs.house import House
from budwood.verbs.traces import assessing, found, linking
from budwood.verbs.traces.telling import check_times, trace_state
from budwood.verbs.tracking import found as tracked

PROMPTS_TAG: Final = "mlflow.linkedPrompts"
"""A tag in which clients note the prompts that they linked a trace to."""

_PROMPT: Final = re.compile(rf"[^/\0]{{1,{LISTING_TITLE_CHARS}}}/[1-9][0-9]{{0,17}}")


def take_traces(house: House, namespace: str, source: str, sent: Sequence[CarriedTrace]) -> int:
    """All or none. Raises BadValue, LimitExceeded, RecordNotFound, NameTaken for an id of another experiment."""
    check_source(source)
    number = experiment_of([each.experiment for each in sent])
    wholes = [(_trace(each), [_assessment(one) for one in each.assessments], _prompts(each)) for each in sent]

    def work(transaction: Transaction) -> int:
        experiment = tracked.experiment(transaction, namespace, number)
        there = {each.trace: each for each in transaction.traces(namespace, [each.trace for each in sent])}
        for trace, assessments, prompts in wholes:
            before = there.get(trace.trace)
            if before is not None and before.experiment_id != experiment.id:
                message = f"The trace {trace.trace} is here already, in another experiment."
                raise NameTaken(message, trace=trace.trace)
            kept = transaction.put_trace(namespace, _placed(trace, before, experiment))
            for each in assessments:
                transaction.put_assessment(kept, each)
            for prompt in prompts:
                transaction.link_traces(namespace, [trace.trace], Linked.PROMPT, prompt)
        ids = [each.trace for each in sent]
        record_import(house, transaction, namespace, experiment, "traces.imported", source, ids)
        return len(wholes)

    return house.catalog.write(work)


def take_spans(house: House, namespace: str, id_: str, sent: Sequence[str]) -> int:
    """How many it has then. Raises BadValue, LimitExceeded, RecordNotFound."""
    checks.too_many("spans", sent, SPANS_AT_ONCE, "SPANS_AT_ONCE")
    spans = [span_read(each) for each in sent]

    def work(transaction: Transaction) -> int:
        trace = found.trace(transaction, namespace, id_)
        transaction.put_spans(trace, spans)
        count = transaction.span_count(trace.id)
        if count > TRACE_SPANS:
            raise LimitExceeded(f"A trace can have at most {TRACE_SPANS} spans.", limit="TRACE_SPANS")
        if trace.tags.get(SPANS_TAG) != SPANS_HERE:
            transaction.put_trace(namespace, replace(trace, tags={**trace.tags, SPANS_TAG: SPANS_HERE}))
        return count

    return house.catalog.write(work)


def link_traces(house: House, namespace: str, run: str, ids: Sequence[str]) -> int:
    """Raises BadValue, LimitExceeded, RecordNotFound."""
    house.catalog.write(linking.link_to_run(house, namespace, ids, run))
    return len(ids)


def _trace(sent: CarriedTrace) -> Trace:
    """Raises BadValue, LimitExceeded."""
    found.check_id(sent.trace)
    check_times(sent.at_ms, sent.duration_ms)
    for text in (sent.client_request, sent.request, sent.response):
        found.check_text("trace", text)
    if len(sent.assessments) > ASSESSMENTS:
        raise LimitExceeded(f"A trace can have at most {ASSESSMENTS} assessments.", limit="ASSESSMENTS")
    return Trace(
        *(0, sent.trace, 0, 0, sent.at_ms, sent.duration_ms, trace_state(sent.state)),
        *(sent.client_request, shortened(sent.request), shortened(sent.response), sent.told),
        found.tags({key: value for key, value in sent.tags.items() if key not in FIXED_TAGS}),
        found.metadata({key: value for key, value in sent.metadata.items() if key != TOLD_KEY}),
    )


def _placed(trace: Trace, before: Trace | None, experiment: Experiment) -> Trace:
    """In its experiment, in the place of the one that is there."""
    spans = {SPANS_TAG: before.tags[SPANS_TAG]} if before and SPANS_TAG in before.tags else {}
    tags = {**trace.tags, **spans, **found.located(experiment, trace.trace)}
    id_ = before.id if before else 0
    return replace(trace, id=id_, experiment_id=experiment.id, experiment=experiment.number, tags=tags)


def _assessment(sent: CarriedAssessment) -> Assessment:
    """Raises BadValue, LimitExceeded."""
    if sent.kind not in list(AssessmentKind):
        raise BadValue(f"{sent.kind[:100]!r} is no kind of assessment.")
    error = read_json("assessment.error", sent.error) if sent.error else None
    if error is not None and not isinstance(error, Mapping):
        raise BadValue("The error of an assessment is no object.")
    said = Assessment(
        sent.assessment,
        AssessmentKind(sent.kind),
        sent.name,
        read_json("assessment.value", sent.value),
        sent.source_type,
        sent.source,
        sent.created_ms,
        sent.updated_ms,
        None if error is None else {key: str(value) for key, value in error.items()},
        sent.span,
        None,
        sent.rationale,
        sent.metadata,
        sent.overrides or None,
        sent.valid,
    )
    return assessing.checked(said)


def _prompts(sent: CarriedTrace) -> list[str]:
    """Those its tag tells of. What cannot be a prompt is passed over: clients write the tag as they like."""
    try:
        told: Any = json.loads(sent.tags.get(PROMPTS_TAG, "[]"))
    except (ValueError, RecursionError):
        return []
    named = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    said = [f"{each.get('name') or ''}/{each.get('version') or ''}" for each in named]
    return [each for each in said if _PROMPT.fullmatch(each)]
