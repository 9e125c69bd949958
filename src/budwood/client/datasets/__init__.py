"""Datasets as versions: ``registry.datasets``. The same over HTTP and in a folder, for data is read where you are.

registry.datasets.add("tickets", "tickets.parquet", pointer=True)
registry.datasets.add("open-tickets", sql="sqlite:///crm.db", query="select * from tickets where is_open")
registry.push("encoder/", "encoder", datasets=["tickets@v1"])
registry.datasets.check("tickets@v1").state
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from budwood.client.datasets.fingerprints import files_in, fingerprint
from budwood.domain.dataset import (
    FINGERPRINT_FILE,
    Checked,
    DataFile,
    DatasetChange,
    Fingerprint,
    Form,
    State,
    compare,
    is_url,
    listing_digest,
    read_fingerprint,
    written,
)
from budwood.domain.limits import DATASET_RECORD_BYTES
from budwood.domain.names import Kind
from budwood.errors import BadValue, FileChanged, LimitExceeded, NotOffered, SourceNotFound
from budwood.store.api import Progress

if TYPE_CHECKING:
    from budwood.client.registry import Registry
    from budwood.client.version import Version
    from budwood.domain.results import Pushed

__all__ = ["Datasets"]


def _no_progress(_: int) -> None:
    pass


class Datasets:
    """What is kept is a fingerprint, and unless ``pointer`` is true the files. A password never is."""

    def __init__(self, registry: "Registry") -> None:
        self._registry = registry

    def add(
        self,
        name: str,
        source: str | Path = "",
        *,
        pointer: bool = False,
        form: str = "",
        sql: str = "",
        query: str = "",
        ordered: bool = False,
        password: str = "",
        label: str = "",
        bump: str = "",
        parents: Sequence[str] = (),
        relation: str = "",
        aliases: Sequence[str] = (),
        tags: dict[str, str] | None = None,
        message: str = "",
        exclude: Sequence[str] = (),
        progress: Progress = _no_progress,
    ) -> "Pushed":
        """Keep data as a new version of the dataset ``name``; when nothing changed, no version is made.

        ``source`` is a file, a folder, or with ``pointer`` an address; or the data is what ``query`` gives from the
        database ``sql`` (SQLAlchemy's address), which is always a pointer. ``ordered``: the order of rows counts.
        ``form`` is parquet, csv or file. Raises BadValue, LimitExceeded, SourceNotFound, FileChanged, NotOffered,
        TargetUnreachable, FrameworkMissing, and what ``push`` raises.
        """
        found = self._fingerprint(str(source), pointer, form, (sql, query, ordered, password), exclude, progress)
        with tempfile.TemporaryDirectory(prefix="budwood-") as scratch:
            beside = Path(scratch) / FINGERPRINT_FILE
            beside.write_bytes(written(found))
            paths = [beside] if found.pointer else [*_top(Path(found.source), exclude), beside]
            pushed = self._registry.push(
                paths,
                name,
                kind=Kind.DATASET,
                label=label,
                bump=bump,
                parents=parents,
                relation=relation,
                aliases=aliases,
                tags=tags,
                message=message,
                exclude=() if found.pointer else exclude,
                progress=progress,
            )
        if pushed.created and not found.pointer:
            self._check_pushed(pushed, found)
        return pushed

    def show(self, reference: str) -> Fingerprint:
        """What a version says of its data; of one that was pushed as files alone, the list of them.

        Raises BadReference, NotFound, BadValue, ManifestDamaged.
        """
        return fingerprint_of(self._registry.get(reference))

    def check(
        self,
        reference: str,
        *,
        at: str | Path = "",
        sql: str = "",
        password: str = "",
        progress: Progress = _no_progress,
    ) -> Checked:
        """Read the data again and say whether it is what the version says: same, changed or missing.

        ``at`` is where it lies now, if not where it did. A query is run only against the database that ``sql`` gives:
        who pushed the version must not choose what is asked of your databases.
        Raises BadReference, NotFound, BadValue, TargetUnreachable, NotOffered.
        """
        version = self._registry.get(reference)
        return self.check_fingerprint(
            version.reference, fingerprint_of(version), at=str(at), sql=sql, password=password, progress=progress
        )

    def diff(self, before: str, after: str) -> DatasetChange:
        """How two versions differ: rows, columns, figures, files. Raises BadReference, NotFound, BadValue."""
        return compare(self.show(before), self.show(after))

    def check_fingerprint(
        self,
        reference: str,
        held: Fingerprint,
        *,
        at: str = "",
        sql: str = "",
        password: str = "",
        progress: Progress = _no_progress,
    ) -> Checked:
        """As ``check``, for a fingerprint in hand; ``reference`` is what to call it."""
        if held.form is not Form.SQL and sql:
            raise BadValue(f"{reference} is no query.", hint="Say with 'at' where its data lies now.")
        if held.form is Form.SQL and not sql:
            why = "A query is run only against a database that you name: give its address."
            return Checked(reference, State.UNCHECKED, held.source, why)
        source = sql or at or held.source
        if not source:
            return Checked(reference, State.UNCHECKED, "", "The version does not say where its files came from.")
        try:
            found = self._again(held, source, password, progress)
        except SourceNotFound as error:
            return Checked(reference, State.MISSING, source, error.message)
        except BadValue as error:
            if held.form is Form.SQL:
                raise
            # What was a table and is none any more has changed, whatever else may be said of it.
            return Checked(reference, State.CHANGED, source, error.message)
        change = compare(held, found)
        if change.same:
            return Checked(reference, State.SAME, found.source, "The content is what it was.")
        return Checked(reference, State.CHANGED, found.source, "; ".join(change.words) + ".", change)

    def _again(self, held: Fingerprint, source: str, password: str, progress: Progress) -> Fingerprint:
        if held.form is Form.SQL:
            from budwood.client.datasets.queries import fingerprint_query

            return fingerprint_query(source, held.query, ordered=held.ordered, password=password, progress=progress)
        form = "" if held.form is Form.FOLDER else held.form.value
        return fingerprint(source, form=form, pointer=held.pointer, exclude=held.exclude, progress=progress)

    def _fingerprint(
        self,
        source: str,
        pointer: bool,
        form: str,
        asked: tuple[str, str, bool, str],
        exclude: Sequence[str],
        progress: Progress,
    ) -> Fingerprint:
        sql, query, ordered, password = asked
        if bool(source) == bool(sql):
            raise BadValue("Where does the data lie?", hint="Give a path or address, or a database and a query.")
        if sql:
            from budwood.client.datasets.queries import fingerprint_query

            return fingerprint_query(sql, query, ordered=ordered, password=password, progress=progress)
        if is_url(source) and not pointer:
            hint = "Keep a pointer to it (--pointer), or fetch it first."
            raise NotOffered("Data behind an address is not fetched into a registry.", hint=hint)
        return fingerprint(source, form=form, pointer=pointer, exclude=exclude, progress=progress)

    def _check_pushed(self, pushed: "Pushed", found: Fingerprint) -> None:
        """What was pushed is what was looked at. Raises FileChanged."""
        version = self._registry.get(f"{pushed.version.namespace}/{pushed.version.model}@v{pushed.version.number}")
        kept = {entry.path: entry.sha256 for entry in version.manifest.files if entry.path != FINGERPRINT_FILE}
        looked_at = {file.path: file.sha256 for file in found.files} or {Path(found.source).name: found.sha256}
        if kept != looked_at:
            hint = f"Something still writes there. Delete {version.reference}, wait, and add it again."
            raise FileChanged(f"The data changed while {version.reference} was made of it.", hint=hint)


def fingerprint_of(version: "Version") -> Fingerprint:
    """What a version says of its data. Raises BadValue, TooNew, LimitExceeded, ManifestDamaged, BlockDamaged."""
    for entry in version.manifest.files:
        if entry.path == FINGERPRINT_FILE:
            if entry.size > DATASET_RECORD_BYTES:
                raise LimitExceeded(f"The fingerprint has {entry.size} bytes.", limit="DATASET_RECORD_BYTES")
            return read_fingerprint(version.read(FINGERPRINT_FILE))
    files = tuple(DataFile(entry.path, entry.size, entry.sha256) for entry in version.manifest.files)
    return Fingerprint(Form.FOLDER, "", listing_digest(files), size_bytes=sum(file.size for file in files), files=files)


def _top(source: Path, exclude: Sequence[str]) -> list[Path]:
    """What to push so that files keep their paths in the folder; a fingerprint among them is left out."""
    if not source.is_dir():
        return [source]
    return [source / name for name in dict.fromkeys(file.path.partition("/")[0] for file in files_in(source, exclude))]
