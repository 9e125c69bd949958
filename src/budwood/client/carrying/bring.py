"""Importing: a walk over everything that a source holds, which brings what is not here, and compares what is.

Each thing is asked for here, sent if it is not the same, and asked for again. So a walk that was cut short is simply
walked again, and its report says what is so, not what was done. What one thing refuses is told and the walk goes on;
what does not answer ends it.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from budwood.client.carrying.batches import send
from budwood.client.carrying.bring_mcp import BringingMcp
from budwood.client.carrying.bring_traced import BringingTraced
from budwood.client.carrying.counts import Counts
from budwood.client.carrying.files import Files
from budwood.client.carrying.ours import Ours, path_at
from budwood.client.carrying.reader import LOGGED, RUN, Reader, Root
from budwood.client.carrying.refusing import refusals
from budwood.client.carrying.versions import Registry
from budwood.domain.batches import batched
from budwood.domain.carrying import compare
from budwood.domain.carrying.records import (
    CAME_FROM,
    CarriedExperiment,
    CarriedLogged,
    CarriedModel,
    CarriedRun,
)
from budwood.domain.limits import CARRIED_AT_ONCE
from budwood.domain.tracking.records import DEFAULT_EXPERIMENT_NAME
from budwood.errors import NameTaken

THREADS: Final = 4


@dataclass(slots=True)
class Bringing:
    """``with_files``: artifacts, too. ``roots`` says of each folder of artifacts there where it lies here."""

    reader: Reader
    ours: Ours
    files: Files
    counts: Counts
    with_files: bool = True
    roots: dict[str, str] = field(default_factory=dict)

    def all(self) -> None:
        """Raises NameTaken before anything is written when something of that name came from elsewhere."""
        experiments = list(self.reader.experiments())
        models = list(self.reader.models())
        self._refuse_taken(experiments, models)
        numbers = self._experiments(experiments)
        traced = BringingTraced(self.reader.traced, self.ours.traced, self.counts)
        with ThreadPoolExecutor(THREADS) as threads:
            for each in experiments:
                if each.id in numbers:
                    # Logged models first: the runs that read or wrote them name them.
                    self._logged(threads, each, numbers[each.id])
                    runs = self._runs(threads, each, numbers[each.id])
                    traced.experiment(threads, each.id, numbers[each.id], runs)
        traced.datasets(numbers)
        BringingMcp(self.reader.mcp, self.ours.mcp, self.counts).all()
        Registry(self.reader, self.ours, self.files, self.counts, self.roots, self.with_files).all(models)

    # Experiments

    def _refuse_taken(self, experiments: Sequence[CarriedExperiment], models: Sequence[CarriedModel]) -> None:
        named = {each.name for each in experiments} - {DEFAULT_EXPERIMENT_NAME}
        titled = {each.title for each in models}
        source = self.reader.name
        taken = [
            f"the experiment {each.name!r}"
            for each in self.ours.experiments()
            if each.name in named and each.tags.get(CAME_FROM) != source
        ]
        taken += [
            f"the model {each.title!r}"
            for each in self.ours.models()
            if each.title in titled and each.tags.get(CAME_FROM) != source
        ]
        if taken:
            more = f" and {len(taken) - 3} more" if len(taken) > 3 else ""
            hint = "Import into a namespace of its own: --namespace NAME. Nothing was written."
            raise NameTaken(f"Here already, and from elsewhere: {', '.join(taken[:3])}{more}.", hint=hint)

    def _experiments(self, experiments: Sequence[CarriedExperiment]) -> dict[str, str]:
        """The number here of each, by the one there."""
        self.counts.found("experiments", len(experiments))
        here = {each.name: each for each in self.ours.experiments()}
        for each in experiments:
            there = here.get(each.name)
            if there is not None and there.tags.get(CAME_FROM) and _experiment_told(there) == _experiment_told(each):
                self.counts.kept("experiments")
                continue
            with refusals(self.counts, "experiments", each.name):
                self.ours.take_experiment(each)
                self.counts.brought("experiments")
        after = {each.name: each for each in self.ours.experiments()}
        numbers = {}
        for each in experiments:
            there = after.get(each.name)
            if there is not None and there.tags.get(CAME_FROM):
                self.counts.compare("experiments", each.name, _experiment_told(each), _experiment_told(there))
                numbers[each.id] = there.id
        return numbers

    # Runs

    def _runs(self, threads: ThreadPoolExecutor, experiment: CarriedExperiment, number: str) -> list[str]:
        """The ids of those that are here then."""
        came: list[str] = []
        for some in batched(self.reader.runs(experiment.id), CARRIED_AT_ONCE):
            self.counts.found("runs", len(some))
            wanted = [replace(each, experiment=number) for each in some]
            ids = [each.run for each in wanted]
            before = self.ours.runs_named(ids)
            new = [each for each in wanted if _run_told(each) != _run_told(before.get(each.run))]
            self.counts.kept("runs", len(wanted) - len(new))
            send(self.counts, "runs", new, self.ours.take_runs, lambda each: each.run)
            there = self.ours.runs_named(ids)
            here = [each for each in wanted if each.run in there]
            list(threads.map(self._points, here, [before.get(each.run) for each in here]))
            after = self.ours.runs_named(ids)
            for each in wanted:
                self.counts.compare("runs", each.run, _run_told(each) or {}, _run_told(after.get(each.run)))
            for each in here:
                self.roots[each.location.rstrip("/")] = path_at(after[each.run].location)
            if self.with_files:
                list(threads.map(lambda each: self._files(Root(RUN, each.run, each.location)), here))
            came += [each.run for each in here]
        return came

    def _points(self, run: CarriedRun, before: CarriedRun | None) -> None:
        """Those of all its metrics."""
        with refusals(self.counts, "metric points", run.run):
            wanted = {key: self.reader.points(run, key) for key in run.keys}
            known = frozenset(before.keys) if before else frozenset()
            here = {key: self.ours.points(run, key) if key in known else () for key in run.keys}
            missing = {key: sorted(set(points) - set(here[key])) for key, points in wanted.items()}
            self.ours.take_points(run.run, {key: points for key, points in missing.items() if points})
            for key, points in wanted.items():
                new = len(missing[key])
                self.counts.found("metric points", len(points))
                self.counts.kept("metric points", len(points) - new)
                self.counts.brought("metric points", new)
                after = self.ours.points(run, key) if new else here[key]
                told = compare.points_told(points)
                self.counts.compare("metric points", f"{run.run} {key}", told, compare.points_told(after))

    # Logged models

    def _logged(self, threads: ThreadPoolExecutor, experiment: CarriedExperiment, number: str) -> None:
        for some in batched(self.reader.logged(experiment.id), CARRIED_AT_ONCE):
            self.counts.found("logged models", len(some))
            wanted = [replace(each, experiment=number) for each in some]
            ids = [each.model for each in wanted]
            before = self.ours.logged_named(ids)
            new = [each for each in wanted if _logged_told(each) != _logged_told(before.get(each.model))]
            self.counts.kept("logged models", len(wanted) - len(new))
            send(self.counts, "logged models", new, self.ours.take_logged, lambda each: each.model)
            after = self.ours.logged_named(ids)
            for each in wanted:
                told = _logged_told(after.get(each.model))
                self.counts.compare("logged models", each.model, _logged_told(each) or {}, told)
            here = [each for each in wanted if each.model in after]
            for each in here:
                self.roots[each.location.rstrip("/")] = path_at(after[each.model].location)
            if self.with_files:
                list(threads.map(lambda each: self._files(Root(LOGGED, each.model, each.location)), here))

    # Both

    def _files(self, root: Root) -> None:
        self.files.bring(root, self.roots[root.location.rstrip("/")])


def _experiment_told(each: CarriedExperiment) -> compare.Told:
    return compare.experiment_told(each, timed=each.name != DEFAULT_EXPERIMENT_NAME)


def _run_told(each: CarriedRun | None) -> compare.Told | None:
    return None if each is None else {**compare.run_told(each), "keys": sorted(each.keys)}


def _logged_told(each: CarriedLogged | None) -> compare.Told | None:
    return None if each is None else compare.logged_told(each)
