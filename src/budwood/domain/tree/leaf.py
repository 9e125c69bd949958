"""Leaves: a ledger entry as the bytes that are hashed, and what of it can be forgotten later.

A leaf is one line of canonical JSON. What is personal (who did it, e-mail addresses, free text) is not in it: its
place is taken, under ``hidden``, by a SHA-256 over a salt of its own and the value. Salt and value are kept beside the
leaf as an opening. Erasing a person is deleting openings: the tree stays as it was and every proof goes on holding,
and without the salt nobody can find the value by trying names. Field names are ``actor``, ``subject``, ``body``, or
``body.`` and a key. The entry with sequence n is the leaf at index n - 1.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from budwood.domain import canon
from budwood.domain.canon import Json
from budwood.domain.limits import LEAF_BYTES, LEAF_FIELD_BYTES, LEDGER_ENTRIES
from budwood.domain.records import LedgerEntry

SALT_BYTES: Final = 32
ERASED: Final = "(erased)"

PERSONAL_NOUNS: Final = frozenset({"person", "account", "service", "token", "grant", "registry"})
"""What an action begins with when its subject is somebody's name."""
PERSONAL_KEYS: Final = frozenset({
    "approver", "author", "came", "comment", "email", "grants", "left", "members", "message", "name", "owner",
    "person", "reason",
})  # fmt: skip
"""Keys of a body whose values name somebody, or are free text that may."""

_NESTED: Final = "body."
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a leaf says. A field that is hidden is empty here, and its digest is in ``hidden``."""

    sequence: int
    at_ms: int
    action: str
    actor: str = ""
    subject: str = ""
    namespace: str = ""
    body: Mapping[str, Json] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a hidden field says, and the salt by which one can check it."""

    field: str
    salt: bytes
    value: Json

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.salt + canon.dumps(self.value)).hexdigest()


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry made ready: the bytes to hash, and the openings to keep beside them."""

    leaf: bytes
    openings: tuple[Opening, ...]


def seal(entry: LedgerEntry, salts: Callable[[], bytes], personal: Collection[str] | None = None) -> Sealed:
    """The leaf of an entry. ``salts`` gives fresh chance, ``SALT_BYTES`` each time.

    Besides what is personal, fields larger than ``LEAF_FIELD_BYTES`` are hidden. Raises ValueError for values that
    JSON cannot carry, and for an entry that is too large without them.
    """
    hide = personal_fields(entry) if personal is None else personal
    openings = [
        Opening(name, salts(), value)
        for name, value in (("actor", entry.actor), ("subject", entry.subject))
        if name in hide
    ]
    within: list[Opening] = []
    body: dict[str, Json] = {}
    for key, value in entry.body.items():
        is_small = _is_small(value)
        plain = value if is_small else canon.pack(value)
        if _NESTED + key in hide or not (is_small or len(canon.dumps(plain)) <= LEAF_FIELD_BYTES):
            within.append(Opening(_NESTED + key, salts(), plain))
        else:
            body[key] = plain
    sealed = _sealed(entry, body, (*openings, *within))
    if len(sealed.leaf) > LEAF_BYTES:
        sealed = _sealed(entry, {}, (*openings, Opening("body", salts(), canon.pack(entry.body))))
    if len(sealed.leaf) > LEAF_BYTES:
        raise ValueError(f"entry {entry.sequence} is larger than LEAF_BYTES without its body")
    return sealed


def personal_fields(entry: LedgerEntry) -> frozenset[str]:
    """The fields of an entry that name somebody or may do so."""
    subject = {"subject"} if entry.action.partition(".")[0] in PERSONAL_NOUNS else set()
    return frozenset({"actor"} | subject | {_NESTED + key for key in entry.body if key in PERSONAL_KEYS})


def read_leaf(line: bytes) -> Leaf:
    """Raises ValueError for anything but the one canonical form of a leaf."""
    if len(line) > LEAF_BYTES:
        raise ValueError("a leaf is larger than LEAF_BYTES")
    try:
        leaf = canon.unpack(Leaf, canon.loads(line))
        exact = canon.dumps(canon.pack(leaf)) == line
    except RecursionError as error:
        raise ValueError("a leaf is nested too deeply") from error
    if not exact:
        raise ValueError("a leaf is not in canonical form")
    if not 1 <= leaf.sequence <= LEDGER_ENTRIES or leaf.at_ms < 0 or not leaf.action:
        raise ValueError("a leaf lacks what every entry has")
    if not all(_DIGEST.fullmatch(digest) and _may_hide(leaf, name) for name, digest in leaf.hidden.items()):
        raise ValueError("a leaf hides what it also shows, or no field")
    return leaf


def reveal(leaf: Leaf, openings: Iterable[Opening]) -> LedgerEntry:
    """The entry again; what was erased reads ``ERASED``. Raises ValueError when an opening is not the leaf's."""
    shown: dict[str, Json] = dict.fromkeys(leaf.hidden, ERASED)
    for opening in openings:
        if len(opening.salt) != SALT_BYTES or leaf.hidden.get(opening.field) != opening.digest:
            raise ValueError(f"entry {leaf.sequence}: what is kept of {opening.field!r} is not what was hashed")
        shown[opening.field] = opening.value
    whole = shown.get("body", {})
    body: dict[str, Json] = {**whole} if isinstance(whole, Mapping) else {"body": whole}
    body |= leaf.body
    body |= {name.removeprefix(_NESTED): value for name, value in shown.items() if name.startswith(_NESTED)}
    actor, subject = shown.get("actor", leaf.actor), shown.get("subject", leaf.subject)
    return LedgerEntry(leaf.sequence, leaf.at_ms, str(actor), leaf.action, str(subject), body, leaf.namespace)


