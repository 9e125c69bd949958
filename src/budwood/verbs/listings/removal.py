"""Removing a version as MLflow does: the aliases that point at it go with it, so that nobody need take them away."""

from budwood.catalog.api import Transaction
from budwood.domain.records import VersionRecord
from budwood.verbs.delete import remove
from budwood.verbs.house import House
from budwood.verbs.pointers import take_away
from budwood.verbs.stage import leave_stage


def remove_version(house: House, transaction: Transaction, version: VersionRecord) -> None:
    """Raises StillInUse for one that others come from or an endpoint sends to; Held, Kept."""
    now = house.clock()
    leave_stage(transaction, version, at_ms=now, author=house.author)
    for move in transaction.pointers(version.model_id):
        if move.version_id == version.id and not move.pointer.startswith("stage:"):
            take_away(transaction, version.model_id, move.pointer, at_ms=now, author=house.author)
            body = {"alias": move.pointer, "before": version.number}
            transaction.add_ledger(now, house.author, "alias.removed", version.reference, body, version.namespace)
    remove(transaction, version, at_ms=now, author=house.author)
