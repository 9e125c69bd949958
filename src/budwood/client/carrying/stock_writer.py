"""Writing into an MLflow server over its own endpoints. It gives ids anew, so each thing is marked with ours.

A mark is part of what makes a thing, so one that was made and not filled is found again, and nothing is made twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from budwood.client.carrying import shapes
from budwood.client.carrying.locations import served_path
from budwood.client.carrying.stock import PROXY, StockReader, logged_of, run_of
from budwood.client.carrying.stock_mcp_writer import StockMcpWriter
from budwood.client.carrying.stock_traced_writer import StockTracedWriter
from budwood.client.carrying.web import API, Web, path_of
from budwood.domain.artifacts import artifact_path
from budwood.domain.batches import batched
from budwood.domain.carrying.records import (
    WENT_FROM,
    CarriedExperiment,
    CarriedLogged,
    CarriedModel,
    CarriedRun,
    CarriedVersion,
    Measured,
    Point,
    unmarked,
)
from budwood.domain.limits import LOGGED_AT_ONCE, PARAMS_AT_ONCE
from budwood.domain.tracking.records import DatasetUse, ModelUse
from budwood.errors import NotOffered

FILLER: Final = "budwood.exported.filler"
_LOGGED: Final = API + "logged-models"


@dataclass(frozen=True, slots=True)
class StockWriter:
    """``reader`` reads the same server."""

    web: Web
    reader: StockReader

    @property
    def traced(self) -> StockTracedWriter:
        """Of the same server."""
        return StockTracedWriter(self.web, self.reader.traced)

    @property
    def mcp(self) -> StockMcpWriter:
        """Of the same server."""
        return StockMcpWriter(self.web, self.reader.mcp)

    # Experiments

    def make_experiment(self, experiment: CarriedExperiment, mark: str) -> str:
        tags = _pairs({**unmarked(experiment.tags), WENT_FROM: mark})
        made = self._post("experiments/create", {"name": experiment.name, "tags": tags})
        return shapes.text(made, "experiment_id")

    def tag_experiment(self, id_: str, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            self._post("experiments/set-experiment-tag", {"experiment_id": id_, "key": key, "value": value})

    def restore_experiment(self, id_: str) -> None:
        self._post("experiments/restore", {"experiment_id": id_})

    def delete_experiment(self, id_: str) -> None:
        self._post("experiments/delete", {"experiment_id": id_})

    # Runs

    def make_run(self, run: CarriedRun, experiment: str) -> CarriedRun:
        tags = {**({"mlflow.runName": run.name} if run.name else {}), WENT_FROM: run.run}
        body = {"experiment_id": experiment, "user_id": run.user, "start_time": run.start_ms, "tags": _pairs(tags)}
        if run.name:
            body["run_name"] = run.name
        return run_of(shapes.inner(self._post("runs/create", body), "run"))

    def run(self, id_: str) -> CarriedRun:
        return run_of(shapes.inner(self.web.get(API + "runs/get", run_id=id_), "run"))

    def log(self, id_: str, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        for some in batched(params.items(), PARAMS_AT_ONCE):
            self._post("runs/log-batch", {"run_id": id_, "params": _pairs(dict(some))})
        for some in batched(tags.items(), PARAMS_AT_ONCE):
            self._post("runs/log-batch", {"run_id": id_, "tags": _pairs(dict(some))})

    def log_points(self, id_: str, key: str, points: Sequence[Point]) -> None:
        for some in batched(points, LOGGED_AT_ONCE):
            self._post("runs/log-batch", {"run_id": id_, "metrics": [_metric(key, each) for each in some]})

    def log_measured(self, id_: str, model: str, measured: Sequence[Measured]) -> None:
        metrics = [
            {
                **_metric(each.key, each.point),
                "model_id": model,
                **({"dataset_name": each.dataset[0], "dataset_digest": each.dataset[1]} if each.dataset[0] else {}),
            }
            for each in measured
        ]
        for some in batched(metrics, LOGGED_AT_ONCE):
            self._post("runs/log-batch", {"run_id": id_, "metrics": list(some)})

    def log_uses(self, id_: str, datasets: Sequence[DatasetUse], models: Sequence[ModelUse]) -> None:
        read = [{"model_id": each.model} for each in models if not each.is_output]
        wrote = [{"model_id": each.model, "step": each.step} for each in models if each.is_output]
        if datasets or read:
            used = [
                {"tags": _pairs(each.tags), "dataset": {field: getattr(each.dataset, field) for field in _DATASET}}
                for each in datasets
            ]
            self._post("runs/log-inputs", {"run_id": id_, "datasets": used, "models": read})
        if wrote:
            self._post("runs/outputs", {"run_id": id_, "models": wrote})

    def end_run(self, id_: str, run: CarriedRun) -> None:
        body: dict[str, object] = {"run_id": id_, "status": run.status}
        if run.end_ms is not None:
            body["end_time"] = run.end_ms
        self._post("runs/update", body)

    def delete_run(self, id_: str) -> None:
        self._post("runs/delete", {"run_id": id_})

    def restore_run(self, id_: str) -> None:
        self._post("runs/restore", {"run_id": id_})

    # Logged models

    def make_logged(self, model: CarriedLogged, experiment: str, run: str) -> CarriedLogged:
        body = {
            "experiment_id": experiment,
            "name": model.name,
            "model_type": model.kind,
            "source_run_id": run,
            "params": _pairs(model.params),
            "tags": _pairs({**unmarked(model.tags), WENT_FROM: model.model}),
        }
        filled = {key: value for key, value in body.items() if value not in ("", [])}
        return logged_of(shapes.inner(self.web.post(_LOGGED, filled), "model"))

    def finish_logged(self, id_: str, status: str) -> None:
        self.web.post(f"{_LOGGED}/{path_of(id_)}", {"model_id": id_, "status": status}, "PATCH")

    # The registry

    def make_model(self, model: CarriedModel, mark: str) -> None:
        tags = _pairs({**unmarked(model.tags), WENT_FROM: mark})
        self._post("registered-models/create", {"name": model.title, "description": model.description, "tags": tags})

    def change_model(self, model: CarriedModel) -> None:
        self.web.post(
            API + "registered-models/update", {"name": model.title, "description": model.description}, "PATCH"
        )
        for key, value in unmarked(model.tags).items():
            self._post("registered-models/set-tag", {"name": model.title, "key": key, "value": value})

    def make_version(self, version: CarriedVersion, tags: Mapping[str, str]) -> int:
        body = {
            "name": version.title,
            "source": version.source,
            "run_id": version.run,
            "run_link": version.run_link,
            "model_id": version.logged,
            "description": version.description,
            "tags": _pairs(tags),
        }
        filled = {key: value for key, value in body.items() if value not in ("", [])}
        return shapes.whole(shapes.inner(self._post("model-versions/create", filled), "model_version"), "version")

    def change_version(self, version: CarriedVersion) -> None:
        named = {"name": version.title, "version": str(version.number)}
        self.web.post(API + "model-versions/update", {**named, "description": version.description}, "PATCH")
        for key, value in unmarked(version.tags).items():
            self._post("model-versions/set-tag", {**named, "key": key, "value": value})

    def delete_version(self, title: str, number: int) -> None:
        self.web.post(API + "model-versions/delete", {"name": title, "version": str(number)}, "DELETE")

    def point_alias(self, title: str, alias: str, number: int) -> None:
        self._post("registered-models/alias", {"name": title, "alias": alias, "version": str(number)})

    def move_stage(self, title: str, number: int, stage: str) -> None:
        body = {"name": title, "version": str(number), "stage": stage, "archive_existing_versions": False}
        self._post("model-versions/transition-stage", body)

    # Files

    def put_file(self, location: str, path: str, file: Path) -> None:
        """Raises NotOffered where the server does not take files itself."""
        served = served_path(location)
        if served is None:
            hint = "Start it with --serve-artifacts, as it does by default."
            raise NotOffered(f"The server keeps artifacts at {location[:200]!r}, where it takes none.", hint=hint)
        whole = artifact_path("/".join((served.strip("/"), path)))
        with file.open("rb") as opened:
            self.web.put_file(f"{PROXY}/{path_of(whole)}", opened, file.stat().st_size)

    def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self.web.post(API + path, body)


_DATASET: Final = ("name", "digest", "source_type", "source", "schema", "profile")


def _pairs(words: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in words.items()]


def _metric(key: str, point: Point) -> dict[str, object]:
    value: object = "NaN" if point.nan else point.value
    return {"key": key, "value": value, "timestamp": point.at_ms, "step": point.step}


def marked(things: Iterator[CarriedRun] | Iterator[CarriedLogged]) -> dict[str, str]:
    """The ids there, by the marks."""
    found = {}
    for each in things:
        if mark := each.tags.get(WENT_FROM):
            found[mark] = each.run if isinstance(each, CarriedRun) else each.model
    return found
