"""alias: give a version a movable name, or take the name away."""

from budwood.catalog.api import Transaction
from budwood.domain.names import AliasName
from budwood.domain.results import Moved
from budwood.errors import VersionNotFound
from budwood.verbs.house import House
from budwood.verbs.pointers import check_unmoved, point, take_away
from budwood.verbs.resolve import model_named, resolve


def alias(house: House, reference: str, name: str, *, expected: str = "") -> Moved:
    """Point ``name`` at the version; ``expected`` as in ``check_unmoved``.

    Raises BadName, Retired, GateClosed, NotFound, LimitExceeded, PreconditionFailed.
    """
    pointer, now = AliasName(name), house.clock()

    def work(transaction: Transaction) -> Moved:
        version = resolve(transaction, reference)
        check_unmoved(transaction, version.model_id, pointer, expected)
        moved = point(transaction, pointer, version, at_ms=now, author=house.author)
        body = {"alias": pointer, "version": version.number, "before": moved.before.number if moved.before else 0}
        transaction.add_ledger(now, house.author, "alias.set", version.reference, body, version.namespace)
        return moved

    return house.catalog.write(work)


def remove_alias(house: House, model: str, name: str, *, expected: str = "") -> Moved:
    """Take the alias away; its history stays. Raises VersionNotFound when it points nowhere, PreconditionFailed."""
    pointer, now = AliasName(name), house.clock()

    def work(transaction: Transaction) -> Moved:
        record = model_named(transaction, model)
        check_unmoved(transaction, record.id, pointer, expected)
        moved = take_away(transaction, record.id, pointer, at_ms=now, author=house.author)
        if moved is None:
            raise VersionNotFound(f"{record.path} has no alias {pointer!r}.", alias=str(pointer))
        body = {"alias": pointer, "before": moved.before.number if moved.before else 0}
        transaction.add_ledger(now, house.author, "alias.removed", record.path, body, record.namespace)
        return moved

    return house.catalog.write(work)
