"""delete: remove a version's record for ever. Its number and label are never used again; sweep frees its bytes."""

from budwood.catalog.api import Transaction
from budwood.domain.records import ModelRecord, VersionRecord
from budwood.domain.reference import Newest, parse_reference
from budwood.errors import BadReference, StillInUse
from budwood.verbs.answering import answers
from budwood.verbs.ballast import with_room
from budwood.verbs.derived import told_by_proof
from budwood.verbs.held import check_free
from budwood.verbs.house import House
from budwood.verbs.resolve import model_of, resolve
from budwood.verbs.retention import check_kept
from budwood.verbs.retire import names_pointing_at
from budwood.verbs.stage import leave_stage


def delete(house: House, reference: str) -> VersionRecord:
    """The record that was removed. Raises StillInUse, Held, Kept, BadReference without a selector, NotFound."""
    wanted, now = parse_reference(reference), house.clock()
    if isinstance(wanted.selector, Newest):
        raise BadReference("Deleting needs an exact version.", hint=f"Name it: {reference}@v7, or {reference}@1.2.0.")

    def work(transaction: Transaction) -> VersionRecord:
        version = resolve(transaction, wanted)
        remove(transaction, version, at_ms=now, author=house.author)
        return version

    return with_room(house, lambda: house.catalog.write(work))


def remove(transaction: Transaction, version: VersionRecord, *, at_ms: int, author: str) -> None:
    """The same inside a transaction. Raises StillInUse, Held, Kept."""
    if users := _users(transaction, version):
        raise StillInUse(
            f"{version.reference} is still in use: {'; '.join(users)}.",
            hint="Move or delete these first, or retire the version instead.",
            holders=users,
        )
    check_free(transaction, version.reference, version.namespace, version.model_id, version)
    check_kept(transaction, version, at_ms)
    leave_stage(transaction, version, at_ms=at_ms, author=author)
    transaction.remove_version(version.id)
    body = {"number": version.number, "label": version.label, "digest": version.digest}
    transaction.add_ledger(at_ms, author, "version.deleted", version.reference, body, version.namespace)


def delete_model(house: House, model: str) -> ModelRecord:
    """Remove a model that has no versions left. Raises StillInUse, Held, ModelNotFound."""
    wanted, now = parse_reference(model), house.clock()

    def work(transaction: Transaction) -> ModelRecord:
        record = model_of(transaction, wanted)
        if left := transaction.versions(record.id, limit=1):
            raise StillInUse(
                f"{record.path} still has versions.", hint=f"Delete them first, starting with {left[0].reference}."
            )
        check_free(transaction, record.path, record.namespace, record.id)
        transaction.remove_model(record.id)
        transaction.add_ledger(now, house.author, "model.deleted", record.path, {}, record.namespace)
        return record

    return with_room(house, lambda: house.catalog.write(work))


def _users(transaction: Transaction, version: VersionRecord) -> tuple[str, ...]:
    names = tuple(f"{name} points to it" for name in names_pointing_at(transaction, version))
    # What was merely computed is still known by its evidence; nobody said that they belong together.
    all_children = transaction.children(version.id)
    computed = told_by_proof(transaction, version, all_children) if all_children else frozenset()
    told = [child for child in all_children if child.id not in computed]
    children = tuple(f"{child.reference} comes from it" for child in told[:10])
    arms = tuple(f"the endpoint {name} sends traffic to it" for name in answers(transaction, version).endpoints)
    return names + arms + children
