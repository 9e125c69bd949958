"""Checkpoints (C2SP tlog-checkpoint): which log, how many leaves, which root; what a log signs.

A log must never sign two that contradict each other; whoever keeps the last one it saw will notice.
"""

import base64
import re
from dataclasses import dataclass
from typing import Final

from budwood.domain.limits import LEDGER_ENTRIES
from budwood.domain.tree.hashes import EMPTY_ROOT, HASH_BYTES
from budwood.domain.tree.note import Check, Note, NoteKey, Standing, from_base64, is_key_name, parse_note, standing

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One state of a log. ``origin`` is the log's name, and the name its key signs under."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.origin) or not 0 <= self.size <= LEDGER_ENTRIES or len(self.root) != HASH_BYTES:
            raise ValueError("not a checkpoint")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise ValueError("an empty log has another root")

    @property
    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """The inverse of ``Checkpoint.text``; extension lines are refused. Raises ValueError."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not _SIZE.fullmatch(lines[1]):
        raise ValueError("not a checkpoint")
    return Checkpoint(lines[0], int(lines[1]), from_base64(lines[2]))


def open_checkpoint(written: bytes, key: NoteKey, check: Check) -> tuple[Checkpoint, Note]:
    """A checkpoint that this log's key signed, with its note. Raises ValueError for every other."""
    note = parse_note(written)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != key.name:
        raise ValueError("a checkpoint of another log")
    if standing(note, key, check) is not Standing.SIGNED:
        raise ValueError("a checkpoint that the log's key did not sign")
    return checkpoint, note
