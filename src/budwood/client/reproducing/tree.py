"""The files of a commit, exactly as git keeps them, out of a repository at hand.

They are read object by object and not checked out: no filter, attribute, hook or setting of the repository changes
them, nothing is fetched, and the repository itself stays as it is. Each file's digest is checked against its name in
git. Links are made last and only where they stay inside, so that nothing is ever written through one.
"""

import hashlib
import os
import posixpath
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from budwood.domain.limits import TREE_BYTES, TREE_FILES
from budwood.domain.paths import safe_path
from budwood.errors import BadPath

STEP: Final = 1 << 20
PATCH_S: Final = 60
LINK_BYTES: Final = 4_096
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_SETTINGS: Final = {"core.fsmonitor": "false", "core.hooksPath": os.devnull, "protocol.allow": "never"}


class NoTree(Exception):
    """The commit cannot be had here; says why."""


@dataclass(frozen=True, slots=True)
class Written:
    """How many files, and what of the commit is not among them."""

    files: int
    left_out: tuple[str, ...] = ()


def write_tree(repository: Path, commit: str, target: Path) -> Written:
    """Raises NoTree, and OSError when the target cannot be written."""
    git = shutil.which("git")
    if git is None:
        raise NoTree("git is not installed")
    if not _COMMIT.fullmatch(commit):
        raise NoTree("it is no commit's id")
    if _asked(git, repository, "cat-file", "-t", commit).strip() != b"commit":
        raise NoTree(f"{repository} does not have it")
    entries, left_out = _entries(_asked(git, repository, "ls-tree", "-r", "-z", "-l", "--full-tree", commit))
    if len(entries) > TREE_FILES:
        raise NoTree(f"it has more than {TREE_FILES} files")
    if sum(entry.size for entry in entries) > TREE_BYTES:
        raise NoTree(f"its files have more than {TREE_BYTES} bytes")
    target.mkdir()
    links: list[tuple[_Entry, str]] = []
    with _Objects(git, repository, [entry.id for entry in entries]) as objects:
        for entry in entries:
            if entry.mode == "120000":
                links.append((entry, objects.read(entry, LINK_BYTES).decode("utf-8", "replace")))
            elif not _write(objects, entry, target / entry.path):
                left_out.append(f"{entry.path} (another file has its name here)")
    left_out += [f"{entry.path} (a link)" for entry, towards in links if not _link(entry, towards, target)]
    return Written(len(entries), tuple(left_out))


def apply_patch(patch: Path, folder: Path) -> str:
    """What git says against it; empty when it was applied. git refuses paths that lead outside, and through links."""
    git = shutil.which("git")
    if git is None:
        return "git is not installed"
    # Without the ceiling git would take a repository around the folder for its own, and pass over the patch.
    ceiling = str(folder.resolve().parent)
    command = [git, "apply", "--whitespace=nowarn", str(patch.resolve())]
    try:
        ran = subprocess.run(
            command,
            cwd=folder,
            env={**_environment(git), "GIT_CEILING_DIRECTORIES": ceiling},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATCH_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    told = ran.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:300]
    return "" if ran.returncode == 0 else told or "git refused it"


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    id: str
    size: int
    path: str


def _entries(listed: bytes) -> tuple[list[_Entry], list[str]]:
    """What can be written, and what cannot be, with the reason."""
    entries: list[_Entry] = []
    left_out: list[str] = []
    for line in listed.split(b"\0"):
        if not line:
            continue
        head, _, name = line.partition(b"\t")
        mode, kind, object_id, size = head.decode("ascii").split()
        path = name.decode("utf-8", "replace")
        if kind != "blob":
            left_out.append(f"{path} (a submodule)")
            continue
        try:
            safe_path(path)
        except BadPath as error:
            left_out.append(f"{path!a} ({error.message})")
            continue
        entries.append(_Entry(mode, object_id, int(size), path))
    return entries, left_out


