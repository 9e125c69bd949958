"""Traces and what judges them on an MLflow server, read over its own endpoints; beside ``stock``.

A server from before one of them has none: it answers 404. One that has deleted an experiment tells nothing of what
judges there.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from budwood.client.carrying import shapes, shapes_traced
from budwood.client.carrying.spans_file import spans_from
from budwood.client.carrying.web import API, Web, paged, path_of
from budwood.domain.carrying.traced import (
    CarriedDataset,
    CarriedIssue,
    CarriedLabel,
    CarriedRecord,
    CarriedScorer,
    CarriedTrace,
    Judged,
)
from budwood.errors import BadValue, RecordNotFound

NEWER: Final = "/api/3.0/mlflow/"
_SPANS: Final = "/ajax-api/2.0/mlflow/get-trace-artifact"
_OLDEST: Final = ["timestamp_ms ASC"]
_PAGE: Final = 100


class StockTraced:
    """``reader_traced.TracedReader`` over HTTP."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def traces(self, experiment: str) -> Iterator[CarriedTrace]:
        try:
            for each in self._searched(experiment):
                yield shapes_traced.trace_of(each, experiment)
        except RecordNotFound:
            yield from self._older(experiment)

    def spans(self, trace: CarriedTrace) -> Sequence[str]:
        try:
            with self._web.fetched(_SPANS, request_id=trace.trace) as pieces:
                return spans_from(pieces)
        except RecordNotFound:
            return ()  # None came, or they are gone.

    def linked(self, experiment: str, run: str) -> Sequence[str]:
        try:
            found = list(self._searched(experiment, f"attributes.run_id = '{run}'"))
        except (RecordNotFound, BadValue):
            return ()  # A server that cannot be asked so.
        return sorted(shapes.text(each, "trace_id") for each in found)

    def datasets(self) -> Iterator[CarriedDataset]:
        path = NEWER + "datasets/search"
        body = {"max_results": _PAGE, "order_by": ["created_time ASC"]}
        with suppress(RecordNotFound):
            for each in paged(lambda more: self._web.post(path, {**body, **more}), "datasets"):
                yield shapes_traced.dataset_of(each, self._uses(shapes.text(each, "dataset_id")))

    def records(self, dataset: CarriedDataset) -> Iterator[CarriedRecord]:
        path = f"{NEWER}datasets/{path_of(dataset.dataset)}/records"
        for said in paged(lambda more: _listed(self._web.get(path, max_results=_PAGE, **more)), "records"):
            yield shapes_traced.record_of(said)

    def judging(self, experiment: str) -> Sequence[Judged]:
        found: list[Judged] = []
        for tell in (self._scorers, self._labels, self._issues):
            with suppress(RecordNotFound, BadValue):
                found += tell(experiment)
        return found

    def _searched(self, experiment: str, filter_: str = "") -> Iterator[Any]:
        place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
        body = {"locations": [place], "filter": filter_, "max_results": _PAGE, "order_by": _OLDEST}
        return paged(lambda more: self._web.post(NEWER + "traces/search", {**body, **more}), "traces")

    def _older(self, experiment: str) -> Iterator[CarriedTrace]:
        """As servers before 3.0 tell of them."""
        asked = {"experiment_ids": experiment, "max_results": _PAGE, "order_by": _OLDEST[0]}
        with suppress(RecordNotFound):
            for each in paged(lambda more: self._web.get(API + "traces", **asked, **more), "traces"):
                yield shapes_traced.trace_of(each, experiment)

    def _uses(self, dataset: str) -> tuple[str, ...]:
        said = self._web.get(f"{NEWER}datasets/{path_of(dataset)}/experiment-ids")
        return shapes_traced.texts(said.get("experiment_ids"))

    def _scorers(self, experiment: str) -> Iterator[CarriedScorer]:
        listed = self._web.get(NEWER + "scorers/list", experiment_id=experiment)
        for each in shapes.objects(listed, "scorers"):
            name = shapes.text(each, "scorer_name")
            said = self._web.get(NEWER + "scorers/versions", experiment_id=experiment, name=name)
            versions = tuple(shapes_traced.body_of(version) for version in shapes.objects(said, "scorers"))
            yield CarriedScorer(shapes.text(each, "scorer_id"), experiment, name, versions)

    def _labels(self, experiment: str) -> Iterator[CarriedLabel]:
        path = NEWER + "label-schemas/list"
        for each in paged(lambda more: self._web.get(path, experiment_id=experiment, **more), "label_schemas"):
            if not each.get("is_default"):
                yield shapes_traced.label_of(each, experiment)

    def _issues(self, experiment: str) -> Iterator[CarriedIssue]:
        path, body = NEWER + "issues/search", {"experiment_id": experiment}
        for each in paged(lambda more: self._web.post(path, {**body, **more}), "issues"):
            yield shapes_traced.issue_of(each, experiment)


def _listed(answer: dict[str, Any]) -> dict[str, Any]:
    """Records are JSON in a text."""
    return {**answer, "records": shapes_traced.json_in(answer, "records") or []}
