"""Which kept openings speak of a person: a name, an address or another word for them stands in the value."""

import re
from collections.abc import Iterator, Mapping, Sequence

from budwood.domain.canon import Json

# A name may hold these, so that mara is not found in mara.lind or mara@example.com; a dot may also end a sentence.
_INSIDE = r"[\w@+-]"


def speaks_of(value: Json, words: Sequence[str]) -> bool:
    """Whether one of the words stands in a text of the value, by itself."""
    one = "|".join(re.escape(word) for word in words if word)
    if not one:
        return False
    found = re.compile(rf"(?<!{_INSIDE})(?<!{_INSIDE}\.)(?:{one})(?!{_INSIDE})(?!\.{_INSIDE})")
    return any(found.search(text) for text in _texts(value))


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
