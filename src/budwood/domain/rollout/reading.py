"""A plan from the plain values of a document, in Kubernetes' shape. Errors name the field and the fix."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

from budwood.domain.canon import dumps
from budwood.domain.compared.answers import PATH
from budwood.domain.compared.comparison import Comparison, Kind
from budwood.domain.document import Reader
from budwood.domain.limits import ROLLOUT_GUARDRAILS, ROLLOUT_STEP_S, ROLLOUT_STEPS
from budwood.domain.rollout.drift import LIMIT
from budwood.domain.rollout.events import TOLERATED
from budwood.domain.rollout.plan import FIXED, Guardrail, Metric, Plan, Step, Unproven, Watched, Way
from budwood.errors import BadPlan

API_VERSION: Final = "budwood.dev/v1"
KIND: Final = "Rollout"
_READ: Final = Reader(BadPlan, items=max(ROLLOUT_STEPS, ROLLOUT_GUARDRAILS))
_SAMPLES_MOST: Final = 1_000_000_000
_WHOLE: Final = 10_000
_DEFAULT_RAILS: Final = (Guardrail(Watched.ERRORS), Guardrail(Watched.LATENCY), Guardrail(Watched.SAMPLE_RATIO))


def read_plan(document: object) -> Plan:
    """The plan a document holds, with its digest. Raises BadPlan, naming the field and the fix."""
    top = _READ.fields(document, "", required=("apiVersion", "kind", "metadata", "spec"))
    _READ.same(top["apiVersion"], API_VERSION, "apiVersion")
    _READ.same(top["kind"], KIND, "kind")
    metadata = _READ.fields(top["metadata"], "metadata", required=("name",), optional=("labels", "annotations"))
    plan = _spec(_READ.text(metadata["name"], "metadata.name"), top["spec"])
    return replace(plan, digest=hashlib.sha256(dumps(_plain(document))).hexdigest())


def _spec(name: str, value: object) -> Plan:
    spec = _READ.fields(
        value,
        "spec",
        required=("steps",),
        optional=("guardrails", "alpha", "proof", "tolerated", "unproven", "patience", "silence", "compare"),
    )
    steps = _READ.each(spec, "steps", "spec", _step)
    _check_order(steps)
    rails = _READ.each(spec, "guardrails", "spec", _guardrail) or _DEFAULT_RAILS
    if len({rail.name for rail in rails}) < len(rails):
        _READ.bad("spec.guardrails", "watches something twice", "Name each once.")
    plan = Plan(
        name=name,
        steps=steps,
        guardrails=rails,
        alpha=_READ.number(spec.get("alpha", 0.01), "spec.alpha", least=1e-9, most=0.5),
        proof=_READ.flag(spec.get("proof", True), "spec.proof"),
        tolerated=_READ.number(spec.get("tolerated", TOLERATED), "spec.tolerated", least=1.01, most=100),
        unproven=_READ.word(Unproven)(spec.get("unproven", "hold"), "spec.unproven"),
        patience_s=_READ.lasts_s(spec.get("patience", "1h"), "spec.patience"),
        silence_s=_READ.lasts_s(spec.get("silence", "60s"), "spec.silence"),
        comparison=_comparison(spec["compare"]) if "compare" in spec else Comparison(),
    )
    _check_metrics(plan)
    _check_drift(plan)
    return plan


def _comparison(value: object) -> Comparison:
    at = "spec.compare"
    given = _READ.fields(value, at, required=("type",), optional=("field", "tolerance"))
    kind = _READ.word(Kind)(given["type"], f"{at}.type")
    field = _READ.text(given["field"], f"{at}.field") if "field" in given else ""
    if field and not PATH.fullmatch(field):
        _READ.bad(f"{at}.field", f"is {field[:80]!r}", "Names and numbers: outputs[0].data.")
    if "tolerance" in given and kind in (Kind.STATUS, Kind.CLASS):
        _READ.bad(f"{at}.tolerance", f"means nothing for {kind}", "Leave it out.")
    most = 1.0 if kind is Kind.TEXT else 1e300
    return Comparison(kind, field, _READ.number(given.get("tolerance", 0), f"{at}.tolerance", least=0, most=most))


def _step(value: object, at: str) -> Step:
    given = _READ.fields(
        value, at, optional=("shadow", "canary", "compare", "switch", "hold", "samples", "metric", "keep")
    )
    ways = [way for way in Way if way in given]
    if len(ways) != 1:
        _READ.bad(at, f"has {len(ways)} of shadow, canary, compare and switch", "Give one: canary: 5%.")
    way = ways[0]
    points = _points(given, way, at)
    if way is not Way.COMPARE and "metric" in given:
        _READ.bad(f"{at}.metric", "belongs to a comparison", "Use compare: 50%, or drop it.")
    if way is Way.COMPARE and "metric" not in given:
        _READ.bad(f"{at}.metric", "is missing", "Say which metric tells the two apart.")
    hold_s = _READ.lasts_s(given.get("hold", 0), f"{at}.hold")
    if hold_s > ROLLOUT_STEP_S:
        _READ.bad(f"{at}.hold", f"is {given['hold']!r}", f"A step holds for at most {ROLLOUT_STEP_S // 86_400} days.")
    return Step(
        way,
        points,
        hold_s,
        _READ.count(given.get("samples", 0), f"{at}.samples", least=0, most=_SAMPLES_MOST),
        _READ.text(given["metric"], f"{at}.metric") if "metric" in given else "",
        _READ.lasts_s(given.get("keep", 0), f"{at}.keep"),
    )


def _points(given: Mapping[str, Any], way: Way, at: str) -> int:
    if way is Way.SWITCH:
        if given[way] is not True:
            _READ.bad(f"{at}.switch", f"is {given[way]!r}", "A switch moves everything: switch: true.")
        return _WHOLE
    points = _READ.points(given[way], f"{at}.{way}")
    if points == 0 or (way is Way.COMPARE and points == _WHOLE):
        _READ.bad(f"{at}.{way}", f"is {given[way]!r}", "Then there is nothing to look at: give it a part, 5%.")
    return points


def _check_order(steps: tuple[Step, ...]) -> None:
    """Shadows come first; what answers grows."""
    answering = [step for step in steps if step.way is not Way.SHADOW]
    if not answering:
        _READ.bad("spec.steps", "only shadow", "End with a canary, a comparison or a switch.")
    for number, (before, after) in enumerate(pairwise(steps), 1):
        if after.way is Way.SHADOW and before.way is not Way.SHADOW:
            _READ.bad(f"spec.steps[{number}]", "is a shadow after the candidate answered", "Put shadows first.")
        if before.way is not Way.SHADOW and after.points < before.points:
            _READ.bad(
                f"spec.steps[{number}]", "takes traffic away again", "A rollout only grows; give it at least as much."
            )


def _guardrail(value: object, at: str) -> Guardrail:
    given = _READ.fields(
        value,
        at,
        required=("watch",),
        optional=("metric", "limit", "quantile", "window", "failures", "tolerance", "lowerIsBetter", "kind", "edges"),
    )
    watched = _READ.word(Watched)(given["watch"], f"{at}.watch")
    takes = _TAKES[watched]
    for name in given:
        if name != "watch" and name not in takes:
            _READ.bad(f"{at}.{name}", f"means nothing for {watched}", f"It takes {', '.join(takes) or 'nothing more'}.")
    for name in _NEEDS.get(watched, ()):
        if name not in given:
            _READ.bad(f"{at}.{name}", "is missing", f"{watched} needs it.")
    most = 1.0 if watched in (Watched.ERROR_RATE, Watched.DISAGREEMENT) else 3_600_000.0
    limit = LIMIT if watched is Watched.DRIFT else 0
    return Guardrail(
        watched,
        metric=_READ.text(given["metric"], f"{at}.metric") if "metric" in given else "",
        limit=_READ.number(given.get("limit", limit), f"{at}.limit", least=0, most=most),
        quantile=_READ.number(given.get("quantile", 0), f"{at}.quantile", least=0, most=0.9999),
        window_s=_READ.lasts_s(given.get("window", "1m"), f"{at}.window") or 60,
        failures=_READ.count(given.get("failures", 5), f"{at}.failures", least=1, most=1_000),
        tolerance=_READ.number(given.get("tolerance", 0), f"{at}.tolerance", least=0),
        lower_is_better=_READ.flag(given.get("lowerIsBetter", False), f"{at}.lowerIsBetter"),
        kind=_READ.word(Metric)(given.get("kind", "mean"), f"{at}.kind"),
        edges=_edges(given, at),
    )


def _edges(given: Mapping[str, Any], at: str) -> tuple[float, ...]:
    edges = _READ.each(given, "edges", at, _READ.number)
    if any(after <= before for before, after in pairwise(edges)):
        _READ.bad(f"{at}.edges", "do not rise", "Write each higher than the one before: [0.1, 0.5, 0.9].")
    return edges


_TAKES: Final[Mapping[Watched, tuple[str, ...]]] = {
    Watched.ERRORS: (),
    Watched.LATENCY: ("tolerance",),
    Watched.SAMPLE_RATIO: (),
    Watched.DISAGREEMENT: ("limit",),
    Watched.METRIC: ("metric", "tolerance", "lowerIsBetter", "kind"),
    Watched.DRIFT: ("metric", "limit", "edges"),
    Watched.ERROR_RATE: ("limit", "window", "failures"),
    Watched.LATENCY_LIMIT: ("limit", "quantile", "window", "failures"),
}
_NEEDS: Final[Mapping[Watched, tuple[str, ...]]] = {
    Watched.DISAGREEMENT: ("limit",),
    Watched.METRIC: ("metric",),
    Watched.DRIFT: ("metric",),
    Watched.ERROR_RATE: ("limit",),
    Watched.LATENCY_LIMIT: ("limit", "quantile"),
}


def _check_metrics(plan: Plan) -> None:
    """A comparison asks a metric that is watched; a plan of limits alone can prove nothing."""
    watched = {rail.metric for rail in plan.guardrails if rail.watched is Watched.METRIC}
    for number, step in enumerate(plan.steps):
        if step.metric and step.metric not in watched:
            fix = f"Add to spec.guardrails: watch: metric, metric: {step.metric}."
            _READ.bad(f"spec.steps[{number}].metric", f"is {step.metric!r}, which no guardrail watches", fix)
    if plan.proof and all(rail.watched in FIXED for rail in plan.guardrails):
        _READ.bad("spec.proof", "is asked of fixed limits, which prove nothing", "Watch errors, or write proof: false.")


def _check_drift(plan: Plan) -> None:
    """Values of both versions, in the same time: somewhere both must answer."""
    if any(rail.watched is Watched.DRIFT for rail in plan.guardrails) and all(
        step.way is Way.SHADOW or step.points == _WHOLE for step in plan.steps
    ):
        fix = "Add a step in which both versions answer: canary: 10%."
        _READ.bad("spec.guardrails", "watch a drift, but no step has the two versions answer side by side", fix)


def _plain(value: object) -> Any:
    """The document with text keys only: what is not, was refused before."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is not None and not isinstance(value, bool | int | float | str):
        _READ.bad("The document", f"holds a {type(value).__name__}", "Write dates and such in quotes.")
    return value
