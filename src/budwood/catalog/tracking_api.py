"""The part of the catalog's port that speaks of tracking: experiments, runs, metrics, and searching them.

An experiment or a run is found in its namespace; what begins at the id of one found so names no namespace again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from budwood.domain.tracking.filters import Comparison, Order
from budwood.domain.tracking.records import (
    DatasetSummary,
    DatasetUse,
    Experiment,
    Logged,
    Metric,
    ModelUse,
    Run,
    Showing,
)


@dataclass(frozen=True, slots=True)
class TrackingSearch:
    """``experiments`` are the ids of those whose runs are looked for; experiments are looked for in all."""

    comparisons: tuple[Comparison, ...] = ()
    orders: tuple[Order, ...] = ()
    showing: Showing = Showing.ACTIVE
    experiments: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs in the order that was asked for; ``token`` is empty at the end."""

    runs: tuple[Run, ...]
    token: str = ""


@dataclass(frozen=True, slots=True)
class ExperimentPage:
    """Experiments in the order that was asked for; ``token`` is empty at the end."""

    experiments: tuple[Experiment, ...]
    token: str = ""


class TrackingView(Protocol):
    """What can be read of tracking. Deleted ones are found, too."""

    def experiment(self, namespace: str, number: int) -> Experiment | None:
        """With its tags."""

    def experiment_named(self, namespace: str, name: str) -> Experiment | None:
        """With its tags."""

    def experiment_numbers(self, namespace: str, numbers: Sequence[int]) -> Mapping[int, int]:
        """The id behind each number; those that are not there are left out."""

    def find_experiments(
        self, namespace: str, search: TrackingSearch, *, token: str = "", limit: int = 1000
    ) -> ExperimentPage:
        """Raises BadValue for a token of another search."""

    def run(self, namespace: str, run: str) -> Run | None: ...
    def run_is_known(self, run: str) -> bool:
        """Whether the id is taken, wherever."""

    def logged_by(self, runs: Sequence[Run]) -> Sequence[Logged]:
        """What each logged, in the order of ``runs``."""

    def find_runs(self, namespace: str, search: TrackingSearch, *, token: str = "", limit: int = 1000) -> RunPage:
        """Raises BadValue for a token of another search."""

    def metric_history(
        self, run_id: int, key: str, *, after: Metric | None = None, limit: int = 1000
    ) -> Sequence[Metric]:
        """By time, step and value, those behind ``after``."""

    def metric_steps(self, run_id: int, key: str, *, least: int, most: int) -> Sequence[int]:
        """The steps there are between two, both included."""

    def metric_at(self, run_id: int, key: str, steps: Sequence[int], limit: int) -> Sequence[Metric]:
        """By step and time."""

    def run_params(self, run_id: int, keys: Sequence[str]) -> Mapping[str, str]: ...
    def datasets_of(self, experiment_ids: Sequence[int], limit: int) -> Sequence[DatasetSummary]:
        """Each with the contexts it was used in."""


class TrackingTransaction(Protocol):
    """What can be changed of tracking. Names, keys and lengths are checked by the domain before they come here."""

    def add_experiment(self, namespace: str, experiment: Experiment) -> Experiment:
        """The experiment with its id, and the next number where it says none, which is a negative one."""

    def change_experiment(self, experiment: Experiment) -> None: ...
    def forget_experiments(self, namespace: str) -> None:
        """All of a namespace, with their runs, their traces and whatever those logged; for good."""

    def remove_runs(self, experiment_id: int, *, at_ms: int) -> None:
        """Hide every run that is not."""

    def restore_runs(self, experiment_id: int, *, removed_ms: int) -> None:
        """Show those that were hidden at that moment."""

    def put_experiment_tags(self, experiment_id: int, tags: Mapping[str, str]) -> None: ...
    def remove_experiment_tag(self, experiment_id: int, key: str) -> bool:
        """Whether there was one."""

    def add_run(self, run: Run) -> Run:
        """The run with its id."""

    def change_run(self, run: Run) -> None: ...
    def log_metrics(self, run: Run, metrics: Sequence[Metric]) -> None:
        """Points that are there already are left; the newest of a key is that of the highest step, then time, then
        value."""

    def log_params(self, run: Run, params: Mapping[str, str]) -> None:
        """Those that are new."""

    def put_run_tags(self, run: Run, tags: Mapping[str, str]) -> None: ...
    def remove_run_tag(self, run_id: int, key: str) -> bool:
        """Whether there was one."""

    def add_inputs(self, run: Run, datasets: Sequence[DatasetUse]) -> None:
        """A dataset that is an input already keeps what was said of it."""

    def add_models(self, run: Run, models: Sequence[ModelUse]) -> None:
        """Those that are there already are left."""
