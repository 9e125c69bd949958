"""What a dataset version says of its data: a fingerprint, how two of them differ, and which addresses may be kept.

A dataset is a model of kind ``dataset``. Its version holds the files themselves or, as a *pointer*, only the file
``budwood.dataset.json``: where the data lies, how many rows and which columns it has, and the digest of its content.
Either way that file is part of the version, so digest, lineage, export and transfer hold for it too.

No value of a text column is kept: of texts, ``least`` and ``most`` are lengths in characters.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from budwood.domain import canon
from budwood.domain.limits import DATASET_COLUMNS, DATASET_RECORD_BYTES, FILES_PER_VERSION
from budwood.errors import BadValue, LimitExceeded, TooNew

FINGERPRINT_FILE: Final = "budwood.dataset.json"
FINGERPRINT_FORMAT: Final = 1
TRAINED_ON: Final = "trained-on"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SECRET_WORDS: Final = ("sig", "token", "key", "secret", "passw", "pwd", "auth", "cred", "session", "sas")
"""A parameter of an address with one of these in its name is taken for a secret."""


class Form(StrEnum):
    """How data lies there."""

    PARQUET = "parquet"
    CSV = "csv"
    FOLDER = "folder"
    SQL = "sql"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Column:
    """``type`` is the word of the file or database; of a CSV, the narrowest that every value fits."""

    name: str
    type: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What is not known is None or empty. ``distinct`` is exact up to 1,024 and an estimate (3 %) beyond."""

    name: str
    count: int | None = None
    nulls: int | None = None
    least: str = ""
    most: str = ""
    mean: float | None = None
    distinct: int | None = None


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a folder."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells one state of data from another.

    ``sha256`` is of the file's bytes; of a folder, of the list of its files (without those that match ``exclude``);
    of a query, of its rows (``ordered``: in their order, else in any). ``pointer``: the version holds nothing else.
    """

    form: Form
    source: str
    sha256: str
    format: int = FINGERPRINT_FORMAT
    pointer: bool = False
    size_bytes: int | None = None
    rows: int | None = None
    columns: tuple[Column, ...] = ()
    statistics: tuple[ColumnStatistics, ...] = ()
    files: tuple[DataFile, ...] = ()
    exclude: tuple[str, ...] = ()
    query: str = ""
    ordered: bool = False


class State(StrEnum):
    """What became of data since its fingerprint was taken."""

    SAME = "same"
    CHANGED = "changed"
    MISSING = "missing"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column that came (``before`` is None), went, or has another type."""

    name: str
    before: Column | None
    after: Column | None


