"""The process that evaluates: it may open nothing, and is ended from outside when an expression takes too long.

Started by worker.py as a script, isolated from the folder and the environment it is started in. The first frame
out says whether the library is there; then one frame comes in and one goes out for each expression. A frame is its
length and JSON. In: the expression as it was written, the same with its sums guarded, and the variables it reaches.
Out: ``value`` (true or false), or ``problem`` (worker.py knows which there are) with ``what``.
"""

import datetime
import importlib.util
import json
import math
import os
import re
import struct
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

sys.path.append(str(Path(__file__).parents[2]))

from budwood.domain.limits import EXPRESSION_ITEMS, EXPRESSION_MEMORY_BYTES

_SIZE: Final = struct.Struct("<I")
_CPU_S: Final = 2
_TEXT_CHARS: Final = 300
# The library asks for these when it first meets a time, and then no file can be opened any more.
_NEEDED_LATER: Final = (datetime,)
_PARSE: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_INNER: Final = re.compile(r'msg: "([^"]*)"')
_UNDEFINED: Final = re.compile(r"Undefined variable or function: '([^']*)'")


def main() -> None:
    """Until the pipe is closed."""
    compile_text = _library()
    _confine()
    _send({"ready": compile_text is not None})
    while (frame := _receive()) and compile_text is not None:
        _allow_time()
        _send(_answer(compile_text, frame))


def _library() -> Callable[[str], Any] | None:
    """Its compiler alone: what the package imports besides is a console for people, and takes three times as long."""
    spec = importlib.util.find_spec("cel")
    if spec is None:
        return None
    sys.modules["cel"] = importlib.util.module_from_spec(spec)
    try:
        from cel.cel import compile as compile_text
    except ImportError:
        return None
    return lru_cache(256)(compile_text)


def _answer(compile_text: Callable[[str], Any], frame: dict[str, Any]) -> dict[str, object]:
    checked = _Checked()
    try:
        # As it was written first, so that an error's line and column are those of the person who wrote it.
        compile_text(frame["text"])
        if frame["variables"] is None:
            return {"value": True}
        value = compile_text(frame["guarded"]).execute({**frame["variables"], "checked": checked})
    except MemoryError:
        return {"problem": "memory", "what": ""}
    except Exception as error:
        return checked.problem or _problem(error)
    if checked.problem:
        return checked.problem
    return {"value": value} if isinstance(value, bool) else {"problem": "boolean", "what": type(value).__name__}


class _Checked:
    """Sees every sum and product. What it finds holds for the whole expression, whatever ``||`` makes of it."""

    def __init__(self) -> None:
        self.problem: dict[str, object] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            self.problem = {"problem": "number", "what": str(value)}
        elif isinstance(value, list) and len(value) > EXPRESSION_ITEMS:
            self.problem = {"problem": "items", "what": str(len(value))}
        else:
            return value
        raise ValueError("not to be counted with")


def _problem(error: Exception) -> dict[str, object]:
    text = str(error)
    if match := _PARSE.search(text):
        return _said("parse", f"line {match[1]}, character {match[2]}: {_plainly(match[3])}")
    if text.startswith("Failed to parse"):
        return _said("parse", "the library cannot read it")
    if match := _UNDEFINED.match(text):
        return _said("unknown", match[1])
    if isinstance(error, KeyError) and error.args:
        return _said("field", str(error.args[0]))
    if isinstance(error, OverflowError | ZeroDivisionError):
        return _said("number", text)
    return _said("types" if isinstance(error, TypeError) else "other", text)


def _plainly(said: str) -> str:
    """What the parser says, without its own inside and the list of all that might have come."""
    if inner := _INNER.search(said):
        said = inner[1]
    said = said.removeprefix("Syntax error: ").partition(" expecting ")[0]
    if "Recursion limit" in said:
        return "it is nested too deep"
    return "it ends too early" if "<EOF>" in said else said


def _said(problem: str, what: str) -> dict[str, object]:
    return {"problem": problem, "what": what[:_TEXT_CHARS]}


def _confine() -> None:
    """No more memory than the limit, no new files, sockets, processes or cores. What a system lacks is left out."""
    try:
        import resource
    except ImportError:
        return
    wanted = {
        "RLIMIT_AS": EXPRESSION_MEMORY_BYTES,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NPROC": 0,
        # The three streams are open; a limit below any new number refuses every open and connect.
        "RLIMIT_NOFILE": 3,
    }
    for name, value in wanted.items():
        try:
            resource.setrlimit(getattr(resource, name), (value, value))
        except (AttributeError, ValueError, OSError):
            continue


def _allow_time() -> None:
    """Some seconds from now; the system ends the process when they are over, should nobody be left to do it."""
    try:
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        soon = int(used.ru_utime + used.ru_stime) + _CPU_S
        resource.setrlimit(resource.RLIMIT_CPU, (soon, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    except (ImportError, ValueError, OSError):
        return


def _receive() -> dict[str, Any]:
    head = _read(_SIZE.size)
    body = _read(_SIZE.unpack(head)[0]) if len(head) == _SIZE.size else b""
    frame: dict[str, Any] = json.loads(body) if body else {}
    return frame


def _send(answer: dict[str, object]) -> None:
    body = json.dumps(answer).encode()
    view = memoryview(_SIZE.pack(len(body)) + body)
    while view:
        view = view[os.write(1, view) :]


def _read(length: int) -> bytes:
    pieces: list[bytes] = []
    while length > 0:
        piece = os.read(0, min(length, 1 << 20))
        if not piece:
            return b""
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


if __name__ == "__main__":
    main()
