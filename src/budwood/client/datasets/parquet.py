"""Parquet, read from its footer alone: rows, columns, and the figures that its writer left there.

Nothing of the values themselves is decoded, so no compression library is needed and a file of any size takes
milliseconds. What a footer does not say (means, how many different values) stays unknown. Its least and most are kept
for numbers, dates and moments only, and only where the format gives them an order that readers agree on.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import BinaryIO, Final, cast

from budwood.client.datasets.tally import text_of
from budwood.client.datasets.thrift import STRUCT, Broken, Reader, TooMuch, Value, Wish
from budwood.domain.dataset import Column, ColumnStatistics
from budwood.domain.limits import DATASET_COLUMNS, PARQUET_DEPTH, PARQUET_FOOTER_BYTES
from budwood.errors import BadValue, LimitExceeded, NotOffered

MAGIC: Final = b"PAR1"
ENCRYPTED: Final = b"PARE"
AS_BYTES: Final = "Mend it, or keep only its bytes with --as file."
Fields = Mapping[int, Value]
Figure = int | float | Decimal | date | datetime


class ParquetTable:
    """One table, of one file or of several with the same columns."""

    def __init__(self) -> None:
        self.rows = 0
        self._leaves: tuple[_Leaf, ...] | None = None
        self._tallies: tuple[_Tally, ...] = ()
        self._is_whole = True

    def read(self, file: BinaryIO, name: str) -> None:
        """Add what a file's footer says. Raises BadValue, LimitExceeded, NotOffered."""
        footer = _footer(file, name)
        try:
            self._read(Reader(footer), name)
        except Broken as error:
            raise BadValue(f"{name} is no parquet file that can be read: {error}.", hint=AS_BYTES) from error
        except TooMuch:
            # The columns come first in a footer: what is missing then are figures of row groups.
            if self._leaves is None:
                raise LimitExceeded(f"{name} has a footer of too many values.", limit="PARQUET_VALUES") from None
            self._is_whole = False

    @property
    def columns(self) -> tuple[Column, ...]:
        """The leaves, by their path; a list's items are named as the file names them."""
        return tuple(Column(leaf.path, leaf.type, leaf.nullable) for leaf in self._leaves or ())

    @property
    def statistics(self) -> tuple[ColumnStatistics, ...]:
        """One for each column that is no list; none at all where the footer was too long to look at."""
        if not self._is_whole:
            return ()
        pairs = zip(self._leaves or (), self._tallies, strict=True)
        return tuple(tally.statistics(leaf) for leaf, tally in pairs if not leaf.repeated)

    def _read(self, reader: Reader, name: str) -> None:
        rows: int | None = None
        for field, kind in reader.fields():
            if field == 2:
                self._check_leaves(_leaves(reader.value(kind, _ELEMENT)), name)
            elif field == 3:
                rows = _whole(reader.value(kind))
                self.rows += rows
            elif field == 4:
                if self._leaves is None or rows is None:
                    raise Broken("row groups come before the schema")
                for _ in reader.structures(kind):
                    self._add_group(reader.value(STRUCT, _ROW_GROUP))
            else:
                reader.skip(kind)
        if self._leaves is None or rows is None:
            raise Broken("it has no schema or no number of rows")

    def _check_leaves(self, leaves: "tuple[_Leaf, ...]", name: str) -> None:
        if len(leaves) > DATASET_COLUMNS:
            raise LimitExceeded(f"{name} has {len(leaves)} columns.", limit="DATASET_COLUMNS")
        if self._leaves is None:
            self._leaves = leaves
            self._tallies = tuple(_Tally() for _ in leaves)
        elif self._leaves != leaves:
            raise BadValue(f"{name} has other columns than the files before it.", hint=AS_BYTES)

    def _add_group(self, group: Value) -> None:
        chunks = _fields(group).get(1)
        if not isinstance(chunks, list) or len(chunks) != len(self._tallies):
            raise Broken("a row group has another number of columns than the schema")
        for leaf, tally, chunk in zip(self._leaves or (), self._tallies, chunks, strict=True):
            tally.add(leaf, _fields(_fields(chunk).get(3, {})))


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A column that holds values: ``physical`` is how they are written, ``unit`` what a moment counts, or a
    decimal's scale."""

    path: str
    type: str
    nullable: bool
    repeated: bool
    physical: int
    unit: int = 0


