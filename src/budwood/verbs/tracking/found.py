"""Finding an experiment or a run, or saying in MLflow's words that it is not there, or not as it must be."""

from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.catalog.tracking_api import TrackingSearch
from budwood.domain.tracking.checks import check_run, experiment_number, not_active
from budwood.domain.tracking.records import DEFAULT_EXPERIMENT, DEFAULT_EXPERIMENT_NAME, Experiment, Run
from budwood.errors import BadValue, NamespaceNotFound, RecordNotFound, StillInUse
from budwood.verbs.house import House

LOCATION: Final = "mlflow-artifacts:/"
"""Where artifacts lie when nobody says so: in this server. Behind it comes the number of the experiment."""


def experiment(view: View, namespace: str, id_: str) -> Experiment:
    """Deleted or not. Raises BadValue, RecordNotFound."""
    found = view.experiment(namespace, experiment_number(id_))
    if found is None:
        raise no_experiment(id_)
    return found


def active_experiment(view: View, namespace: str, id_: str) -> Experiment:
    """Raises BadValue, RecordNotFound."""
    return _checked_active(experiment(view, namespace, id_))


def active_or_default(house: House, transaction: Transaction, namespace: str, id_: str) -> Experiment:
    """An active one; the default one is made at the first need. Raises BadValue, NotFound."""
    if experiment_number(id_) == DEFAULT_EXPERIMENT:
        return _checked_active(make_default(house, transaction, namespace))
    return active_experiment(transaction, namespace, id_)


def run(view: View, namespace: str, id_: str) -> Run:
    """Deleted or not. Raises BadValue, RecordNotFound."""
    check_run(id_)
    found = view.run(namespace, id_)
    if found is None:
        raise RecordNotFound(f"Run with id={id_} not found", run=id_)
    return found


def active_run(view: View, namespace: str, id_: str) -> Run:
    """Raises BadValue, RecordNotFound."""
    found = run(view, namespace, id_)
    if found.removed_ms:
        raise not_active(id_)
    return found


def no_experiment(id_: str) -> RecordNotFound:
    """For an id that is none."""
    return RecordNotFound(f"No Experiment with id={id_} exists", experiment=id_)


def check_untracked(view: View, namespace: str) -> None:
    """That nothing but what was deleted, and an empty default experiment, is tracked there. Raises StillInUse."""
    if view.evaluation_dataset_count(namespace):
        raise StillInUse(f"{namespace} still holds evaluation datasets.", hint="Delete them first.")
    for each in view.find_experiments(namespace, TrackingSearch(), limit=2).experiments:
        search = TrackingSearch(experiments=(each.id,))
        if each.number != DEFAULT_EXPERIMENT or view.find_runs(namespace, search, limit=1).runs:
            hint = f"Delete its experiments first, starting with {each.name!r}."
            raise StillInUse(f"{namespace} still holds experiments.", hint=hint)


def with_default(house: House, namespace: str) -> None:
    """Make the default experiment of a namespace at the first need. Raises NamespaceNotFound."""
    with house.catalog.read() as view:
        if view.experiment(namespace, DEFAULT_EXPERIMENT) is not None:
            return
    house.catalog.write(lambda transaction: make_default(house, transaction, namespace))


def make_default(house: House, transaction: Transaction, namespace: str) -> Experiment:
    """The same in a transaction; deleted or not. Raises NamespaceNotFound."""
    there = transaction.experiment(namespace, DEFAULT_EXPERIMENT)
    if there is not None:
        return there
    room = transaction.namespace(namespace)
    if room is None:
        raise NamespaceNotFound(f"There is no namespace {namespace!r}.", namespace=namespace)
    now = house.clock()
    # It is as old as its namespace, to whoever looks.
    born = room.created_ms or now
    location = f"{LOCATION}{DEFAULT_EXPERIMENT}"
    name = DEFAULT_EXPERIMENT_NAME
    new = Experiment(0, namespace, DEFAULT_EXPERIMENT, name, location, born, born)
    made = transaction.add_experiment(namespace, new)
    subject = f"experiment:{namespace}/{DEFAULT_EXPERIMENT}"
    transaction.add_ledger(now, house.author, "experiment.created", subject, {"name": name}, namespace)
    return made


def _checked_active(found: Experiment) -> Experiment:
    if found.removed_ms:
        message = f"The experiment {found.number} must be in the 'active' state. Current state is deleted."
        raise BadValue(message, experiment=str(found.number))
    return found
