"""Finding traces: one, several, those that a filter names; with their spans; and what numbers they come to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.catalog.api import View
from budwood.catalog.traces_api import TraceSearch
from budwood.domain.canon import Json
from budwood.domain.limits import (
    SEARCHED_EXPERIMENTS,
    TRACE_SPANS,
    TRACES_AT_ONCE,
    TRACES_MEASURED,
    TRACES_PAGE,
)
from budwood.domain.traces import measures
from budwood.domain.traces.correlation import Counts
from budwood.domain.traces.fields import TRACES, check_prompts
from budwood.domain.traces.records import SPANS_HERE, SPANS_TAG, Trace, TraceWithAll
from budwood.domain.tracking import checks
from budwood.domain.tracking.filters import Comparison, parse_filter, parse_orders
from budwood.errors import BadValue, LimitExceeded, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.traces import found

STATS_KEY: Final = "mlflow.trace.sizeStats"


@dataclass(frozen=True, slots=True)
class WholeTrace:
    """A trace with all that is said of it, and its spans as they were kept: the root first, then by their start."""

    told: TraceWithAll
    spans: Sequence[Mapping[str, Json]]


@dataclass(frozen=True, slots=True)
class FoundTraces:
    """A page; ``token`` is empty at the end."""

    traces: tuple[TraceWithAll, ...]
    token: str = ""


def get_trace(house: House, namespace: str, id_: str) -> TraceWithAll:
    """Without spans. Raises RecordNotFound."""
    with house.catalog.read() as view:
        return found.with_all(view, [found.trace(view, namespace, id_)])[0]


def get_whole(house: House, namespace: str, id_: str, *, may_be_partial: bool = False) -> WholeTrace:
    """Raises RecordNotFound, also for one whose spans have not all come, unless it may be partial."""
    with house.catalog.read() as view:
        there = found.maybe(view, namespace, id_)
        if there is None:
            raise RecordNotFound(f"Trace with ID {id_[:200]} is not found.", trace=id_[:200])
        (whole,) = _whole(view, [there])
    if not _is_here(there):
        raise BadValue("Trace data not stored in tracking store", trace=id_)
    if not may_be_partial and not _is_complete(whole):
        raise RecordNotFound(f"Trace with ID {id_} is not fully exported yet, please try again later.", trace=id_)
    return whole


def get_wholes(
    house: House, namespace: str, ids: Sequence[str], experiments: Sequence[str] | None = None
) -> list[WholeTrace]:
    """In the order asked for, those that are there with all their spans. Raises BadValue, LimitExceeded."""
    checks.too_many("traces", ids, TRACES_AT_ONCE, "TRACES_AT_ONCE")
    with house.catalog.read() as view:
        there = [each for each in _named(view, namespace, ids, experiments) if _is_here(each)]
        return [each for each in _whole(view, there) if _is_complete(each)]


def get_several(
    house: House, namespace: str, ids: Sequence[str], experiments: Sequence[str] | None = None
) -> tuple[TraceWithAll, ...]:
    """Without spans, in the order asked for, those that are there. Raises BadValue, LimitExceeded."""
    checks.too_many("traces", ids, TRACES_PAGE, "TRACES_PAGE")
    with house.catalog.read() as view:
        return found.with_all(view, _named(view, namespace, ids, experiments))


def find_traces(
    house: House,
    namespace: str,
    experiments: Sequence[str],
    text: str,
    orders: Sequence[str],
    token: str,
    limit: int,
) -> FoundTraces:
    """Raises BadFilter, BadValue, LimitExceeded."""
    checks.check_page("max_results", limit, TRACES_PAGE)
    comparisons, ordered = parsed(text), parse_orders(orders, TRACES)
    if len({each.place for each in ordered}) < len(ordered):
        raise BadValue(f"`order_by` contains duplicate fields: {list(orders)[:10]}")
    with house.catalog.read() as view:
        search = TraceSearch(comparisons, ordered, _ids(view, namespace, experiments))
        page = view.find_traces(namespace, search, token=token, limit=limit)
        return FoundTraces(found.with_all(view, page.traces), page.token)


def count_traces(
    house: House, namespace: str, experiments: Sequence[str], first: str, second: str, base: str = ""
) -> Counts:
    """For how many traces each of two filters holds. Raises BadFilter, BadValue, LimitExceeded."""
    one, two, both = parsed(first), parsed(second), parsed(base)
    with house.catalog.read() as view:
        search = TraceSearch(both, (), _ids(view, namespace, experiments))
        return view.count_traces(namespace, search, one, two)


def measure(
    house: House, namespace: str, experiments: Sequence[str], measuring: measures.Measuring, limit: int
) -> list[measures.Point]:
    """Raises BadValue, LimitExceeded."""
    measures.check(measuring)
    with house.catalog.read() as view:
        ids = _ids(view, namespace, experiments)
        rows = view.measured(namespace, ids, measuring, limit=TRACES_MEASURED + 1)
    if len(rows) > TRACES_MEASURED:
        raise LimitExceeded(
            f"More than {TRACES_MEASURED} are measured at once; ask for a shorter time.", limit="TRACES_MEASURED"
        )
    return measures.gathered(measuring, rows, limit)


def parsed(text: str) -> tuple[Comparison, ...]:
    """Raises BadFilter, LimitExceeded."""
    comparisons = parse_filter(text, TRACES)
    check_prompts(comparisons)
    return comparisons


def _ids(view: View, namespace: str, experiments: Sequence[str]) -> tuple[int, ...]:
    checks.too_many("experiments", experiments, SEARCHED_EXPERIMENTS, "SEARCHED_EXPERIMENTS")
    numbers = [checks.experiment_number(id_) for id_ in experiments]
    return tuple(sorted(view.experiment_numbers(namespace, numbers).values()))


def _named(view: View, namespace: str, ids: Sequence[str], experiments: Sequence[str] | None) -> list[Trace]:
    """In the order of the ids, each once."""
    there = {each.trace: each for each in view.traces(namespace, found.plausible(ids))}
    if experiments is not None:
        allowed = {str(checks.experiment_number(id_)) for id_ in experiments}
        there = {id_: each for id_, each in there.items() if str(each.experiment) in allowed}
    return [there[id_] for id_ in dict.fromkeys(ids) if id_ in there]


def _whole(view: View, traces: Sequence[Trace]) -> list[WholeTrace]:
    spans = view.spans_of([each.id for each in traces], limit=TRACE_SPANS * len(traces))
    wholes: list[WholeTrace] = []
    for told in found.with_all(view, traces):
        kept = [json.loads(each.content) for each in spans.get(told.trace.id, ())]
        wholes.append(WholeTrace(told, sorted(kept, key=lambda each: bool(each["parent_span_id"]))))
    return wholes


def _is_here(trace: Trace) -> bool:
    return trace.tags.get(SPANS_TAG) == SPANS_HERE


def _is_complete(whole: WholeTrace) -> bool:
    """Whether as many spans have come as its client says there are."""
    try:
        stats = json.loads(whole.told.trace.metadata.get(STATS_KEY, "{}"))
        wanted = stats.get("num_spans", 0) if isinstance(stats, dict) else 0
    except (ValueError, RecursionError):
        wanted = 0
    return bool(whole.spans) and (not isinstance(wanted, int) or len(whole.spans) >= wanted)
