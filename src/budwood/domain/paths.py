"""Which file names a version may hold: those that mean the same file on every machine, and look like what they are.

A path is kept exactly as given, never normalised: what is pulled is what was pushed. So everything that could
leave the folder, hide, or collide is refused at the door.

Allowed on purpose: names that only Windows reserves (``aux``, ``con.txt``, a trailing dot, a colon inside).
Budwood runs on Linux and macOS, where they are plain files, and real models have them (``aux/head.pt``).
Trailing spaces are refused all the same, because no reader of a listing can see them.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final, NoReturn

from budwood.domain.limits import FILES_PER_VERSION, PATH_BYTES, PATH_DEPTH
from budwood.errors import BadPath, LimitExceeded

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.+=@~,-]+(?:/[A-Za-z0-9_.+=@~,-]+)*")
"""Paths that hold nothing worth looking at twice; most are of this kind, and this is five times faster."""

_REFUSED_CATEGORIES: Final = {
    "Cc": "a control character",
    "Cf": "an invisible or direction-changing character",
    "Cs": "a lone surrogate (the name is not UTF-8)",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks that are drawn as nothing at all."""


def safe_path(text: str) -> str:
    """``text`` itself, once it is known to be safe. Raises BadPath."""
    if not text:
        _refuse(text, "is empty")
    if _PLAIN.fullmatch(text) is None:
        _check_characters(text)
    segments = text.split("/")
    if text[0] == "/" or re.fullmatch(r"[A-Za-z]:", segments[0]):
        _refuse(text, "is absolute")
    for segment in segments:
        if not segment:
            _refuse(text, "has an empty part between two '/' or at its end")
        if segment in (".", ".."):
            _refuse(text, f"contains {segment!r}")
        if segment != segment.strip():
            _refuse(text, "has a part that begins or ends with a space")
    if len(segments) > PATH_DEPTH:
        _refuse(text, f"is {len(segments)} folders deep; the limit is {PATH_DEPTH}", limit="PATH_DEPTH")
    if len(text) * 4 > PATH_BYTES and (size := len(text.encode())) > PATH_BYTES:
        _refuse(text, f"has {size} bytes; the limit is {PATH_BYTES}", limit="PATH_BYTES")
    return text


def check_paths(paths: Sequence[str]) -> None:
    """That each is safe and that all can lie in one folder, also where case does not count.

    Raises BadPath for a path given twice, for two that differ only in case or accents' encoding, and for
    one that is both a file and a folder; LimitExceeded for too many.
    """
    if len(paths) > FILES_PER_VERSION:
        message = f"{len(paths)} files in one version; the limit is {FILES_PER_VERSION}."
        raise LimitExceeded(message, limit="FILES_PER_VERSION")
    by_key: dict[str, str] = {}
    for path in paths:
        key = _collision_key(safe_path(path))
        if key in by_key:
            _refuse_pair(path, by_key[key])
        by_key[key] = path
    for key, path in by_key.items():
        for folder in _folders_of(key):
            if folder in by_key:
                hint = "A name cannot be both a file and a folder; rename one."
                raise BadPath(f"{by_key[folder]!r} is a file and the folder of {path!r}.", hint=hint, path=path)


def _check_characters(text: str) -> None:
    for character in text:
        if character == "\\":
            _refuse(text, "contains a backslash")
        named = _REFUSED_CATEGORIES.get(unicodedata.category(character))
        if named or character in _BLANK:
            _refuse(text, f"contains {named or 'a blank character'}, U+{ord(character):04X}")


def _collision_key(path: str) -> str:
    """Canonical caseless form: equal for names that a case-insensitive file system takes for one."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _folders_of(path: str) -> list[str]:
    cuts = [at for at, character in enumerate(path) if character == "/"]
    return [path[:at] for at in cuts]


def _refuse_pair(path: str, other: str) -> NoReturn:
    if path == other:
        raise BadPath(f"{path!r} is given twice.", hint="Push each file once.", path=path)
    hint = "Rename one: on file systems that ignore case they would overwrite each other."
    raise BadPath(f"{path!r} and {other!r} differ only in case or encoding.", hint=hint, path=path)


def _refuse(text: str, why: str, **facts: str) -> NoReturn:
    shown = text if len(text) <= 200 else text[:200] + "…"
    raise BadPath(f"The path {shown!r} {why}.", path=text[:200], **facts)
