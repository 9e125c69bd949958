"""Moments are read one way only, and written in their shortest form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.moment import moment_text, parse_moment


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00Z"),
        (1_793_889_000_000, "2026-11-05T14:30Z"),
        (1_793_889_001_000, "2026-11-05T14:30:01Z"),
        (1_793_889_000_007, "2026-11-05T14:30:00.007Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_moment_is_written_as_short_as_it_can_be(at_ms: int, text: str) -> None:
    assert moment_text(at_ms) == text
    assert parse_moment(text) == at_ms


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-05T14:30",
        "2026-11-05 14:30Z",
        "2026-11-05Z",
        "26-11-05",
        "2026-11-05T14Z",
        "2026-11-05T14:30:60Z",
        "1970-01-01T00:00+00:01",
        "9999-12-31T23:59-00:01",
        "２０２６-11-05",
        "2026-11-05T14:30+1:00",
        "0000-01-01",
    ],
)
def test_what_is_not_one_moment_is_none(text: str) -> None:
    assert parse_moment(text) is None


@given(st.integers(0, 253_402_300_799_999))
def test_writing_and_reading_agree(at_ms: int) -> None:
    assert parse_moment(moment_text(at_ms)) == at_ms
