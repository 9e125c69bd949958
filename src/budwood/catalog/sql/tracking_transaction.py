"""Changing what is tracked, for every SQL database. ``transaction.py`` joins it with the rest.

A batch is a handful of statements with many rows, whatever it holds.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import bindparam, delete, func, select, update

from budwood.catalog.sql.changes import add_once, insert_numbered, upsert
from budwood.catalog.sql.rooms import known_room
from budwood.catalog.sql.session import Statement
from budwood.catalog.sql.trace_tables import trace, trace_link
from budwood.catalog.sql.tracking_tables import (
    HEAD_CHARS,
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
from budwood.catalog.sql.tracking_view import TrackingReads, in_parts, split_number, widened
from budwood.domain.tracking.records import DEFAULT_EXPERIMENT, Dataset, DatasetUse, Experiment, Metric, ModelUse, Run

CONTEXT_TAG: Final = "mlflow.data.context"
_LAST_NUMBER: Final = Statement(
    select(func.coalesce(func.max(experiment.c.number), 0)).where(experiment.c.namespace_id == bindparam("room"))
)
_ADD_EXPERIMENT: Final = insert_numbered(experiment)
_CHANGE_EXPERIMENT: Final = Statement(
    update(experiment)
    .where(experiment.c.id == bindparam("of_id"))
    .values({name: bindparam(f"to_{name}") for name in ("name", "location", "updated_ms", "removed_ms")})
)
_of_room: Final = select(experiment.c.id).where(experiment.c.namespace_id == bindparam("room"))
_FORGET: Final = (
    Statement(delete(trace_link).where(trace_link.c.namespace_id == bindparam("room"))),
    Statement(delete(trace).where(trace.c.namespace_id == bindparam("room"))),
    Statement(delete(run).where(run.c.experiment_id.in_(_of_room))),
    Statement(delete(run_dataset).where(run_dataset.c.experiment_id.in_(_of_room))),
    Statement(delete(experiment).where(experiment.c.namespace_id == bindparam("room"))),
)
_REMOVE_RUNS: Final = Statement(
    update(run)
    .where(run.c.experiment_id == bindparam("of_experiment"), run.c.removed_ms == 0)
    .values(removed_ms=bindparam("at_ms"))
)
_RESTORE_RUNS: Final = Statement(
    update(run)
    .where(run.c.experiment_id == bindparam("of_experiment"), run.c.removed_ms == bindparam("at_ms"))
    .values(removed_ms=bindparam("nothing"))
)
_PUT_EXPERIMENT_TAG: Final = upsert(experiment_tag, "experiment_id", "key")
_REMOVE_EXPERIMENT_TAG: Final = Statement(
    delete(experiment_tag).where(
        experiment_tag.c.experiment_id == bindparam("of_experiment"), experiment_tag.c.key == bindparam("of_key")
    )
)
_ADD_RUN: Final = insert_numbered(run)
_CHANGE_RUN: Final = Statement(
    update(run)
    .where(run.c.id == bindparam("of_id"))
    .values({name: bindparam(f"to_{name}") for name in ("name", "status", "start_ms", "end_ms", "removed_ms")})
)
_SERIES: Final = widened(
    lambda each: select(
        *(run_metric.c.key, run_metric.c.id, run_metric.c.nan, run_metric.c.value, run_metric.c.at_ms),
        run_metric.c.step,
    ).where(run_metric.c.run_id == bindparam("run_id"), run_metric.c.key.in_(each))
)
_ADD_SERIES: Final = Statement(
    lambda dialect: run_metric.insert().values({c.name: bindparam(c.name) for c in run_metric.c if c.name != "id"})
)
_MOVE_SERIES: Final = Statement(
    update(run_metric)
    .where(run_metric.c.id == bindparam("of_id"))
    .values({name: bindparam(f"to_{name}") for name in ("nan", "value", "at_ms", "step")})
)
_ADD_POINT: Final = add_once(metric_point, *(column.name for column in metric_point.c))
_ADD_PARAM: Final = upsert(run_param, "run_id", "key")
_PUT_TAG: Final = upsert(run_tag, "run_id", "key")
_REMOVE_TAG: Final = Statement(
    delete(run_tag).where(run_tag.c.run_id == bindparam("of_run"), run_tag.c.key == bindparam("of_key"))
)
_DATASET: Final = Statement(
    select(run_dataset.c.id).where(
        run_dataset.c.experiment_id == bindparam("experiment_id"),
        run_dataset.c.name == bindparam("name"),
        run_dataset.c.digest == bindparam("digest"),
    )
)
_ADD_DATASET: Final = insert_numbered(run_dataset)
_IS_INPUT: Final = Statement(
    select(run_input.c.run_id).where(
        run_input.c.run_id == bindparam("run_id"), run_input.c.dataset_id == bindparam("dataset_id")
    )
)
_ADD_INPUT: Final = upsert(run_input, "run_id", "dataset_id")
_PUT_MODEL: Final = upsert(run_model, "run_id", "is_output", "model")


class TrackingWrites(TrackingReads):
    """``catalog.tracking_api.TrackingTransaction`` over one session."""

    __slots__ = ()

    def add_experiment(self, namespace: str, experiment: Experiment) -> Experiment:
        room = known_room(self._session, namespace)
        number = experiment.number
        if number < DEFAULT_EXPERIMENT:
            number = self._session.all(_LAST_NUMBER, room=room)[0][0] + 1
        location = experiment.location.replace("{number}", str(number))
        id_ = self._session.add(
            _ADD_EXPERIMENT,
            namespace_id=room,
            number=number,
            name=experiment.name,
            location=location,
            created_ms=experiment.created_ms,
            updated_ms=experiment.updated_ms,
            removed_ms=0,
        )
        self.put_experiment_tags(id_, experiment.tags)
        return replace(experiment, id=id_, number=number, location=location)

    def forget_experiments(self, namespace: str) -> None:
        room = known_room(self._session, namespace)
        for statement in _FORGET:
            self._session.change(statement, room=room)

    def change_experiment(self, experiment: Experiment) -> None:
        self._session.change(
            _CHANGE_EXPERIMENT,
            of_id=experiment.id,
            to_name=experiment.name,
            to_location=experiment.location,
            to_updated_ms=experiment.updated_ms,
            to_removed_ms=experiment.removed_ms,
        )

    def remove_runs(self, experiment_id: int, *, at_ms: int) -> None:
        self._session.change(_REMOVE_RUNS, of_experiment=experiment_id, at_ms=at_ms)

    def restore_runs(self, experiment_id: int, *, removed_ms: int) -> None:
        self._session.change(_RESTORE_RUNS, of_experiment=experiment_id, at_ms=removed_ms, nothing=0)

    def put_experiment_tags(self, experiment_id: int, tags: Mapping[str, str]) -> None:
        rows = [{"experiment_id": experiment_id, "key": key, "value": value} for key, value in tags.items()]
        if rows:
            self._session.change_many(_PUT_EXPERIMENT_TAG, rows)

    def remove_experiment_tag(self, experiment_id: int, key: str) -> bool:
        return self._session.change(_REMOVE_EXPERIMENT_TAG, of_experiment=experiment_id, of_key=key) > 0

    def add_run(self, run: Run) -> Run:
        id_ = self._session.add(
            _ADD_RUN,
            run=run.run,
            experiment_id=run.experiment_id,
            name=run.name,
            run_by=run.user,
            author=run.author,
            status=str(run.status),
            start_ms=run.start_ms,
            end_ms=run.end_ms,
            location=run.location,
            removed_ms=run.removed_ms,
        )
        return replace(run, id=id_)

    def change_run(self, run: Run) -> None:
        self._session.change(
            _CHANGE_RUN,
            of_id=run.id,
            to_name=run.name,
            to_status=str(run.status),
            to_start_ms=run.start_ms,
            to_end_ms=run.end_ms,
            to_removed_ms=run.removed_ms,
        )

    def log_metrics(self, run: Run, metrics: Sequence[Metric]) -> None:
        newest: dict[str, Metric] = {}
        for each in metrics:
            before = newest.get(each.key)
            if before is None or _age(each) >= _age(before):
                newest[each.key] = each
        there = self._series(run.id, list(newest))
        if new := [each for key, each in newest.items() if key not in there]:
            self._session.change_many(_ADD_SERIES, [_series_row(run, each) for each in new])
            there |= self._series(run.id, [each.key for each in new])
        moved = [each for key, each in newest.items() if _age(each) > _age(there[key][1])]
        if moved:
            self._session.change_many(_MOVE_SERIES, [_moved_row(there[each.key][0], each) for each in moved])
        self._session.change_many(_ADD_POINT, [_point_row(there[each.key][0], each) for each in metrics])

    def log_params(self, run: Run, params: Mapping[str, str]) -> None:
        if params:
            self._session.change_many(_ADD_PARAM, _word_rows(run, params.items()))

    def put_run_tags(self, run: Run, tags: Mapping[str, str]) -> None:
        if tags:
            self._session.change_many(_PUT_TAG, _word_rows(run, tags.items()))

    def remove_run_tag(self, run_id: int, key: str) -> bool:
        return self._session.change(_REMOVE_TAG, of_run=run_id, of_key=key) > 0

    def add_inputs(self, run: Run, datasets: Sequence[DatasetUse]) -> None:
        for use in datasets:
            dataset_id = self._dataset(run.experiment_id, use.dataset)
            if self._session.one(_IS_INPUT, run_id=run.id, dataset_id=dataset_id) is not None:
                continue
            self._session.change(
                _ADD_INPUT,
                run_id=run.id,
                dataset_id=dataset_id,
                context=use.tags.get(CONTEXT_TAG, ""),
                tags=json.dumps(dict(use.tags), ensure_ascii=False),
            )

    def add_models(self, run: Run, models: Sequence[ModelUse]) -> None:
        rows = [
            {"run_id": run.id, "is_output": int(each.is_output), "model": each.model, "step": each.step}
            for each in {(each.is_output, each.model): each for each in models}.values()
        ]
        if rows:
            self._session.change_many(_PUT_MODEL, rows)

    def _series(self, run_id: int, keys: Sequence[str]) -> dict[str, tuple[int, Metric]]:
        """The id and the newest value of each that is there."""
        found: dict[str, tuple[int, Metric]] = {}
        for width, each in in_parts(keys):
            for key, id_, nan, value, at_ms, step in self._session.all(_SERIES[width], run_id=run_id, **each):
                found[key] = (id_, Metric(key, float("nan") if nan else value, at_ms, step))
        return found

    def _dataset(self, experiment_id: int, dataset: Dataset) -> int:
        found = self._session.one(_DATASET, experiment_id=experiment_id, name=dataset.name, digest=dataset.digest)
        if found is not None:
            id_: int = found[0]
            return id_
        return self._session.add(
            _ADD_DATASET,
            experiment_id=experiment_id,
            name=dataset.name,
            digest=dataset.digest,
            source_type=dataset.source_type,
            source=dataset.source,
            schema=dataset.schema,
            profile=dataset.profile,
        )


def _age(metric: Metric) -> tuple[int, int, float]:
    """By which of two values of a key the newer is told."""
    nan, value = split_number(metric.value)
    return metric.step, metric.at_ms, value if not nan else 0.0


def _series_row(run: Run, metric: Metric) -> Mapping[str, object]:
    nan, value = split_number(metric.value)
    return {
        "run_id": run.id,
        "key": metric.key,
        "experiment_id": run.experiment_id,
        "nan": nan,
        "value": value,
        "at_ms": metric.at_ms,
        "step": metric.step,
    }


def _moved_row(metric_id: int, metric: Metric) -> Mapping[str, object]:
    nan, value = split_number(metric.value)
    return {"of_id": metric_id, "to_nan": nan, "to_value": value, "to_at_ms": metric.at_ms, "to_step": metric.step}


def _point_row(metric_id: int, metric: Metric) -> Mapping[str, object]:
    nan, value = split_number(metric.value)
    return {"metric_id": metric_id, "at_ms": metric.at_ms, "step": metric.step, "value": value, "nan": nan}


def _word_rows(run: Run, words: Iterable[tuple[str, str]]) -> list[Mapping[str, object]]:
    return [
        {
            "run_id": run.id,
            "key": key,
            "experiment_id": run.experiment_id,
            "head": value[:HEAD_CHARS],
            "value": value,
        }
        for key, value in words
    ]
