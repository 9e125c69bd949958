"""Signed notes (C2SP signed-note): a text, and below it lines by which keys vouch for it.

Signing and checking are passed in, so that this file needs no cryptography. Two kinds of Ed25519 keys are known: a
log's (1), and a witness's (4, C2SP tlog-cosignature), which also states when it saw the text. Lines of unknown keys
are carried along and prove nothing.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final

from budwood.domain.limits import NAME_CHARS, NOTE_BYTES, NOTE_SIGNATURES

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEY_NAME_CHARS: Final = 2 * NAME_CHARS

Sign = Callable[[bytes], bytes]
"""An Ed25519 signature of a message."""
Check = Callable[[bytes, bytes, bytes], bool]
"""Whether (public key, signature, message) belong together."""


class KeyKind(IntEnum):
    """What a key vouches for: 1 the text as the log's own, 4 having seen it, at a time."""

    LOG = 1
    WITNESS = 4


class Standing(StrEnum):
    """How a note stands to a key."""

    SIGNED = "signed"
    UNSIGNED = "unsigned"
    FORGED = "forged"


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key and the name it signs under."""

    name: str
    public: bytes
    kind: KeyKind = KeyKind.LOG

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.public) != KEY_BYTES:
            raise ValueError("not a key for signed notes")

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart; no protection against forgers."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """``name+id+key``, one line, as other tools read it."""
        return f"{self.name}+{self.id.hex()}+{_base64(bytes([self.kind]) + self.public)}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One line below a note."""

    name: str
    key_id: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signatures."""

    text: str
    signatures: tuple[NoteSignature, ...] = ()

    def encode(self) -> bytes:
        lines = [f"— {one.name} {_base64(one.key_id + one.body)}\n" for one in self.signatures]
        return (self.text + "\n" + "".join(lines)).encode()


_KEY: Final = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_LINE: Final = re.compile("— ([^ ]+) ([A-Za-z0-9+/=]+)")


def parse_key(text: str) -> NoteKey:
    """The inverse of ``NoteKey.text``. Raises ValueError for anything else."""
    found = _KEY.fullmatch(text)
    if found is None or len(text) > KEY_NAME_CHARS + 128:
        raise ValueError("not a key for signed notes")
    name, _, encoded = found.groups()
    body = from_base64(encoded)
    key = NoteKey(name, body[1:], KeyKind(body[0]))
    if key.text != text:
        raise ValueError("a key does not have the id it claims")
    return key


def parse_note(written: bytes) -> Note:
    """Raises ValueError for anything but a note in the one form ``Note.encode`` gives."""
    if len(written) > NOTE_BYTES:
        raise ValueError("a note is larger than NOTE_BYTES")
    text, between, below = written.decode().rpartition("\n\n")
    if not (text and between and below.endswith("\n")) or re.search(r"[\x00-\x09\x0b-\x1f]", text + below):
        raise ValueError("not a signed note")
    lines = below[:-1].split("\n")
    if len(lines) > NOTE_SIGNATURES:
        raise ValueError("a note has more than NOTE_SIGNATURES")
    note = Note(text + "\n", tuple(_parse_line(line) for line in lines))
    if note.encode() != written:
        raise ValueError("a note is not in its one form")
    return note


def sign_note(note: Note, key: NoteKey, sign: Sign, at_s: int = 0) -> Note:
    """The note with one more line. ``at_s``, for a witness, is when it saw the text (seconds since the epoch)."""
    stamp = at_s.to_bytes(8, "big") if key.kind is KeyKind.WITNESS else b""
    body = stamp + sign(_message(note.text, key.kind, stamp))
    return replace(note, signatures=(*note.signatures, NoteSignature(key.name, key.id, body)))


def standing(note: Note, key: NoteKey, check: Check) -> Standing:
    """One line of the key that does not hold spoils the note, however many others do."""
    own = [one for one in note.signatures if (one.name, one.key_id) == (key.name, key.id)]
    if not own:
        return Standing.UNSIGNED
    return Standing.SIGNED if all(_holds(note.text, key, one.body, check) for one in own) else Standing.FORGED


def is_key_name(name: str) -> bool:
    """Whether a note may be signed under this name: no spaces, no plus, nothing that cannot be seen."""
    return 0 < len(name) <= KEY_NAME_CHARS and name.isprintable() and not re.search(r"[\s+]", name)


def from_base64(text: str) -> bytes:
    """Strict: only the one text that encodes those bytes. Raises ValueError."""
    body = base64.b64decode(text, validate=True)
    if not body or _base64(body) != text:
        raise ValueError("not base64 in its one form")
    return body


def _base64(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _parse_line(line: str) -> NoteSignature:
    found = _LINE.fullmatch(line)
    body = from_base64(found.group(2)) if found else b""
    if found is None or not is_key_name(found.group(1)) or len(body) <= 4:
        raise ValueError("not the signature line of a note")
    return NoteSignature(found.group(1), body[:4], body[4:])


def _message(text: str, kind: KeyKind, stamp: bytes) -> bytes:
    if kind is KeyKind.LOG:
        return text.encode()
    return f"cosignature/v1\ntime {int.from_bytes(stamp, 'big')}\n{text}".encode()


def _holds(text: str, key: NoteKey, body: bytes, check: Check) -> bool:
    stamp, signature = body[:-SIGNATURE_BYTES], body[-SIGNATURE_BYTES:]
    wanted = 8 if key.kind is KeyKind.WITNESS else 0
    return len(stamp) == wanted and check(key.public, signature, _message(text, key.kind, stamp))
