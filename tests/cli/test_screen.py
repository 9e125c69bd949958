"""Laying out: in a pipe everything in full, on a terminal what fits."""

import io

from hypothesis import given
from hypothesis import strategies as st

from budwood.cli.screen import Column, Screen, cells, fit

COLUMNS = (Column("name"), Column("size", right=True), Column("author", spare=True), Column("message", elastic=True))


def drawn(rows: list[tuple[str, ...]]) -> list[str]:
    stream = io.StringIO()
    Screen(stream).table(COLUMNS, rows)
    return stream.getvalue().splitlines()


def test_a_pipe_gets_aligned_columns_without_colour() -> None:
    assert drawn([("encoder", "1.0 MB", "mara", "First"), ("b", "12.5 kB", "li", "Second")]) == [
        "name        size  author  message",
        "encoder   1.0 MB  mara    First",
        "b        12.5 kB  li      Second",
    ]


def test_a_pipe_gets_every_value_in_full() -> None:
    long = "word " * 2000 + "end"
    assert drawn([("encoder", "1.0 MB", "mara", long)])[1].endswith("word end")


def test_a_column_that_is_empty_everywhere_is_left_out() -> None:
    assert drawn([("encoder", "1.0 MB", "", "First")])[0] == "name       size  message"


def test_wide_characters_do_not_push_columns_aside() -> None:
    lines = drawn([("模型", "1 byte", "a", "x"), ("abcd", "1 byte", "b", "y")])
    assert lines[1] == "模型  1 byte  a       x"
    assert lines[2] == "abcd  1 byte  b       y"


def test_a_narrow_terminal_first_shortens_then_leaves_out() -> None:
    rows = [["encoder@1.2.0", "45.4 MB", "mara@example.com", "m" * 60]]
    shown, widths = fit(COLUMNS, rows, 80)
    assert shown == [0, 1, 2, 3]
    assert sum(widths) + 6 == 80
    shown, widths = fit(COLUMNS, rows, 60)
    assert shown == [0, 1, 3]
    assert sum(widths) + 4 == 60


def test_without_a_limit_nothing_is_shortened() -> None:
    assert fit(COLUMNS, [["a", "b", "c", "m" * 500]], None) == ([0, 1, 2, 3], [4, 4, 6, 500])


@given(st.lists(st.tuples(*[st.text(max_size=60)] * 4), max_size=5), st.integers(1, 200))
def test_columns_that_must_stay_are_never_shortened(rows: list[tuple[str, ...]], room: int) -> None:
    shown, widths = fit(COLUMNS, rows, room)
    for at, width in zip(shown, widths, strict=True):
        if not COLUMNS[at].elastic:
            assert width == max([cells(COLUMNS[at].title), *(cells(row[at]) for row in rows)])