class _Tally:
    """What the row groups say of one column; a figure that one of them does not say is unknown."""

    def __init__(self) -> None:
        self._values = 0
        self._nulls: int | None = 0
        self._range: tuple[Figure, Figure] | None = None
        self._has_range = True

    def add(self, leaf: _Leaf, chunk: Fields) -> None:
        values = _whole(chunk.get(5, 0))
        self._values += values
        told = _fields(chunk.get(12, {}))
        nulls = told.get(3, None if leaf.nullable and values else 0)
        self._nulls = None if nulls is None or self._nulls is None else self._nulls + _whole(nulls)
        if values and nulls != values:
            self._widen(_range(leaf, told))

    def statistics(self, leaf: _Leaf) -> ColumnStatistics:
        low, high = self._range if self._range and self._has_range else (None, None)
        count = None if self._nulls is None else self._values - self._nulls
        return ColumnStatistics(leaf.path, count=count, nulls=self._nulls, least=text_of(low), most=text_of(high))

    def _widen(self, more: tuple[Figure, Figure] | None) -> None:
        if more is None:
            self._has_range = False
        elif self._range is None:
            self._range = more
        else:
            low, high = self._range
            self._range = (min(low, more[0]), max(high, more[1]))


def _footer(file: BinaryIO, name: str) -> bytes:
    size = file.seek(0, 2)
    if size < 12:
        raise BadValue(f"{name} is too short for a parquet file.", hint=AS_BYTES)
    file.seek(size - 8)
    tail = file.read(8)
    if tail[4:] == ENCRYPTED:
        raise NotOffered(f"The footer of {name} is encrypted.", hint="Keep only its bytes with --as file.")
    if tail[4:] != MAGIC:
        raise BadValue(f"{name} does not end as a parquet file does.", hint=AS_BYTES)
    length = int.from_bytes(tail[:4], "little")
    if length > PARQUET_FOOTER_BYTES:
        raise LimitExceeded(f"The footer of {name} has {length} bytes.", limit="PARQUET_FOOTER_BYTES")
    if length > size - 12:
        raise BadValue(f"{name} is shorter than its footer says.", hint=AS_BYTES)
    file.seek(size - 8 - length)
    return file.read(length)


def _leaves(elements: Value) -> tuple[_Leaf, ...]:
    """The schema is a tree written in depth-first order; the first element is its root. Raises Broken."""
    if not isinstance(elements, list) or not elements:
        raise Broken("it has no schema")
    found: list[_Leaf] = []
    # What is still to come below each open element, innermost last: how many, its path, may it be null, is it a list.
    open_: list[list[int | str | bool]] = [[_whole(_fields(elements[0]).get(5, 0)), "", False, False]]
    for element in elements[1:]:
        while open_ and open_[-1][0] == 0:
            open_.pop()
        if not open_ or len(open_) > PARQUET_DEPTH:
            raise Broken("the schema is no tree, or too deep")
        above = open_[-1]
        above[0] = cast(int, above[0]) - 1
        fields = _fields(element)
        path = f"{above[1]}.{_name(fields)}" if above[1] else _name(fields)
        nullable = bool(above[2]) or fields.get(3) == 1
        repeated = bool(above[3]) or fields.get(3) == 2
        if children := _whole(fields.get(5, 0)):
            open_.append([children, path, nullable, repeated])
        else:
            found.append(_leaf(fields, path, nullable, repeated))
    if any(each[0] for each in open_):
        raise Broken("the schema ends too early")
    return tuple(found)


def _leaf(fields: Fields, path: str, nullable: bool, repeated: bool) -> _Leaf:
    physical = fields.get(1)
    if not isinstance(physical, int) or not 0 <= physical < len(_PHYSICAL):
        raise Broken("a column has no type")
    word, unit = _logical(fields)
    plain = f"bytes[{_whole(fields.get(2, 0))}]" if physical == 7 else _PHYSICAL[physical]
    return _Leaf(path, word or plain, nullable, repeated, physical, unit)


def _logical(fields: Fields) -> tuple[str, int]:
    """The word for what values mean, where the file says it, and their unit."""
    told = fields.get(10)
    if isinstance(told, dict) and told:
        number, inner = next(iter(told.items()))
        parameters = inner if isinstance(inner, dict) else {}
        if number == 5:
            return _decimal(parameters.get(2), parameters.get(1))
        if number in (7, 8):
            return _moment("time" if number == 7 else "timestamp", parameters)
        if number == 10:
            bits = parameters.get(1)
            return (f"{'' if parameters.get(2) else 'u'}int{bits}", 0) if bits in (8, 16, 32, 64) else ("", 0)
        return _LOGICAL.get(number, ""), 0
    converted = fields.get(6)
    if converted == 5:
        return _decimal(fields.get(8), fields.get(7, 0))
    if isinstance(converted, int):
        return _CONVERTED.get(converted, ("", 0))
    return "", 0


def _decimal(precision: Value, scale: Value) -> tuple[str, int]:
    return f"decimal({_whole(precision)},{_whole(scale or 0)})", _whole(scale or 0)


