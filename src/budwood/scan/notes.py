"""What a scan carries while it looks: the part it is at, findings so far, and how much work it may still do.

One of these goes with a file through all its archives, so that a bomb of many small parts ends like one large one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from budwood.domain.limits import (
    SCAN_DEPTH,
    SCAN_ENTRIES,
    SCAN_FINDINGS,
    SCAN_RATIO,
    SCAN_TEXT_CHARS,
    SCAN_UNPACKED_BYTES,
)
from budwood.scan.report import RULES, FileReport, Finding, Severity
from budwood.store.api import Source
from budwood.store.formats.bounded import plain_text
from budwood.store.formats.inert import Spent


class Exhausted(Exception):
    """A limit was reached: what follows is not looked at. Carries the limit's name."""


@dataclass(slots=True)
class Notes:
    """Findings of one file, without repeats, the worst ones kept when there are too many."""

    file: str
    format: str = ""
    unpacked: int = 0
    entries: int = 0
    spent: Spent = field(default_factory=Spent)
    _found: dict[Finding, None] = field(default_factory=dict)

    def tell(self, rule: str, inner: str, what: str, offset: int = -1) -> None:
        """Keep a finding. Notes give way to what decides the verdict."""
        finding = Finding(
            plain_text(self.file, SCAN_TEXT_CHARS),
            plain_text(inner, SCAN_TEXT_CHARS),
            offset,
            rule,
            plain_text(what, SCAN_TEXT_CHARS),
        )
        if len(self._found) >= SCAN_FINDINGS:
            if RULES[rule].severity is Severity.NOTE or finding in self._found:
                return
            room = next((each for each in self._found if each.severity is Severity.NOTE), None)
            room = room or next((each for each in self._found if each.severity is Severity.ERROR), None)
            if room is None:
                return
            del self._found[room]
        self._found[finding] = None

    def unpack(self, packed: int, raw: int) -> None:
        """Count ``raw`` bytes that came out of ``packed``. Raises Exhausted."""
        self.unpacked += raw
        if self.unpacked > SCAN_UNPACKED_BYTES:
            raise Exhausted("SCAN_UNPACKED_BYTES")
        if raw > SCAN_RATIO * max(packed, 1 << 16):
            raise Exhausted("SCAN_RATIO")

    def enter(self, depth: int) -> None:
        """Count one more thing to look at. Raises Exhausted."""
        self.entries += 1
        if self.entries > SCAN_ENTRIES:
            raise Exhausted("SCAN_ENTRIES")
        if depth > SCAN_DEPTH:
            raise Exhausted("SCAN_DEPTH")

    def report(self) -> FileReport:
        return FileReport(plain_text(self.file, SCAN_TEXT_CHARS), self.format, tuple(self._found))


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or something inside one: its bytes, its path inside, how deep that is, and how to look further."""

    source: Source
    inner: str
    depth: int
    look: Callable[[Source, str, int, Notes], None]

    def further(self, source: Source, name: str, notes: Notes) -> None:
        """Look at something found inside this."""
        self.look(source, f"{self.inner}/{name}" if self.inner else name, self.depth + 1, notes)