def is_told(leaf: bytes, entry: LedgerEntry, openings: Collection[Opening]) -> bool:
    """Whether an entry and all that opens its leaf give the leaf again, byte by byte.

    Quicker than reading the leaf. False says nothing yet where something was erased.
    """
    if any(_said(entry, opening.field) != opening.value for opening in openings):
        return False
    hidden = {opening.field for opening in openings}
    body = {} if "body" in hidden else {key: value for key, value in entry.body.items() if _NESTED + key not in hidden}
    return _sealed(entry, body, tuple(openings)).leaf == leaf


def _said(entry: LedgerEntry, name: str) -> Json:
    match name:
        case "actor":
            return entry.actor
        case "subject":
            return entry.subject
        case "body":
            return dict(entry.body)
        case _:
            return entry.body.get(name.removeprefix(_NESTED))


def _is_small(value: object) -> bool:
    """Whether a value surely is, at a glance: most are, and measuring them would cost more than hashing."""
    match value:
        case str():
            return 6 * len(value) < LEAF_FIELD_BYTES
        case int():
            return value.bit_length() <= 64
        case _:
            return value is None or isinstance(value, float)


def _sealed(entry: LedgerEntry, body: Mapping[str, Json], openings: tuple[Opening, ...]) -> Sealed:
    hidden = {opening.field: opening.digest for opening in openings}
    # The same as ``canon.pack`` of a Leaf, written out because every change of state comes through here.
    written: dict[str, Json] = {"sequence": entry.sequence, "at_ms": entry.at_ms, "action": entry.action}
    optional: Mapping[str, Json] = {
        "actor": "" if "actor" in hidden else entry.actor,
        "subject": "" if "subject" in hidden else entry.subject,
        "namespace": entry.namespace,
        "body": body,
        "hidden": hidden,
    }
    written |= {name: value for name, value in optional.items() if value}
    return Sealed(canon.dumps(written), openings)


def _may_hide(leaf: Leaf, name: str) -> bool:
    match name:
        case "actor":
            return not leaf.actor
        case "subject":
            return not leaf.subject
        case "body":
            return not leaf.body and not any(other.startswith(_NESTED) for other in leaf.hidden)
        case _:
            return name.startswith(_NESTED) and name.removeprefix(_NESTED) not in leaf.body
