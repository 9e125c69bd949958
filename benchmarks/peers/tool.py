"""What a tool must be able to do to be measured: take a folder in, keep it, give it back."""

import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from benchmarks.meter import folder_bytes

INSIDE = Path(__file__).parent / "inside"
THREADS = 2


@dataclass(frozen=True, slots=True)
class Act:
    """Commands run one after the other and measured together."""

    commands: tuple[tuple[str, ...], ...]
    cwd: Path


class Tool(ABC):
    """One tool in a room of its own. What is pushed lies in ``model``; what the tool keeps lies in ``store``."""

    name: ClassVar[str]
    package: ClassVar[str] = ""
    """The PyPI package it comes in; empty when it is a program of the system."""
    program: ClassVar[str] = ""
    """The program looked for on PATH; its system package has the same name, or ``system_package``."""
    system_package: ClassVar[str] = ""
    can_pull: ClassVar[bool] = True

    def __init__(self, room: Path, peers: Path) -> None:
        self.room = room
        self.bin = peers / "bin"
        self.model = room / "work" / "model"

    @classmethod
    def missing(cls, peers: Path) -> str:
        """Why the tool cannot be run here, with what to install; empty when it can."""
        if cls.program and shutil.which(cls.program, path=_search_path(peers / "bin")) is None:
            return f"{cls.name}: no {cls.program} on PATH (apt-get install {cls.system_package or cls.program})"
        if cls.package and not list((peers / "lib").glob(f"python*/site-packages/{cls.package}-*.dist-info")):
            return f"{cls.name}: {cls.package} is not installed (python -m benchmarks.peers --peers DIR)"
        return ""

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The tool's own home, so that nothing of the user's is read or written."""
        kept = {key: value for key, value in os.environ.items() if key in ("LANG", "LC_ALL", "TMPDIR", "TZ")}
        home = {"HOME": str(self.room), "XDG_CACHE_HOME": str(self.room / "cache"), "PATH": _search_path(self.bin)}
        return {**kept, **home, **self.settings()}

    def settings(self) -> dict[str, str]:
        """Further environment variables."""
        return {}

    @property
    @abstractmethod
    def store(self) -> Path:
        """The folder of what the tool keeps."""

    def stored_bytes(self) -> int:
        """What the store weighs now; caches that may be deleted at any time are no part of it."""
        return folder_bytes(self.store)

    @abstractmethod
    def set_up(self) -> None:
        """Make an empty store. Not measured."""

    @abstractmethod
    def push(self, number: int) -> Act:
        """Keep ``model`` as that version."""

    def after_push(self, number: int) -> None:  # noqa: B027  # most tools need nothing
        """What people do between two pushes and nobody should be charged for."""

    @abstractmethod
    def pull(self, number: int, into: Path) -> Act:
        """Bring that version into an empty folder."""

    def pulled(self, into: Path) -> Path:
        """Where in it the model's files then lie."""
        return into

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """An unmeasured command. Raises CalledProcessError."""
        done = subprocess.run(
            command, cwd=cwd or self.room, env=dict(self.environment), check=True, capture_output=True, text=True
        )
        return done.stdout

    def act(self, *commands: Sequence[str], cwd: Path | None = None) -> Act:
        """A measured act, in the room unless said otherwise."""
        return Act(tuple(tuple(command) for command in commands), cwd or self.room)

    def inside(self, script: str, *arguments: str) -> tuple[str, ...]:
        """A command that runs one of our scripts with the peers' own Python."""
        return (str(self.bin / "python"), str(INSIDE / f"{script}.py"), *arguments)


def _search_path(first: Path) -> str:
    # Our own Python's folder comes last: it is where budwood lies when no peer shadows it.
    return os.pathsep.join([str(first), os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
