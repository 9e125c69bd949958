"""Files of runs and logged models: read, listed, removed, and given as the files of a version that is to be.

They are no version's yet, but kept like those of versions: equal tensors once, whatever run they came from.
``keeping.py`` takes them in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.artifacts import Listed, StoredFile, artifact_path
from budwood.domain.entries import FileEntry
from budwood.domain.limits import ARTIFACTS_LISTED, BLOCK_BYTES, FILES_PER_VERSION
from budwood.domain.records import VersionRecord
from budwood.errors import BadValue, BlockDamaged, LimitExceeded, RecordNotFound
from budwood.store.read import grouped, placed_in_file
from budwood.verbs.held import check_free
from budwood.verbs.house import House
from budwood.verbs.manifests import check_bytes, load_manifest
from budwood.verbs.resolve import resolve

PAGE: Final = 1_000
LOCATION: Final = "mlflow-artifacts:/"
WORKSPACES: Final = "workspaces/"
VERSIONS: Final = "versions/"
"""Below it lie the files of versions, ``versions/NAME/NUMBER/…``: to be read, never to be written."""
# Behind every character that a path can hold.
_LAST: Final = "\U0010ffff"


def root_of(location: str, namespace: str) -> str:
    """The folder that a location of ours names, whether or not it names the namespace. Raises BadValue."""
    if not location.startswith(LOCATION):
        raise BadValue(f"The artifacts at {location[:200]!r} are not kept in this server.", location=location[:200])
    path = location.removeprefix(LOCATION).lstrip("/")
    return artifact_path(path.removeprefix(f"{WORKSPACES}{namespace}/"), may_be_empty=True)


def find_entry(house: House, namespace: str, path: str) -> FileEntry:
    """A file that was logged, or below ``VERSIONS`` one of a version. Raises BadValue, NotFound, BytesGone."""
    version, rest = _version_at(house, namespace, artifact_path(path))
    if version is None:
        return find_file(house, namespace, path).entry
    return _of_version(house, version, rest)


def find_file(house: House, namespace: str, path: str) -> StoredFile:
    """Raises BadValue, RecordNotFound."""
    wanted = artifact_path(path)
    with house.catalog.read() as view:
        found = view.stored_file(namespace, wanted)
    if found is None:
        raise RecordNotFound(f"No such artifact: '{wanted}'", path=wanted)
    return found


def list_files(house: House, namespace: str, folder: str, *, after: str = "") -> tuple[Listed, ...]:
    """What lies in a folder, files and folders, by path; of a file, the file itself. Empty where there is nothing.

    Folders are passed over in one step each, however many files they hold. Raises BadValue, LimitExceeded.
    """
    wanted = artifact_path(folder, may_be_empty=True)
    version, rest = _version_at(house, namespace, wanted)
    if version is not None:
        return _listed_of_version(house, version, wanted, rest)
    start = len(wanted) + 1 if wanted else 0
    found: list[Listed] = []
    with house.catalog.read() as view:
        while page := view.listed_files(namespace, wanted, after=after, limit=PAGE):
            for each in page:
                if each.path <= after:
                    continue  # In a folder that was told already.
                name, slash, _ = each.path[start:].partition("/")
                whole = each.path[:start] + name
                found.append(Listed(whole) if slash else each)
                after = f"{whole}/{_LAST}" if slash else each.path
            if len(found) > ARTIFACTS_LISTED:
                message = f"More than {ARTIFACTS_LISTED} artifacts in one folder are not listed."
                raise LimitExceeded(message, limit="ARTIFACTS_LISTED")
    return tuple(sorted(found, key=lambda each: each.path))


def remove_files(house: House, namespace: str, path: str) -> int:
    """The file, or all in the folder; sweep frees what nothing else needs. How many there were.

    Raises BadValue, Held.
    """
    wanted = artifact_path(path)
    check_writable(wanted)

    def work(transaction: Transaction) -> int:
        check_free(transaction, f"What {namespace} holds", namespace)
        removed = transaction.remove_stored_files(namespace, wanted)
        if removed:
            body = {"path": wanted, "files": removed}
            subject = f"artifacts:{namespace}/{wanted}"
            transaction.add_ledger(house.clock(), house.author, "artifacts.removed", subject, body, namespace)
        return removed

    return house.catalog.write(work)


def read_pieces(house: House, entry: FileEntry, first: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The file's bytes from ``first`` to before ``end``, verified block by block; at most ``BLOCK_BYTES`` are held.

    Raises BlockDamaged, PackDamaged.
    """
    reader = house.reader()
    end = entry.size if end is None else end
    start = behind = 0
    for group in grouped(list(placed_in_file(entry))):
        start, behind = behind, behind + sum(placed.length for placed in group)
        if behind <= first or start >= end:
            continue
        rows = reader.rows([placed.id for placed in group])
        piece = bytearray(behind - start)
        if len(piece) > BLOCK_BYTES:
            raise BlockDamaged("A block is larger than blocks may be.")
        at = 0
        for placed in group:
            reader.read(placed.id, rows, memoryview(piece)[at : at + placed.length])
            at += placed.length
        yield bytes(memoryview(piece)[max(0, first - start) : min(len(piece), end - start)])


