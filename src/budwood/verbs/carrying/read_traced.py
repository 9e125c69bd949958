"""What a namespace holds of traces, evaluation data sets and what judges, in the words of a carrying; page by page."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from budwood.catalog.api import View
from budwood.catalog.evaluation_api import EvaluationSearch, IssueSearch
from budwood.catalog.traces_api import TraceSearch
from budwood.domain import asks_carrying as asks
from budwood.domain.canon import Json
from budwood.domain.carrying.compare_traced import spans_told
from budwood.domain.carrying.traced import (
    CarriedAssessment,
    CarriedBody,
    CarriedDataset,
    CarriedIssue,
    CarriedLabel,
    CarriedRecord,
    CarriedScorer,
    CarriedTrace,
)
from budwood.domain.limits import (
    CARRIED_AT_ONCE,
    ISSUES_PAGE,
    LABEL_SCHEMAS_PER_EXPERIMENT,
    MIB,
    SCORER_VERSIONS,
    SCORERS_PER_EXPERIMENT,
    TRACE_SPANS,
)
from budwood.domain.traces.fields import TRACES
from budwood.domain.traces.records import Assessment, Trace
from budwood.domain.tracking import checks
from budwood.domain.tracking.evaluation import EVALUATION_DATASETS, EvaluationDataset
from budwood.domain.tracking.filters import ATTRIBUTE, Comparison, Operator, Place, parse_orders
from budwood.domain.tracking.judging import SEVERITIES, Issue, LabelSchema, ScorerVersion
from budwood.errors import RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.traces import found
from budwood.verbs.tracking import evaluation, labels

DATASETS_AT_ONCE: Final = 100
RECORDS_AT_ONCE: Final = 1_000
SPANS_BYTES: Final = 8 * MIB


def read_traces(house: House, namespace: str, asked: asks.ReadTraces) -> asks.TracesRead:
    """Those named that are there, or a page of an experiment's, the oldest first. Raises BadValue, LimitExceeded."""
    checks.too_many("traces", asked.traces, CARRIED_AT_ONCE, "CARRIED_AT_ONCE")
    with house.catalog.read() as view:
        if asked.traces:
            return asks.TracesRead(_wholes(view, view.traces(namespace, found.plausible(asked.traces))))
        experiment = view.experiment(namespace, checks.experiment_number(asked.experiment))
        if experiment is None:
            return asks.TracesRead(())
        of_run = Comparison(Place(ATTRIBUTE, "run_id"), Operator.EQ, asked.run)
        orders = parse_orders(["timestamp_ms ASC"], TRACES)
        search = TraceSearch((of_run,) if asked.run else (), orders, (experiment.id,))
        page = view.find_traces(namespace, search, token=asked.token, limit=CARRIED_AT_ONCE)
        return asks.TracesRead(_wholes(view, page.traces, with_spans=not asked.run), page.token)


def read_spans(house: House, namespace: str, asked: asks.ReadSpans) -> asks.SpansRead:
    """As many as one answer holds, and at least one. Raises RecordNotFound."""
    with house.catalog.read() as view:
        trace = found.trace(view, namespace, asked.trace)
        left = _contents(view, trace)[max(0, asked.after) :]
    taken, size = 0, 0
    for each in left:
        size += len(each)
        if taken and size > SPANS_BYTES:
            break
        taken += 1
    return asks.SpansRead(tuple(left[:taken]), asked.after + taken if taken < len(left) else 0)


def read_datasets(house: House, namespace: str, token: str) -> asks.DatasetsRead:
    """By age. Raises BadValue."""
    search = EvaluationSearch(orders=parse_orders(["created_time ASC"], EVALUATION_DATASETS))
    with house.catalog.read() as view:
        page = view.find_evaluation_datasets(namespace, search, token=token, limit=DATASETS_AT_ONCE)
        datasets = tuple(_dataset(each, view.evaluation_uses(each.id)) for each in page.datasets)
    return asks.DatasetsRead(datasets, page.token)


def read_records(house: House, namespace: str, asked: asks.ReadRecords) -> asks.RecordsRead:
    """In the order they came; none of a data set that is not there. Raises BadValue."""
    try:
        page = evaluation.list_records(house, namespace, asked.dataset, asked.token, RECORDS_AT_ONCE)
    except RecordNotFound:
        return asks.RecordsRead(())
    records = tuple(
        CarriedRecord(each.record, each.content, each.created_ms, each.updated_ms, each.created_by, each.updated_by)
        for each in page.records
    )
    return asks.RecordsRead(records, page.token)


