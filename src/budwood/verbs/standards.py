"""The metadata standard of a namespace: put in force, shown, taken out of force; every edition stays."""

from budwood.catalog.api import Transaction
from budwood.domain.fields import known_fields
from budwood.domain.limits import PAGE_ROWS
from budwood.domain.records import VersionRecord
from budwood.domain.standard import Birth, StandardRecord
from budwood.errors import Damaged, PreconditionFailed, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.manifests import load_manifest
from budwood.verbs.namespaces import namespace_named
from budwood.verbs.standard_text import standard_from


def set_standard(house: House, namespace: str, text: str, *, expected: str = "") -> StandardRecord:
    """Put a standard in force, as a new edition; the same text again is the same edition.

    Versions stay as they are; what older ones have is looked up first, so that their stages can be judged.
    Raises BadStandard, LimitExceeded, NamespaceNotFound, PreconditionFailed.
    """
    standard, now = standard_from(text), house.clock()
    _remember_births(house, namespace)

    def work(transaction: Transaction) -> StandardRecord:
        room = namespace_named(transaction, namespace).name
        before = transaction.standard(room)
        _check_unchanged(before, expected)
        if before is not None and before.text == text:
            return before
        put = transaction.add_standard(StandardRecord(0, room, 0, standard.digest, text, house.author, now))
        body = {"number": put.number, "digest": put.digest}
        transaction.add_ledger(now, house.author, "standard.set", room, body, room)
        return put

    return house.catalog.write(work)


def show_standard(house: House, namespace: str) -> tuple[StandardRecord, ...]:
    """Every edition, newest first; the first is in force unless it was removed. Raises NamespaceNotFound."""
    with house.catalog.read() as view:
        return tuple(view.standard_editions(namespace_named(view, namespace).name))


def remove_standard(house: House, namespace: str, *, expected: str = "") -> StandardRecord:
    """It asks for nothing any more, and no edge leads to or from another namespace; its editions stay.

    Raises NamespaceNotFound, RecordNotFound, PreconditionFailed.
    """
    now = house.clock()

    def work(transaction: Transaction) -> StandardRecord:
        room = namespace_named(transaction, namespace).name
        found = transaction.standard(room)
        if found is None:
            hint = f"'budwood standard show {room}' shows earlier ones."
            raise RecordNotFound(f"No standard is in force in {room}.", hint=hint)
        _check_unchanged(found, expected)
        transaction.remove_standard(room, at_ms=now)
        transaction.add_ledger(now, house.author, "standard.removed", room, {"digest": found.digest}, room)
        return transaction.standard_editions(room)[0]

    return house.catalog.write(work)


def standard_mark(record: StandardRecord) -> str:
    """Another one whenever the standard changes."""
    return f"{record.id}-{record.removed_ms}"


def _check_unchanged(record: StandardRecord | None, expected: str) -> None:
    if expected and expected != (standard_mark(record) if record is not None else "0"):
        raise PreconditionFailed("The standard was changed meanwhile.")


def _remember_births(house: House, namespace: str) -> None:
    """Of versions that were pushed before births were remembered, a page at a time."""
    after = 0
    while True:
        with house.catalog.read() as view:
            room = namespace_named(view, namespace).name
            page = view.versions_in(room, after_id=after, limit=PAGE_ROWS)
            unknown = [version for version in page if view.birth(version.id) is None]
        if unknown:
            _put_births(house, [(version, _birth(house, version)) for version in unknown])
        if len(page) < PAGE_ROWS:
            return
        after = page[-1].id


def _birth(house: House, version: VersionRecord) -> Birth:
    try:
        return Birth(known_fields(load_manifest(house, version).facts))
    except Damaged:
        # What cannot be read has no facts that anybody could rely on.
        return Birth(())


def _put_births(house: House, births: list[tuple[VersionRecord, Birth]]) -> None:
    def work(transaction: Transaction) -> None:
        for version, birth in births:
            if transaction.version_by_id(version.id) is not None and transaction.birth(version.id) is None:
                transaction.put_birth(version.id, birth)

    house.catalog.write(work)