def entries_of(view: View, namespace: str, root: str) -> tuple[FileEntry, ...]:
    """The files below a folder as those of a manifest, by their paths in it; of a file, itself. No byte is read.

    Raises BadValue, LimitExceeded.
    """
    return tuple(each.entry for each in files_of(view, namespace, root))


def files_of(view: View, namespace: str, root: str) -> Sequence[StoredFile]:
    """The same, with what each said of itself. Raises BadValue, LimitExceeded."""
    wanted = artifact_path(root)
    alone = view.stored_file(namespace, wanted)
    if alone is not None:
        return [_moved(alone, wanted.rpartition("/")[2])]
    found: list[StoredFile] = []
    after = ""
    while page := view.stored_files(namespace, wanted, after=after, limit=PAGE):
        after = page[-1].path
        found += [_moved(each, each.path[len(wanted) + 1 :]) for each in page]
        if len(found) > FILES_PER_VERSION:
            raise LimitExceeded(f"More than {FILES_PER_VERSION} files.", limit="FILES_PER_VERSION")
    return found


def check_writable(path: str) -> None:
    """Raises BadValue for where only versions lie."""
    if f"{path}/".startswith(VERSIONS):
        raise BadValue(f"Invalid path: {path[:200]}. The files of a version never change.")


def _version_at(house: House, namespace: str, path: str) -> tuple[VersionRecord | None, str]:
    """The version whose files lie there, and the path in it. Raises BadReference, BadName, NotFound, BytesGone."""
    if not path.startswith(VERSIONS):
        return None, path
    name, _, behind = path.removeprefix(VERSIONS).partition("/")
    number, _, rest = behind.partition("/")
    if not name or not number.isdecimal():
        raise RecordNotFound(f"No such artifact: '{path[:200]}'")
    with house.catalog.read() as view:
        version = resolve(view, f"{namespace}/{name}@v{number}")
    check_bytes(version)
    return version, rest


def _of_version(house: House, version: VersionRecord, path: str) -> FileEntry:
    for entry in load_manifest(house, version).files:
        if entry.path == path:
            return entry
    raise RecordNotFound(f"No such artifact: '{path}'", path=path)


def _listed_of_version(house: House, version: VersionRecord, whole: str, folder: str) -> tuple[Listed, ...]:
    below = f"{folder}/" if folder else ""
    found: dict[str, Listed] = {}
    for entry in load_manifest(house, version).files:
        if entry.path.startswith(below):
            name, slash, _ = entry.path[len(below) :].partition("/")
            found[name] = Listed(f"{whole}/{name}", None if slash else entry.size)
    return tuple(found[name] for name in sorted(found))


def _moved(file: StoredFile, path: str) -> StoredFile:
    return replace(file, entry=replace(file.entry, path=path))
