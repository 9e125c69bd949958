"""An MLflow server, read over its own endpoints: versions 2 and 3 of it, whatever its stores are."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final

from budwood.client.carrying import shapes
from budwood.client.carrying.locations import served_path
from budwood.client.carrying.reader import LOGGED, RUN, Root
from budwood.client.carrying.stock_mcp import StockMcp
from budwood.client.carrying.stock_traced import StockTraced
from budwood.client.carrying.web import API, Web, paged, path_of
from budwood.domain.artifacts import artifact_path
from budwood.domain.carrying.records import (
    CarriedExperiment,
    CarriedFile,
    CarriedLogged,
    CarriedModel,
    CarriedRun,
    CarriedVersion,
    Measured,
    Point,
)
from budwood.domain.limits import FILES_PER_VERSION, PATH_DEPTH
from budwood.domain.tracking.records import Dataset, DatasetUse, ModelUse
from budwood.errors import BudwoodError, LimitExceeded, Malformed, RecordNotFound, SourceNotFound

PROXY: Final = "/api/2.0/mlflow-artifacts/artifacts"
_LOGGED: Final = "/api/2.0/mlflow/logged-models/"
_PROMPTS: Final = "tags.`mlflow.prompt.is_prompt` = 'true'"
_PAGE: Final = 100
_POINTS: Final = 25_000


class StockReader:
    """``reader.Reader`` over HTTP."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.traced = StockTraced(web)
        self.mcp = StockMcp(web)

    @property
    def name(self) -> str:
        return self.web.name

    def experiments(self) -> Iterator[CarriedExperiment]:
        body = {"view_type": "ALL", "max_results": 1000, "order_by": ["creation_time ASC", "experiment_id ASC"]}
        for each in self._posted("experiments/search", body, "experiments"):
            yield CarriedExperiment(
                shapes.text(each, "experiment_id"),
                shapes.text(each, "name"),
                shapes.text(each, "artifact_location"),
                shapes.whole(each, "creation_time"),
                shapes.whole(each, "last_update_time"),
                shapes.text(each, "lifecycle_stage") == "deleted",
                shapes.pairs(each, "tags"),
            )

    def runs(self, experiment: str) -> Iterator[CarriedRun]:
        body = {"experiment_ids": [experiment], "run_view_type": "ALL", "max_results": _PAGE}
        for each in self._posted("runs/search", body, "runs"):
            yield run_of(each)

    def points(self, run: CarriedRun, key: str) -> Sequence[Point]:
        path = API + "metrics/get-history"
        asked = {"run_id": run.run, "metric_key": key, "max_results": _POINTS}
        return sorted(
            {shapes.point(each) for each in paged(lambda more: self.web.get(path, **asked, **more), "metrics")}
        )

    def logged(self, experiment: str) -> Iterator[CarriedLogged]:
        body = {"experiment_ids": [experiment], "max_results": 50}
        try:
            for each in self._posted("logged-models/search", body, "models"):
                yield logged_of(each)
        except RecordNotFound:
            return  # A server older than logged models.

    def models(self) -> Iterator[CarriedModel]:
        told: set[str] = set()
        for asked in ("", _PROMPTS):
            # Without a filter newer servers leave prompts out; with one, older ones know none.
            for each in self._got(
                "registered-models/search", {"filter": asked, "max_results": 1000}, "registered_models"
            ):
                model = model_of(each)
                if model.title not in told:
                    told.add(model.title)
                    yield model

    def versions(self, title: str) -> Iterator[CarriedVersion]:
        quote = '"' if "'" in title else "'"
        found: dict[int, CarriedVersion] = {}
        for more in ("", f" AND {_PROMPTS}"):
            asked = {"filter": f"name = {quote}{title}{quote}{more}", "max_results": 1000}
            for each in self._got("model-versions/search", asked, "model_versions"):
                version = version_of(each)
                if version.title == title:
                    found.setdefault(version.number, version)
        for number in sorted(found):
            yield self._located(found[number])

    def files(self, root: Root) -> Sequence[CarriedFile]:
        found: list[CarriedFile] = []
        folders = [("", 0)]
        while folders:
            folder, depth = folders.pop()
            for path, size in self._listed(root, folder):
                safe = artifact_path(path)
                if posixpath.dirname(safe) != folder or depth > PATH_DEPTH:
                    raise Malformed(f"The server lists {path[:200]!r} where it cannot lie.")
                if size is None:
                    folders.append((safe, depth + 1))
                else:
                    found.append(CarriedFile(safe, size))
            if len(found) + len(folders) > FILES_PER_VERSION:
                raise LimitExceeded(f"{root.location} holds too many files.", limit="FILES_PER_VERSION")
        return sorted(found, key=lambda each: each.path)

    def open(self, root: Root, path: str) -> AbstractContextManager[Iterator[bytes]]:
        if root.kind == RUN:
            return self.web.fetched("/get-artifact", run_uuid=root.id, path=path)
        if root.kind == LOGGED:
            address = f"/ajax-api/2.0/mlflow/logged-models/{path_of(root.id)}/artifacts/files"
            return self.web.fetched(address, artifact_file_path=path)
        return self.web.fetched(f"{PROXY}/{path_of(_below(root.location, path))}")

    def close(self) -> None:
        self.web.close()

    def _listed(self, root: Root, folder: str) -> list[tuple[str, int | None]]:
        """Paths below the root, with the size of what is a file. Raises SourceNotFound."""
        if root.kind == RUN:
            asked = {"run_id": root.id, "path": folder}
            listed = list(paged(lambda more: self.web.get(API + "artifacts/list", **asked, **more), "files"))
        elif root.kind == LOGGED:
            path = f"{_LOGGED}{path_of(root.id)}/artifacts/directories"
            listed = list(paged(lambda more: self.web.get(path, artifact_directory_path=folder, **more), "files"))
        else:
            where = _below(root.location, folder)
            listed = [
                {**each, "path": f"{folder}/{shapes.text(each, 'path')}".lstrip("/")}
                for each in shapes.objects(self.web.get(PROXY, path=where), "files")
            ]
        return [
            (shapes.text(each, "path"), None if each.get("is_dir") else shapes.whole(each, "file_size"))
            for each in listed
        ]

    def _located(self, version: CarriedVersion) -> CarriedVersion:
        path = API + "model-versions/get-download-uri"
        try:
            said = self.web.get(path, name=version.title, version=version.number)
        except BudwoodError:
            return version  # A prompt, or its source is gone.
        return replace(version, location=shapes.text(said, "artifact_uri") or version.source)

    def _posted(self, path: str, body: Mapping[str, object], field: str) -> Iterator[Mapping[str, Any]]:
        return paged(lambda more: self.web.post(API + path, {**body, **more}), field)

    def _got(self, path: str, query: Mapping[str, object], field: str) -> Iterator[Mapping[str, Any]]:
        return paged(lambda more: self.web.get(API + path, **query, **more), field)