def read_judging(house: House, namespace: str, asked: asks.ReadJudging) -> asks.JudgingRead:
    """Scorers and label schemas with the first page of issues. Raises BadValue."""
    with house.catalog.read() as view:
        experiment = view.experiment(namespace, checks.experiment_number(asked.experiment))
        if experiment is None:
            return asks.JudgingRead()
        search = IssueSearch(experiments=(experiment.id,))
        page = view.find_issues(namespace, search, token=asked.token, limit=ISSUES_PAGE)
        issues = tuple(map(_issue, page.issues))
        if asked.token:
            return asks.JudgingRead(issues=issues, token=page.token)
        newest = view.scorers_newest([experiment.id], limit=SCORERS_PER_EXPERIMENT)
        scorers = tuple(_scorer(each, view.scorer_versions(each.scorer, limit=SCORER_VERSIONS)) for each in newest)
        schemas = view.label_schemas(experiment.id, limit=LABEL_SCHEMAS_PER_EXPERIMENT)
    own = tuple(_label(each) for each in schemas if not each.is_default)
    return asks.JudgingRead(scorers, own, issues, page.token)


def _wholes(view: View, traces: Sequence[Trace], *, with_spans: bool = True) -> tuple[CarriedTrace, ...]:
    return tuple(
        _trace(whole.trace, whole.assessments, spans_told(_contents(view, whole.trace) if with_spans else ()))
        for whole in found.with_all(view, traces)
    )


def _contents(view: View, trace: Trace) -> list[str]:
    return [each.content for each in view.spans_of([trace.id], limit=TRACE_SPANS).get(trace.id, ())]


def _trace(trace: Trace, assessments: Sequence[Assessment], spans: Mapping[str, Json]) -> CarriedTrace:
    count, sha256 = spans["count"], spans["sha256"]
    assert isinstance(count, int)
    return CarriedTrace(
        trace.trace,
        str(trace.experiment),
        trace.at_ms,
        trace.duration_ms,
        str(trace.state),
        trace.client_request,
        trace.request,
        trace.response,
        trace.told,
        dict(trace.tags),
        dict(trace.metadata),
        tuple(map(_assessment, assessments)),
        count,
        str(sha256),
    )


def _assessment(each: Assessment) -> CarriedAssessment:
    return CarriedAssessment(
        each.assessment,
        str(each.kind),
        each.name,
        json.dumps(each.value),
        each.source_type,
        each.source,
        each.created_ms,
        each.updated_ms,
        "" if each.error is None else json.dumps(dict(each.error)),
        each.span,
        each.rationale,
        dict(each.metadata),
        each.overrides or "",
        each.valid,
    )


def _dataset(each: EvaluationDataset, uses: Sequence[int]) -> CarriedDataset:
    return CarriedDataset(
        each.dataset,
        each.name,
        each.digest,
        each.schema,
        each.created_ms,
        each.updated_ms,
        each.created_by,
        each.updated_by,
        dict(each.tags),
        tuple(map(str, uses)),
    )


def _scorer(newest: ScorerVersion, versions: Sequence[ScorerVersion]) -> CarriedScorer:
    scorer = newest.scorer
    bodies = tuple(CarriedBody(each.number, each.body, each.at_ms) for each in versions)
    return CarriedScorer(scorer.scorer, str(scorer.experiment), scorer.name, bodies)


def _label(each: LabelSchema) -> CarriedLabel:
    form, bounds = labels.input_of(each)
    return CarriedLabel(
        each.schema,
        str(each.experiment),
        each.name,
        str(each.kind),
        form,
        json.dumps(bounds),
        each.instruction,
        each.has_comment,
        each.created_ms,
        each.updated_ms,
    )


def _issue(each: Issue) -> CarriedIssue:
    return CarriedIssue(
        each.issue,
        str(each.experiment),
        each.name,
        each.description,
        str(each.status),
        SEVERITIES[each.severity] if each.severity >= 0 else "",
        tuple(each.root_causes),
        tuple(each.categories),
        each.run,
        each.created_by,
        each.created_ms,
        each.updated_ms,
    )
