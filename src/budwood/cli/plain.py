"""Text that a terminal cannot be fooled by.

Messages, tags, file names and tensor names were typed by somebody else. A terminal would obey the escape
sequences in them, and right-to-left marks would reorder what stands beside them; so whatever is not seen as
itself is shown as its escape: ``\\x1b``, ``\\u202e``. All that is printed goes through ``plain`` (screen.py).
"""

import re
import unicodedata
from typing import Final

# Control, formatting (direction marks, zero-width characters, soft hyphens), surrogates, private use, unassigned.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ASCII: Final = re.compile(r"[ -~]*")
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(text: str) -> str:
    """``text`` on one line, with every character that is not seen as itself written out."""
    if _ASCII.fullmatch(text):
        return text
    return "".join(_written(character) for character in text)


def plain_lines(text: str) -> list[str]:
    """The same for a text of several lines; a tab inside a line becomes four spaces."""
    lines = text.replace("\r\n", "\n").split("\n")
    return [plain(line.replace("\t", "    ")) for line in lines]


def _written(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN:
        return character
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
