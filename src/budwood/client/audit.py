"""The ledger for those who trust nobody: ``registry.audit``. The same over HTTP and in a folder.

registry.audit.checkpoint().note
registry.audit.verify().first_bad
registry.audit.prove(7, "proof/")
registry.audit.export("audit/")

Each call that sees a checkpoint compares it with the last one this user saw of the same registry, and keeps it.
"""

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path

from budwood.client.place import Place
from budwood.client.remembered import Remembered, remember, remembered
from budwood.client.witness import open_witness
from budwood.domain import asks_audit as asks
from budwood.domain.routes import audit
from budwood.domain.tree.bundle import AuditPart, ProvenEntry, SignedState, bundle_head, proof_parts
from budwood.domain.tree.checkpoint import Checkpoint, open_checkpoint
from budwood.domain.tree.hashes import leaf_hash
from budwood.domain.tree.note import NoteKey, parse_key
from budwood.domain.tree.proofs import verify_consistency, verify_inclusion
from budwood.errors import LedgerDamaged, Malformed, StorageFailed, TargetDiffers
from budwood.govern.log_key import check

FORGET = "If the registry was made anew or restored, and you know why: 'budwood audit checkpoint --forget'."


class Audit:
    """``kept`` is the file of remembered checkpoints; None keeps nothing."""

    def __init__(self, place: Place, kept: Path | None = None) -> None:
        self._place = place
        self._kept = kept
        name = place.name
        self._known_as = name if "://" in name else str(Path(name).resolve())

    def checkpoint(self, *, forget: bool = False, witnessed: bool = False) -> asks.SignedCheckpoint:
        """The newest signed state; ``forget``: do not compare it with the last one seen. ``witnessed``: the newest that
        a witness signed, too.

        Raises LedgerDamaged when the ledger is not a continuation of that one, RecordNotFound.
        """
        before = None if forget else self._remembered()
        size = _opened(before.note, parse_key(before.key)).size if before else 0
        found: asks.SignedCheckpoint = self._place.ask(audit.CHECKPOINT, query=asks.ReadCheckpoint(size))
        self._take(found, before)
        if not witnessed:
            return found
        older: asks.SignedCheckpoint = self._place.ask(audit.CHECKPOINT, query=asks.ReadCheckpoint(0, witnessed=True))
        _opened(older.note, parse_key(found.key))
        return older

    def witness(self, key_file: str | Path, at_s: int, name: str = "") -> asks.Cosigned:
        """Sign the newest checkpoint with a witness's key, once it continues the last one that this key signed.

        ``at_s`` is now, in seconds since the epoch, by the witness's own clock. ``name`` makes the key in its file the
        first time. Raises LedgerDamaged for a ledger that does not continue,
        BadValue where the registry does not know this witness, SourceNotFound, StorageFailed.
        """
        witness = open_witness(key_file, name)
        first: asks.SignedCheckpoint = self._place.ask(audit.CHECKPOINT, query=asks.ReadCheckpoint())
        origin = parse_key(first.key).name
        before = witness.last(origin)
        size = _opened(before.note, parse_key(before.key)).size if before else 0
        found: asks.SignedCheckpoint = self._place.ask(audit.CHECKPOINT, query=asks.ReadCheckpoint(size))
        state = _opened(found.note, parse_key(found.key))
        if before is not None:
            _compare(found, state, before)
        # First what was seen, then the signature: whoever stops between has signed nothing it does not know of.
        witness.keep(origin, Remembered(found.note, found.key))
        wish = asks.Cosign(state.size, witness.line(found.note, at_s))
        cosigned: asks.Cosigned = self._place.ask(audit.COSIGN, body=wish)
        return cosigned

    def witnesses(self) -> tuple[asks.Witnessed, ...]:
        """Those whose lines are kept, and what each signed last."""
        answer: asks.Witnesses = self._place.ask(audit.WITNESSES)
        return answer.witnesses

    def add_witness(self, key: str) -> tuple[asks.Witnessed, ...]:
        """Keep the lines of a witness from now on. Raises BadValue, LimitExceeded, Forbidden."""
        answer: asks.Witnesses = self._place.ask(audit.ADD_WITNESS, body=asks.NameWitness(key))
        return answer.witnesses

    def remove_witness(self, key: str) -> tuple[asks.Witnessed, ...]:
        """Take no more lines of a witness. Raises BadValue, RecordNotFound, Forbidden."""
        answer: asks.Witnesses = self._place.ask(audit.REMOVE_WITNESS, body=asks.NameWitness(key))
        return answer.witnesses

    def verify(self) -> asks.LedgerVerified:
        """Compute everything again where the registry is, against the last checkpoint seen here, too."""
        before = self._remembered()
        wish = asks.VerifyLedger(before.note, before.key) if before else asks.VerifyLedger()
        found: asks.LedgerVerified = self._place.ask(audit.VERIFY, body=wish)
        if not found.problems and found.size:
            self.checkpoint()
        return found

    def prove(self, number: int, folder: str | Path | None = None) -> asks.ProvenLeaf:
        """That an entry is in the signed ledger, checked here; into ``folder`` as a bundle.

        Raises RecordNotFound, LedgerDamaged, TargetDiffers, StorageFailed.
        """
        self.checkpoint()
        found: asks.ProvenLeaf = self._place.ask(audit.PROVE, {"number": str(number)})
        key = parse_key(found.checkpoint.key)
        state = _opened(found.checkpoint.note, key)
        proof, leaf = _steps(found.hashes), found.leaf.encode()
        if not verify_inclusion(leaf_hash(leaf), found.index, state.size, proof, state.root):
            raise LedgerDamaged(f"The proof of entry {number} does not hold.", first_bad=number - 1)
        if folder is not None:
            head = bundle_head(key.name, [key], SignedState(state.size, found.checkpoint.note.encode()))
            _write(_empty(Path(folder)), [*head, *proof_parts([ProvenEntry(found.index, leaf, proof)])])
        return found

    def export(self, folder: str | Path, *, openings: bool = True) -> int:
        """Write the ledger as an audit bundle that ``budwood_verify.py`` checks; how many files.

        ``openings`` false leaves out what names people. Raises TargetDiffers, LedgerDamaged, StorageFailed.
        """
        root, cursor, files = _empty(Path(folder)), "", 0
        self.checkpoint()
        while True:
            page: asks.BundleParts = self._place.ask(audit.PARTS, query=asks.ReadParts(cursor, openings))
            _write(root, (AuditPart(each.name, base64.b64decode(each.body)) for each in page.parts))
            files, cursor = files + len(page.parts), page.cursor
            if not cursor:
                return files

    def erase(self, person: str, also: Sequence[str] = (), *, account: bool = False) -> asks.Erased:
        """Forget what the ledger says of a person; ``also`` are other words for them. Nothing brings it back.

        ``account``: disable theirs, and forget its address and tie to an identity provider, too. Raises BadValue,
        PrincipalNotFound, StillInUse for the last admin.
        """
        erased: asks.Erased = self._place.ask(audit.ERASE, body=asks.Erase(person, tuple(also), account))
        return erased

    def _remembered(self) -> Remembered | None:
        return remembered(self._kept, self._known_as) if self._kept else None

    def _take(self, found: asks.SignedCheckpoint, before: Remembered | None) -> None:
        state = _opened(found.note, parse_key(found.key))
        if before is not None:
            _compare(found, state, before)
        if self._kept is not None:
            remember(self._kept, self._known_as, Remembered(found.note, found.key))


