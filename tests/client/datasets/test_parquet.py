"""Parquet footers: what real files say, and that no bytes make the reader do anything but refuse or answer."""

import io
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.client.datasets import thrift
from budwood.client.datasets.parquet import ParquetTable
from budwood.domain.dataset import Column, ColumnStatistics
from budwood.errors import BadValue, Invalid, LimitExceeded, NotOffered

FILES = Path(__file__).parent / "files"
"""Written by write_parquet.py with pyarrow, which says what is in them."""


def read(name: str) -> ParquetTable:
    table = ParquetTable()
    with (FILES / name).open("rb") as file:
        table.read(file, name)
    return table


def footer_of(name: str) -> bytes:
    whole = (FILES / name).read_bytes()
    (length,) = struct.unpack("<I", whole[-8:-4])
    return whole[-8 - length : -8]


def wrapped(footer: bytes) -> io.BytesIO:
    return io.BytesIO(b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1")


def test_rows_columns_and_types_are_those_of_the_file() -> None:
    table = read("tickets.parquet")
    assert table.rows == 5
    assert table.columns == (
        Column("id", "int64", nullable=True),
        Column("small", "uint8", nullable=True),
        Column("text", "string", nullable=True),
        Column("score", "double", nullable=True),
        Column("half", "float", nullable=True),
        Column("paid", "decimal(9,2)", nullable=True),
        Column("day", "date", nullable=True),
        Column("at", "timestamp[us, UTC]", nullable=True),
        Column("is_open", "boolean", nullable=True),
        Column("tags.list.element", "string", nullable=True),
        Column("where.city", "string", nullable=True),
        Column("where.zip", "int32", nullable=True),
    )


def test_figures_of_row_groups_are_put_together() -> None:
    figures = {each.name: each for each in read("tickets.parquet").statistics}
    assert figures["id"] == ColumnStatistics("id", count=5, nulls=0, least="1", most="5")
    assert figures["small"] == ColumnStatistics("small", count=4, nulls=1, least="0", most="200")
    assert figures["score"] == ColumnStatistics("score", count=4, nulls=1, least="-1.25", most="2.0")
    assert figures["paid"] == ColumnStatistics("paid", count=4, nulls=1, least="-0.05", most="12.30")
    assert figures["day"] == ColumnStatistics("day", count=4, nulls=1, least="2025-12-31", most="2026-11-05")
    assert figures["at"].most == "2026-01-02T03:04:05.678000+00:00"
    assert figures["where.zip"].least == "53111"
    assert "tags.list.element" not in figures


def test_what_a_text_column_says_is_not_kept() -> None:
    figures = {each.name: each for each in read("tickets.parquet").statistics}
    assert figures["text"] == ColumnStatistics("text", count=4, nulls=1)


def test_a_file_of_the_first_format_is_read_too() -> None:
    table = read("two_rows.parquet")
    assert table.rows == 2
    assert [column.type for column in table.columns] == [column.type for column in read("tickets.parquet").columns]


def test_a_file_without_rows_or_figures_has_columns_all_the_same() -> None:
    empty, silent = read("no_rows.parquet"), read("no_figures.parquet")
    assert (empty.rows, len(empty.columns)) == (0, 12)
    assert (silent.rows, [each.count for each in silent.statistics]) == (5, [None, None])


def test_files_of_one_table_add_up_and_others_are_refused() -> None:
    table = ParquetTable()
    for name in ("tickets.parquet", "two_rows.parquet"):
        with (FILES / name).open("rb") as file:
            table.read(file, name)
    assert table.rows == 7
    assert table.statistics[0].count == 7
    with (FILES / "no_figures.parquet").open("rb") as file, pytest.raises(BadValue, match="other columns"):
        table.read(file, "no_figures.parquet")


@pytest.mark.parametrize(
    ("content", "error", "word"),
    [
        (b"", BadValue, "too short"),
        (b"id,text\n1,lost card\n", BadValue, "does not end"),
        (b"PAR1" + b"\0" * 8 + b"PARE", NotOffered, "encrypted"),
        (b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1", LimitExceeded, "footer"),
        (b"PAR1" + b"\xff\x00\x00\x00" + b"PAR1", BadValue, "shorter"),
    ],
)
def test_what_is_no_parquet_is_refused(content: bytes, error: type[Exception], word: str) -> None:
    with pytest.raises(error, match=word):
        ParquetTable().read(io.BytesIO(content), "x.parquet")


@pytest.mark.parametrize("name", ["tickets.parquet", "no_rows.parquet"])
def test_a_footer_cut_anywhere_is_refused(name: str) -> None:
    footer = footer_of(name)
    for length in range(len(footer) - 1):
        with pytest.raises(BadValue):
            ParquetTable().read(wrapped(footer[:length]), name)


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_any_bytes_are_refused_or_read(footer: bytes) -> None:
    _answers_or_refuses(footer)


@given(st.data())
@settings(max_examples=500)
def test_a_real_footer_with_bytes_changed_is_refused_or_read(data: st.DataObject) -> None:
    footer = bytearray(footer_of(data.draw(st.sampled_from(["tickets.parquet", "two_rows.parquet"]))))
    for _ in range(data.draw(st.integers(1, 6))):
        footer[data.draw(st.integers(0, len(footer) - 1))] = data.draw(st.integers(0, 255))
    _answers_or_refuses(bytes(footer))


def _answers_or_refuses(footer: bytes) -> None:
    table = ParquetTable()
    try:
        table.read(wrapped(footer), "any.parquet")
    except Invalid:
        return
    assert table.rows >= 0
    assert all(isinstance(each.least, str) for each in table.statistics)
    assert len({type(column.name) for column in table.columns} | {str}) == 1


def test_a_list_longer_than_the_footer_is_refused_before_it_is_built() -> None:
    # Field 2 is a list; its length is written as 2^31.
    with pytest.raises(BadValue, match="longer"):
        ParquetTable().read(wrapped(b"\x29\xfc\x80\x80\x80\x80\x08" + b"\0" * 8), "x.parquet")


@pytest.mark.parametrize(
    "inside", [b"\x29\xfc" + b"%b" + b"\x00" * 3_000_000, b"\x19\x1c\xac" + b"\x15\x02" * 1_500_000]
)
def test_a_footer_of_millions_of_small_things_takes_little_memory(inside: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Invalid):
            ParquetTable().read(wrapped(inside.replace(b"%b", b"\x80\x8d\xb7\x01")), "x.parquet")
        assert tracemalloc.get_traced_memory()[1] < 4 * len(inside)
    finally:
        tracemalloc.stop()


def test_values_nested_without_end_are_refused() -> None:
    # Structures in structures: field 1 of each is a structure.
    with pytest.raises(BadValue, match="deep"):
        ParquetTable().read(wrapped(b"\x7c" + b"\x1c" * 5_000), "x.parquet")


def test_reading_stops_at_its_budget() -> None:
    reader = thrift.Reader(b"\x15\x02" * 1_000 + b"\0", budget=100)
    with pytest.raises(thrift.TooMuch):
        reader.value(thrift.STRUCT)


def test_figures_are_left_out_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = thrift.Reader.__init__.__kwdefaults__
    assert usual is not None
    monkeypatch.setitem(usual, "budget", 300)
    table = read("tickets.parquet")
    assert (table.rows, len(table.columns), table.statistics) == (5, 12, ())
