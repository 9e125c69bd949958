"""Witnesses: who on other machines signs this ledger's checkpoints, too, and the lines they bring.

A registry keeps the lines of those whose keys an admin named, and of nobody else: a note holds few. What a line says
is true because its signature holds; who brings it does not matter. Bringing one is no change of the registry and not in
the ledger, or each would cause the next checkpoint.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.catalog.ledger_api import KeptCheckpoint
from budwood.domain.asks_audit import Cosign, Cosigned, Witnessed, Witnesses
from budwood.domain.limits import NOTE_BYTES, PAGE_ROWS
from budwood.domain.limits import WITNESSES as MOST
from budwood.domain.tree.note import KeyKind, Note, NoteKey, NoteSignature, Standing, parse_key, parse_note, standing
from budwood.errors import BadValue, CatalogDamaged, LimitExceeded, RecordNotFound
from budwood.govern.log_key import check
from budwood.verbs.house import House

META: Final = "ledger-witnesses"
"""The keys of those there are, and what each signed last."""
_STAMP_BYTES: Final = 8


def list_witnesses(house: House) -> Witnesses:
    with house.catalog.read() as view:
        return Witnesses(tuple(witnessed_by(view)))


def add_witness(house: House, key: str) -> Witnesses:
    """Keep its lines from now on. Raises BadValue, LimitExceeded."""
    named, now = _witness_key(key), house.clock()

    def work(transaction: Transaction) -> Witnesses:
        there = witnessed_by(transaction)
        if any(each.key == named.text for each in there):
            return Witnesses(tuple(there))
        if len(there) >= MOST:
            raise LimitExceeded(f"A ledger has at most {MOST} witnesses.", limit="WITNESSES")
        if any(parse_key(each.key).name == named.name for each in there):
            raise BadValue(f"There is a witness {named.name!r} with another key.", hint="Remove that one first.")
        return _kept(transaction, house, now, "witness.added", named, [*there, Witnessed(named.text)])

    return house.catalog.write(work)


def remove_witness(house: House, key: str) -> Witnesses:
    """Take no more lines of it. Raises BadValue, RecordNotFound."""
    named, now = _witness_key(key), house.clock()

    def work(transaction: Transaction) -> Witnesses:
        there = witnessed_by(transaction)
        rest = [each for each in there if each.key != named.text]
        if len(rest) == len(there):
            raise RecordNotFound("That is the key of no witness.", hint="'budwood audit witnesses' shows them.")
        return _kept(transaction, house, now, "witness.removed", named, rest)

    return house.catalog.write(work)


def cosign(house: House, brought: Cosign) -> Cosigned:
    """Put a witness's line below the checkpoint it is about, in the place of an earlier one of its own.

    Raises BadValue for a line that does not hold, RecordNotFound for a checkpoint that is not kept, FrameworkMissing.
    """

    def work(transaction: Transaction) -> Cosigned:
        page = transaction.checkpoints(after=brought.size - 1, limit=1) if brought.size > 0 else ()
        if not page or page[0].size != brought.size:
            raise RecordNotFound(f"There is no checkpoint of {brought.size} entries.", hint="Fetch the newest one.")
        kept, there = page[0], witnessed_by(transaction)
        note, added, key = _with_line(kept, brought.line, there)
        at_s = int.from_bytes(added.body[:_STAMP_BYTES], "big")
        transaction.change_checkpoint(KeptCheckpoint(kept.size, note.encode(), kept.at_ms))
        before = next(each.size for each in there if each.key == key.text)
        last = Witnessed(key.text, max(before, kept.size), at_s)
        _write(transaction, [last if each.key == key.text else each for each in there])
        return Cosigned(key.text, kept.size, before)

    return house.catalog.write(work)


def witnessed_by(view: View) -> Sequence[Witnessed]:
    """The witnesses there are, by name. Raises CatalogDamaged."""
    try:
        return [Witnessed(*each) for each in json.loads(view.meta(META) or "[]")]
    except (ValueError, TypeError) as error:
        raise CatalogDamaged("The ledger's witnesses in the catalog are none.") from error


def newest_witnessed(view: View) -> KeptCheckpoint | None:
    """The newest checkpoint that a witness signed."""
    newest = max((each.size for each in witnessed_by(view)), default=0)
    page = view.checkpoints(after=newest - 1, limit=1) if newest else ()
    return page[0] if page else None


def forged_lines(view: View) -> Iterator[str]:
    """What is wrong with witnesses' lines on checkpoints that are kept."""
    keys = [parse_key(each.key) for each in witnessed_by(view)]
    after = 0
    while keys and (page := view.checkpoints(after=after, limit=PAGE_ROWS)):
        for kept in page:
            yield from _forged(kept, keys)
        after = page[-1].size


def _forged(kept: KeptCheckpoint, keys: Sequence[NoteKey]) -> Iterator[str]:
    try:
        note = parse_note(kept.note)
    except ValueError:
        return  # Said by whoever checks the ledger itself.
    if len(note.signatures) > 1:
        for key in keys:
            if standing(note, key, check) is Standing.FORGED:
                yield f"On checkpoint {kept.size} the line of {key.name} is not its own."


def _with_line(kept: KeptCheckpoint, line: str, there: Sequence[Witnessed]) -> tuple[Note, NoteSignature, NoteKey]:
    """Raises BadValue."""
    try:
        note = parse_note(kept.note)
    except ValueError as error:
        raise CatalogDamaged(f"Checkpoint {kept.size} cannot be read.") from error
    if len(line) > NOTE_BYTES:
        raise LimitExceeded("A line is no longer than a note.", limit="NOTE_BYTES")
    try:
        (added,) = parse_note(f"{note.text}\n{line.rstrip(chr(10))}\n".encode()).signatures
        keys = [parse_key(each.key) for each in there]
        key = next(each for each in keys if (each.name, each.id) == (added.name, added.key_id))
    except StopIteration:
        hint = "An admin names it: budwood audit witnesses --add KEY"
        raise BadValue(f"{added.name[:80]} is no witness of this ledger.", hint=hint) from None
    except ValueError as error:
        raise BadValue("That is no line of a witness.") from error
    if standing(Note(note.text, (added,)), key, check) is not Standing.SIGNED:
        raise BadValue(f"The line does not hold for checkpoint {kept.size}.")
    others = tuple(each for each in note.signatures if (each.name, each.key_id) != (added.name, added.key_id))
    return Note(note.text, (*others, added)), added, key


def _witness_key(text: str) -> NoteKey:
    try:
        key = parse_key(text.strip())
    except ValueError as error:
        raise BadValue(
            "That is no key of a witness.", hint="'budwood audit witness FILE --public' prints it."
        ) from error
    if key.kind is not KeyKind.WITNESS:
        raise BadValue(f"{key.name} is a log's key, not a witness's.")
    return key


def _kept(
    transaction: Transaction, house: House, now: int, action: str, key: NoteKey, witnesses: Sequence[Witnessed]
) -> Witnesses:
    _write(transaction, sorted(witnesses, key=lambda each: each.key))
    transaction.add_ledger(now, house.author, action, key.name, {"key": key.text})
    return Witnesses(tuple(witnessed_by(transaction)))


def _write(transaction: Transaction, witnesses: Sequence[Witnessed]) -> None:
    transaction.set_meta(META, json.dumps([[each.key, each.size, each.at_s] for each in witnesses]))