def _compare(found: asks.SignedCheckpoint, state: Checkpoint, before: Remembered) -> None:
    old = _opened(before.note, parse_key(before.key))
    if found.key != before.key:
        raise LedgerDamaged(f"The ledger is signed by another key than {before.key}.", hint=FORGET, first_bad=0)
    if state.size < old.size:
        message = f"The ledger was rolled back: it has {state.size} entries, and had {old.size}."
        raise LedgerDamaged(message, hint=FORGET, first_bad=state.size)
    if not verify_consistency(old.size, state.size, _steps(found.consistency), old.root, state.root):
        message = f"The ledger of {state.size} entries is no continuation of the {old.size} seen before."
        raise LedgerDamaged(message, hint=FORGET, first_bad=0)


def _opened(note: str, key: NoteKey) -> Checkpoint:
    try:
        return open_checkpoint(note.encode(), key, check)[0]
    except ValueError as error:
        raise LedgerDamaged(f"That is no checkpoint of this ledger: {error}.", hint=FORGET) from error


def _steps(hashes: Iterable[str]) -> tuple[bytes, ...]:
    try:
        return tuple(base64.b64decode(each, validate=True) for each in hashes)
    except ValueError as error:
        raise Malformed("A hash of the answer is not base64.") from error


def _empty(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise TargetDiffers(f"{folder} is not empty.", hint="Name a new folder.", path=str(folder))
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be made: {error.strerror}.", path=str(folder)) from error
    return folder


def _write(root: Path, parts: Iterable[AuditPart]) -> None:
    for part in parts:
        path = root / part.name
        # The names come from a server: none of them may lead elsewhere.
        if ".." in Path(part.name).parts or not path.is_relative_to(root):
            raise Malformed(f"{part.name[:80]!r} is no file of a bundle.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(part.body)
        except OSError as error:
            raise StorageFailed(f"{path} cannot be written: {error.strerror}.", path=str(path)) from error
