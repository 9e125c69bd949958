"""The order of MCP servers' versions: semantic ones, their precedence as a key that a database can sort by.

Of a pre-release each part is written so that texts compare as its parts do: numbers before words, a number by its
length first, and a word ended by a mark below any of its letters. A release is above all of its pre-releases.
"""

from typing import Final

from budwood.domain.label import Label
from budwood.domain.limits import LABEL_CHARS
from budwood.errors import BadLabel, BadValue

MOST: Final = 2_147_483_647
ReleaseKey = tuple[int, int, int, str]
_RELEASE: Final = "2"


def release_key(text: str, named: str) -> ReleaseKey:
    """Raises BadValue, which says what was ``named`` so."""
    begins = f"Invalid semantic version for {named}: '{text[:LABEL_CHARS]}'"
    if len(text) > LABEL_CHARS:
        raise BadValue(f"{begins} (maximum length is {LABEL_CHARS} characters)")
    try:
        label = Label.parse(text)
    except BadLabel:
        raise BadValue(begins) from None
    for word, number in (("major", label.major), ("minor", label.minor), ("patch", label.patch)):
        if number > MOST:
            raise BadValue(f"{begins} ({word} must be <= {MOST})")
    before = "".join(_part(each) for each in label.prerelease)
    return label.major, label.minor, label.patch, before or _RELEASE


def _part(identifier: str) -> str:
    return f"0{len(identifier):03d}{identifier}" if identifier.isdigit() else f"1{identifier}!"
