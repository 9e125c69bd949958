"""reproduce: write the recipe of a version to a folder, and check what can be checked of it.

The recipe is made of recorded facts; nothing of it is run, imported or unpickled, here or later. What only the
machine around knows (a git tree, installed packages, data on disk) is asked of ``Around``.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from budwood.domain.dataset import FINGERPRINT_FILE, Checked, Fingerprint, State, read_fingerprint
from budwood.domain.facts import Code, Environment, Facts, Hardware, Parent, Relation
from budwood.domain.limits import DATASET_RECORD_BYTES
from budwood.domain.manifest import Manifest
from budwood.domain.records import VersionRecord
from budwood.domain.reproduction import (
    Check,
    DataUsed,
    Outcome,
    Reproduced,
    changes_check,
    command_check,
    environment_checks,
    expected,
    hardware_check,
    hardware_of,
    readme,
    recipe_json,
    requirements,
)
from budwood.errors import Invalid, NotFound, StorageFailed, TargetDiffers, TooNew
from budwood.store.api import Progress
from budwood.verbs.datasets import names_of_data
from budwood.verbs.manifests import load_manifest
from budwood.verbs.pull import PullRequest, pull
from budwood.verbs.workplace import Workplace

CODE: Final = "code"
DATA: Final = "data"


@dataclass(frozen=True, slots=True)
class ReproduceRequest:
    """Into which new or empty folder, and whether the files of data versions are written too."""

    reference: str
    folder: Path
    with_data: bool = True


class Around(Protocol):
    """The machine that asks."""

    @property
    def environment(self) -> Environment: ...
    @property
    def hardware(self) -> Hardware: ...
    def write_code(self, code: Code, folder: Path) -> Check:
        """The files of a commit, exactly, from a tree at hand."""

    def apply_patch(self, patch: Path, folder: Path) -> Check:
        """Uncommitted changes on top of them."""

    def find_lock(self, name: str, sha256: str, folder: Path) -> Path | None:
        """The lock file with this digest among the files of the commit."""

    def check_data(self, reference: str, fingerprint: Fingerprint) -> Checked:
        """Is data still what a pointer says? Only where looking needs no network and no database."""


def reproduce(
    place: Workplace, request: ReproduceRequest, around: Around, *, progress: Progress = lambda _: None
) -> Reproduced:
    """Raises NotFound, TargetDiffers, Damaged, StorageFailed, StorageFull."""
    version = place.desk.version(request.reference)
    manifest = load_manifest(place, version)
    facts = manifest.facts
    folder = _made(request.folder)
    command = facts.training.command if facts.training else ""
    checks = [Check("version", Outcome.OK, f"Its manifest is the one with the digest {version.digest[:16]}.")]
    checks += _code(facts, folder, around)
    checks += environment_checks(facts.environment, around.environment)
    checks.append(hardware_check(hardware_of(facts), around.hardware))
    data, found = _data(place, facts, request, around, progress)
    checks += found
    checks += [_parent(place, parent) for parent in facts.parents if parent.relation != Relation.TRAINED_ON]
    checks.append(command_check(command))
    made = Reproduced(version.reference, version.digest, str(folder), command, data, tuple(checks))
    _write_documents(folder, version, manifest, made)
    return made


def _made(folder: Path) -> Path:
    """Raises TargetDiffers where something is already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(os.scandir(folder)):
            raise TargetDiffers(f"{folder} is not empty.", hint="Give a new or empty folder.", path=str(folder))
    except FileExistsError as error:
        raise TargetDiffers(f"{folder} is a file.", hint="Give a new or empty folder.", path=str(folder)) from error
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be made: {error.strerror}.", path=str(folder)) from error
    return folder.resolve()


def _code(facts: Facts, folder: Path, around: Around) -> Iterator[Check]:
    code = facts.code
    if code is None:
        yield Check("code", Outcome.UNCHECKED, "No commit was recorded.")
        return
    written = around.write_code(code, folder / CODE)
    yield written
    kept = changes_check(code)
    if code.diff:
        _write(folder / "code.patch", code.diff)
    if kept is not None:
        is_there = written.outcome is Outcome.OK and kept.outcome is Outcome.OK
        yield around.apply_patch(folder / "code.patch", folder / CODE) if is_there else kept
    if facts.environment and facts.environment.lock:
        yield _lock(facts.environment, folder, around)


