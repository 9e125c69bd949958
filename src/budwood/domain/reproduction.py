"""What it takes to make a version again: the recipe as documents, what was checked of it, and what that found.

A recipe is a folder: code, locked packages, data, parameters and the command, with the digests of what should come
out. Nothing here runs any of it. "Reproducible" is said only when every check is ok; what could not be looked at is
no pass. Whether training gives the same numbers twice is not checked: no record can tell that.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from budwood.domain import canon
from budwood.domain.card import text
from budwood.domain.facts import Code, Environment, Facts, Hardware
from budwood.domain.manifest import FileEntry
from budwood.domain.records import VersionRecord

RECIPE_FORMAT: Final = 1
LISTED: Final = 8
_PACKAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")
_REMOTE: Final = re.compile(
    r"(?:https?|ssh|git)://[^\s'\"\x00-\x1f]+|\w[\w.-]*@[\w.-]+:[^\s'\"\x00-\x1f]+|/[^\x00-\x1f]*"
)
"""What 'git clone' may be told: no option, and no transport that runs a program (ext::)."""


class Outcome(StrEnum):
    """What a check found."""

    OK = "ok"
    DIFFERS = "differs"
    UNCHECKED = "cannot be checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold. ``why`` is a sentence."""

    what: str
    outcome: Outcome
    why: str


