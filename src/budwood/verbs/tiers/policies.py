"""A namespace's tiering policy: putting it in force, and what pushes and pulls ask of it."""

from contextlib import suppress
from functools import lru_cache

from budwood.catalog.api import Transaction, View
from budwood.domain.limits import TIERING_BYTES
from budwood.domain.records import VersionRecord
from budwood.domain.storage_tiers.reading import read_tiering
from budwood.domain.storage_tiers.values import Arrival, Tiering, TieringRecord
from budwood.errors import BadPolicy, BudwoodError, PreconditionFailed
from budwood.verbs.house import House
from budwood.verbs.namespaces import namespace_named
from budwood.verbs.yaml_text import document_from


@lru_cache(maxsize=256)
def tiering_from(text: str) -> Tiering:
    """A policy as it was written. Raises BadPolicy, LimitExceeded."""
    return read_tiering(document_from(text, BadPolicy, most=TIERING_BYTES, limit="TIERING_BYTES"))


def tiering_in(view: View, namespace: str) -> Tiering | None:
    """The policy in force. Raises CatalogDamaged."""
    record = view.tiering(namespace)
    return tiering_from(record.text) if record is not None and record.text else None


def show_tiering(house: House, namespace: str) -> TieringRecord:
    """The edition in force; number 0 and no text where there is none. Raises NamespaceNotFound."""
    with house.catalog.read() as view:
        room = namespace_named(view, namespace).name
        return view.tiering(room) or TieringRecord(room, 0, "", "", 0)


def put_tiering(house: House, namespace: str, text: str, *, expected: str = "") -> TieringRecord:
    """Put a policy in force, or take it away with an empty text; the same again changes nothing. Nothing moves yet.

    ``expected`` is the mark of what the caller saw. Raises BadPolicy, LimitExceeded, NamespaceNotFound,
    PreconditionFailed.
    """
    if text:
        tiering_from(text)
    now = house.clock()

    def work(transaction: Transaction) -> TieringRecord:
        room = namespace_named(transaction, namespace).name
        before = transaction.tiering(room) or TieringRecord(room, 0, "", "", 0)
        if expected and expected != tiering_mark(before):
            raise PreconditionFailed(f"The tiering policy of {room} was changed meanwhile.")
        if before.text == text:
            return before
        put = transaction.add_tiering(TieringRecord(room, 0, text, house.author, now))
        body = {"number": put.number, "removed": not text}
        transaction.add_ledger(now, house.author, "tiering.policy-put", room, body, room)
        return put

    return house.catalog.write(work)


def tiering_mark(record: TieringRecord | None) -> str:
    """Another one for each edition."""
    return str(record.number if record else 0)


def arrival_in(house: House, namespace: str) -> Arrival:
    """How a push to a namespace writes: as settings say, else as its policy says, else small."""
    if house.push_as is not None:
        return house.push_as
    with house.catalog.read() as view:
        tiering = tiering_in(view, namespace)
    return (tiering.push if tiering else None) or Arrival.SMALL


def note_use(house: House, version: VersionRecord) -> bool:
    """Somebody pulled it; whether that was counted: only where a policy is in force. A pull never fails for it."""
    with suppress(BudwoodError):
        with house.catalog.read() as view:
            if tiering_in(view, version.namespace) is None:
                return False
        now = house.clock()

        def work(transaction: Transaction) -> bool:
            if transaction.version_by_id(version.id) is None:
                return False
            transaction.note_use(version.id, at_ms=now)
            return True

        return house.catalog.write(work)
    return False
