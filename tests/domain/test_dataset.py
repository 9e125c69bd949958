"""Fingerprints as documents, and how two of them differ."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.dataset import (
    Column,
    ColumnStatistics,
    DataFile,
    Fingerprint,
    Form,
    compare,
    listing_digest,
    read_fingerprint,
    written,
)
from budwood.errors import BadValue, Invalid, TooNew

A, B = "a" * 64, "b" * 64
HELD = Fingerprint(
    Form.CSV,
    "/data/t.csv",
    A,
    pointer=True,
    size_bytes=52,
    rows=2,
    columns=(Column("id", "integer"), Column("text", "text", nullable=True)),
    statistics=(ColumnStatistics("id", 2, 0, "1", "2", 1.5, 2), ColumnStatistics("text", 1, 1, "3", "3")),
)


def test_what_was_written_is_read_back() -> None:
    folder = replace(HELD, form=Form.FOLDER, files=(DataFile("a/b.csv", 3, B),), exclude=("*.tmp",))
    query = replace(HELD, form=Form.SQL, size_bytes=None, query="select 1", ordered=True)
    for each in (HELD, folder, query):
        assert read_fingerprint(written(each)) == each


def test_equal_fingerprints_are_equal_bytes() -> None:
    assert written(HELD) == written(replace(HELD))
    assert written(HELD).endswith(b"\n")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": 2}, TooNew),
        ({"sha256": "../../etc"}, BadValue),
        ({"form": "pickle"}, BadValue),
        ({"rows": "many"}, BadValue),
        ({"columns": [{"name": 3, "type": "text"}]}, BadValue),
        ({"files": [{"path": "x", "size": 1, "sha256": "short"}]}, BadValue),
        ({"columns": [{"name": "x", "type": "text"}] * 10_001}, Invalid),
    ],
)
def test_a_fingerprint_that_somebody_made_up_is_refused(change: dict[str, object], error: type[Exception]) -> None:
    value = json.loads(written(HELD))
    with pytest.raises(error):
        read_fingerprint(json.dumps(value | change).encode())


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_refused(text: bytes) -> None:
    with pytest.raises(Invalid):
        read_fingerprint(text)


def test_nothing_differs_between_equals_and_a_move_is_no_change() -> None:
    moved = compare(HELD, replace(HELD, source="/lake/t.csv"))
    assert compare(HELD, HELD).words == ()
    assert (moved.same, moved.moved, moved.words) == (True, True, ())


def test_rows_columns_and_figures_that_differ_are_named() -> None:
    after = replace(
        HELD,
        sha256=B,
        rows=3,
        size_bytes=70,
        columns=(Column("id", "number"), Column("priority", "text")),
        statistics=(ColumnStatistics("id", 3, 0, "1", "3", 2.0, 3),),
    )
    change = compare(HELD, after)
    assert change.words == (
        "rows 2 → 3",
        "column id is number, was integer",
        "column text is gone",
        "column priority (text) is new",
        "size 52 → 70 bytes",
    )
    figures = {(each.figure, each.before, each.after) for each in change.statistics}
    assert figures == {("count", "2", "3"), ("most", "2", "3"), ("mean", "1.5", "2"), ("distinct", "2", "3")}


def test_values_alone_can_differ() -> None:
    assert compare(HELD, replace(HELD, sha256=B)).words == ("values differ",)


def test_the_order_of_rows_counts_for_one_that_says_so() -> None:
    assert compare(HELD, replace(HELD, ordered=True)).same is False


def test_files_that_came_went_and_changed_are_named() -> None:
    before = replace(HELD, files=(DataFile("a", 1, A), DataFile("b", 1, A)))
    after = replace(HELD, sha256=B, files=(DataFile("b", 1, B), *(DataFile(f"n{i}", 1, B) for i in range(7))))
    assert compare(before, after).words[:3] == (
        "new: n0, n1, n2, n3, n4 and 2 more",
        "gone: a",
        "changed: b",
    )


def test_a_listing_is_by_path_whatever_its_order() -> None:
    files = [DataFile("b", 1, A), DataFile("a", 2, B)]
    assert listing_digest(files) == listing_digest(files[::-1])
    assert listing_digest(files) != listing_digest([DataFile("b", 1, B), DataFile("a", 2, A)])
