"""A registry of ours, read and written in the words of a carrying: in this process or behind a URL."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

from budwood.client.carrying.asking import pages
from budwood.client.carrying.ours_mcp import OursMcp
from budwood.client.carrying.ours_traced import OursTraced
from budwood.client.carrying.reader import Root
from budwood.client.place import Place
from budwood.domain import asks_carrying as asks
from budwood.domain.batches import batched
from budwood.domain.carrying.records import (
    CarriedExperiment,
    CarriedFile,
    CarriedLogged,
    CarriedModel,
    CarriedRun,
    CarriedVersion,
    Point,
    Series,
)
from budwood.domain.limits import CARRIED_AT_ONCE, POINTS_AT_ONCE
from budwood.domain.routes import carrying as routes
from budwood.domain.routes.route import Route

LOCATION: Final = "mlflow-artifacts:/"


class Ours:
    """``reader.Reader`` over one namespace, and what is written there. ``source`` is where it came from."""

    def __init__(self, place: Place, namespace: str, source: str = "") -> None:
        self._place, self._namespace, self._source = place, namespace, source
        self._holes: Mapping[str, str] = {"namespace": namespace}
        self.traced = OursTraced(self._ask, source)
        self.mcp = OursMcp(self._ask, source)

    @property
    def name(self) -> str:
        return f"{self._place.name} ({self._namespace})"

    # Reading

    def experiments(self) -> Iterator[CarriedExperiment]:
        for page in pages(self._ask, routes.READ_EXPERIMENTS, asks.ReadSome()):
            yield from page.experiments

    def runs(self, experiment: str) -> Iterator[CarriedRun]:
        for page in pages(self._ask, routes.READ_RUNS, asks.ReadRuns(experiment)):
            yield from page.runs

    def runs_named(self, ids: Sequence[str]) -> dict[str, CarriedRun]:
        """Those that are there, by id."""
        page: asks.RunsRead = self._ask(routes.READ_RUNS, asks.ReadRuns(runs=tuple(ids)))
        return {each.run: each for each in page.runs}

    def points(self, run: CarriedRun, key: str) -> Sequence[Point]:
        several = pages(self._ask, routes.READ_POINTS, asks.ReadPoints(run.run, key))
        found: set[Point] = {point for page in several for point in page.series.points}
        return sorted(found)

    def logged(self, experiment: str) -> Iterator[CarriedLogged]:
        for page in pages(self._ask, routes.READ_LOGGED, asks.ReadLogged(experiment)):
            yield from page.models

    def logged_named(self, ids: Sequence[str]) -> dict[str, CarriedLogged]:
        """Those that are there, by id."""
        page: asks.LoggedRead = self._ask(routes.READ_LOGGED, asks.ReadLogged(models=tuple(ids)))
        return {each.model: each for each in page.models}

    def models(self) -> Iterator[CarriedModel]:
        for page in pages(self._ask, routes.READ_MODELS, asks.ReadSome()):
            yield from page.models

    def versions(self, title: str) -> Iterator[CarriedVersion]:
        several = pages(self._ask, routes.READ_VERSIONS, asks.ReadVersions(title))
        found: list[CarriedVersion] = [version for page in several for version in page.versions]
        yield from sorted(found, key=lambda each: each.number)

    def files(self, root: Root) -> Sequence[CarriedFile]:
        return self.files_at(path_at(root.location)) if root.location.startswith(LOCATION) else ()

    def files_at(self, path: str) -> Sequence[CarriedFile]:
        """By a path below the namespace."""
        found: list[CarriedFile] = []
        after = ""
        while True:
            page: asks.FilesRead = self._ask(routes.READ_FILES, asks.ReadFiles(path, after))
            found += page.files
            if not (after := page.after):
                return found

    def open(self, root: Root, path: str) -> AbstractContextManager[Iterator[bytes]]:
        return self._opened(f"{path_at(root.location)}/{path}")

    @contextmanager
    def _opened(self, path: str) -> Iterator[Iterator[bytes]]:
        yield self._place.artifact(self._namespace, path)

    def close(self) -> None:
        """The place is its owner's."""

    # Writing

    def take_experiment(self, experiment: CarriedExperiment) -> CarriedExperiment:
        taken: CarriedExperiment = self._ask(routes.TAKE_EXPERIMENT, asks.TakeExperiment(self._source, experiment))
        return taken

    def take_runs(self, runs: Iterable[CarriedRun]) -> None:
        for each in batched(runs, CARRIED_AT_ONCE):
            self._ask(routes.TAKE_RUNS, asks.TakeRuns(self._source, each))

    def take_points(self, run: str, points: Mapping[str, Sequence[Point]]) -> None:
        """Of several metrics, as many at once as one request takes."""
        waiting: list[Series] = []
        count = 0
        for key, several in points.items():
            for some in batched(several, POINTS_AT_ONCE):
                if count + len(some) > POINTS_AT_ONCE:
                    self._ask(routes.TAKE_POINTS, asks.TakePoints(run, tuple(waiting)))
                    waiting, count = [], 0
                waiting.append(Series.of(key, some))
                count += len(some)
        if waiting:
            self._ask(routes.TAKE_POINTS, asks.TakePoints(run, tuple(waiting)))

    def take_logged(self, models: Iterable[CarriedLogged]) -> None:
        for each in batched(models, CARRIED_AT_ONCE):
            self._ask(routes.TAKE_LOGGED, asks.TakeLogged(self._source, each))

    def take_model(self, model: CarriedModel) -> None:
        self._ask(routes.TAKE_MODEL, asks.TakeModel(self._source, model))

    def take_version(self, version: CarriedVersion, files: str) -> None:
        self._ask(routes.TAKE_VERSION, asks.TakeVersion(self._source, version, files))

    def point_alias(self, title: str, alias: str, number: int) -> None:
        self._ask(routes.POINT, asks.PointTitled(title, alias, number))

    def move_stage(self, title: str, number: int, stage: str) -> None:
        self._ask(routes.STAGE, asks.StageTitled(title, number, stage))

    def put_file(self, path: str, file: Path) -> None:
        self._place.put_artifact(self._namespace, path, file)

    def _ask(self, route: Route, body: object) -> Any:
        return self._place.ask(route, self._holes, body=body)


def path_at(location: str) -> str:
    """Where a location of ours lies, below the namespace."""
    return location.removeprefix(LOCATION).strip("/")
