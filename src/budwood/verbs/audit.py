"""The ledger for those who do not take our word: signed checkpoints, proofs, checking, bundles, and forgetting people.

What needs the newest entries asks the sequencer first, so that a folder needs no server to have checkpoints.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace

from budwood.catalog.api import Transaction, View
from budwood.catalog.ledger_api import KeptCheckpoint
from budwood.domain.asks_audit import Erased, LedgerVerified, ProvenLeaf, SignedCheckpoint, VerifyLedger
from budwood.domain.limits import ERASED_WORDS, NAME_CHARS
from budwood.domain.tree.bundle import KeptOpening
from budwood.domain.tree.checkpoint import Checkpoint, open_checkpoint
from budwood.domain.tree.forget import speaks_of
from budwood.domain.tree.hashes import leaf_hash
from budwood.domain.tree.leaf import read_leaf, reveal
from budwood.domain.tree.note import NoteKey, parse_key
from budwood.domain.tree.proofs import Proof, consistency_proof, inclusion_proof, verify_inclusion
from budwood.errors import BadValue, LedgerDamaged, LimitExceeded, RecordNotFound
from budwood.govern.ledger_check import check_ledger
from budwood.govern.log_key import check, kept_key
from budwood.govern.sequencer import damaged, sequence, tiles_of
from budwood.verbs.house import House
from budwood.verbs.people import empty_account
from budwood.verbs.witnesses import forged_lines, newest_witnessed, witnessed_by


def checkpoint(house: House, before: int = 0, *, witnessed: bool = False) -> SignedCheckpoint:
    """The newest, over every entry there is. ``before``: also prove that the tree of that size is its beginning.
    ``witnessed``: the newest that a witness signed, too.

    Raises RecordNotFound for an empty ledger, LedgerDamaged, FrameworkMissing.
    """
    sequence(house.catalog, house.clock)
    with house.catalog.read() as view:
        return _signed(view, before, witnessed=witnessed)


def prove(house: House, whole: House, number: int) -> ProvenLeaf:
    """Entry ``number`` of those the caller may see, and that it is in the tree.

    Raises RecordNotFound, LedgerDamaged, FrameworkMissing.
    """
    with house.catalog.read() as near:
        found = near.ledger(after=number - 1, limit=1) if number > 0 else ()
    if not found or found[0].sequence != number:
        raise RecordNotFound(f"There is no entry {number} in the ledger.", hint="'budwood ledger' shows them.")
    sequence(whole.catalog, whole.clock)
    with whole.catalog.read() as view:
        signed = _signed(view, 0, witnessed=False)
        leaf = next((each.leaf for each in view.leaves(after=number - 1, limit=1) if each.sequence == number), b"")
        try:
            proof = inclusion_proof(number - 1, signed.size, tiles_of(view))
        except ValueError as error:
            raise damaged(f"The ledger's tiles cannot be read: {error}.", number - 1) from error
        key = kept_key(view)
    assert key is not None, "what is signed has a key"
    root = open_checkpoint(signed.note.encode(), key.public, check)[0].root
    if not verify_inclusion(leaf_hash(leaf), number - 1, signed.size, proof, root):
        raise damaged(f"Entry {number} of the ledger is not what was signed.", number - 1)
    return ProvenLeaf(number - 1, leaf.decode(), _hashes(proof), signed)


def verify_log(house: House, remembered: VerifyLedger) -> LedgerVerified:
    """Compute everything again from the rows. What is new is signed only when all of it is well.

    Raises BadValue for a remembered checkpoint that its own key did not sign, FrameworkMissing.
    """
    given, state = _remembered(remembered)
    with house.catalog.read() as view:
        found = _checked(view, given, state)
    if found.problems or not found.pending:
        return found
    sequence(house.catalog, house.clock)
    with house.catalog.read() as view:
        return _checked(view, given, state)


def _checked(view: View, given: NoteKey | None, state: Checkpoint | None) -> LedgerVerified:
    found = check_ledger(view, _key(view), given, state)
    forged = tuple(forged_lines(view))
    return replace(found, witnesses=tuple(witnessed_by(view)), problems=(*found.problems, *forged))


def erase(house: House, person: str, also: Sequence[str] = (), *, account: bool = False) -> Erased:
    """Forget every hidden field that speaks of a person. The tree stays, and every proof goes on holding.

    ``account``: theirs is disabled and emptied in the same transaction; its name stays with what they did.
    Raises BadValue, LimitExceeded, LedgerDamaged when what is to be forgotten is not what was hashed; of an account
    PrincipalNotFound, StillInUse for the last admin.
    """
    words, now = _words(person, also), house.clock()

    def work(transaction: Transaction) -> Erased:
        known = transaction.principal(person)
        found = _openings_of(transaction, [*words, *([known.email] if known and known.email else [])])
        transaction.forget_openings(found)
        numbers = sorted({each.index + 1 for each in found})
        for number in numbers:
            _blank(transaction, number)
        if account:
            empty_account(transaction, person, now)
        erased = Erased(len(found), len(numbers), account)
        body = {"fields": erased.fields, "entries": erased.entries}
        transaction.add_ledger(now, house.author, "ledger.erased", "", body)
        return erased

    return house.catalog.write(work)


def _signed(view: View, before: int, *, witnessed: bool) -> SignedCheckpoint:
    newest, key = newest_witnessed(view) if witnessed else view.checkpoint(), _key(view)
    if newest is None and witnessed:
        raise RecordNotFound("No witness has signed a checkpoint.", hint="See 'budwood audit witness'.")
    if newest is not None and key is None:
        raise damaged("The ledger's key is gone.", 0)
    if newest is None or key is None:
        raise RecordNotFound("The ledger is empty.", hint="The first change writes its first entry.")
    proof: Proof = ()
    if 0 < before <= newest.size:
        try:
            proof = consistency_proof(before, newest.size, tiles_of(view))
        except ValueError as error:
            raise damaged(f"The ledger's tiles cannot be read: {error}.", 0) from error
    return _shown(newest, key, before, proof)


def _shown(newest: KeptCheckpoint, key: NoteKey, before: int, proof: Proof) -> SignedCheckpoint:
    return SignedCheckpoint(newest.size, newest.note.decode(), key.text, newest.at_ms, before, _hashes(proof))


def _hashes(proof: Proof) -> tuple[str, ...]:
    return tuple(base64.b64encode(step).decode() for step in proof)


def _key(view: View) -> NoteKey | None:
    key = kept_key(view)
    return key.public if key else None


def _remembered(said: VerifyLedger) -> tuple[NoteKey | None, Checkpoint | None]:
    try:
        key = parse_key(said.key) if said.key else None
        state = open_checkpoint(said.note.encode(), key, check)[0] if key and said.note else None
    except ValueError as error:
        raise BadValue(f"The remembered checkpoint is none: {error}.", hint="Give note and key as kept.") from error
    if said.note and key is None:
        raise BadValue("A remembered checkpoint comes with the key that signed it.")
    return key, state


def _words(person: str, also: Sequence[str]) -> tuple[str, ...]:
    words = (person, *also)
    if len(words) > ERASED_WORDS:
        raise LimitExceeded(f"At most {ERASED_WORDS} words for one person.", limit="ERASED_WORDS")
    if not all(2 <= len(word) <= 2 * NAME_CHARS and word.isprintable() and word.strip() == word for word in words):
        raise BadValue("A word for a person has 2 characters or more, and no spaces around it.")
    return words


def _openings_of(view: View, words: Sequence[str]) -> list[KeptOpening]:
    found: dict[tuple[int, str], KeptOpening] = {}
    for word in words:
        after = 0
        while page := view.openings_with(word, after=after):
            # An entry's openings may be cut by the page: the last one is read again, whole.
            last = page[-1].index + 1
            rest = view.openings(after=last - 1, through=last)
            for each in (*page, *rest):
                if speaks_of(each.opening.value, words):
                    found[each.index, each.opening.field] = each
            after = last
    return list(found.values())


def _blank(transaction: Transaction, number: int) -> None:
    kept = next((each for each in transaction.leaves(after=number - 1, limit=1) if each.sequence == number), None)
    rest = [each.opening for each in transaction.openings(after=number - 1, through=number)]
    try:
        if kept is None:
            raise ValueError("its leaf is missing")
        transaction.blank_entry(reveal(read_leaf(kept.leaf), rest))
    except ValueError as error:
        message = f"Entry {number} of the ledger: {error}. Nothing was forgotten."
        raise LedgerDamaged(message, first_bad=number - 1) from error
