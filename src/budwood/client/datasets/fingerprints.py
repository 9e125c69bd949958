"""The fingerprint of a file, a folder or an address, read once."""

import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final, cast

from budwood.client.datasets.delimited import AS_BYTES, CsvTable
from budwood.client.datasets.parquet import ParquetTable
from budwood.client.datasets.sources import Hashed, Progress, opened
from budwood.domain.dataset import FINGERPRINT_FILE, DataFile, Fingerprint, Form, is_url, listing_digest, plain_address
from budwood.errors import BadValue, NotOffered
from budwood.store.gather import DiskFile, gather

_BY_ENDING: Final = {
    (".parquet", ".pq"): Form.PARQUET,
    (".csv", ".tsv", ".csv.gz", ".tsv.gz"): Form.CSV,
}
_FORMS_OF_FILES: Final = (Form.PARQUET, Form.CSV, Form.FILE)
Table = CsvTable | ParquetTable


def fingerprint(
    source: str,
    *,
    form: str = "",
    pointer: bool = False,
    exclude: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> Fingerprint:
    """What lies at a path or address. ``form`` says how to read it; by default its name does.

    Raises BadValue, LimitExceeded, SourceNotFound, UnsafeEntry, FileChanged, TargetUnreachable, NotOffered.
    """
    source = where(source)
    if not is_url(source) and Path(source).is_dir():
        if form and form != Form.FOLDER:
            raise BadValue(f"{source} is a folder, not {form}.", hint="Leave out the form.")
        return _of_folder(Path(source), pointer, exclude, progress)
    return _of_file(source, form_named(form) if form else _guessed(source), pointer, progress)


def where(source: str) -> str:
    """A path as it is known from anywhere, or an address without secrets. Raises BadValue."""
    if is_url(source):
        if source.lower().startswith("file://"):
            raise NotOffered("An address of a file is not offered.", hint="Give its path.")
        return plain_address(source)
    path = Path(source).expanduser()
    # What links lead to stays as it was typed, but for '..', which means another folder behind a link.
    return str(path.resolve() if ".." in path.parts else path.absolute())


def form_named(text: str) -> Form:
    """Raises BadValue."""
    if text not in _FORMS_OF_FILES:
        raise BadValue(f"{text[:40]!r} is no form of a file.", hint=f"It is {', '.join(_FORMS_OF_FILES)}.")
    return Form(text)


def files_in(folder: Path, exclude: Sequence[str]) -> tuple[DiskFile, ...]:
    """The files of a folder that are its data: a fingerprint that was pulled with them is none."""
    return tuple(file for file in gather((folder,), exclude) if file.path != FINGERPRINT_FILE)


def _of_file(source: str, form: Form, pointer: bool, progress: Progress) -> Fingerprint:
    table = _table(form)
    with opened(source, progress, keep_tail=form is Form.PARQUET) as stream:
        _read(stream, table, source.rpartition("/")[2])
    return Fingerprint(
        form,
        source,
        stream.sha256,
        pointer=pointer,
        size_bytes=stream.size,
        rows=table.rows if table else None,
        columns=table.columns if table else (),
        statistics=table.statistics if table else (),
    )


def _of_folder(folder: Path, pointer: bool, exclude: Sequence[str], progress: Progress) -> Fingerprint:
    found = files_in(folder, exclude)
    table = _common_table(found)
    files = []
    for file in found:
        with opened(str(file.real_path), progress, keep_tail=isinstance(table, ParquetTable)) as stream:
            try:
                _read(stream, table if _is_table(file.path) else None, file.path)
            except (BadValue, NotOffered):
                # Files of several tables, or one that is none: then the folder is files and nothing more.
                table = None
                stream.drain()
        files.append(DataFile(file.path, stream.size, stream.sha256))
    return Fingerprint(
        Form.FOLDER,
        str(folder),
        listing_digest(files),
        pointer=pointer,
        size_bytes=sum(file.size for file in files),
        rows=table.rows if table else None,
        columns=table.columns if table else (),
        statistics=table.statistics if table else (),
        files=tuple(files),
        exclude=tuple(exclude),
    )


def _read(stream: Hashed, table: Table | None, name: str) -> None:
    """Let a stream through, and a table look at it."""
    if isinstance(table, CsvTable):
        plain: BinaryIO = cast(BinaryIO, io.BufferedReader(stream, 1 << 20))
        _read_csv(table, plain, name)
    stream.drain()
    if isinstance(table, ParquetTable):
        table.read(io.BytesIO(stream.tail()), name)


def _read_csv(table: CsvTable, plain: BinaryIO, name: str) -> None:
    if not name.endswith(".gz"):
        table.read(plain, name)
        return
    try:
        table.read(cast(BinaryIO, gzip.GzipFile(fileobj=plain)), name)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BadValue(f"{name} is packed wrongly: {error}.", hint=AS_BYTES) from error


def _table(form: Form) -> Table | None:
    if form is Form.CSV:
        return CsvTable()
    return ParquetTable() if form is Form.PARQUET else None


def _common_table(files: Sequence[DiskFile]) -> Table | None:
    """What the files of a folder are together, when all of them are of one form."""
    forms = {_guessed(file.path) for file in files if _is_table(file.path)}
    return _table(next(iter(forms))) if len(forms) == 1 else None


def _is_table(path: str) -> bool:
    # _SUCCESS, _metadata and .part.crc are what writers of tables leave beside them.
    return not path.rpartition("/")[2].startswith(("_", "."))


def _guessed(source: str) -> Form:
    name = source.lower().partition("?")[0] if is_url(source) else source.lower()
    return next((form for endings, form in _BY_ENDING.items() if name.endswith(endings)), Form.FILE)
