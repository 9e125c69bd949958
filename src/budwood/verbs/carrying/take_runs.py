"""Experiments, runs and logged models as they are elsewhere: with their ids, times and users.

Everything may be sent again: what is here becomes what was sent, and nothing is there twice. The one who sends is the
author, in the ledger and beside every run; whom the source names is only what it says.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.artifacts import LoggedModel, model_id, model_status
from budwood.domain.carrying.records import CAME_FROM, CarriedExperiment, CarriedLogged, CarriedRun, Series, unmarked
from budwood.domain.limits import CARRIED_AT_ONCE, POINTS_AT_ONCE, VALUE_BYTES
from budwood.domain.tracking import checks
from budwood.domain.tracking.records import DEFAULT_EXPERIMENT, DatasetUse, Experiment, Metric, Run, RunMetric
from budwood.errors import BadValue, NameTaken
from budwood.verbs.house import House
from budwood.verbs.tag import check_text
from budwood.verbs.tracking import found
from budwood.verbs.tracking.log import checked_dataset
from budwood.verbs.tracking.runs import run_status

LAST_NUMBER: Final = 999_999_999_999_000_000
"""The last number an experiment brings along: behind it there is room for those made here."""


def take_experiment(house: House, namespace: str, source: str, sent: CarriedExperiment) -> CarriedExperiment:
    """As it is here, with its number here: the one it has there, where that is free.

    Raises BadValue, LimitExceeded, NamespaceNotFound, NameTaken for one that did not come from this source.
    """
    check_source(source)
    checks.check_experiment_name(sent.name)
    tags = dict(checks.experiment_tag(*tag) for tag in unmarked(sent.tags).items()) | {CAME_FROM: source}
    asked = checks.experiment_number(sent.id)

    def work(transaction: Transaction) -> CarriedExperiment:
        found.make_default(house, transaction, namespace)
        there = transaction.experiment_named(namespace, sent.name)
        if there is not None and there.number != DEFAULT_EXPERIMENT and there.tags.get(CAME_FROM) != source:
            hint = "Bring it into another namespace, or rename the one that is here."
            raise NameTaken(f"The experiment {sent.name!r} is here already, from elsewhere.", hint=hint)
        now = house.clock()
        if there is None:
            free = 0 < asked <= LAST_NUMBER and transaction.experiment(namespace, asked) is None
            place = found.LOCATION + "{number}"
            new = Experiment(0, namespace, asked if free else -1, sent.name, place, sent.created_ms, sent.updated_ms)
            there = transaction.add_experiment(namespace, new)
        removed = (there.removed_ms or sent.updated_ms or now) if sent.deleted else 0
        transaction.put_experiment_tags(there.id, tags)
        after = replace(there, updated_ms=sent.updated_ms, removed_ms=removed)
        transaction.change_experiment(after)
        body = {"name": sent.name, "source": source, "number_there": sent.id}
        subject = f"experiment:{namespace}/{there.number}"
        transaction.add_ledger(now, house.author, "experiment.imported", subject, body, namespace)
        return replace(sent, id=str(there.number), location=there.location)

    return house.catalog.write(work)


def take_runs(house: House, namespace: str, source: str, sent: Sequence[CarriedRun]) -> int:
    """All or none. Raises BadValue, LimitExceeded, RecordNotFound, NameTaken for an id of another namespace."""
    check_source(source)
    number = experiment_of([each.experiment for each in sent])
    statuses = [run_status(each.status) for each in sent]
    wholes = [_checked(each) for each in sent]

    def work(transaction: Transaction) -> int:
        experiment = found.experiment(transaction, namespace, number)
        now = house.clock()
        for each, status in zip(wholes, statuses, strict=True):
            run = Run(
                0,
                each.run,
                experiment.id,
                experiment.number,
                each.name,
                each.user,
                house.author,
                status,
                each.start_ms,
                each.end_ms,
                f"{experiment.location.rstrip('/')}/{each.run}/artifacts",
                now if each.deleted else 0,
            )
            _put_run(transaction, namespace, run, each)
        record_import(house, transaction, namespace, experiment, "runs.imported", source, [each.run for each in wholes])
        return len(wholes)

    return house.catalog.write(work)


def take_points(house: House, namespace: str, id_: str, series: Sequence[Series]) -> int:
    """Those that are here already are left. Raises BadValue, LimitExceeded, RecordNotFound."""
    said: list[Metric] = []
    for each in series:
        try:
            said += [Metric(each.key, point.number, point.at_ms, point.step) for point in each.points]
        except ValueError as error:
            raise BadValue(f"The columns of {each.key[:100]!r} are not equally long.") from error
        checks.too_many("points", said, POINTS_AT_ONCE, "POINTS_AT_ONCE")
    kept = checks.metrics(said, several=True)

    def work(transaction: Transaction) -> int:
        run = found.run(transaction, namespace, id_)
        if kept:
            transaction.log_metrics(run, kept)
        return len(kept)

    return house.catalog.write(work)


def take_logged(house: House, namespace: str, source: str, sent: Sequence[CarriedLogged]) -> int:
    """All or none. Raises BadValue, LimitExceeded, RecordNotFound."""
    check_source(source)
    number = experiment_of([each.experiment for each in sent])
    for each in sent:
        model_id(each.model), model_status(each.status)
        check_text(each.kind, "The type", VALUE_BYTES, "VALUE_BYTES")

    def work(transaction: Transaction) -> int:
        experiment = found.experiment(transaction, namespace, number)
        for each in sent:
            _put_logged(house, transaction, namespace, experiment, each)
        ids = [each.model for each in sent]
        record_import(house, transaction, namespace, experiment, "logged-models.imported", source, ids)
        return len(sent)

    return house.catalog.write(work)


def check_source(source: str) -> None:
    """Raises BadValue, LimitExceeded."""
    if not source:
        raise BadValue("It is not said where this comes from.")
    check_text(source, "The source", VALUE_BYTES, "VALUE_BYTES")


def experiment_of(named: Sequence[str]) -> str:
    """The one of all that is sent together. Raises BadValue, LimitExceeded."""
    checks.too_many("things of one experiment", named, CARRIED_AT_ONCE, "CARRIED_AT_ONCE")
    if len(set(named)) != 1:
        raise BadValue("What is sent together belongs to one experiment.")
    return named[0]


def record_import(
    house: House,
    transaction: Transaction,
    namespace: str,
    experiment: Experiment,
    action: str,
    source: str,
    ids: Sequence[str],
) -> None:
    """That things of an experiment came, in the ledger."""
    body = {"name": experiment.name, "source": source, "ids": list(ids)}
    subject = f"experiment:{namespace}/{experiment.number}"
    transaction.add_ledger(house.clock(), house.author, action, subject, body, namespace)


def _checked(sent: CarriedRun) -> CarriedRun:
    checks.check_run(sent.run)
    check_text(sent.user, "The user", VALUE_BYTES, "VALUE_BYTES")
    datasets = tuple(
        DatasetUse(checked_dataset(use.dataset), dict(checks.input_tag(*tag) for tag in use.tags.items()))
        for use in sent.datasets
    )
    return replace(
        sent,
        name=checks.run_name(sent.name),
        params=checks.distinct(checks.param(*each) for each in sent.params.items()),
        tags=dict(checks.run_tag(*each) for each in unmarked(sent.tags).items()),
        datasets=datasets,
    )


def _put_run(transaction: Transaction, namespace: str, new: Run, sent: CarriedRun) -> None:
    there = transaction.run(namespace, new.run)
    if there is None:
        if transaction.run_is_known(new.run):
            hint = "A run has one id in a registry: bring a server into one namespace of it, or into another registry."
            raise NameTaken(f"The run {new.run} is in another namespace.", hint=hint, run=new.run)
        there = transaction.add_run(new)
    elif there.experiment_id != new.experiment_id:
        raise NameTaken(f"The run {new.run} is here already, in another experiment.", run=new.run)
    else:
        removed = (there.removed_ms or new.removed_ms) if sent.deleted else 0
        there = replace(new, id=there.id, author=there.author, removed_ms=removed)
        transaction.change_run(there)
    before = transaction.run_params(there.id, list(sent.params))
    for key, value in before.items():
        if value != sent.params[key]:
            raise checks.changed_param(there.run, key, value, sent.params[key])
    transaction.log_params(there, {key: value for key, value in sent.params.items() if key not in before})
    transaction.put_run_tags(there, sent.tags)
    transaction.add_inputs(there, sent.datasets)
    transaction.add_models(there, sent.models)


def _put_logged(
    house: House, transaction: Transaction, namespace: str, experiment: Experiment, sent: CarriedLogged
) -> None:
    there = transaction.logged_model(namespace, sent.model)
    removed = (there.removed_ms if there else 0) or house.clock()
    now = LoggedModel(
        there.id if there else 0,
        sent.model,
        experiment.id,
        experiment.number,
        checks.run_name(sent.name),
        sent.kind,
        model_status(sent.status),
        sent.run,
        f"{experiment.location.rstrip('/')}/models/{sent.model}/artifacts",
        house.author,
        sent.created_ms,
        sent.updated_ms,
        removed if sent.deleted else 0,
    )
    if there is None:
        if transaction.logged_model_is_known(sent.model):
            hint = "A logged model has one id in a registry: bring a server into one namespace of it."
            raise NameTaken(f"The logged model {sent.model} is in another namespace.", hint=hint, model=sent.model)
        now = transaction.add_logged_model(now)
    elif there.experiment_id != experiment.id:
        raise NameTaken(f"The logged model {sent.model} is here already, in another experiment.", model=sent.model)
    else:
        transaction.change_logged_model(now)
    transaction.put_logged_tags(now.id, dict(checks.run_tag(*tag) for tag in unmarked(sent.tags).items()))
    transaction.put_logged_params(now.id, checks.distinct(checks.param(*each) for each in sent.params.items()))
    measured = [
        (each.run, Metric(each.key, each.point.number, each.point.at_ms, each.point.step, sent.model, each.dataset))
        for each in sent.metrics
    ]
    kept = checks.metrics([metric for _, metric in measured], several=True)
    transaction.put_logged_metrics(
        now.id, [RunMetric(run, metric) for (run, _), metric in zip(measured, kept, strict=True)]
    )
