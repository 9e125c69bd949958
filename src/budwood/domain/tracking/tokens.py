"""Where a search goes on: the last row's values in the order, as text that only means something to us.

It comes back from outside, so it is checked like any input: its size, its form, the types in it, and that it belongs
to this very search.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Final

from budwood.domain import canon
from budwood.domain.limits import CURSOR_BYTES
from budwood.errors import BadValue

Key = str | int | float
_INT_END: Final = 1 << 63


def write_token(search: object, keys: Sequence[Key]) -> str:
    """``search`` is anything whose repr tells searches apart."""
    return base64.urlsafe_b64encode(canon.dumps([mark_of(search), *keys])).decode()


def read_token(search: object, token: str, kinds: Sequence[type]) -> tuple[Key, ...]:
    """The keys, each of the type in ``kinds`` (str, int or float). Raises BadValue for what was not written for it."""
    if len(token) > CURSOR_BYTES:
        raise _bad()
    try:
        written = base64.b64decode(token, altchars=b"-_", validate=True)
        parts = canon.loads(written)
    except (ValueError, binascii.Error, RecursionError):
        raise _bad() from None
    if not isinstance(parts, list) or len(parts) != len(kinds) + 1 or parts[0] != mark_of(search):
        raise _bad()
    if base64.urlsafe_b64encode(written).decode() != token:
        raise _bad()
    return tuple(_checked(key, kind) for key, kind in zip(parts[1:], kinds, strict=True))


def mark_of(search: object) -> str:
    """Sixteen letters that differ between searches."""
    return hashlib.sha256(repr(search).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _checked(key: object, kind: type) -> Key:
    if kind is float and isinstance(key, int | float) and not isinstance(key, bool):
        return float(key)
    if type(key) is not kind or not isinstance(key, str | int):
        raise _bad()
    if isinstance(key, int) and not -_INT_END <= key < _INT_END:
        raise _bad()
    return key


def _bad() -> BadValue:
    return BadValue("Invalid page token: it does not belong to this search.")
