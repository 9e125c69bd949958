"""CSV, read once from first byte to last: its columns by name, the types all their values fit, and their figures.

The first row holds the names. Types are guessed carefully: a value with a leading zero, a space or a thousands
separator makes a text of its column. What does not hold together (a row of another width, bytes that are not UTF-8,
an open quote) is refused rather than guessed at; such a file can still be kept as plain bytes.
"""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from budwood.client.datasets.tally import Tally
from budwood.domain.dataset import Column, ColumnStatistics
from budwood.domain.limits import DATASET_COLUMNS
from budwood.errors import BadValue, LimitExceeded

ROWS_AT_ONCE: Final = 8_192
DELIMITERS: Final = (",", "\t", ";", "|")
CHARS_AT_ONCE: Final = 1 << 24
LINE_CHARS: Final = 1 << 23
NAME_CHARS_KEPT: Final = 500
AS_BYTES: Final = "Mend it, or keep only its bytes with --as file."


class CsvTable:
    """One table, of one file or of several with the same header. ``form`` is the word people know."""

    def __init__(self) -> None:
        self.rows = 0
        self._names: list[str] | None = None
        self._tallies: list[Tally] = []
        self._chars = 0

    def read(self, file: BinaryIO, name: str) -> None:
        """Add the rows of a file. Raises BadValue, LimitExceeded."""
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        try:
            self._read(text, name)
        except UnicodeDecodeError as error:
            raise BadValue(f"{name} is not UTF-8 at byte {error.start} of a part.", hint=AS_BYTES) from error
        except csv.Error as error:
            raise BadValue(f"{name} is no CSV: {error}.", hint=AS_BYTES) from error
        finally:
            text.detach()

    @property
    def columns(self) -> tuple[Column, ...]:
        """In the order of the file."""
        return tuple(tally.column(name) for name, tally in zip(self._names or (), self._tallies, strict=True))

    @property
    def statistics(self) -> tuple[ColumnStatistics, ...]:
        """One for each column."""
        return tuple(tally.statistics(name) for name, tally in zip(self._names or (), self._tallies, strict=True))

    def _read(self, text: io.TextIOWrapper, name: str) -> None:
        lines = self._lines(text, name)
        head = next(lines, "")
        # A quoted name may hold a line break; then the header is more than the first line.
        while head.count('"') % 2 and len(head) < LINE_CHARS and (more := next(lines, "")):
            head += more
        if "\0" in head:
            raise BadValue(f"{name} is no CSV: it holds zero bytes.", hint=AS_BYTES)
        delimiter = max(DELIMITERS, key=head.count) if not name.endswith((".tsv", ".tsv.gz")) else "\t"
        header = next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, strict=True), [])
        self._check_header(header, name)
        rows: list[list[str]] = []
        begun = self._chars
        for row in csv.reader(lines, delimiter=delimiter, strict=True):
            if row:
                rows.append(row)
            if len(rows) >= ROWS_AT_ONCE or self._chars - begun >= CHARS_AT_ONCE:
                self._add(rows, name)
                rows, begun = [], self._chars
        self._add(rows, name)

    def _lines(self, text: io.TextIOWrapper, name: str) -> Iterator[str]:
        """Line by line, but never all of a file that has no lines. Raises BadValue."""
        while line := text.readline(LINE_CHARS):
            if len(line) == LINE_CHARS and not line.endswith("\n"):
                raise BadValue(f"{name} has a line of over {LINE_CHARS} characters.", hint=AS_BYTES)
            self._chars += len(line)
            yield line

    def _check_header(self, header: list[str], name: str) -> None:
        if len(header) > DATASET_COLUMNS:
            raise LimitExceeded(f"{name} has {len(header)} columns.", limit="DATASET_COLUMNS")
        names = _unique(header)
        if self._names is None:
            self._names = names
            self._tallies = [Tally() for _ in names]
        elif self._names != names:
            raise BadValue(f"{name} has other columns than the files before it.", hint=AS_BYTES)

    def _add(self, rows: list[list[str]], name: str) -> None:
        width = len(self._tallies)
        for number, row in enumerate(rows, self.rows + 1):
            if len(row) != width:
                message = f"{name} has {len(row)} values in row {number}, and {width} columns."
                raise BadValue(message, hint=AS_BYTES)
        self.rows += len(rows)
        for tally, values in zip(self._tallies, zip(*rows, strict=True), strict=False):
            tally.add_texts(values)


def _unique(header: list[str]) -> list[str]:
    """Names that tell the columns apart: one that is empty or comes again is numbered."""
    found: dict[str, None] = {}
    for number, given in enumerate(header, 1):
        name = given.strip()[:NAME_CHARS_KEPT] or f"column {number}"
        while name in found:
            name = f"{name} ({number})"
        found[name] = None
    return list(found)