def _lock(environment: Environment, folder: Path, around: Around) -> Check:
    found = around.find_lock(environment.lock, environment.lock_sha256, folder / CODE)
    if found is None:
        why = f"{environment.lock} of that digest is not among the files at hand; requirements.lock says what ran."
        return Check("lock file", Outcome.UNCHECKED, why)
    return Check("lock file", Outcome.OK, f"{found.relative_to(folder)} has the recorded digest.")


def _data(
    place: Workplace, facts: Facts, request: ReproduceRequest, around: Around, progress: Progress
) -> tuple[tuple[DataUsed, ...], tuple[Check, ...]]:
    used: list[DataUsed] = []
    checks: list[Check] = []
    for parent in facts.parents:
        if parent.relation == Relation.TRAINED_ON:
            each, check = _data_version(place, parent, request, around, progress)
            used.append(each)
            checks.append(check)
    for name in names_of_data(facts):
        used.append(DataUsed(name))
        why = "Only this name was recorded; 'budwood dataset add' keeps what it stands for."
        checks.append(Check(f"data {name}", Outcome.UNCHECKED, why))
    if not used:
        checks.append(Check("data", Outcome.UNCHECKED, "No data was recorded."))
    return tuple(used), tuple(checks)


def _data_version(
    place: Workplace, parent: Parent, request: ReproduceRequest, around: Around, progress: Progress
) -> tuple[DataUsed, Check]:
    reference = f"{parent.model}@v{parent.number}"
    what = f"data {reference}"
    same = _parent(place, parent)
    if same.outcome is not Outcome.OK:
        return DataUsed(reference, parent.digest), replace(same, what=what)
    entries = load_manifest(place, place.desk.version(reference)).files
    told = next((entry for entry in entries if entry.path == FINGERPRINT_FILE), None)
    lies = f"{DATA}/{parent.model}-v{parent.number}"
    target = request.folder / lies
    if told is not None and told.size <= DATASET_RECORD_BYTES:
        pull(place, PullRequest(reference, target, (FINGERPRINT_FILE,)))
        try:
            held = read_fingerprint((target / FINGERPRINT_FILE).read_bytes())
        except (Invalid, TooNew) as error:
            return DataUsed(reference, parent.digest, lies), Check(what, Outcome.UNCHECKED, error.message)
        if held.pointer:
            return DataUsed(reference, parent.digest, lies, True), _pointer(what, around.check_data(reference, held))
    if not request.with_data:
        why = "Its files are in the registry and were not written; leave out --no-data to write them."
        return DataUsed(reference, parent.digest), Check(what, Outcome.UNCHECKED, why)
    pulled = pull(place, PullRequest(reference, target), progress=progress)
    why = f"{pulled.files} files in {lies}, each with the digest its manifest says."
    return DataUsed(reference, parent.digest, lies), Check(what, Outcome.OK, why)


def _pointer(what: str, found: Checked) -> Check:
    outcome = {State.SAME: Outcome.OK, State.UNCHECKED: Outcome.UNCHECKED}.get(found.state, Outcome.DIFFERS)
    return Check(what, outcome, f"{found.source or 'Its data'}: {found.state.value}. {found.why}")


def _parent(place: Workplace, parent: Parent) -> Check:
    reference = f"{parent.model}@v{parent.number}"
    what = f"parent {reference}"
    try:
        held = place.desk.version(reference)
    except (NotFound, Invalid):
        return Check(what, Outcome.UNCHECKED, "It is not in this registry, or not yours to see.")
    if held.digest != parent.digest:
        return Check(what, Outcome.DIFFERS, f"Here it has the digest {held.digest[:16]}, not {parent.digest[:16]}.")
    return Check(what, Outcome.OK, f"It is here, with the digest {held.digest[:16]}.")


def _write_documents(folder: Path, version: VersionRecord, manifest: Manifest, made: Reproduced) -> None:
    facts = manifest.facts
    if facts.environment:
        _write(folder / "requirements.lock", requirements(facts.environment))
    if facts.params:
        _write(folder / "params.json", json.dumps(dict(facts.params), indent=2, sort_keys=True) + "\n")
    if facts.metrics:
        _write(folder / "metrics.json", json.dumps(dict(facts.metrics), indent=2, sort_keys=True) + "\n")
    _write(folder / "expected.sha256", expected(manifest.files))
    _write(folder / "README.md", readme(version, facts, made))
    # Last: where it lies, all the rest does.
    _write(folder / "reproduce.json", recipe_json(version, facts, manifest.files, made))


def _write(path: Path, written: str) -> None:
    try:
        path.write_bytes(written.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}.", path=str(path)) from error
