"""What the routes about the ledger's tree take and give. Read ``domain/asks.py`` first.

Notes, keys and leaves are text; hashes and parts of a bundle are base64.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadCheckpoint:
    """``before`` is the size of a checkpoint that the caller kept; 0 for none. ``witnessed``: the newest that a witness
    signed, too."""

    before: int = 0
    witnessed: bool = False


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """The newest state of the ledger, and the proof that the tree of ``before`` leaves is its beginning."""

    size: int
    note: str
    key: str
    at_ms: int
    before: int = 0
    consistency: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProvenLeaf:
    """An entry's leaf, and the hashes that lead from it to the root of ``checkpoint``."""

    index: int
    leaf: str
    hashes: tuple[str, ...]
    checkpoint: SignedCheckpoint


@dataclass(frozen=True, slots=True)
class VerifyLedger:
    """A checkpoint kept from before, and the key that signed it; both may be empty."""

    note: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Keys of those whose lines are kept, and the newest checkpoint that each has signed."""

    witnesses: "tuple[Witnessed, ...]"


@dataclass(frozen=True, slots=True)
class Witnessed:
    """``at_s`` is when the witness says it saw a ledger of ``size`` entries; 0 and 0 for one that signed none."""

    key: str
    size: int = 0
    at_s: int = 0


@dataclass(frozen=True, slots=True)
class NameWitness:
    """A witness by its key, as ``budwood audit witness`` prints it."""

    key: str


@dataclass(frozen=True, slots=True)
class Cosign:
    """A witness's line below the checkpoint of ``size``."""

    size: int
    line: str


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What a witness signed, and what it had signed before."""

    key: str
    size: int
    before: int


@dataclass(frozen=True, slots=True)
class LedgerVerified:
    """``size`` entries are signed, ``pending`` are not yet. The first bad entry has an index from ``first_bad`` to
    ``last_bad``; -1 where nothing is wrong, or no entry can be named. ``erased`` counts hidden fields without opening.
    """

    size: int
    entries: int
    pending: int
    checkpoints: int
    tiles: int
    erased: int
    first_bad: int = -1
    last_bad: int = -1
    problems: tuple[str, ...] = ()
    witnesses: tuple[Witnessed, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadParts:
    """``cursor`` is what the part before said; ``openings`` false leaves out what names people."""

    cursor: str = ""
    openings: bool = True


@dataclass(frozen=True, slots=True)
class BundlePart:
    """One file of an audit bundle."""

    name: str
    body: str


@dataclass(frozen=True, slots=True)
class BundleParts:
    """Some files, and where to go on; empty at the end."""

    parts: tuple[BundlePart, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Erase:
    """Forget a person, by name; ``also`` are other words for them, such as addresses they had. ``account``: disable
    theirs, and forget its address and its tie to an identity provider, too."""

    person: str
    also: tuple[str, ...] = ()
    account: bool = False


@dataclass(frozen=True, slots=True)
class Erased:
    """How many hidden fields were forgotten, in how many entries, and whether an account was emptied."""

    fields: int
    entries: int
    account: bool = False
