"""Reading tracking, for every SQL database. ``view.py`` joins it with the rest; ``tracking_search.py`` searches."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, select, tuple_
from sqlalchemy.sql import ClauseElement

from budwood.catalog.sql.ledger_view import LedgerReads
from budwood.catalog.sql.people_tables import namespace
from budwood.catalog.sql.rooms import room_of
from budwood.catalog.sql.session import Row, Statement, known
from budwood.catalog.sql.tracking_search import EXPERIMENT_COLUMNS, RUN_COLUMNS, find_experiment_rows, find_run_rows
from budwood.catalog.sql.tracking_tables import (
    experiment,
    experiment_tag,
    metric_point,
    run,
    run_dataset,
    run_input,
    run_metric,
    run_model,
    run_param,
    run_tag,
)
from budwood.catalog.tracking_api import ExperimentPage, RunPage, TrackingSearch
from budwood.domain.limits import HISTORY_ALL, RUNS_PAGE
from budwood.domain.tracking.records import (
    Dataset,
    DatasetSummary,
    DatasetUse,
    Experiment,
    Logged,
    Metric,
    ModelUse,
    Run,
    RunStatus,
)
from budwood.errors import CatalogDamaged

_WIDTHS: Final = (1, 8, 32, 128, 512)
_LEAST: Final = -(1 << 63)
_here: Final = namespace.c.name == bindparam("namespace")
_experiments: Final = select(*EXPERIMENT_COLUMNS).join_from(
    experiment, namespace, namespace.c.id == experiment.c.namespace_id
)
_EXPERIMENT: Final = Statement(_experiments.where(_here, experiment.c.number == bindparam("number")))
_NAMED: Final = Statement(_experiments.where(_here, experiment.c.name == bindparam("name")))
_EXPERIMENT_TAGS: Final = Statement(
    select(experiment_tag.c.key, experiment_tag.c.value)
    .where(experiment_tag.c.experiment_id == bindparam("experiment_id"))
    .order_by(experiment_tag.c.key)
)
_RUN: Final = Statement(
    select(*RUN_COLUMNS)
    .join_from(run, experiment, experiment.c.id == run.c.experiment_id)
    .join(namespace, namespace.c.id == experiment.c.namespace_id)
    .where(run.c.run == bindparam("run"), _here)
)
_IS_RUN: Final = Statement(select(run.c.id).where(run.c.run == bindparam("run")))
_SERIES: Final = Statement(
    select(run_metric.c.id).where(run_metric.c.run_id == bindparam("run_id"), run_metric.c.key == bindparam("key"))
)
_points: Final = select(metric_point.c.value, metric_point.c.nan, metric_point.c.at_ms, metric_point.c.step).where(
    metric_point.c.metric_id == bindparam("metric_id")
)
_point_order: Final = (metric_point.c.at_ms, metric_point.c.step, metric_point.c.value, metric_point.c.nan)
_HISTORY: Final = Statement(
    _points.where(
        tuple_(*_point_order) > tuple_(bindparam("at_ms"), bindparam("step"), bindparam("value"), bindparam("nan"))
    )
    .order_by(*_point_order)
    .limit(bindparam("limit"))
)
_FIRST: Final = Statement(_points.order_by(*_point_order).limit(bindparam("limit")))
_STEPS: Final = Statement(
    select(metric_point.c.step)
    .where(
        metric_point.c.metric_id == bindparam("metric_id"),
        metric_point.c.step >= bindparam("least"),
        metric_point.c.step <= bindparam("most"),
    )
    .distinct()
    .order_by(metric_point.c.step)
)


def widened(build: Callable[[Sequence[ColumnElement[Any]]], ClauseElement]) -> Mapping[int, Statement]:
    """The same question for so many values: few widths, so that few statements are compiled."""

    def of_width(width: int) -> Statement:
        return Statement(lambda _: build([bindparam(f"each{n}") for n in range(width)]))

    return {width: of_width(width) for width in _WIDTHS}


def in_parts(values: Sequence[Any]) -> Iterable[tuple[int, dict[str, Any]]]:
    """Values as parameters of ``widened`` statements: the last is repeated until a width is full."""
    for at in range(0, len(values), _WIDTHS[-1]):
        part = values[at : at + _WIDTHS[-1]]
        width = next(width for width in _WIDTHS if width >= len(part))
        padded = [*part, *[part[-1]] * (width - len(part))]
        yield width, {f"each{n}": value for n, value in enumerate(padded)}


_NUMBERS: Final = widened(
    lambda each: (
        select(experiment.c.number, experiment.c.id)
        .join_from(experiment, namespace, namespace.c.id == experiment.c.namespace_id)
        .where(_here, experiment.c.number.in_(each))
    )
)
_TAGS_OF: Final = widened(
    lambda each: (
        select(experiment_tag.c.experiment_id, experiment_tag.c.key, experiment_tag.c.value)
        .where(experiment_tag.c.experiment_id.in_(each))
        .order_by(experiment_tag.c.experiment_id, experiment_tag.c.key)
    )
)
_METRICS: Final = widened(
    lambda each: (
        select(
            *(run_metric.c.run_id, run_metric.c.key, run_metric.c.value, run_metric.c.nan),
            *(run_metric.c.at_ms, run_metric.c.step),
        )
        .where(run_metric.c.run_id.in_(each))
        .order_by(run_metric.c.run_id, run_metric.c.key)
    )
)
_PARAMS: Final = widened(
    lambda each: (
        select(run_param.c.run_id, run_param.c.key, run_param.c.value)
        .where(run_param.c.run_id.in_(each))
        .order_by(run_param.c.run_id, run_param.c.key)
    )
)
_TAGS: Final = widened(
    lambda each: (
        select(run_tag.c.run_id, run_tag.c.key, run_tag.c.value)
        .where(run_tag.c.run_id.in_(each))
        .order_by(run_tag.c.run_id, run_tag.c.key)
    )
)
_DATASET_COLUMNS: Final = (
    *(run_dataset.c.name, run_dataset.c.digest, run_dataset.c.source_type, run_dataset.c.source),
    *(run_dataset.c.schema, run_dataset.c.profile),
)
_DATASETS: Final = widened(
    lambda each: (
        select(run_input.c.run_id, run_input.c.tags, *_DATASET_COLUMNS)
        .join_from(run_input, run_dataset, run_dataset.c.id == run_input.c.dataset_id)
        .where(run_input.c.run_id.in_(each))
        .order_by(run_input.c.run_id, run_dataset.c.id)
    )
)
_MODELS: Final = widened(
    lambda each: (
        select(run_model.c.run_id, run_model.c.model, run_model.c.step, run_model.c.is_output)
        .where(run_model.c.run_id.in_(each))
        .order_by(run_model.c.run_id, run_model.c.is_output, run_model.c.model)
    )
)
_PARAMS_NAMED: Final = widened(
    lambda each: select(run_param.c.key, run_param.c.value).where(
        run_param.c.run_id == bindparam("run_id"), run_param.c.key.in_(each)
    )
)
_AT_STEPS: Final = widened(
    lambda each: (
        _points.where(metric_point.c.step.in_(each))
        .order_by(metric_point.c.step, metric_point.c.at_ms, metric_point.c.value)
        .limit(bindparam("limit"))
    )
)
_SUMMARIES: Final = widened(
    lambda each: (
        select(experiment.c.number, run_dataset.c.name, run_dataset.c.digest, run_input.c.context)
        .join_from(run_dataset, run_input, run_input.c.dataset_id == run_dataset.c.id)
        .join(experiment, experiment.c.id == run_dataset.c.experiment_id)
        .where(run_dataset.c.experiment_id.in_(each))
        .distinct()
        .order_by(experiment.c.number, run_dataset.c.name, run_dataset.c.digest, run_input.c.context)
        .limit(bindparam("limit"))
    )
)


class TrackingReads(LedgerReads):
    """``catalog.tracking_api.TrackingView`` over one session."""

    __slots__ = ()

    def experiment(self, namespace: str, number: int) -> Experiment | None:
        return self._experiment(namespace, self._session.one(_EXPERIMENT, namespace=namespace, number=number))

    def experiment_named(self, namespace: str, name: str) -> Experiment | None:
        return self._experiment(namespace, self._session.one(_NAMED, namespace=namespace, name=name))

    def experiment_numbers(self, namespace: str, numbers: Sequence[int]) -> Mapping[int, int]:
        found: dict[int, int] = {}
        for width, each in in_parts(numbers):
            found.update(dict(self._session.all(_NUMBERS[width], namespace=namespace, **each)))
        return found

    def find_experiments(
        self, namespace: str, search: TrackingSearch, *, token: str = "", limit: int = 1000
    ) -> ExperimentPage:
        room = room_of(self._session, namespace)
        if not room:
            return ExperimentPage(())
        rows, token = find_experiment_rows(self._session, room, search, token, max(0, min(limit, RUNS_PAGE)))
        tags: defaultdict[int, dict[str, str]] = defaultdict(dict)
        for id_, key, value in self._of(_TAGS_OF, [row[0] for row in rows]):
            tags[id_][key] = value
        return ExperimentPage(tuple(_experiment_from(namespace, row, tags[row[0]]) for row in rows), token)

    def run(self, namespace: str, run: str) -> Run | None:
        row = self._session.one(_RUN, namespace=namespace, run=run)
        return _run_from(row) if row else None

    def run_is_known(self, run: str) -> bool:
        return self._session.one(_IS_RUN, run=run) is not None

    def logged_by(self, runs: Sequence[Run]) -> Sequence[Logged]:
        ids = [run.id for run in runs]
        metrics = _grouped(self._of(_METRICS, ids), lambda row: _metric_from(row[0], row[1:]))
        params = _grouped(self._of(_PARAMS, ids), lambda row: (row[0], row[1]))
        tags = _grouped(self._of(_TAGS, ids), lambda row: (row[0], row[1]))
        datasets = _grouped(self._of(_DATASETS, ids), lambda row: DatasetUse(Dataset(*row[1:]), _pairs(row[0])))
        models = _grouped(self._of(_MODELS, ids), lambda row: ModelUse(row[0], row[1], bool(row[2])))
        parts = (metrics, params, tags, datasets, models)
        return [Logged(*(tuple(part.get(id_, ())) for part in parts)) for id_ in ids]

    def find_runs(self, namespace: str, search: TrackingSearch, *, token: str = "", limit: int = 1000) -> RunPage:
        if not search.experiments:
            return RunPage(())
        rows, token = find_run_rows(self._session, search, token, max(0, min(limit, RUNS_PAGE)))
        return RunPage(tuple(map(_run_from, rows)), token)

    def metric_history(
        self, run_id: int, key: str, *, after: Metric | None = None, limit: int = 1000
    ) -> Sequence[Metric]:
        series = self._session.one(_SERIES, run_id=run_id, key=key)
        if series is None:
            return ()
        count = max(0, min(limit, HISTORY_ALL + 1))
        if after is None:
            rows = self._session.all(_FIRST, metric_id=series[0], limit=count)
        else:
            nan, value = split_number(after.value)
            behind = {"at_ms": after.at_ms, "step": after.step, "value": value, "nan": nan}
            rows = self._session.all(_HISTORY, metric_id=series[0], limit=count, **behind)
        return [_metric_from(key, row) for row in rows]

    def metric_steps(self, run_id: int, key: str, *, least: int, most: int) -> Sequence[int]:
        series = self._session.one(_SERIES, run_id=run_id, key=key)
        if series is None:
            return ()
        return [row[0] for row in self._session.all(_STEPS, metric_id=series[0], least=least, most=most)]

    def metric_at(self, run_id: int, key: str, steps: Sequence[int], limit: int) -> Sequence[Metric]:
        series = self._session.one(_SERIES, run_id=run_id, key=key)
        if series is None:
            return ()
        found: list[Metric] = []
        for width, each in in_parts(steps):
            rows = self._session.all(_AT_STEPS[width], metric_id=series[0], limit=limit - len(found), **each)
            found += [_metric_from(key, row) for row in rows]
        return found

    def run_params(self, run_id: int, keys: Sequence[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for width, each in in_parts(keys):
            found.update(dict(self._session.all(_PARAMS_NAMED[width], run_id=run_id, **each)))
        return found

    def datasets_of(self, experiment_ids: Sequence[int], limit: int) -> Sequence[DatasetSummary]:
        found: list[DatasetSummary] = []
        for width, each in in_parts(experiment_ids):
            rows = self._session.all(_SUMMARIES[width], limit=limit - len(found), **each)
            found += [DatasetSummary(*row) for row in rows]
        return found

    def _experiment(self, namespace: str, row: Row | None) -> Experiment | None:
        if row is None:
            return None
        tags: dict[str, str] = dict(self._session.all(_EXPERIMENT_TAGS, experiment_id=row[0]))
        return _experiment_from(namespace, row, tags)

    def _of(self, statements: Mapping[int, Statement], ids: Sequence[int]) -> Iterable[Row]:
        for width, each in in_parts(ids):
            yield from self._session.all(statements[width], **each)


def split_number(value: float) -> tuple[int, float]:
    """Whether it is NaN, and the number that is kept."""
    return (1, 0.0) if value != value else (0, value)


def _experiment_from(namespace: str, row: Row, tags: Mapping[str, str]) -> Experiment:
    id_, _, number, name, location, created_ms, updated_ms, removed_ms = row
    return Experiment(id_, namespace, number, name, location, created_ms, updated_ms, removed_ms, tags)


def _run_from(row: Row) -> Run:
    values = list(row)
    values[7] = known(RunStatus, values[7])
    return Run(*values)


def _metric_from(key: str, row: Row) -> Metric:
    value, nan, at_ms, step = row
    return Metric(key, float("nan") if nan else float(value), at_ms, step)


def _pairs(text: str) -> Mapping[str, str]:
    try:
        found: Mapping[str, str] = json.loads(text)
    except ValueError as error:
        raise CatalogDamaged("The catalog holds no tags where they stand.") from error
    return found


def _grouped(rows: Iterable[Row], made: Callable[[Row], Any]) -> Mapping[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for id_, *row in rows:
        found[id_].append(made(tuple(row)))
    return found
