"""Making, naming, hiding and finding experiments."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from budwood.catalog.api import Transaction
from budwood.catalog.tracking_api import ExperimentPage, TrackingSearch
from budwood.domain.limits import RUNS_PAGE, SEARCHED_EXPERIMENTS
from budwood.domain.tracking import checks
from budwood.domain.tracking.fields import EXPERIMENTS
from budwood.domain.tracking.filters import parse_filter, parse_orders
from budwood.domain.tracking.records import DEFAULT_EXPERIMENT, DatasetSummary, Experiment, Showing
from budwood.errors import BadValue, NameTaken, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.tracking import found


def create_experiment(
    house: House, namespace: str, name: str, location: str = "", tags: Mapping[str, str] | None = None
) -> Experiment:
    """Raises BadValue, LimitExceeded, NameTaken, NamespaceNotFound."""
    checks.check_experiment_name(name)
    if location:
        checks.check_location(location)
    kept = dict(checks.experiment_tag(key, value) for key, value in (tags or {}).items())

    def work(transaction: Transaction) -> Experiment:
        found.make_default(house, transaction, namespace)
        _refuse_taken(transaction.experiment_named(namespace, name), name)
        now = house.clock()
        place = location or found.LOCATION + "{number}"
        made = transaction.add_experiment(namespace, Experiment(0, namespace, -1, name, place, now, now, tags=kept))
        _record(house, transaction, made, "experiment.created", {"name": name})
        return made

    return house.catalog.write(work)


def get_experiment(house: House, namespace: str, id_: str) -> Experiment:
    """Deleted or not. Raises BadValue, RecordNotFound."""
    if checks.experiment_number(id_) == DEFAULT_EXPERIMENT:
        found.with_default(house, namespace)
    with house.catalog.read() as view:
        return found.experiment(view, namespace, id_)


def get_experiment_named(house: House, namespace: str, name: str) -> Experiment:
    """Deleted or not. Raises RecordNotFound."""
    with house.catalog.read() as view:
        there = view.experiment_named(namespace, name)
    if there is None:
        found.with_default(house, namespace)
        with house.catalog.read() as view:
            there = view.experiment_named(namespace, name)
    if there is None:
        raise RecordNotFound(f"Could not find experiment with name '{name}'", experiment=name)
    return there


def find_experiments(
    house: House, namespace: str, text: str, orders: Sequence[str], showing: Showing, token: str, limit: int
) -> ExperimentPage:
    """Raises BadFilter, BadValue."""
    checks.check_page("max_results", limit, RUNS_PAGE)
    search = TrackingSearch(parse_filter(text, EXPERIMENTS), parse_orders(orders, EXPERIMENTS), showing)
    found.with_default(house, namespace)
    with house.catalog.read() as view:
        return view.find_experiments(namespace, search, token=token, limit=limit)


def rename_experiment(house: House, namespace: str, id_: str, name: str) -> None:
    """Raises BadValue, RecordNotFound, NameTaken."""
    checks.check_experiment_name(name)

    def work(transaction: Transaction) -> None:
        before = found.experiment(transaction, namespace, id_)
        if before.removed_ms:
            raise BadValue("Cannot rename a non-active experiment.", experiment=id_)
        if before.name == name:
            return
        _refuse_taken(transaction.experiment_named(namespace, name), name)
        _change(house, transaction, replace(before, name=name), "experiment.renamed", {"from": before.name, "to": name})

    house.catalog.write(work)


def delete_experiment(house: House, namespace: str, id_: str) -> None:
    """Hide it and its runs. Raises BadValue, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        if checks.experiment_number(id_) == DEFAULT_EXPERIMENT:
            found.make_default(house, transaction, namespace)
        before = found.experiment(transaction, namespace, id_)
        if before.removed_ms:
            raise found.no_experiment(id_)
        now = house.clock()
        transaction.remove_runs(before.id, at_ms=now)
        _change(house, transaction, replace(before, removed_ms=now), "experiment.deleted", {"name": before.name})

    house.catalog.write(work)


def restore_experiment(house: House, namespace: str, id_: str) -> None:
    """Show it again, and the runs that were hidden with it. Raises BadValue, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        before = found.experiment(transaction, namespace, id_)
        if not before.removed_ms:
            raise found.no_experiment(id_)
        transaction.restore_runs(before.id, removed_ms=before.removed_ms)
        _change(house, transaction, replace(before, removed_ms=0), "experiment.restored", {"name": before.name})

    house.catalog.write(work)


def tag_experiment(house: House, namespace: str, id_: str, key: str, value: str) -> None:
    """Raises BadValue, LimitExceeded, RecordNotFound."""
    kept = checks.experiment_tag(key, value)

    def work(transaction: Transaction) -> None:
        before = found.active_experiment(transaction, namespace, id_)
        transaction.put_experiment_tags(before.id, dict([kept]))
        _change(house, transaction, before, "experiment.tagged", {"key": key})

    house.catalog.write(work)


def untag_experiment(house: House, namespace: str, id_: str, key: str) -> None:
    """Raises BadValue, RecordNotFound."""

    def work(transaction: Transaction) -> None:
        before = found.active_experiment(transaction, namespace, id_)
        if not transaction.remove_experiment_tag(before.id, key):
            raise RecordNotFound(f"No tag with name: {key} in experiment with id {id_}", tag=key)
        _change(house, transaction, before, "experiment.untagged", {"key": key})

    house.catalog.write(work)


def list_datasets(house: House, namespace: str, ids: Sequence[str]) -> Sequence[DatasetSummary]:
    """The datasets that runs of experiments used. Raises BadValue."""
    numbers = [checks.experiment_number(id_) for id_ in ids]
    with house.catalog.read() as view:
        known = view.experiment_numbers(namespace, numbers)
        return view.datasets_of(list(known.values()), SEARCHED_EXPERIMENTS)


def _refuse_taken(there: Experiment | None, name: str) -> None:
    if there is None:
        return
    deleted = " It is deleted, and can be restored." if there.removed_ms else ""
    raise NameTaken(f"Experiment(name={name}) already exists.{deleted}", experiment=str(there.number))


def _change(house: House, transaction: Transaction, after: Experiment, action: str, body: Mapping[str, object]) -> None:
    changed = replace(after, updated_ms=house.clock())
    transaction.change_experiment(changed)
    _record(house, transaction, changed, action, body)


def _record(
    house: House, transaction: Transaction, experiment: Experiment, action: str, body: Mapping[str, object]
) -> None:
    subject = f"experiment:{experiment.namespace}/{experiment.number}"
    transaction.add_ledger(house.clock(), house.author, action, subject, body, experiment.namespace)
