"""retire: say that a version must not be used any more. It stays pullable, so that what ran can be explained."""

from budwood.catalog.api import Transaction
from budwood.domain.limits import MESSAGE_BYTES
from budwood.domain.names import Stage
from budwood.domain.records import VersionRecord, stage_pointer
from budwood.errors import StillInUse
from budwood.verbs.house import House
from budwood.verbs.resolve import resolve
from budwood.verbs.stage import leave_stage
from budwood.verbs.tag import check_text


def retire(house: House, reference: str, reason: str = "") -> VersionRecord:
    """Archive and retire. Raises StillInUse while an alias, staging or production points at it, NotFound."""
    check_text(reason, "The reason", MESSAGE_BYTES, "MESSAGE_BYTES")
    now = house.clock()

    def work(transaction: Transaction) -> VersionRecord:
        version = resolve(transaction, reference)
        if holders := names_pointing_at(transaction, version):
            raise StillInUse(
                f"{version.reference} is still {', '.join(holders)}.",
                hint="Move these to another version first.",
                holders=holders,
            )
        if not version.retired_ms:
            leave_stage(transaction, version, at_ms=now, author=house.author)
            transaction.set_stage(version.id, Stage.ARCHIVED, at_ms=now, author=house.author)
            transaction.retire(version.id, at_ms=now, reason=reason)
            body = {"reason": reason}
            transaction.add_ledger(now, house.author, "version.retired", version.reference, body, version.namespace)
        retired = transaction.version_by_id(version.id)
        assert retired is not None
        return retired

    return house.catalog.write(work)


def names_pointing_at(transaction: Transaction, version: VersionRecord) -> tuple[str, ...]:
    """Aliases, and the stages people rely on, that point at the version."""
    idle = {stage_pointer(Stage.ARCHIVED), stage_pointer(Stage.DEVELOPMENT)}
    return tuple(
        move.pointer.removeprefix("stage:")
        for move in transaction.pointers(version.model_id)
        if move.version_id == version.id and move.pointer not in idle
    )
