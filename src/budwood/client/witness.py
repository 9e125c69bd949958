"""A witness: a key of somebody else on another machine, that signs a ledger's checkpoints if each continues the last.

What it saw is kept beside its key, by the ledger's name, and written before anything is signed: a witness that signed
two histories would be worth nothing. The signature is a line in C2SP's tlog-cosignature form.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from budwood.client.remembered import Remembered, remember, remembered
from budwood.domain.tree.note import KeyKind, Note, NoteKey, Sign, is_key_name, parse_note, sign_note
from budwood.errors import BadValue, SourceNotFound, StorageFailed
from budwood.govern.log_key import from_seed, new_seed


@dataclass(frozen=True, slots=True)
class Witness:
    """``seen`` is where it keeps what it signed."""

    key: NoteKey
    sign: Sign
    seen: Path

    def last(self, origin: str) -> Remembered | None:
        """What it signed last of the ledger of this name. Raises BadValue."""
        return remembered(self.seen, origin)

    def keep(self, origin: str, signed: Remembered) -> None:
        """Raises StorageFailed."""
        remember(self.seen, origin, signed)

    def line(self, note: str, at_s: int) -> str:
        """Its signature below a note it saw ``at_s``, in seconds since the epoch."""
        signed = sign_note(Note(parse_note(note.encode()).text), self.key, self.sign, at_s)
        return signed.encode().decode().removesuffix("\n").rpartition("\n")[2]


def open_witness(file: str | Path, name: str = "") -> Witness:
    """The key in a file; made there when it is given a name. Raises SourceNotFound, BadValue, StorageFailed."""
    path = Path(file)
    if not path.exists() and name:
        _make(path, name)
    try:
        written = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "Give --name once, and it is made there."
        raise SourceNotFound(f"There is no witness's key in {path}.", hint=hint) from error
    kept, _, seed = written.strip().partition(" ")
    try:
        key = from_seed(kept, bytes.fromhex(seed), KeyKind.WITNESS)
    except ValueError as error:
        raise BadValue(f"{path} holds no witness's key.") from error
    if name and name != kept:
        raise BadValue(f"{path} holds the key of {kept}.", hint="Name another file for another key.")
    return Witness(key.public, key.sign, path.with_name(f"{path.name}.seen"))


def _make(path: Path, name: str) -> None:
    if not is_key_name(name):
        raise BadValue(f"{name[:80]!r} cannot name a key: no spaces, no plus.", hint="Such as auditors.example/one.")
    seed = new_seed()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as written:
            written.write(f"{name} {seed.hex()}\n")
            written.flush()
            os.fsync(written.fileno())
    except OSError as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise StorageFailed(f"{path} cannot be written: {error.strerror}.", path=str(path)) from error
