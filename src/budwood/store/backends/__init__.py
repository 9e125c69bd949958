"""The concrete stores behind ``Objects``. Wiring chooses one; ``store/testing.py`` is the suite each passes.

A key is one to eight names joined by ``/``; ``tmp`` is not among the first, for that is where a folder stages.
Keys reach a backend from a catalog or a bundle, so each backend checks them before it builds a path.
"""

import re
from typing import Final

from budwood.errors import PackDamaged

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
_KEY: Final = re.compile(rf"(?!(?i:tmp)(?:/|\Z)){_NAME}(?:/{_NAME}){{0,7}}")


def is_key(text: str) -> bool:
    """Whether an object may have this key."""
    return _KEY.fullmatch(text) is not None


def checked_key(key: str) -> str:
    """The key itself. Raises PackDamaged when it is none."""
    if not is_key(key):
        raise PackDamaged(f"{key!r} is not the key of an object.", key=key)
    return key