def _moment(word: str, parameters: Fields) -> tuple[str, int]:
    unit = parameters.get(2)
    names = {1: ("ms", 1_000), 2: ("us", 1_000_000), 3: ("ns", 1_000_000_000)}
    name, per_s = names.get(next(iter(unit), 0), ("", 0)) if isinstance(unit, dict) else ("", 0)
    zone = ", UTC" if parameters.get(1) is True and word == "timestamp" else ""
    return f"{word}[{name}{zone}]", per_s


def _range(leaf: _Leaf, told: Fields) -> tuple[Figure, Figure] | None:
    """The least and most of a row group; None where it does not say them, or not in a way to rely on."""
    low, high = told.get(6), told.get(5)
    if low is None and leaf.physical in (1, 2, 4, 5) and not leaf.type.startswith("uint"):
        # The old fields, whose order was only ever agreed on for signed numbers.
        low, high = told.get(2), told.get(1)
    if not isinstance(low, bytes) or not isinstance(high, bytes):
        return None
    least, most = _figure(leaf, low), _figure(leaf, high)
    if least is None or most is None or least > most:  # type: ignore[operator]
        return None
    return least, most


def _figure(leaf: _Leaf, text: bytes) -> Figure | None:
    word = leaf.type.partition("(")[0].partition("[")[0]
    if leaf.physical in (4, 5):
        code = {(4, 4): "<f", (5, 8): "<d"}.get((leaf.physical, len(text)))
        number = struct.unpack(code, text)[0] if code else float("nan")
        return float(number) if number == number else None
    if word == "decimal":
        order = "little" if leaf.physical in (1, 2) else "big"
        whole = int.from_bytes(text[:64], order, signed=True)  # type: ignore[arg-type]
        return Decimal(f"{whole}E-{leaf.unit}") if 0 < len(text) <= 32 and 0 <= leaf.unit <= 76 else None
    if leaf.physical not in (1, 2) or len(text) != {1: 4, 2: 8}[leaf.physical]:
        return None
    whole = int.from_bytes(text, "little", signed=not word.startswith("uint"))
    if word == "date":
        return _added(date(1970, 1, 1), timedelta(days=whole)) if abs(whole) < 4_000_000 else None
    if word == "timestamp":
        return _timestamp(whole, leaf)
    return whole if word.lstrip("u").startswith("int") else None


def _timestamp(count: int, leaf: _Leaf) -> datetime | None:
    if not leaf.unit:
        return None
    start = datetime(1970, 1, 1, tzinfo=UTC if "UTC" in leaf.type else None)
    # Nanoseconds are cut to microseconds, which is the finest a moment is written in here.
    micros = count * 1_000_000 // leaf.unit
    return cast(datetime | None, _added(start, timedelta(microseconds=micros))) if abs(micros) < 1 << 58 else None


def _added(start: date, step: timedelta) -> date | None:
    try:
        return start + step
    except OverflowError:
        return None


def _fields(value: Value) -> Fields:
    if not isinstance(value, dict):
        raise Broken("no structure where one must be")
    return value


def _whole(value: Value) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise Broken("no count where one must be")
    return value


def _name(fields: Fields) -> str:
    name = fields.get(4)
    if not isinstance(name, bytes):
        raise Broken("a column has no name")
    return name.decode("utf-8", "replace")[:500]


_PHYSICAL: Final[Sequence[str]] = ("boolean", "int32", "int64", "int96", "float", "double", "bytes", "bytes[]")
_LOGICAL: Final[Mapping[int, str]] = {
    1: "string", 2: "map", 3: "list", 4: "enum", 6: "date", 11: "null", 12: "json", 13: "bson", 14: "uuid",
    15: "float16", 16: "variant", 17: "geometry", 18: "geography",
}  # fmt: skip
_CONVERTED: Final[Mapping[int, tuple[str, int]]] = {
    0: ("string", 0), 4: ("enum", 0), 6: ("date", 0), 7: ("time[ms]", 1_000), 8: ("time[us]", 1_000_000),
    9: ("timestamp[ms, UTC]", 1_000), 10: ("timestamp[us, UTC]", 1_000_000),
    11: ("uint8", 0), 12: ("uint16", 0), 13: ("uint32", 0), 14: ("uint64", 0),
    15: ("int8", 0), 16: ("int16", 0), 17: ("int32", 0), 18: ("int64", 0), 19: ("json", 0), 20: ("bson", 0),
    21: ("interval", 0),
}  # fmt: skip
_ELEMENT: Final[Wish] = {1: None, 2: None, 3: None, 4: None, 5: None, 6: None, 7: None, 8: None, 10: None}
_STATISTICS: Final[Wish] = {1: None, 2: None, 3: None, 5: None, 6: None}
_ROW_GROUP: Final[Wish] = {1: {3: {5: None, 12: _STATISTICS}}}