@dataclass(frozen=True, slots=True)
class StatisticChange:
    """One figure of one column, as text; empty where it was not known."""

    column: str
    figure: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class DatasetChange:
    """How two fingerprints differ. ``same`` is by content alone: moved data is the same data."""

    same: bool
    rows_before: int | None = None
    rows_after: int | None = None
    size_before: int | None = None
    size_after: int | None = None
    columns: tuple[ColumnChange, ...] = ()
    statistics: tuple[StatisticChange, ...] = ()
    files_added: tuple[str, ...] = ()
    files_removed: tuple[str, ...] = ()
    files_changed: tuple[str, ...] = ()
    moved: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """Each difference as a few words; none where there is none."""
        return tuple(_words(self))


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether data is still what its fingerprint says. ``why`` is a sentence; ``change`` is there when it is not."""

    reference: str
    state: State
    source: str
    why: str
    change: DatasetChange | None = None


def written(fingerprint: Fingerprint) -> bytes:
    """The bytes of ``budwood.dataset.json``: canonical, so equal data gives an equal file. Raises LimitExceeded."""
    text = canon.dumps(canon.pack(fingerprint)) + b"\n"
    if len(text) > DATASET_RECORD_BYTES:
        message = f"The fingerprint would have {len(text)} bytes."
        raise LimitExceeded(message, limit="DATASET_RECORD_BYTES")
    return text


def read_fingerprint(text: bytes) -> Fingerprint:
    """What ``written`` wrote, checked: anybody may have pushed a file of that name. Raises BadValue, TooNew."""
    if len(text) > DATASET_RECORD_BYTES:
        raise LimitExceeded(f"The fingerprint has {len(text)} bytes.", limit="DATASET_RECORD_BYTES")
    try:
        value = canon.loads(text)
        found = canon.unpack(Fingerprint, value)
    except (ValueError, RecursionError) as error:
        raise BadValue(f"{FINGERPRINT_FILE} is no fingerprint: {str(error)[:200]}.") from error
    if found.format > FINGERPRINT_FORMAT:
        raise TooNew(f"A fingerprint has format {found.format}; this Budwood knows {FINGERPRINT_FORMAT}.")
    if not _DIGEST.fullmatch(found.sha256) or not all(_DIGEST.fullmatch(each.sha256) for each in found.files):
        raise BadValue(f"{FINGERPRINT_FILE} is no fingerprint: a digest is not 64 hexadecimal digits.")
    if len(found.columns) > DATASET_COLUMNS or len(found.statistics) > DATASET_COLUMNS:
        raise LimitExceeded("A dataset has too many columns.", limit="DATASET_COLUMNS")
    if len(found.files) > FILES_PER_VERSION:
        raise LimitExceeded("A dataset has too many files.", limit="FILES_PER_VERSION")
    return found


def listing_digest(files: Sequence[DataFile]) -> str:
    """SHA-256 of the list of files, by path: one line of JSON each, ``[path, size, sha256]``."""
    ordered = sorted(files, key=lambda file: file.path)
    lines = (canon.dumps([file.path, file.size, file.sha256]) + b"\n" for file in ordered)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def is_url(text: str) -> bool:
    """Whether it is an address with a scheme, and not a path."""
    return _URL.match(text) is not None


def plain_address(url: str) -> str:
    """``url`` itself when it holds no secret: what a version says is there for ever, for everyone. Raises BadValue."""
    hint = "Give it without; what opens the data comes from where you are: the environment, a profile, a netrc file."
    try:
        parts = urlsplit(url)
        secret = parts.password is not None or (parts.username is not None and parts.scheme not in ("abfs", "abfss"))
        parameters = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError as error:
        raise BadValue("The address cannot be read.", hint="Write SCHEME://HOST/PATH.") from error
    if secret:
        raise BadValue("The address holds a name or password before its '@'.", hint=hint)
    for name in parameters:
        if any(word in name.lower() for word in _SECRET_WORDS):
            raise BadValue(f"The address holds what looks like a secret, in its parameter {name[:80]!r}.", hint=hint)
    if parts.fragment:
        raise BadValue("The address has a part behind '#', which no server is told.", hint="Give it without.")
    return url


def compare(before: Fingerprint, after: Fingerprint) -> DatasetChange:
    """How ``after`` differs from ``before``."""
    files_before = {each.path: each for each in before.files}
    files_after = {each.path: each for each in after.files}
    both = files_before.keys() & files_after.keys()
    return DatasetChange(
        same=(before.sha256, before.ordered) == (after.sha256, after.ordered),
        rows_before=before.rows,
        rows_after=after.rows,
        size_before=before.size_bytes,
        size_after=after.size_bytes,
        columns=tuple(_column_changes(before.columns, after.columns)),
        statistics=tuple(_statistic_changes(before.statistics, after.statistics)),
        files_added=tuple(sorted(files_after.keys() - both)),
        files_removed=tuple(sorted(files_before.keys() - both)),
        files_changed=tuple(sorted(path for path in both if files_before[path].sha256 != files_after[path].sha256)),
        moved=(before.source, before.query) != (after.source, after.query),
    )


def _column_changes(before: Sequence[Column], after: Sequence[Column]) -> Iterator[ColumnChange]:
    old, new = {each.name: each for each in before}, {each.name: each for each in after}
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield ColumnChange(name, old.get(name), new.get(name))


def _statistic_changes(
    before: Sequence[ColumnStatistics], after: Sequence[ColumnStatistics]
) -> Iterator[StatisticChange]:
    old = {each.name: _figures(each) for each in before}
    new = {each.name: _figures(each) for each in after}
    for name in (name for name in old if name in new):
        for figure, was in old[name].items():
            if was != new[name][figure]:
                yield StatisticChange(name, figure, was, new[name][figure])


def _figures(statistics: ColumnStatistics) -> Mapping[str, str]:
    return {
        "count": _text(statistics.count),
        "nulls": _text(statistics.nulls),
        "least": statistics.least,
        "most": statistics.most,
        "mean": f"{statistics.mean:.6g}" if statistics.mean is not None else "",
        "distinct": _text(statistics.distinct),
    }


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _words(change: DatasetChange) -> Iterator[str]:
    if change.rows_before != change.rows_after:
        yield f"rows {_or_unknown(change.rows_before)} → {_or_unknown(change.rows_after)}"
    for each in change.columns:
        if each.before is None and each.after is not None:
            yield f"column {each.name} ({_typed(each.after)}) is new"
        elif each.after is None:
            yield f"column {each.name} is gone"
        elif each.before is not None:
            yield f"column {each.name} is {_typed(each.after)}, was {_typed(each.before)}"
    for word, paths in (
        ("new", change.files_added),
        ("gone", change.files_removed),
        ("changed", change.files_changed),
    ):
        if paths:
            listed = ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
            yield f"{word}: {listed}"
    if not change.same and change.size_before != change.size_after:
        yield f"size {_or_unknown(change.size_before)} → {_or_unknown(change.size_after)} bytes"
    if not change.same and change.rows_before == change.rows_after and not change.columns:
        yield "values differ"


def _or_unknown(number: int | None) -> str:
    return "unknown" if number is None else str(number)


def _typed(column: Column) -> str:
    return f"{column.type}, may be null" if column.nullable else column.type
