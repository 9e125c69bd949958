"""Aliases and stages by the titles of models. Policies are asked as everywhere: this is no side door."""

from collections.abc import Callable

from budwood.catalog.api import Transaction
from budwood.domain import listing_checks as checks
from budwood.domain.limits import ALIASES_PER_MODEL
from budwood.domain.names import Stage
from budwood.domain.records import VersionRecord
from budwood.domain.tracking.checks import too_many
from budwood.errors import BadValue
from budwood.verbs.guard import check_gates
from budwood.verbs.house import House
from budwood.verbs.listings import found
from budwood.verbs.pointers import point, take_away
from budwood.verbs.stage import enter_stage

_ACTIVE = {Stage.STAGING, Stage.PRODUCTION}


def point_alias(house: House, namespace: str, title: str, name: str, number: int) -> Callable[[Transaction], None]:
    """Raises BadValue; the work VersionNotFound, Retired, GateClosed, LimitExceeded, too."""
    pointer, guarded = checks.pointer_of(checks.alias(name)), checks.guarded_as(name)

    def work(transaction: Transaction) -> None:
        version = found.record(transaction, namespace, title, number)
        now = house.clock()
        if guarded and guarded != pointer:
            check_gates(transaction, version, guarded)
        moved = point(transaction, pointer, version, at_ms=now, author=house.author)
        too_many("aliases", transaction.names_of([version.model_id]), ALIASES_PER_MODEL, "ALIASES_PER_MODEL")
        body = {"alias": name, "version": version.number, "before": moved.before.number if moved.before else 0}
        transaction.add_ledger(now, house.author, "alias.set", version.reference, body, version.namespace)
        _touch_model(house, transaction, version)

    return work


def remove_alias(house: House, namespace: str, title: str, name: str) -> Callable[[Transaction], None]:
    """Nothing happens where there is none, as with MLflow. Raises BadValue; the work ModelNotFound."""
    pointer = checks.pointer_of(checks.alias(name, new=False))

    def work(transaction: Transaction) -> None:
        listed = found.model(transaction, namespace, title)
        now = house.clock()
        moved = take_away(transaction, listed.id, pointer, at_ms=now, author=house.author)
        if moved is None:
            return
        body = {"alias": name, "before": moved.before.number if moved.before else 0}
        record = transaction.model(namespace, listed.name)
        assert record is not None, "a listing goes with its model"
        transaction.add_ledger(now, house.author, "alias.removed", record.path, body, namespace)

    return work


def version_at(house: House, namespace: str, title: str, name: str) -> found.WholeVersion:
    """``latest`` is the version with the highest number. Raises BadValue, ModelNotFound, VersionNotFound."""
    wanted = checks.alias(name, new=False)
    with house.catalog.read() as view:
        if wanted.lower() == "latest":
            listed = found.model(view, namespace, title)
            newest = view.newest_version(namespace, listed.name)
            return found.whole_versions(view, [found.version(view, namespace, title, newest.number if newest else 0)])[
                0
            ]
        return found.whole_versions(view, [found.version_at(view, namespace, title, wanted)])[0]


def move_stage(
    house: House, namespace: str, title: str, number: int, stage: str, *, archives_others: bool
) -> Callable[[Transaction], found.WholeVersion]:
    """Others in that stage go to the archive, where that is asked for; all of it or nothing.

    Raises BadValue; the work VersionNotFound, Retired, GateClosed, too.
    """
    target = checks.stage(stage)
    if archives_others and target not in _ACTIVE:
        raise BadValue(
            f"Model version transition cannot archive existing model versions because '{stage}' is not an Active "
            "stage. Valid stages are ['Staging', 'Production']"
        )

    def work(transaction: Transaction) -> found.WholeVersion:
        version = found.record(transaction, namespace, title, number)
        now = house.clock()
        enter_stage(transaction, version, target, at_ms=now, author=house.author)
        if archives_others:
            for other_id in transaction.ids_in_stage(version.model_id, target):
                other = transaction.version_by_id(other_id) if other_id != version.id else None
                if other is not None:
                    enter_stage(transaction, other, Stage.ARCHIVED, at_ms=now, author=house.author)
        _touch_model(house, transaction, version)
        return found.whole_versions(transaction, [found.version(transaction, namespace, title, number)])[0]

    return work


def _touch_model(house: House, transaction: Transaction, version: VersionRecord) -> None:
    listed = transaction.model_listed(version.model_id)
    assert listed is not None, "every model is listed"
    found.touch(transaction, listed, house.clock())
