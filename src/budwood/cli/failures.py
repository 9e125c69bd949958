"""How a command fails: the message, what to do next, and the exit code of the error's family.

For a person on standard error; with --json as ``{"error": …}`` on standard output, so that a program reads one
document whatever happened. Anything that is no BudwoodError is a bug: exit 70, its trace named, not shown.
"""

import hashlib
import json
import sys
import traceback
from collections.abc import Mapping
from typing import Final

from budwood.cli.screen import Screen
from budwood.errors import BudwoodError

BAD_USAGE: Final = 2
BUG: Final = 70
STOPPED: Final = 130
PIPE_CLOSED: Final = 141

STOPPED_TEXT: Final = "Stopped. Nothing was published; what was there before is as it was."


def fail(error: BudwoodError, *, as_json: bool, debug: bool) -> int:
    """An error raised on purpose."""
    if debug:
        traceback.print_exception(error)
    return _told(error.to_json(), error.message, error.hint, error.exit_code, as_json=as_json)


def misused(message: str, usage: str, command: str, *, as_json: bool) -> int:
    """Words the command line does not know. ``usage`` is how the command is typed, where one was recognised."""
    hint = f"'{command} --help' says what it takes."
    if usage and not as_json:
        Screen(sys.stderr).line(usage)
    told = {"code": "usage", "message": message, "hint": hint, "facts": {}}
    return _told(told, message, hint, BAD_USAGE, as_json=as_json)


def broken(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """A bug. The trace id is the same each time the same thing breaks at the same place."""
    trace = trace_id(error)
    if debug:
        traceback.print_exception(error)
    message = f"Something in Budwood itself is broken ({type(error).__name__}, trace {trace})."
    hint = "Please report it with what 'budwood --debug …' prints for the same command."
    told = {"code": "bug", "message": message, "hint": hint, "facts": {"trace": trace}}
    return _told(told, message, hint, BUG, as_json=as_json)


def stopped(*, as_json: bool) -> int:
    """Ctrl-C."""
    told = {"code": "stopped", "message": STOPPED_TEXT, "hint": "", "facts": {}}
    return _told(told, STOPPED_TEXT, "", STOPPED, as_json=as_json)


def trace_id(error: BaseException) -> str:
    """Names what broke and where, without saying what it was working on."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [type(error).__name__, *(f"{frame.filename.rpartition('budwood')[2]}:{frame.lineno}" for frame in frames)]
    return hashlib.sha256("\n".join(places).encode()).hexdigest()[:12]


def _told(told: Mapping[str, object], message: str, hint: str, code: int, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps({"error": told}, indent=2, default=str) + "\n")
        return code
    screen = Screen(sys.stderr)
    screen.line(f"budwood: {message}", "bold red" if code != STOPPED else "")
    if hint:
        screen.lines(hint, indent="  ")
    return code
