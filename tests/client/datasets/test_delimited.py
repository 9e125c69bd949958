"""CSV: careful types, exact figures, and refusal of what does not hold together."""

import csv
import io
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.client.datasets import delimited
from budwood.client.datasets.delimited import CsvTable
from budwood.domain.dataset import ColumnStatistics
from budwood.errors import BadValue, Invalid, LimitExceeded


def read(text: str | bytes, name: str = "x.csv") -> CsvTable:
    table = CsvTable()
    table.read(io.BytesIO(text.encode() if isinstance(text, str) else text), name)
    return table


def types(values: Sequence[str]) -> str:
    table = read("a,b\n" + "".join(f"{value},\n" for value in values))
    return table.columns[0].type


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (["1", "-2", "0"], "integer"),
        (["1", "2.5", "-1e3", ".5"], "number"),
        (["01", "02"], "text"),  # postcodes
        (["1,000".replace(",", "_"), "2"], "text"),
        (["1", "two"], "text"),
        (["12345678901234567890"], "text"),  # more than 64 bits hold
        (["nan", "inf"], "text"),
        (["true", "False"], "boolean"),
        (["0", "1"], "integer"),
        (["2026-01-31", "2025-12-01"], "date"),
        (["2026-13-01"], "text"),
        (["2026-01-31T10:00:00Z", "2026-01-31T10:00:00.5"], "timestamp"),
        (["", ""], "empty"),
        ([" 1"], "text"),
    ],
)
def test_a_type_is_what_every_value_fits(values: list[str], word: str) -> None:
    assert types(values) == word


def test_figures_are_those_of_the_values() -> None:
    table = read("id,score,mail,zip\n1,0.5,a@b.example,01234\n2,,longer@b.example,00001\n10,-1.5,,\n")
    assert table.rows == 3
    assert table.statistics == (
        ColumnStatistics("id", count=3, nulls=0, least="1", most="10", mean=4.33333333333, distinct=3),
        ColumnStatistics("score", count=2, nulls=1, least="-1.5", most="0.5", mean=-0.5, distinct=2),
        ColumnStatistics("mail", count=2, nulls=1, least="11", most="16", distinct=2),
        ColumnStatistics("zip", count=2, nulls=1, least="5", most="5", distinct=2),
    )
    assert [column.nullable for column in table.columns] == [False, True, True, True]


def test_a_column_that_turns_to_text_late_is_a_text() -> None:
    many = "".join(f"{number}\n" for number in range(delimited.ROWS_AT_ONCE + 5))
    table = read(f"n\n{many}none\n")
    (figures,) = table.statistics
    assert table.columns[0].type == "text"
    assert (figures.mean, figures.least, figures.most) == (None, "1", "4")


@pytest.mark.parametrize("distinct", [1, 1_024, 30_000])
def test_distinct_values_are_exact_while_few_and_near_when_many(distinct: int) -> None:
    table = read("n\n" + "".join(f"v{number % distinct}\n" for number in range(max(distinct, 5_000))))
    found = table.statistics[0].distinct
    assert found is not None
    assert found == distinct if distinct <= 1_024 else abs(found - distinct) < 0.12 * distinct


@pytest.mark.parametrize(
    ("text", "name"),
    [("a;b\n1;2\n", "x.csv"), ("a\tb\n1\t2\n", "x.csv"), ("a|b\n1|2\n", "x.csv"), ("a\tb\n1,5\t2\n", "x.tsv")],
)
def test_the_delimiter_is_found_in_the_header(text: str, name: str) -> None:
    assert [column.name for column in read(text, name).columns] == ["a", "b"]


def test_quotes_line_breaks_and_a_byte_order_mark_are_understood() -> None:
    table = read(b'\xef\xbb\xbf"first\nname",b\r\n"x, ""y""\n z",2\r\n')
    assert [column.name for column in table.columns] == ["first\nname", "b"]
    assert (table.rows, table.statistics[0].most) == (1, "9")


def test_names_that_are_empty_or_come_twice_are_told_apart() -> None:
    assert [column.name for column in read("a,,a,a\n1,2,3,4\n").columns] == ["a", "column 2", "a (3)", "a (4)"]


def test_no_rows_and_no_bytes_at_all_are_tables_too() -> None:
    assert (read("a,b\n").rows, len(read("a,b\n").columns)) == (0, 2)
    assert (read("").rows, read("").columns) == (0, ())


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a,b\n1,2\n3\n", "1 values in row 2"),
        ("a,b\n1,2,3\n", "3 values in row 1"),
        ('a,b\n1,"open\n', "no CSV"),
        (b"a,b\n1,\xff\n", "UTF-8"),
        (b"a,b\0\n1,2\n", "zero bytes"),
        ("a,b\n" + "x" * 140_000 + ",2\n", "no CSV"),
    ],
)
def test_what_does_not_hold_together_is_refused_with_a_way_out(text: str | bytes, word: str) -> None:
    with pytest.raises(BadValue, match=word) as refused:
        read(text)
    assert "--as file" in refused.value.hint


def test_a_file_without_lines_is_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "LINE_CHARS", 1_000)
    with pytest.raises(BadValue, match="line of over"):
        read("a,b\n" + "1" * 5_000)


def test_long_rows_are_counted_as_short_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "n,text\n" + "".join(f"{number},{'x' * (number % 90)}\n\n" for number in range(500))
    whole = read(text)
    monkeypatch.setattr(delimited, "CHARS_AT_ONCE", 300)
    assert (read(text).rows, read(text).statistics) == (500, whole.statistics)


def test_more_columns_than_anybody_has_are_refused() -> None:
    with pytest.raises(LimitExceeded):
        read("," * 10_001)


rows = st.lists(st.tuples(st.integers(-(10**9), 10**9), st.text(st.characters(codec="utf-8"), max_size=8)), max_size=40)


@given(rows)
@settings(max_examples=150)
def test_what_was_written_is_what_is_counted(written: list[tuple[int, str]]) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["number", "text"])
    writer.writerows(written)
    try:
        table = read(buffer.getvalue())
    except BadValue:
        assert any("\0" in text for _, text in written)
        return
    assert table.rows == len(written)
    numbers, texts = table.statistics
    present = [text for _, text in written if text]
    assert (numbers.count, texts.count) == (len(written), len(present))
    assert texts.distinct == len(set(present))
    if written:
        assert numbers.least == str(min(number for number, _ in written))
        assert numbers.mean == pytest.approx(statistics.fmean(number for number, _ in written), rel=1e-9)


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_any_bytes_are_a_table_or_refused(content: bytes) -> None:
    try:
        table = read(content)
    except Invalid:
        return
    assert len(table.columns) == len(table.statistics)
