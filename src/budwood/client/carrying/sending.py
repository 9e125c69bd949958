"""Exporting: a walk over a namespace that writes into an MLflow server what it has not, and compares what it has.

Its ids and times are the server's own. So runs are made first, then all that names one, with ids changed on the way;
when a thing was made stays in its mark, whose it is in what MLflow lets a client say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from budwood.client.carrying.counts import Counts
from budwood.client.carrying.ours import Ours
from budwood.client.carrying.reader import LOGGED, RUN, Root
from budwood.client.carrying.refusing import refusals
from budwood.client.carrying.sending_files import SendingFiles
from budwood.client.carrying.sending_mcp import SendingMcp
from budwood.client.carrying.sending_registry import MARK, SendingRegistry
from budwood.client.carrying.sending_traced import SendingTraced
from budwood.client.carrying.stock_writer import StockWriter, marked
from budwood.domain.carrying import compare
from budwood.domain.carrying.records import (
    WENT_FROM,
    CarriedExperiment,
    CarriedLogged,
    CarriedModel,
    CarriedRun,
    unmarked,
)
from budwood.domain.tracking.records import DEFAULT_EXPERIMENT_NAME
from budwood.errors import NameTaken

PARENT: Final = "mlflow.parentRunId"


@dataclass(slots=True)
class Sending:
    """``runs``, ``logged`` and ``experiments``: ids there by ids here. ``roots``: folders there by folders here."""

    ours: Ours
    there: StockWriter
    files: SendingFiles
    counts: Counts
    with_files: bool = True
    experiments: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    logged: dict[str, str] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)

    def all(self) -> None:
        """Raises NameTaken before anything is written, Unavailable."""
        experiments = list(self.ours.experiments())
        models = list(self.ours.models())
        self._refuse_taken(experiments, models)
        self._make_experiments(experiments)
        for each in experiments:
            self._make_runs(each)
        for each in experiments:
            self._make_logged(each)
        traced = SendingTraced(self.ours.traced, self.there.traced, self.counts, self.experiments, self.runs)
        for each in experiments:
            runs = self._fill_runs(each)
            self._check_logged(each)
            if each.id in self.experiments:
                traced.experiment(each.id, runs)
        traced.datasets()
        SendingMcp(self.ours.mcp, self.there.mcp, self.counts).all()
        registry = SendingRegistry(
            self.ours, self.there, self.files, self.counts, self.runs, self.logged, self.roots, self.with_files
        )
        registry.all(models)
        self._delete_experiments(experiments)
        self._check_experiments(experiments)

    # Experiments

    def _refuse_taken(self, experiments: Sequence[CarriedExperiment], models: Sequence[CarriedModel]) -> None:
        named = {each.name for each in experiments} - {DEFAULT_EXPERIMENT_NAME}
        titled = {each.title for each in models}
        reader = self.there.reader
        taken = [
            f"the experiment {each.name!r}"
            for each in reader.experiments()
            if each.name in named and WENT_FROM not in each.tags
        ]
        taken += [
            f"the model {each.title!r}"
            for each in reader.models()
            if each.title in titled and WENT_FROM not in each.tags
        ]
        if taken:
            hint = "Export into a server, or a workspace of it, that has none of them. Nothing was written."
            raise NameTaken(f"There already, and not from here: {', '.join(taken[:3])}.", hint=hint)

    def _make_experiments(self, experiments: Sequence[CarriedExperiment]) -> None:
        self.counts.found("experiments", len(experiments))
        there = {each.name: each for each in self.there.reader.experiments()}
        for each in experiments:
            before = there.get(each.name)
            with refusals(self.counts, "experiments", each.name):
                if before is None:
                    self.experiments[each.id] = self.there.make_experiment(each, MARK)
                    self.counts.brought("experiments")
                    continue
                if before.deleted:
                    self.there.restore_experiment(before.id)
                missing = {k: v for k, v in unmarked(each.tags).items() if before.tags.get(k) != v}
                self.there.tag_experiment(before.id, missing)
                self.experiments[each.id] = before.id
                self.counts.kept("experiments")

    def _delete_experiments(self, experiments: Sequence[CarriedExperiment]) -> None:
        for each in experiments:
            if each.deleted and each.id in self.experiments:
                with refusals(self.counts, "experiments", each.name):
                    self.there.delete_experiment(self.experiments[each.id])

    def _check_experiments(self, experiments: Sequence[CarriedExperiment]) -> None:
        after = {each.name: each for each in self.there.reader.experiments()}
        for each in experiments:
            here = compare.experiment_told(each, timed=False)
            there = after.get(each.name)
            told = compare.experiment_told(there, timed=False) if there else None
            self.counts.compare("experiments", each.name, here, told)

    # Runs

    def _make_runs(self, experiment: CarriedExperiment) -> None:
        id_ = self.experiments.get(experiment.id)
        if id_ is None:
            return
        self.runs |= marked(self.there.reader.runs(id_))
        for run in self.ours.runs(experiment.id):
            self.counts.found("runs")
            if run.run in self.runs:
                self.counts.kept("runs")
                continue
            with refusals(self.counts, "runs", run.run):
                self.runs[run.run] = self.there.make_run(run, id_).run
                self.counts.brought("runs")

    def _fill_runs(self, experiment: CarriedExperiment) -> list[str]:
        """The ids here of those that are there."""
        went: list[str] = []
        for run in self.ours.runs(experiment.id) if experiment.id in self.experiments else ():
            if run.run in self.runs:
                went.append(run.run)
                with refusals(self.counts, "runs", run.run):
                    self._fill_run(run)
        return went

    def _fill_run(self, run: CarriedRun) -> None:
        id_ = self.runs[run.run]
        wanted = self._as_there(run)
        there = self.there.run(id_)
        if compare.run_told(there) != compare.run_told(wanted):
            if there.deleted:
                self.there.restore_run(id_)
            params = {key: value for key, value in wanted.params.items() if there.params.get(key) != value}
            tags = {key: value for key, value in unmarked(wanted.tags).items() if there.tags.get(key) != value}
            self.there.log(id_, params, tags)
            datasets = [each for each in wanted.datasets if each not in there.datasets]
            self.there.log_uses(id_, datasets, [each for each in wanted.models if each not in there.models])
        self._points(run, there)
        if there.status != wanted.status or there.end_ms != wanted.end_ms:
            self.there.end_run(id_, wanted)
        if self.with_files:
            self.files.send(Root(RUN, run.run, run.location), Root(RUN, id_, there.location))
        self.roots[run.location] = there.location
        if wanted.deleted and not self.there.run(id_).deleted:
            self.there.delete_run(id_)
        self.counts.compare("runs", run.run, compare.run_told(wanted), compare.run_told(self.there.run(id_)))

    def _points(self, run: CarriedRun, there: CarriedRun) -> None:
        for key in run.keys:
            points = self.ours.points(run, key)
            before = self.there.reader.points(there, key) if key in there.keys else ()
            missing = sorted(set(points) - set(before))
            self.there.log_points(there.run, key, missing)
            self.counts.found("metric points", len(points))
            self.counts.brought("metric points", len(missing))
            self.counts.kept("metric points", len(points) - len(missing))
            after = self.there.reader.points(there, key) if missing else before
            told = compare.points_told(after)
            self.counts.compare("metric points", f"{run.run} {key}", compare.points_told(points), told)

    def _as_there(self, run: CarriedRun) -> CarriedRun:
        """With the ids that runs and logged models have there."""
        tags = unmarked(run.tags)
        if PARENT in tags:
            tags[PARENT] = self.runs.get(tags[PARENT], tags[PARENT])
        return replace(
            run,
            run=self.runs[run.run],
            experiment=self.experiments[run.experiment],
            tags=tags,
            models=tuple(replace(each, model=self.logged.get(each.model, each.model)) for each in run.models),
        )

    # Logged models

    def _make_logged(self, experiment: CarriedExperiment) -> None:
        id_ = self.experiments.get(experiment.id)
        models = list(self.ours.logged(experiment.id)) if id_ else []
        if id_ is None or not models:
            return
        there = {each.tags.get(WENT_FROM, ""): each for each in self.there.reader.logged(id_)}
        for model in models:
            self.counts.found("logged models")
            with refusals(self.counts, "logged models", model.model):
                made = there.get(model.model)
                if made is None:
                    made = self.there.make_logged(model, id_, self.runs.get(model.run, ""))
                    self.counts.brought("logged models")
                else:
                    self.counts.kept("logged models")
                self.logged[model.model] = made.model
                self.roots[model.location] = made.location
                if self.with_files:
                    self.files.send(Root(LOGGED, model.model, model.location), Root(LOGGED, made.model, made.location))
                if made.status != model.status:
                    self.there.finish_logged(made.model, model.status)
                self._measured(model, made)

    def _measured(self, model: CarriedLogged, there: CarriedLogged) -> None:
        known = {(each.run, each.key, each.dataset, each.point) for each in there.metrics}
        for each in model.metrics:
            run = self.runs.get(each.run, "")
            if run and (run, each.key, each.dataset, each.point) not in known:
                self.there.log_measured(run, there.model, [each])

    def _check_logged(self, experiment: CarriedExperiment) -> None:
        id_ = self.experiments.get(experiment.id)
        models = list(self.ours.logged(experiment.id)) if id_ else []
        if id_ is None or not models:
            return
        after = {each.tags.get(WENT_FROM, ""): each for each in self.there.reader.logged(id_)}
        for model in models:
            there = after.get(model.model)
            told = compare.logged_told(there) if there else None
            here = compare.logged_told(self._logged_there(model, there))
            self.counts.compare("logged models", model.model, here, told)

    def _logged_there(self, model: CarriedLogged, there: CarriedLogged | None) -> CarriedLogged:
        return replace(
            model,
            model=self.logged.get(model.model, ""),
            experiment=self.experiments[model.experiment],
            run=self.runs.get(model.run, ""),
            created_ms=there.created_ms if there else 0,
            metrics=tuple(replace(each, run=self.runs.get(each.run, each.run)) for each in model.metrics),
        )