class _Objects:
    """The contents of objects, in the order they were asked for, each checked against its id."""

    def __init__(self, git: str, repository: Path, ids: Sequence[str]) -> None:
        self._asked = tempfile.TemporaryFile()  # noqa: SIM115  closed at the end of the block
        self._asked.write("".join(f"{each}\n" for each in ids).encode())
        self._asked.seek(0)
        self._child = subprocess.Popen(
            [git, "-C", str(repository), "cat-file", "--batch"],
            env=_environment(git),
            stdin=self._asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._child.stdout is not None
        self._printed: IO[bytes] = self._child.stdout

    def __enter__(self) -> "_Objects":
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._printed.close()
        self._child.wait()
        self._asked.close()

    def chunks(self, entry: _Entry) -> Iterator[bytes]:
        """Raises NoTree when it is not there, or not what its id says."""
        head = self._printed.readline().split()
        if len(head) != 3 or head[0].decode() != entry.id or head[1] != b"blob" or int(head[2]) != entry.size:
            raise NoTree(f"{entry.path} is not in the repository")
        kind = hashlib.sha1(usedforsecurity=False) if len(entry.id) == 40 else hashlib.sha256()
        kind.update(b"blob %d\0" % entry.size)
        left = entry.size
        while left:
            chunk = self._printed.read(min(left, STEP))
            if not chunk:
                raise NoTree(f"{entry.path} is cut short")
            kind.update(chunk)
            left -= len(chunk)
            yield chunk
        self._printed.read(1)
        if kind.hexdigest() != entry.id:
            raise NoTree(f"{entry.path} is not what its id says")

    def read(self, entry: _Entry, most: int) -> bytes:
        """All of a small one."""
        if entry.size > most:
            raise NoTree(f"{entry.path} is a link of {entry.size} bytes")
        return b"".join(self.chunks(entry))


def _write(objects: _Objects, entry: _Entry, target: Path) -> bool:
    """False where something stands there already, as when names differ only in case and that does not count here."""
    rights = 0o777 if entry.mode == "100755" else 0o666
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, rights)
    except (FileExistsError, NotADirectoryError):
        for _ in objects.chunks(entry):
            pass
        return False
    with os.fdopen(descriptor, "wb") as file:
        for chunk in objects.chunks(entry):
            file.write(chunk)
    return True


def _link(entry: _Entry, towards: str, root: Path) -> bool:
    """False for one that leads outside, or would be made through another."""
    target = root / entry.path
    above = (root.joinpath(*target.relative_to(root).parts[:depth]) for depth in range(1, entry.path.count("/") + 1))
    if not _is_inside(entry.path, towards) or any(folder.is_symlink() for folder in above):
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(towards)
    except (FileExistsError, NotADirectoryError):
        return False
    return True


def _is_inside(path: str, towards: str) -> bool:
    if posixpath.isabs(towards) or "\0" in towards or not towards:
        return False
    led = posixpath.normpath(posixpath.join(posixpath.dirname(path), towards))
    return led != ".." and not led.startswith("../")


def _asked(git: str, repository: Path, *arguments: str) -> bytes:
    try:
        ran = subprocess.run(
            [git, "-C", str(repository), *arguments],
            env=_environment(git),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATCH_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise NoTree(f"git does not answer ({type(error).__name__})") from error
    if ran.returncode != 0:
        raise NoTree(f"{repository} does not have it")
    return ran.stdout


def _environment(git: str) -> dict[str, str]:
    """No variable of the caller's, no hook, no network; the user's own settings stay, for safe.directory."""
    kept = {
        "PATH": os.pathsep.join([str(Path(git).parent), os.defpath]),
        "HOME": os.path.expanduser("~"),  # noqa: PTH111  Path.home() raises where there is none.
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
    }
    for number, (key, value) in enumerate(_SETTINGS.items()):
        kept |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return kept
