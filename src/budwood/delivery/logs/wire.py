"""A piece of a gateway's log as it travels: a line of JSON that says where it belongs, then the bytes as they are.

An answer says how far the log was taken in. An empty piece only asks that.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from budwood.domain.limits import KEY_CHARS, LOG_BATCH_BYTES
from budwood.errors import BadValue

SERVICE: Final = "budwood.gateway.Logs"
METHOD: Final = "Take"
HEAD_BYTES: Final = 64 << 10
MESSAGE_BYTES: Final = HEAD_BYTES + LOG_BATCH_BYTES


@dataclass(frozen=True, slots=True)
class Piece:
    """``log`` names the file, and never another; ``start`` is where in it the content begins. ``kept`` are all that the
    gateway still has. ``lost``: bytes that it had to drop before they were taken."""

    gateway: str
    log: str
    start: int
    content: bytes = b""
    captures: bool = False
    kept: tuple[str, ...] = ()
    lost: int = 0

    def packed(self) -> bytes:
        """As bytes."""
        head = asdict(self)
        content: bytes = head.pop("content")
        return json.dumps(head).encode() + b"\n" + content


@dataclass(frozen=True, slots=True)
class Answer:
    """``read`` bytes of the log were taken in, by now."""

    read: int

    def packed(self) -> bytes:
        """As bytes."""
        return json.dumps(asdict(self)).encode()


def read_piece(message: bytes) -> Piece:
    """Raises BadValue for what is none."""
    head, _, content = message.partition(b"\n")
    said = _object(head)
    gateway, log = (_name(said, key) for key in ("gateway", "log"))
    kept = said.get("kept", [])
    if not isinstance(kept, list) or not all(_is_name(each) for each in kept) or type(said.get("captures")) is not bool:
        raise _bad()
    start, lost = (_whole(said, key) for key in ("start", "lost"))
    return Piece(gateway, log, start, content, said["captures"], tuple(kept), lost)


def read_answer(message: bytes) -> Answer:
    """Raises BadValue for what is none."""
    return Answer(_whole(_object(message), "read"))


def _object(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text) if len(text) <= HEAD_BYTES else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise _bad()
    return said


def _name(said: dict[str, Any], key: str) -> str:
    value = said.get(key)
    if not _is_name(value):
        raise _bad()
    return str(value)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= KEY_CHARS and value.isascii() and value.isprintable()


def _whole(said: dict[str, Any], key: str) -> int:
    value = said.get(key)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise _bad()
    return value


def _bad() -> BadValue:
    return BadValue("That is no piece of a gateway's log.")
