"""What git says about a folder: the commit, branch and dirtiness of its work tree, its origin, and who works there.

The folder may be anybody's, so its ``.git/config`` is treated as hostile: git runs with a bare environment,
no hooks, no file system monitor, no network, and with the repository's own content filters switched off
(``git status`` would run them), and no program that the repository names for comparing files. What git asks of the
user's own configuration stays as the user set it.
"""

import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from budwood.domain.facts import Code
from budwood.domain.limits import DIFF_BYTES, VALUE_BYTES

TIMEOUT_S: Final = 5.0
_WANTED_KEYS: Final = r"^(filter\..*|remote\.origin\.url)$"
_SAFE_CONFIG: Final = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.untrackedCache": "false",
    "status.submoduleSummary": "false",
    "protocol.allow": "never",
}
_LOCAL_SCOPES: Final = frozenset({"local", "worktree"})
_DIFF: Final = (
    *("diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative"),
    *("--ignore-submodules=dirty", "--submodule=short", "--src-prefix=a/", "--dst-prefix=b/", "-O/dev/null"),
)
"""A patch that 'git apply' takes, whatever the user's settings make of diffs for people."""
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]+")


def capture_code(folder: Path, *, keep_diff: bool = True) -> Code | None:
    """The work tree the folder lies in; None without git, work tree or commit, or when git takes over 5 s.

    Changes to files that git tracks are kept as a patch, unless told otherwise.
    """
    git = _Git.beside(folder)
    if git is None:
        return None
    settings = git.settings(_WANTED_KEYS)
    filters_off = _filters_off(settings)
    status = git.ask(
        *("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=no", "--ignore-submodules=dirty"),
        config=filters_off,
    )
    if status is None:
        return None
    origins = [value for _, key, value in settings if key == "remote.origin.url"]
    code = _read_status(status, remote=without_credentials(origins[-1]) if origins else "")
    if code is None or not code.dirty:
        return code
    diff = _read_diff(git.begin(*_DIFF, config=filters_off, most=DIFF_BYTES) if keep_diff else None)
    return replace(code, diff=diff.text, diff_lacks=diff.lacks)


def capture_author(setting: str, folder: Path | None = None) -> str:
    """Who pushes: the setting, else git's ``user.name <user.email>``, else ``user@host`` of the system."""
    return _one_line(setting) or _git_author(folder or Path()) or _system_author()


def without_credentials(url: str) -> str:
    """A remote URL that may be shown to anyone; empty when it cannot be told where the secret ends."""
    url = _one_line(url)
    if "://" not in url:
        return url  # A path, or host:path of ssh, which has no place for a password.
    helper, scheme, rest = re.fullmatch(r"((?:\w+::)*)(.*?)(://.*)", url, re.DOTALL).groups()  # type: ignore[union-attr]
    try:
        parts = urlsplit(scheme + rest)
        _ = parts.port  # A password with a bare "/" in it shows up here, as a port that is no number.
    except ValueError:
        return ""
    return str(helper) + urlunsplit(SplitResult(parts.scheme, _bare_host(parts), parts.path, "", ""))


@dataclass(frozen=True, slots=True)
class _Beginning:
    printed: bytes
    is_cut: bool


@dataclass(frozen=True, slots=True)
class _Diff:
    """``lacks`` as in ``Code.diff_lacks``."""

    text: str
    lacks: str = ""


