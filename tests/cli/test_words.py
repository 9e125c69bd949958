"""Numbers as people read them."""

import pytest

from budwood.cli.words import ago_text, count, duration_text, listed, shape_text, share_text, size_text

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (45_400_000, "45.4 MB"), (10**15, "1.0 PB")],
)
def test_a_size_has_a_unit(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


def test_a_size_never_reads_as_a_thousand_of_its_unit() -> None:
    assert size_text(999_949) == "999.9 kB"
    assert size_text(999_950) == "1.0 MB"


@pytest.mark.parametrize(("seconds", "text"), [(0.44, "0.4 s"), (192, "3 min 12 s"), (3900, "1 h 5 min")])
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [(0, "just now"), (42_000, "42 s ago"), (180_000, "3 min ago"), (5 * 3_600_000, "5 h ago"), (DAY_MS, "1 day ago")],
)
def test_an_age_is_said_roughly(age_ms: int, text: str) -> None:
    assert ago_text(DAY_MS * 400, DAY_MS * 400 + age_ms) == text


def test_what_is_old_or_lies_ahead_is_a_date() -> None:
    assert ago_text(0, 31 * DAY_MS) == "1970-01-01"
    assert ago_text(3 * DAY_MS, DAY_MS) == "1970-01-04"


def test_a_little_is_not_shown_as_nothing() -> None:
    assert share_text(1, 10**9) == "under 0.1 %"
    assert share_text(4, 1000) == "0.4 %"
    assert share_text(8, 100) == "8 %"
    assert share_text(0, 0) == share_text(0, 5) == "0 %"


def test_counts_lists_and_shapes() -> None:
    assert count(1, "file") == "1 file"
    assert count(1204, "file") == "1,204 files"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a"]) == "a"
    assert shape_text((384, -1)) == "[384, ?]"
    assert shape_text(None) == ""
