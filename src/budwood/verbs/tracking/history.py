"""How metrics went: every point of one, or a sample over the steps of several runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from budwood.catalog.api import View
from budwood.domain.limits import HISTORY_ALL, HISTORY_PAGE
from budwood.domain.tracking import checks
from budwood.domain.tracking.records import Metric, RunMetric
from budwood.domain.tracking.tokens import read_token, write_token
from budwood.errors import BadValue
from budwood.verbs.house import House
from budwood.verbs.tracking import found


@dataclass(frozen=True, slots=True)
class History:
    """Points by time; ``token`` is empty at the end."""

    points: Sequence[Metric]
    token: str = ""


def metric_history(
    house: House, namespace: str, id_: str, key: str, *, limit: int | None = None, token: str = ""
) -> History:
    """Without a limit all points, up to ``HISTORY_ALL``. Raises BadValue, RecordNotFound."""
    if limit:  # MLflow answers nothing to whoever asks for nothing.
        checks.check_page("max_results", limit, HISTORY_PAGE)
    search = (id_, key)
    after = _metric(key, *read_token(search, token, (int, int, float, int))) if token else None
    most = HISTORY_ALL if limit is None else limit
    with house.catalog.read() as view:
        run = found.run(view, namespace, id_)
        points = view.metric_history(run.id, key, after=after, limit=most + 1)
    if len(points) <= most or most == 0:
        return History(points[:most])
    last = points[most - 1]
    nan = last.value != last.value
    return History(points[:most], write_token(search, (last.at_ms, last.step, 0.0 if nan else last.value, int(nan))))


def histories(
    house: House, namespace: str, ids: Sequence[str], key: str, bounds: tuple[int, int] | None, points: int
) -> list[RunMetric]:
    """Of each run the metric at the same steps: about ``points`` of all there are, always the last of each run.

    Raises BadValue, RecordNotFound.
    """
    least, most = bounds or (-(1 << 63), (1 << 63) - 1)
    sampled: list[RunMetric] = []
    with house.catalog.read() as view:
        runs = {id_: found.run(view, namespace, id_) for id_ in ids}
        steps = {id_: view.metric_steps(run.id, key, least=least, most=most) for id_, run in runs.items()}
        chosen = _sample(sorted({step for each in steps.values() for step in each}), points)
        chosen |= {each[-1] for each in steps.values() if each}
        for id_, run in runs.items():
            mine = sorted(chosen.intersection(steps[id_]))
            there = view.metric_at(run.id, key, mine, HISTORY_PAGE)
            sampled += [RunMetric(id_, metric) for metric in there]
    return sampled


def whole_histories(house: House, namespace: str, ids: Sequence[str], key: str, limit: int) -> list[RunMetric]:
    """Of each run the points by time, in all at most ``limit``. Raises BadValue, RecordNotFound."""
    if limit < 1:
        raise BadValue(f"Invalid value {limit} for parameter 'max_results' supplied: it must be at least 1.")
    gathered: list[RunMetric] = []
    with house.catalog.read() as view:
        for id_ in sorted(ids):
            left = limit - len(gathered)
            if left > 0:
                gathered += [RunMetric(id_, metric) for metric in _points(view, namespace, id_, key, left)]
    return gathered


def _points(view: View, namespace: str, id_: str, key: str, limit: int) -> Sequence[Metric]:
    return view.metric_history(found.run(view, namespace, id_).id, key, limit=limit)


def _sample(steps: Sequence[int], points: int) -> set[int]:
    """Every n-th step, so that there are about as many."""
    if len(steps) <= points:
        return set(steps)
    every = -(-len(steps) // points)
    return {*steps[::every], steps[-1]}


def _metric(key: str, at_ms: object, step: object, value: object, nan: object) -> Metric:
    assert isinstance(at_ms, int)
    assert isinstance(step, int)
    assert isinstance(value, float)
    return Metric(key, float("nan") if nan else value, at_ms, step)