def run_of(each: Mapping[str, Any]) -> CarriedRun:
    """Raises Malformed."""
    info, logged = shapes.inner(each, "info"), shapes.inner(each, "data")
    inputs, outputs = shapes.inner(each, "inputs"), shapes.inner(each, "outputs")
    tags = shapes.pairs(logged, "tags")
    end = info.get("end_time")
    read = [ModelUse(shapes.text(use, "model_id")) for use in shapes.objects(inputs, "model_inputs")]
    wrote = [
        ModelUse(shapes.text(use, "model_id"), shapes.whole(use, "step"), True)
        for use in shapes.objects(outputs, "model_outputs")
    ]
    return CarriedRun(
        shapes.text(info, "run_id") or shapes.text(info, "run_uuid"),
        shapes.text(info, "experiment_id"),
        shapes.text(info, "run_name") or tags.get("mlflow.runName", ""),
        shapes.text(info, "user_id"),
        shapes.status(info.get("status")),
        shapes.whole(info, "start_time"),
        None if end is None else shapes.whole(info, "end_time"),
        shapes.text(info, "artifact_uri"),
        shapes.text(info, "lifecycle_stage") == "deleted",
        shapes.pairs(logged, "params"),
        tags,
        tuple(_use(use) for use in shapes.objects(inputs, "dataset_inputs")),
        (*read, *wrote),
        tuple(sorted({shapes.text(metric, "key") for metric in shapes.objects(logged, "metrics")})),
    )


def logged_of(each: Mapping[str, Any]) -> CarriedLogged:
    """Raises Malformed."""
    info, said = shapes.inner(each, "info"), shapes.inner(each, "data")
    measured = [
        Measured(
            shapes.text(metric, "run_id"),
            shapes.text(metric, "key"),
            shapes.point(metric),
            (shapes.text(metric, "dataset_name"), shapes.text(metric, "dataset_digest")),
        )
        for metric in shapes.objects(said, "metrics")
    ]
    return CarriedLogged(
        shapes.text(info, "model_id"),
        shapes.text(info, "experiment_id"),
        shapes.text(info, "name"),
        shapes.text(info, "model_type"),
        shapes.logged_status(info.get("status")),
        shapes.text(info, "source_run_id"),
        shapes.text(info, "artifact_uri"),
        shapes.whole(info, "creation_timestamp_ms"),
        shapes.whole(info, "last_updated_timestamp_ms"),
        False,
        shapes.pairs(info, "tags"),
        shapes.pairs(said, "params"),
        shapes.newest(measured),
    )


def model_of(each: Mapping[str, Any]) -> CarriedModel:
    """Raises Malformed."""
    return CarriedModel(
        shapes.text(each, "name"),
        shapes.text(each, "description"),
        shapes.whole(each, "creation_timestamp"),
        shapes.whole(each, "last_updated_timestamp"),
        shapes.pairs(each, "tags"),
        {shapes.text(alias, "alias"): shapes.whole(alias, "version") for alias in shapes.objects(each, "aliases")},
    )


def version_of(each: Mapping[str, Any]) -> CarriedVersion:
    """Raises Malformed."""
    return CarriedVersion(
        shapes.text(each, "name"),
        shapes.whole(each, "version"),
        shapes.text(each, "source"),
        shapes.text(each, "source"),
        shapes.text(each, "run_id"),
        shapes.text(each, "model_id") or shapes.logged_in(shapes.text(each, "source")),
        shapes.text(each, "run_link"),
        shapes.text(each, "user_id"),
        shapes.text(each, "description"),
        shapes.whole(each, "creation_timestamp"),
        shapes.whole(each, "last_updated_timestamp"),
        shapes.text(each, "current_stage") or "None",
        shapes.pairs(each, "tags"),
    )


def _use(use: Mapping[str, Any]) -> DatasetUse:
    dataset = shapes.inner(use, "dataset")
    fields = ("name", "digest", "source_type", "source", "schema", "profile")
    return DatasetUse(Dataset(*(shapes.text(dataset, field) for field in fields)), shapes.pairs(use, "tags"))


def _below(location: str, path: str) -> str:
    """The path that the server keeps it under. Raises SourceNotFound for what it does not keep itself."""
    served = served_path(location)
    if served is None:
        hint = "Its files are asked for with the run or logged model they belong to; this one has neither."
        raise SourceNotFound(f"{location[:200]!r} is not reached through the server.", hint=hint)
    return artifact_path(f"{served.strip('/')}/{path}".strip("/"))
