"""Beginning, changing, hiding and finding runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from budwood.catalog.api import Transaction, View
from budwood.catalog.tracking_api import TrackingSearch
from budwood.domain.limits import RUNS_PAGE, SEARCHED_EXPERIMENTS
from budwood.domain.tracking import checks
from budwood.domain.tracking.fields import RUNS
from budwood.domain.tracking.filters import parse_filter, parse_orders
from budwood.domain.tracking.records import (
    RUN_NAME_TAG,
    Logged,
    Run,
    RunStatus,
    Showing,
)
from budwood.errors import BadValue
from budwood.verbs.house import House
from budwood.verbs.tracking import found
from budwood.verbs.tracking.run_names import name_from


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run about to begin. ``run`` is its id, fresh."""

    run: str
    experiment: str
    name: str = ""
    user: str = ""
    start_ms: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run with what it logged."""

    run: Run
    logged: Logged


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """A page of runs; ``token`` is empty at the end."""

    runs: tuple[FoundRun, ...]
    token: str = ""


def create_run(house: House, namespace: str, new: NewRun) -> Callable[[Transaction], FoundRun]:
    """Raises BadValue, LimitExceeded; the work RecordNotFound, too."""
    tags = dict(checks.run_tag(key, value) for key, value in new.tags.items())
    tagged = tags.get(RUN_NAME_TAG, "")
    if new.name and tagged and new.name != tagged:
        raise BadValue(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{new.name}', mlflow.runName='{tagged}')."
        )
    name = checks.run_name(new.name or tagged or name_from(new.run))
    tags[RUN_NAME_TAG] = name

    def work(transaction: Transaction) -> FoundRun:
        experiment = found.active_or_default(house, transaction, namespace, new.experiment)
        now = house.clock()
        start = now if new.start_ms is None else new.start_ms
        location = f"{experiment.location.rstrip('/')}/{new.run}/artifacts"
        user = new.user or house.author
        run = transaction.add_run(
            Run(
                0,
                new.run,
                experiment.id,
                experiment.number,
                name,
                user,
                house.author,
                RunStatus.RUNNING,
                start,
                None,
                location,
            )
        )
        transaction.put_run_tags(run, tags)
        _record(house, transaction, namespace, run, "run.created")
        return FoundRun(run, Logged(tags=tuple(sorted(tags.items()))))

    return work


def get_run(house: House, namespace: str, id_: str) -> FoundRun:
    """Deleted or not. Raises BadValue, RecordNotFound."""
    with house.catalog.read() as view:
        return _with_data(view, [found.run(view, namespace, id_)])[0]


def update_run(
    house: House, namespace: str, id_: str, *, status: str = "", end_ms: int | None = None, name: str = ""
) -> Callable[[Transaction], Run]:
    """Raises BadValue; the work RecordNotFound, too."""
    wanted = run_status(status) if status else None
    kept = checks.run_name(name)

    def work(transaction: Transaction) -> Run:
        before = found.active_run(transaction, namespace, id_)
        after = replace(
            before,
            status=wanted or before.status,
            end_ms=before.end_ms if end_ms is None else end_ms,
            name=kept or before.name,
        )
        transaction.change_run(after)
        if kept and kept != before.name:
            transaction.put_run_tags(after, {RUN_NAME_TAG: kept})
        return after

    return work


def delete_run(house: House, namespace: str, id_: str) -> Callable[[Transaction], None]:
    """Hide it. The work raises BadValue, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        before = found.run(transaction, namespace, id_)
        if not before.removed_ms:
            transaction.change_run(replace(before, removed_ms=house.clock()))
            _record(house, transaction, namespace, before, "run.deleted")

    return work


def restore_run(house: House, namespace: str, id_: str) -> Callable[[Transaction], None]:
    """Show it again. The work raises BadValue, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        before = found.run(transaction, namespace, id_)
        if before.removed_ms:
            transaction.change_run(replace(before, removed_ms=0))
            _record(house, transaction, namespace, before, "run.restored")

    return work


def find_runs(
    house: House,
    namespace: str,
    experiments: Sequence[str],
    text: str,
    orders: Sequence[str],
    showing: Showing,
    token: str,
    limit: int,
) -> FoundRuns:
    """Raises BadFilter, BadValue, LimitExceeded."""
    checks.check_page("max_results", limit, RUNS_PAGE)
    checks.too_many("experiments", experiments, SEARCHED_EXPERIMENTS, "SEARCHED_EXPERIMENTS")
    comparisons, ordered = parse_filter(text, RUNS), parse_orders(orders, RUNS)
    numbers = [checks.experiment_number(id_) for id_ in experiments]
    with house.catalog.read() as view:
        ids = view.experiment_numbers(namespace, numbers)
        search = TrackingSearch(comparisons, ordered, showing, tuple(sorted(ids.values())))
        page = view.find_runs(namespace, search, token=token, limit=limit)
        return FoundRuns(tuple(_with_data(view, page.runs)), page.token)


def run_status(word: str) -> RunStatus:
    """Raises BadValue."""
    try:
        return RunStatus(word)
    except ValueError as error:
        valid = ", ".join(RunStatus)
        message = f"Invalid value \"{word[:100]}\" for parameter 'status' supplied: it is one of {valid}."
        raise BadValue(message) from error


def _with_data(view: View, runs: Sequence[Run]) -> list[FoundRun]:
    return [FoundRun(run, logged) for run, logged in zip(runs, view.logged_by(runs), strict=True)]


def _record(house: House, transaction: Transaction, namespace: str, run: Run, action: str) -> None:
    body = {"name": run.name, "experiment": run.experiment}
    transaction.add_ledger(house.clock(), house.author, action, f"run:{namespace}/{run.run}", body, namespace)
