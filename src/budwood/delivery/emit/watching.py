"""What Prometheus is asked: queries on Istio's metrics, alerts as a PrometheusRule, and what an analysis measures."""

from typing import Final

from budwood.delivery.emit.pieces import meta, served
from budwood.delivery.emit.release import Document, File, Part, Release
from budwood.domain.canon import Json
from budwood.domain.rollout.events import TOLERATED
from budwood.domain.rollout.plan import Guardrail, Watched

PROMETHEUS: Final = "http://prometheus.monitoring:9090"
WINDOW: Final = "2m"
_FEW_ERRORS: Final = 0.001
"""An error in a thousand condemns nobody, whatever the baseline has."""

METRICS_NOTE: Final = (
    "Queries read Istio's standard metrics, which tell versions apart by the pods' labels app and version. Without "
    "Istio's sidecars or waypoints they find nothing."
)
WEAKER: Final = (
    "What is compared are the figures of a moment against a limit, again and again: this condemns healthy versions "
    "more often than the registry's exact tests, which hold their level however often one looks."
)


def error_share(release: Release, revision: str) -> str:
    """Of the requests a version answered, the share that failed."""
    failed = f"sum(rate({_requests(release, revision, True)}[{WINDOW}]))"
    return f"(({failed}) or vector(0)) / sum(rate({_requests(release, revision, False)}[{WINDOW}]))"


def quantile_ms(release: Release, revision: str, quantile: float) -> str:
    """A latency, in milliseconds."""
    buckets = f"istio_request_duration_milliseconds_bucket{{{_own(release, revision)}}}"
    return f"histogram_quantile({quantile:g}, sum by (le) (rate({buckets}[{WINDOW}])))"


def at_once(release: Release, revision: str) -> str:
    """How many requests a version answers at the same time: by Little's law, rate times duration."""
    return f"sum(rate(istio_request_duration_milliseconds_sum{{{_own(release, revision)}}}[{WINDOW}])) / 1000"


def a_second(release: Release, revision: str) -> str:
    """Requests a second."""
    return f"sum(rate({_requests(release, revision, False)}[{WINDOW}]))"


def measured(release: Release, candidate: str, baseline: str) -> tuple[list[Json], tuple[str, ...]]:
    """An analysis' metrics for the plan's guardrails, by Argo's form; and the names of those that cannot be."""
    rails = release.plan.guardrails if release.plan else (Guardrail(Watched.ERRORS), Guardrail(Watched.LATENCY))
    made: list[Json] = []
    left: list[str] = []
    for rail in rails:
        query = _query(release, rail, candidate, baseline)
        if query:
            made.append(_metric(rail, query))
        else:
            left.append(rail.name)
    return made, tuple(left)


def prometheus_rule(release: Release) -> tuple[File, ...]:
    """Alerts for each version that answers."""
    rules: list[Json] = [rule for part in served(release) for rule in _alerts(release, part)]
    made: Document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": meta(release, release.name),
        "spec": {"groups": [{"name": f"budwood.{release.name}", "rules": rules}]},
    }
    head = (
        "Alerts for the Prometheus operator. An operator may want labels of its own to find it (ruleSelector).",
        METRICS_NOTE,
        WEAKER,
        "An alert moves no traffic.",
    )
    return (File("prometheus-rule.yaml", head, (made,)),)


def _query(release: Release, rail: Guardrail, candidate: str, baseline: str) -> str:
    """1 while the guardrail holds, 0 while it does not, and nothing while nobody asks: what is measured of no request
    is no figure, and condemns nobody. Empty for what Istio's metrics do not know."""
    asked = f" and on() ({a_second(release, candidate)} > 0)"
    both = f"{asked} and on() ({a_second(release, baseline)} > 0)"
    match rail.watched:
        case Watched.ERRORS:
            allowed = f"clamp_min({TOLERATED:g} * ({error_share(release, baseline)}), {_FEW_ERRORS:g})"
            return f"(({error_share(release, candidate)}) <= bool {allowed}){both}"
        case Watched.LATENCY:
            allowed = f"{TOLERATED:g} * ({quantile_ms(release, baseline, 0.95)})"
            return f"(({quantile_ms(release, candidate, 0.95)}) <= bool ({allowed})){both}"
        case Watched.ERROR_RATE:
            return f"(({error_share(release, candidate)}) <= bool {rail.limit:g}){asked}"
        case Watched.LATENCY_LIMIT:
            return f"(({quantile_ms(release, candidate, rail.quantile)}) <= bool {rail.limit:g}){asked}"
        case Watched.SAMPLE_RATIO | Watched.DISAGREEMENT | Watched.METRIC | Watched.DRIFT:
            return ""


def _metric(rail: Guardrail, query: str) -> Document:
    fixed = rail.watched in (Watched.ERROR_RATE, Watched.LATENCY_LIMIT)
    return {
        "name": rail.name.replace(" ", "-"),
        "interval": f"{rail.window_s}s" if fixed else "60s",
        "initialDelay": "60s",
        "failureLimit": rail.failures - 1 if fixed else 2,
        # No figures are no proof: they neither pass nor fail.
        "inconclusiveLimit": 5,
        "successCondition": "len(result) > 0 && result[0] == 1",
        "failureCondition": "len(result) > 0 && result[0] == 0",
        "provider": {"prometheus": {"address": PROMETHEUS, "query": query}},
    }


def _alerts(release: Release, part: Part) -> list[Json]:
    errors, slow_ms = _limits(release)
    who = f"{release.name} {part.revision}"
    own: Document = {"model": release.name, "version": part.revision}
    every: list[Json] = [
        {
            "alert": "ModelErrors",
            "expr": f"({error_share(release, part.revision)}) > {errors:g}",
            "for": "5m",
            "labels": {**own, "severity": "critical"},
            "annotations": {"summary": f"More than {errors:.2%} of the requests to {who} fail."},
        },
        {
            "alert": "ModelLatency",
            "expr": f"({quantile_ms(release, part.revision, 0.99)}) > {slow_ms:g}",
            "for": "5m",
            "labels": {**own, "severity": "warning"},
            "annotations": {"summary": f"One in a hundred requests to {who} takes longer than {slow_ms:g} ms."},
        },
    ]
    if part.arm == release.baseline:
        silent: Document = {
            "alert": "ModelSilent",
            "expr": f"absent({_requests(release, part.revision, False)})",
            "for": "15m",
            "labels": {**own, "severity": "warning"},
            "annotations": {"summary": f"Nobody has asked {who}, or it is not measured."},
        }
        every.append(silent)
    return every


def _limits(release: Release) -> tuple[float, float]:
    """The plan's fixed limits where it has them; else 2 % of errors, and half the time a client waits."""
    rails = release.plan.guardrails if release.plan else ()
    errors = next((rail.limit for rail in rails if rail.watched is Watched.ERROR_RATE), 0.02)
    slow = next((rail.limit for rail in rails if rail.watched is Watched.LATENCY_LIMIT), release.timeout_s * 500.0)
    return errors, slow


def _requests(release: Release, revision: str, failed: bool) -> str:
    only = ',response_code=~"5..|0"' if failed else ""
    return f"istio_requests_total{{{_own(release, revision)}{only}}}"


def _own(release: Release, revision: str) -> str:
    service = f'destination_canonical_service="{release.name}"'
    return f'reporter="destination",{service},destination_canonical_revision="{revision}"'
