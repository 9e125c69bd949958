"""The fsspec file system ``budwood://[ns/]model@ref/path``: whatever reads through fsspec reads versions.

    pandas.read_parquet("budwood://churn@production/features.parquet")
    fsspec.open("budwood://team/encoder@1.2.0/config.json")

Read-only. Models are listed at the root, versions under a model, files under a version. A reference without
``@`` is a model, never its newest version: a path must not change its meaning when a version is pushed.
"""

import contextlib
import io
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from fsspec import AbstractFileSystem

from budwood.domain.limits import PAGE_ROWS
from budwood.domain.manifest import FileEntry
from budwood.domain.records import VersionRecord
from budwood.errors import NotFound, NotOffered

if TYPE_CHECKING:
    from budwood.client.registry import Registry
    from budwood.client.version import Version

MANIFESTS_HELD: Final = 8
Entry = dict[str, Any]


class BudwoodFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """``registry`` is a path, as for ``budwood.connect``; by default the registry that settings name.

    An alias is followed anew on each call. To read several files of one version while others release, use its
    number, label or digest.
    """

    protocol: ClassVar[str] = "budwood"
    root_marker: ClassVar[str] = ""
    # The default registry depends on the working folder, which the key of fsspec's cache does not hold.
    cachable: ClassVar[bool] = False

    def __init__(self, registry: str | Path | None = None, **storage_options: Any) -> None:
        super().__init__(**storage_options)
        self._place = registry
        self._opened: Registry | None = None
        self._read: dict[str, Version] = {}

    @property
    def registry(self) -> "Registry":
        """Opened on first use, never made. Raises RegistryNotFound."""
        if self._opened is None:
            # The public door by name, because this room lies below the one that builds registries.
            self._opened = import_module("budwood").connect(self._place, create=False)
        assert self._opened is not None
        return self._opened

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """Models, versions or files below a path. Raises FileNotFoundError."""
        reference, inside = _split(self._strip_protocol(path))
        if "@" in reference:
            found = self._files(reference, inside)
        elif reference:
            found = [_folder(version.reference) for version in self._versions(reference)]
        else:
            found = [_folder(model) for model in self._models()]
        return found if detail else sorted(entry["name"] for entry in found)

    def info(self, path: str, **_: Any) -> Entry:
        """Name, type, size; for files their SHA-256. Raises FileNotFoundError."""
        path = self._strip_protocol(path)
        reference, inside = _split(path)
        if "@" not in reference:
            if reference:
                with _looking_for(path):
                    self.registry.log(reference, limit=1)
            return _folder(path)
        version = self._version(reference)
        for entry in version.manifest.files:
            if entry.path == inside:
                return _file(reference, entry)
            if not inside or entry.path.startswith(f"{inside}/"):
                return _folder(path)
        if not inside:
            return _folder(path)
        raise FileNotFoundError(path)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes from ``start`` to ``end``, which count from the end of the file where negative."""
        with self._open(path) as file:
            size = file.seek(0, io.SEEK_END)
            begin, stop, _step = slice(start, end).indices(size)
            file.seek(begin)
            return file.read(max(0, stop - begin))

    def ukey(self, path: str) -> str:
        """The SHA-256 of a file: equal keys are equal bytes."""
        entry = self.info(path)
        return str(entry.get("sha256") or self._version(_split(entry["name"])[0]).digest)

    def checksum(self, path: str) -> int:
        """The same as a number, as fsspec wants it."""
        return int(self.ukey(path), 16)

    def close(self) -> None:
        """Close the registry; the next call opens it again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
            self._read.clear()

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BufferedReader:
        if mode not in ("rb", "r"):
            raise NotOffered("budwood:// is read-only.", hint="Push a new version: registry.push(folder, model).")
        path = self._strip_protocol(path)
        reference, inside = _split(path)
        if not inside:
            raise IsADirectoryError(path)
        with _looking_for(path):
            return self._version(reference).open(inside)

    def _models(self) -> Iterator[str]:
        after = ""
        while page := self.registry.list(after=after, limit=PAGE_ROWS):
            yield from (summary.model.path for summary in page)
            after = f"{page[-1].model.namespace}/{page[-1].model.name}"

    def _versions(self, model: str) -> Iterator[VersionRecord]:
        before = 0
        while True:
            with _looking_for(model):
                page = self.registry.log(model, before=before, limit=PAGE_ROWS).versions
            if not page:
                return
            yield from page
            before = page[-1].number

    def _version(self, reference: str) -> "Version":
        """The reference is resolved on each call; the manifest it leads to cannot change, so it is read once."""
        with _looking_for(reference):
            version = self.registry.get(reference)
        if len(self._read) >= MANIFESTS_HELD and version.digest not in self._read:
            self._read.pop(next(iter(self._read)))
        return self._read.setdefault(version.digest, version)

    def _files(self, reference: str, inside: str) -> list[Entry]:
        """What lies directly in a folder of a version; the file itself when it is one."""
        below = f"{inside}/" if inside else ""
        found: dict[str, Entry] = {}
        for entry in self._version(reference).manifest.files:
            if entry.path == inside:
                return [_file(reference, entry)]
            if entry.path.startswith(below):
                name, slash, _ = entry.path[len(below) :].partition("/")
                path = f"{reference}/{below}{name}"
                found[path] = _folder(path) if slash else _file(reference, entry)
        if inside and not found:
            raise FileNotFoundError(f"{reference}/{inside}")
        return list(found.values())


def _split(path: str) -> tuple[str, str]:
    """The reference (or model), and the path inside the version.

    The selector stands in the first or second part, so a file may have ``@`` in its name.
    """
    parts = path.split("/")
    for count in (1, 2):
        if any("@" in part for part in parts[:count]):
            return "/".join(parts[:count]), "/".join(parts[count:])
    return path, ""


@contextlib.contextmanager
def _looking_for(path: str) -> Iterator[None]:
    """Programs that use fsspec know FileNotFoundError; why it was not found stays its cause."""
    try:
        yield
    except NotFound as error:
        raise FileNotFoundError(f"{path}: {error.message}") from error


def _folder(name: str) -> Entry:
    return {"name": name, "size": 0, "type": "directory"}


def _file(reference: str, entry: FileEntry) -> Entry:
    return {"name": f"{reference}/{entry.path}", "size": entry.size, "type": "file", "sha256": entry.sha256}
