"""The report of an A/B test: shown while it runs, and kept as evidence on both versions when it ends."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.canon import Json
from budwood.domain.limits import OBSERVATIONS_REPORTED, PAGE_ROWS
from budwood.domain.observations.report import AbReport, MetricReport, Told, segments_told, told
from budwood.domain.policy.evidence import Evidence, EvidenceKind, Interval, Outcome
from budwood.domain.rollout.interval import Mean
from budwood.domain.rollout.plan import Guardrail, Metric, Plan, Watched, Way
from budwood.domain.rollout.records import Rollout, RolloutState
from budwood.domain.rollout.tally import Tally
from budwood.domain.rollout.verdict import Says, means_of, verdicts
from budwood.domain.traffic.records import Observation
from budwood.errors import RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.kept_evidence import evidence_digest
from budwood.verbs.observations import joined_to
from budwood.verbs.rollout_text import plan_from
from budwood.verbs.routing import endpoint_named

_SEGMENTS_MOST: Final = 20


def show_report(house: House, namespace: str, endpoint: str, rollout_id: int = 0, segment: str = "") -> AbReport:
    """Of the newest rollout, or one of them; divided by a field of the observations. Raises RecordNotFound."""
    with house.catalog.read() as view:
        record = endpoint_named(view, namespace, endpoint)
        found = view.rollouts(record.id, before=rollout_id + 1 if rollout_id else 0, limit=1)
        if not found or (rollout_id and found[0].id != rollout_id):
            raise RecordNotFound(f"{endpoint} has no such rollout.", hint=f"See: budwood rollout list {endpoint}")
        return report_of(view, found[0], segment)


def report_of(view: View, rollout: Rollout, segment: str = "") -> AbReport:
    """As it stands."""
    plan, tally = plan_from(rollout.plan_text), view.counted(rollout.id).tally
    said = {each.guardrail: each for each in verdicts(plan, tally)}
    rails = [rail for rail in plan.guardrails if rail.watched is Watched.METRIC]
    ratio = next((said[rail.name] for rail in plan.guardrails if rail.watched is Watched.SAMPLE_RATIO), None)
    model = _model(view, rollout)
    return AbReport(
        rollout.endpoint,
        rollout.id,
        f"{model}@v{rollout.candidate_number}",
        f"{model}@v{rollout.baseline_number}",
        rollout.started_ms,
        rollout.ended_ms,
        str(rollout.state),
        tuple(_metric(view, rollout, plan, rail, tally, segment, said[rail.name].detail) for rail in rails),
        ratio.detail if ratio else "",
        ratio is None or ratio.says is not Says.FAILS,
        tally.lost,
    )


def keep_report(transaction: Transaction, rollout: Rollout, *, at_ms: int, actor: str) -> None:
    """As evidence on both versions, where the plan compared them."""
    plan = plan_from(rollout.plan_text)
    if all(step.way is not Way.COMPARE for step in plan.steps):
        return
    report = report_of(transaction, rollout)
    if not report.metrics:
        return
    model = _model(transaction, rollout)
    for number, other in (
        (rollout.candidate_number, rollout.baseline_number),
        (rollout.baseline_number, rollout.candidate_number),
    ):
        version = transaction.version_by_number(rollout.namespace, model, number)
        if version is None:
            continue
        is_candidate = number == rollout.candidate_number
        said = _evidence(report, version.digest, is_candidate=is_candidate, at_ms=at_ms, actor=actor)
        said = replace(said, details={**said.details, "against": f"{model}@v{other}"})
        added = transaction.add_evidence(version.namespace, replace(said, digest=evidence_digest(said)))
        body: dict[str, Json] = {
            "kind": str(added.kind),
            "evidence": added.digest,
            "outcome": str(added.outcome),
            "rollout": rollout.id,
        }
        transaction.add_ledger(at_ms, actor, "evidence.added", version.reference, body, version.namespace)


def _evidence(report: AbReport, digest: str, *, is_candidate: bool, at_ms: int, actor: str) -> Evidence:
    metrics: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    details = {
        "endpoint": report.endpoint,
        "rollout": str(report.rollout),
        "arm": "candidate" if is_candidate else "baseline",
        "sample ratio": report.ratio or "not watched",
    }
    for each in report.metrics:
        one = each.overall
        metrics[each.metric] = one.candidate if is_candidate else one.baseline
        details[each.metric] = f"{one.says} for the candidate; {each.enough}"[:1_000]
        if one.effect is not None and one.low is not None and one.high is not None:
            name = f"{each.metric} effect"
            metrics[name] = one.effect
            intervals[name] = Interval(one.low, one.high, each.level, "confidence sequence")
            details[name] = f"power {one.power:.0%}, smallest effect seen with 80 %: {one.detectable:.4g}"
    samples = max((each.overall.candidate_units + each.overall.baseline_units for each in report.metrics), default=0)
    won = report.state == RolloutState.PROMOTED
    outcome = Outcome.NONE if not is_candidate else Outcome.PASSED if won else Outcome.FAILED
    summary = f"A/B test of {report.candidate} against {report.baseline}: {report.state}."
    return Evidence(
        *(0, digest, EvidenceKind.AB_TEST, actor, "", (), at_ms, outcome, metrics, intervals),
        samples=samples,
        summary=summary,
        details=details,
    )


def _metric(
    view: View, rollout: Rollout, plan: Plan, rail: Guardrail, tally: Tally, segment: str, detail: str
) -> MetricReport:
    level = plan.level(rail) / max(1, sum(step.way is not Way.SHADOW for step in plan.steps))
    means = means_of(rail, tally) or (Mean(), Mean())
    parts: tuple[Told, ...] = ()
    if segment:
        sums = _segments(view, rollout, rail, tally, segment)
        parts = segments_told(sums, level, lower_is_better=rail.lower_is_better)
    overall = told(*means, level, lower_is_better=rail.lower_is_better)
    return MetricReport(rail.metric, rail.kind, 1 - level, overall, parts, detail.rpartition("; ")[2])


def _segments(
    view: View, rollout: Rollout, rail: Guardrail, tally: Tally, segment: str
) -> dict[str, tuple[Mean, Mean]]:
    """By value of the field; the rarest are left out. A ratio is over all units that came: of who never converted
    nobody knows the segment."""
    sums: dict[str, list[Mean]] = {}
    seen: set[str] = set()
    for each in _observations(view, rollout):
        name = each.fields.get(segment, "")
        if each.metric != rail.metric or not name or each.at_ms < rollout.progress.since_ms:
            continue
        joined = joined_to(view, rollout, each, None)
        if joined is None or joined.unit in seen or (rail.kind is Metric.RATIO and joined.value <= 0):
            continue
        seen.add(joined.unit)
        value = 1.0 if rail.kind is Metric.RATIO else joined.value
        pair = sums.setdefault(name, [Mean(), Mean()])
        side = 0 if joined.is_candidate else 1
        pair[side] = pair[side].after(1, value, value * value)
    most = sorted(sums, key=lambda name: -sum(mean.units for mean in sums[name]))[:_SEGMENTS_MOST]
    over = tally.exposed if rail.kind is Metric.RATIO and tally.exposed else None
    return {
        name: (
            replace(sums[name][0], units=over[0]) if over else sums[name][0],
            replace(sums[name][1], units=over[1]) if over else sums[name][1],
        )
        for name in most
    }


def _observations(view: View, rollout: Rollout) -> Iterator[Observation]:
    """Those that were counted."""
    after, to, left = 0, view.counted(rollout.id).seen_to, OBSERVATIONS_REPORTED
    while left > 0 and (found := view.observations(rollout.endpoint_id, after=after, limit=min(left, PAGE_ROWS))):
        for number, each in found:
            if number > to:
                return
            yield each
        after, left = found[-1][0], left - len(found)


def _model(view: View, rollout: Rollout) -> str:
    record = view.endpoint_by_id(rollout.endpoint_id)
    assert record is not None, "endpoints are kept for ever"
    routing = view.routing(record.id, record.generation)
    assert routing is not None, "an endpoint has a routing from its first moment"
    return routing.body.model
