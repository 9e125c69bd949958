"""The machine around a reproduction: its git tree, its packages, its hardware, its data."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from budwood.client.capture import capture_environment, capture_hardware
from budwood.client.reproducing.tree import NoTree, apply_patch, write_tree
from budwood.domain.dataset import Checked, Fingerprint, Form, State, is_url
from budwood.domain.facts import Code, Environment, Hardware
from budwood.domain.limits import CONFIG_BYTES
from budwood.domain.reproduction import Check, Outcome
from budwood.errors import BudwoodError, StorageFailed

if TYPE_CHECKING:
    from budwood.client.datasets import Datasets

LOCKS_LOOKED_AT: Final = 1_000


@dataclass(frozen=True)
class Here:
    """``verbs.reproduce.Around`` for this process. ``tree`` is where a repository may be at hand."""

    tree: Path
    datasets: "Datasets"

    @cached_property
    def environment(self) -> Environment:
        """What runs here."""
        return capture_environment(self.tree)

    @property
    def hardware(self) -> Hardware:
        """This machine."""
        return capture_hardware()

    def write_code(self, code: Code, folder: Path) -> Check:
        """See ``Around.write_code``."""
        try:
            written = write_tree(self.tree, code.commit, folder)
        except NoTree as error:
            why = f"Commit {code.commit[:12]} is not at hand: {error}. Fetch it, and say with --code where it is."
            return Check("code", Outcome.UNCHECKED, why)
        except OSError as error:
            raise StorageFailed(f"{folder} cannot be written: {error.strerror}.", path=str(folder)) from error
        if written.left_out:
            listed = ", ".join(written.left_out[:5])
            why = f"{written.files} files of commit {code.commit[:12]} are in code/, but not {listed}."
            return Check("code", Outcome.UNCHECKED, why)
        why = f"Commit {code.commit[:12]}: {written.files} files in code/, each with the digest git has for it."
        return Check("code", Outcome.OK, why)

    def apply_patch(self, patch: Path, folder: Path) -> Check:
        """See ``Around.apply_patch``."""
        told = apply_patch(patch, folder)
        if told:
            return Check("changes", Outcome.DIFFERS, f"Uncommitted changes cannot be put on the commit: {told}.")
        return Check("changes", Outcome.OK, "Uncommitted changes were kept, and are in code/.")

    def find_lock(self, name: str, sha256: str, folder: Path) -> Path | None:
        """See ``Around.find_lock``."""
        named = (path for path in _plain_files(folder, name) if path.stat().st_size <= CONFIG_BYTES)
        found = islice(named, LOCKS_LOOKED_AT)
        return next((path for path in found if hashlib.sha256(path.read_bytes()).hexdigest() == sha256), None)

    def check_data(self, reference: str, fingerprint: Fingerprint) -> Checked:
        """See ``Around.check_data``."""
        if fingerprint.form is Form.SQL or is_url(fingerprint.source):
            why = f"It lies elsewhere; 'budwood dataset check {reference}' looks there."
            return Checked(reference, State.UNCHECKED, fingerprint.source, why)
        try:
            return self.datasets.check_fingerprint(reference, fingerprint)
        except BudwoodError as error:
            return Checked(reference, State.UNCHECKED, fingerprint.source, error.message)


def _plain_files(folder: Path, name: str) -> Iterator[Path]:
    if "/" in name or not folder.is_dir():
        return
    for path in folder.rglob("*"):
        if path.name == name and path.is_file() and not path.is_symlink():
            yield path