@dataclass(frozen=True, slots=True)
class DataUsed:
    """Data a version was trained on: ``digest`` is empty where only a name was recorded, ``folder`` where nothing was
    written."""

    reference: str
    digest: str = ""
    folder: str = ""
    is_pointer: bool = False


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A recipe that was written to ``folder``, and what its checks found."""

    reference: str
    digest: str
    folder: str
    command: str = ""
    data: tuple[DataUsed, ...] = ()
    checks: tuple[Check, ...] = field(default=())

    @property
    def reproducible(self) -> bool:
        """Whether everything that must hold was looked at, and held."""
        return all(check.outcome is Outcome.OK for check in self.checks)


def environment_checks(then: Environment | None, now: Environment) -> Iterator[Check]:
    """Python and packages, compared with those of this process."""
    if then is None or not then.python:
        yield Check("environment", Outcome.UNCHECKED, "No environment was recorded.")
        return
    if then.python == now.python:
        yield Check("python", Outcome.OK, f"{then.python}, here too.")
    else:
        yield Check("python", Outcome.DIFFERS, f"It was {then.python}; here is {now.python}.")
    if not then.packages:
        yield Check("packages", Outcome.UNCHECKED, "No packages were recorded.")
        return
    differing = list(_package_changes(then.packages, now.packages))
    if differing:
        yield Check("packages", Outcome.DIFFERS, f"{_listed(differing)}.")
    else:
        yield Check("packages", Outcome.OK, f"All {len(then.packages)} are here, in the same versions, and no others.")


def hardware_check(then: Hardware | None, now: Hardware) -> Check:
    """Kind of machine and accelerators: what changes numbers. How many cores or how much memory does not count."""
    if then is None or not then.machine:
        return Check("hardware", Outcome.UNCHECKED, "No hardware was recorded.")
    if (then.machine, then.accelerators) == (now.machine, now.accelerators):
        return Check("hardware", Outcome.OK, f"{_machine(then)}, here too.")
    return Check("hardware", Outcome.DIFFERS, f"It was {_machine(then)}; here is {_machine(now)}.")


def command_check(command: str) -> Check:
    """Whether it is known what was run."""
    if command:
        return Check("command", Outcome.OK, "It was recorded.")
    return Check("command", Outcome.UNCHECKED, "What was run was not recorded; budwood.training_run records it.")


def changes_check(code: Code) -> Check | None:
    """Whether uncommitted changes were kept whole; None where there were none."""
    if not code.dirty:
        return None
    if code.diff and not code.diff_lacks:
        return Check("changes", Outcome.OK, "Uncommitted changes were kept, as a patch.")
    lacks = {"rest": "were too long and are cut", "bytes": "held bytes that are no text"}
    why = lacks.get(code.diff_lacks, "were not kept")
    return Check("changes", Outcome.DIFFERS, f"There were uncommitted changes, and they {why}.")


def requirements(environment: Environment) -> str:
    """Exact versions, one package a line, as pip takes them; what is no plain name and version is left out."""
    lines = [f"# {_one_line(environment.python)} on {_one_line(environment.platform)}"]
    for name, version in sorted(environment.packages.items()):
        if _PACKAGE.fullmatch(name) and _VERSION.fullmatch(version):
            lines.append(f"{name}=={version}")
        else:
            lines.append(f"# left out, no plain name and version: {_one_line(f'{name} {version}')}")
    return "\n".join(lines) + "\n"


def checkout(code: Code) -> tuple[str, ...]:
    """The commands that fetch the commit; none where it is not known from where, or where that could run something."""
    if not _REMOTE.fullmatch(code.remote) or not _COMMIT.fullmatch(code.commit):
        return ()
    return (
        f"git clone -- {shlex.quote(code.remote)} code",
        f"git -C code checkout --detach {shlex.quote(code.commit)}",
    )


def expected(files: Sequence[FileEntry]) -> str:
    """What should come out, as 'sha256sum --check' takes it."""
    return "".join(f"{entry.sha256}  {entry.path}\n" for entry in files)


def recipe_json(version: VersionRecord, facts: Facts, files: Sequence[FileEntry], made: Reproduced) -> str:
    """The recipe for programs."""
    code = canon.pack(facts.code)
    value: canon.Json = {
        "format": RECIPE_FORMAT,
        "version": {"reference": made.reference, "number": version.number, "digest": version.digest},
        "command": made.command,
        "code": {key: each for key, each in code.items() if key != "diff"} if isinstance(code, Mapping) else None,
        "checkout": list(checkout(facts.code)) if facts.code else [],
        "environment": canon.pack(facts.environment),
        "hardware": canon.pack(hardware_of(facts)),
        "parameters": dict(facts.params),
        "metrics": dict(facts.metrics),
        "data": [canon.pack(each) for each in made.data],
        "parents": [canon.pack(parent) for parent in facts.parents],
        "files": [{"path": each.path, "size": each.size, "sha256": each.sha256} for each in files],
        "checks": [canon.pack(check) for check in made.checks],
        "reproducible": made.reproducible,
    }
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def readme(version: VersionRecord, facts: Facts, made: Reproduced) -> str:
    """The recipe for people, in Markdown; what others typed is shown, never formatted."""
    return "\n".join(_readme(version, facts, made)) + "\n"


def _readme(version: VersionRecord, facts: Facts, made: Reproduced) -> Iterator[str]:
    verdict = "All that can be checked of it holds." if made.reproducible else "Not all of it holds; see the checks."
    yield f"# How {text(made.reference)} was made"
    yield f"\nDigest `sha256:{version.digest}`. {verdict} Nothing in this folder was run.\n"
    yield "## Checks\n"
    yield "| what | outcome | why |\n|---|---|---|"
    for check in made.checks:
        yield f"| {text(check.what)} | {check.outcome.value} | {text(check.why)} |"
    yield "\n## Steps\n"
    yield from _code_steps(facts.code)
    if facts.environment and facts.environment.packages:
        yield "- Packages: `pip install --no-deps -r requirements.lock` in a fresh environment of "
        yield f"  {text(facts.environment.python)}."
    for each in made.data:
        where = f"`{each.folder}`" if each.folder else "not written here"
        yield f"- Data: {text(each.reference)}, {'a pointer in ' if each.is_pointer else ''}{where}."
    for parent in facts.parents:
        yield f"- It came from {text(parent.model)}@v{parent.number} ({text(parent.relation)})."
    yield f"- Parameters: {len(facts.params)} in `params.json`." if facts.params else "- No parameters were recorded."
    yield f"- Command:\n\n{_fenced(made.command)}" if made.command else "- What was run was not recorded."
    yield "- Compare what comes out: `sha256sum --check expected.sha256` beside the new files.\n"
    yield "Training may not be deterministic: then digests differ though all checks hold; compare metrics."


def _code_steps(code: Code | None) -> Iterator[str]:
    if code is None:
        yield "- No commit was recorded."
        return
    yield f"- Code: commit `{text(code.commit)}`, in `code/` if it was at hand. From where it was pushed:\n"
    commands = checkout(code)
    yield _fenced("\n".join(commands)) if commands else "  (nowhere was recorded, or nowhere that is shown here)\n"
    if code.dirty:
        yield "- Uncommitted changes: `code.patch` (applied, if `code/` is here)." if code.diff else ""


def _fenced(typed: str) -> str:
    """A block of code; what is indented cannot be ended from inside."""
    return "".join(f"      {_one_line(line)}\n" for line in typed.splitlines())


def _package_changes(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(then.keys() | now.keys()):
        was, is_ = then.get(name), now.get(name)
        if was != is_:
            if is_ is None:
                yield f"{name} {was} is not here"
            elif was is None:
                yield f"{name} {is_} is here and was not there"
            else:
                yield f"{name} was {was} and is {is_}"


def _listed(words: Sequence[str]) -> str:
    return "; ".join(words[:LISTED]) + (f"; and {len(words) - LISTED} more" if len(words) > LISTED else "")


def _machine(hardware: Hardware) -> str:
    accelerators = ", ".join(hardware.accelerators) or "no accelerator"
    return f"{hardware.machine} with {accelerators}"


def hardware_of(facts: Facts) -> Hardware | None:
    return facts.training.hardware if facts.training and facts.training.hardware else facts.hardware


def _one_line(typed: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+", " ", typed)
