"""Where answers go: a terminal, with colours and within its width, or a pipe, in full and without either.

Everything is laid out here and passes ``plain`` on its way, so no drawing can forget it. Values are never
shortened in a pipe; on a terminal a table first shortens its elastic columns, then leaves out those that say so.
"""

import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

from budwood.cli.plain import plain, plain_lines
from budwood.cli.words import ago_text, minute_text

if TYPE_CHECKING:
    from rich.console import Console

GAP: Final = "  "
ELASTIC_MIN: Final = 24


@dataclass(frozen=True, slots=True)
class Column:
    """``right`` aligns numbers; ``elastic`` may be shortened and ``spare`` left out where a terminal is narrow."""

    title: str
    right: bool = False
    elastic: bool = False
    spare: bool = False
    style: str = ""


class Screen:
    """One stream, asked once whether a person sits behind it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._console = _terminal(self._stream)
        self._now_ms = time.time_ns() // 1_000_000

    @property
    def is_terminal(self) -> bool:
        return self._console is not None

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None in a pipe, where nothing is wrapped."""
        return self._console.width if self._console else None

    def is_past(self, at_ms: int) -> bool:
        """Whether the moment was before this screen was made."""
        return at_ms < self._now_ms

    def moment(self, at_ms: int) -> str:
        """How long ago for a person, the moment itself for a file."""
        return ago_text(at_ms, self._now_ms) if self.is_terminal else minute_text(at_ms)

    def line(self, text: str = "", style: str = "") -> None:
        """One line; on a terminal it is wrapped between words."""
        self._put(plain(text), style, wrap=True)

    def lines(self, text: str, style: str = "", indent: str = "") -> None:
        """A text that may have several lines, none of them wrapped."""
        for line in plain_lines(text):
            self._put((indent + line).rstrip(), style)

    def heading(self, text: str) -> None:
        """An empty line, then a title."""
        self.line()
        self.line(text, "bold")

    def pairs(self, rows: Iterable[tuple[str, str]], indent: str = "") -> None:
        """Names and values below each other; what has no value is left out."""
        filled = [(plain(name), value) for name, value in rows if value]
        width = max((cells(name) for name, _ in filled), default=0)
        room = 0 if self.width is None else max(ELASTIC_MIN, self.width - len(indent) - width - len(GAP))
        for name, value in filled:
            for number, line in enumerate(_wrapped(plain_lines(value), room)):
                shown = name if number == 0 else ""
                self._put_styled([(indent, ""), (_padded(shown, width, False) + GAP, "dim"), (line, "")])

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]], indent: str = "") -> None:
        """Aligned columns below their titles; columns that are empty in every row are left out."""
        kept = [at for at, _ in enumerate(columns) if any(row[at] for row in rows)]
        columns = [columns[at] for at in kept]
        lines = [[plain(row[at]) for at in kept] for row in rows]
        room = None if self.width is None else self.width - len(indent)
        shown, widths = fit(columns, lines, room)
        titles = [columns[at].title for at in shown]
        if any(titles):
            self._row(indent, titles, [columns[at] for at in shown], widths, "bold")
        for line in lines:
            self._row(indent, [line[at] for at in shown], [columns[at] for at in shown], widths)

    def _row(
        self, indent: str, texts: Sequence[str], columns: Sequence[Column], widths: Sequence[int], style: str = ""
    ) -> None:
        parts = [(indent, "")]
        for at, (text, column, width) in enumerate(zip(texts, columns, widths, strict=True)):
            gap = "" if at == len(columns) - 1 else GAP
            parts.append((_padded(_shortened(text, width), width, column.right) + gap, style or column.style))
        self._put_styled(parts)

    def _put_styled(self, parts: Sequence[tuple[str, str]]) -> None:
        if self._console is None:
            self._put("".join(text for text, _ in parts).rstrip())
            return
        from rich.text import Text

        line = Text.assemble(*((text, style) for text, style in parts))
        line.rstrip()
        self._console.print(line, soft_wrap=True)

    def _put(self, text: str, style: str = "", *, wrap: bool = False) -> None:
        if self._console is None:
            self._stream.write(text + "\n")
            return
        from rich.text import Text

        self._console.print(Text(text, style), soft_wrap=not wrap)


def fit(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int | None) -> tuple[list[int], list[int]]:
    """Which columns are shown, and how wide. The last is as wide as the room allows; without limit, all are."""
    shown = list(range(len(columns)))
    while True:
        natural = [max([cells(columns[at].title), *(cells(row[at]) for row in rows)]) for at in shown]
        over = 0 if room is None else sum(natural) + len(GAP) * (len(shown) - 1) - room
        if over <= 0:
            return shown, natural
        spared = [columns[at].elastic * max(0, wide - ELASTIC_MIN) for at, wide in zip(shown, natural, strict=True)]
        spare = [at for at in shown if columns[at].spare]
        if over <= sum(spared) or not spare:
            return shown, _shrunk(natural, spared, over)
        shown.remove(spare[-1])


def cells(text: str) -> int:
    """The columns a text takes: wide characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _shrunk(natural: Sequence[int], spared: Sequence[int], over: int) -> list[int]:
    """The widest give first, a column at a time, until it fits or no more can be given."""
    widths, left = list(natural), list(spared)
    for _ in range(min(over, sum(spared))):
        widest = max((at for at, rest in enumerate(left) if rest), key=lambda at: widths[at])
        widths[widest] -= 1
        left[widest] -= 1
    return widths


def _wrapped(lines: Sequence[str], room: int) -> list[str]:
    """Broken between words where a line is wider than ``room``; a word that is wider itself stays whole."""
    if not room:
        return list(lines)
    broken = (textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) for line in lines)
    return [piece for pieces in broken for piece in pieces or [""]]


def _shortened(text: str, width: int) -> str:
    if cells(text) <= width:
        return text
    text = text[:width]
    while cells(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def _padded(text: str, width: int, right: bool) -> str:
    filling = " " * max(0, width - cells(text))
    return filling + text if right else text + filling


def _terminal(stream: TextIO) -> "Console | None":
    """A console when a person sits behind the stream."""
    if not stream.isatty():
        return None
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)