class _Git:
    """git at one folder. All questions together take at most ``TIMEOUT_S``."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._ends_at = monotonic() + TIMEOUT_S

    @classmethod
    def beside(cls, path: Path) -> "_Git | None":
        program = shutil.which("git")
        # Path.is_dir() raises for a name that is too long; this is a question that has an answer.
        folder = path if os.path.isdir(path) else path.parent  # noqa: PTH112
        return cls(program, folder) if program else None

    def ask(self, *arguments: str, config: Mapping[str, str] | None = None) -> str | None:
        """What git prints; None when it fails, is too slow or cannot start."""
        command = [self._program, "-C", str(self._folder), "--no-pager", *arguments]
        try:
            ran = subprocess.run(
                command,
                env=_bare_environment(self._program, {**_SAFE_CONFIG, **(config or {})}),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=max(0.01, self._ends_at - monotonic()),
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None
        return ran.stdout.decode("utf-8", "replace") if ran.returncode == 0 else None

    def begin(self, *arguments: str, config: Mapping[str, str], most: int) -> "_Beginning | None":
        """The first ``most`` bytes of what git prints, which may be very much; None as in ``ask``."""
        command = [self._program, "-C", str(self._folder), "--no-pager", *arguments]
        environment = _bare_environment(self._program, {**_SAFE_CONFIG, **config})
        try:
            child = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except (OSError, ValueError):
            return None
        timer = Timer(max(0.01, self._ends_at - monotonic()), child.kill)
        timer.start()
        with child:
            assert child.stdout is not None
            printed = child.stdout.read(most + 1)
            is_cut = len(printed) > most
            if is_cut:
                child.kill()
        timer.cancel()
        return _Beginning(printed[:most], is_cut) if is_cut or child.returncode == 0 else None

    def settings(self, pattern: str) -> list[tuple[str, str, str]]:
        """(scope, key, value) of every setting whose key matches, the one in force last."""
        printed = self.ask("config", "--null", "--show-scope", "--get-regexp", pattern) or ""
        fields = printed.split("\0")
        pairs = zip(fields[0::2], fields[1::2], strict=False)
        return [(scope, key, value) for scope, entry in pairs for key, _, value in [entry.partition("\n")]]


def _bare_environment(program: str, config: Mapping[str, str]) -> dict[str, str]:
    """No variable of the caller's gets through; settings travel as pairs because a filter's name may hold ``=``."""
    environment = {
        "PATH": os.pathsep.join([os.path.dirname(program), os.defpath]),  # noqa: PTH120
        "HOME": os.path.expanduser("~"),  # noqa: PTH111  Path.home() raises where there is none.
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_CONFIG_COUNT": str(len(config)),
    }
    for i, (key, value) in enumerate(config.items()):
        environment |= {f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value}
    return environment


def _filters_off(settings: list[tuple[str, str, str]]) -> dict[str, str]:
    """Overrides for the content filters the repository itself brings; the user's own (git-lfs) stay."""
    names = {
        key.removeprefix("filter.").rpartition(".")[0]
        for scope, key, _ in settings
        if scope in _LOCAL_SCOPES and key.startswith("filter.")
    }
    overrides: dict[str, str] = {}
    for name in sorted(names):
        overrides |= {f"filter.{name}.clean": "", f"filter.{name}.process": "", f"filter.{name}.required": "false"}
    return overrides


def _read_status(status: str, *, remote: str) -> Code | None:
    headers: dict[str, str] = {}
    changes = 0
    for entry in status.split("\0"):
        if entry.startswith("# "):
            key, _, value = entry[2:].partition(" ")
            headers[key] = value
        elif entry:
            changes += 1
    commit, branch = headers.get("branch.oid", ""), headers.get("branch.head", "")
    if not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        return None  # "(initial)": a repository before its first commit.
    return Code(commit, "" if branch == "(detached)" else _one_line(branch), dirty=changes > 0, remote=remote)


def _read_diff(found: _Beginning | None) -> _Diff:
    if found is None or not found.printed:
        return _Diff("", "all")
    printed = found.printed
    if found.is_cut:
        printed = printed[: printed.rfind(b"\n") + 1]
    try:
        return _Diff(printed.decode("utf-8"), "rest" if found.is_cut else "")
    except UnicodeDecodeError:
        # What replaces a byte is longer than it; the patch is then for people to read, and no longer for git.
        text = printed.decode("utf-8", "replace").encode()[:DIFF_BYTES].decode("utf-8", "ignore")
        return _Diff(text, "rest" if found.is_cut else "bytes")


def _bare_host(parts: SplitResult) -> str:
    userinfo, at, host = parts.netloc.rpartition("@")
    if parts.scheme.endswith("ssh") and at:
        return f"{userinfo.partition(':')[0]}@{host}"  # ssh needs its user, which is no secret.
    return host


def _git_author(folder: Path) -> str:
    git = _Git.beside(folder)
    if git is None:
        return ""
    values = {key: _one_line(value) for _, key, value in git.settings(r"^user\.(name|email)$")}
    name, email = values.get("user.name", ""), values.get("user.email", "")
    return f"{name} <{email}>" if name and email else name or email


def _system_author() -> str:
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return _one_line(f"{user}@{socket.gethostname()}")


def _one_line(text: str) -> str:
    # A surrogate would not survive canonical JSON; a newline in an author would forge a second line of a log.
    plain = _UNPRINTABLE.sub(" ", text).strip().encode("utf-8", "replace")[:VALUE_BYTES]
    return plain.decode("utf-8", "ignore")
