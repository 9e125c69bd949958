"""Patterns of searches mean what Python's mean, and no text makes them slow."""

import re
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.traces.patterns import BadPattern, check_pattern, matches

LETTERS = st.text("ab1-.*+?()|[]^$\\dws{},2 ", max_size=9)
TEXTS = st.lists(st.text("ab1- _", max_size=8), max_size=6)


@given(LETTERS, TEXTS)
@settings(max_examples=1_500, deadline=None)
def test_a_pattern_that_is_taken_finds_what_pythons_finds(pattern: str, texts: list[str]) -> None:
    try:
        check_pattern(pattern)
    except BadPattern:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = re.compile(pattern)
    for text in texts:
        assert matches(pattern, text) == bool(theirs.search(text)), (pattern, text)


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|a)+b", "(.*a){20}b", "a{0,50}a{0,50}a{0,50}b", ".*.*.*.*.*b"])
def test_what_keeps_other_engines_busy_for_years_takes_a_moment(pattern: str) -> None:
    begun = time.process_time()
    assert not matches(pattern, "a" * 20_000)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "a**",
        "*a",
        "[a",
        "a{3,2}",
        "a{256}",
        "^*",
        r"[\D]",
        "(a{99}){99}",
        r"(a)\1",
        "(?=a)",
        "(?i)a",
        "\\",
        "[b-a]",
        "a" * 1_001,
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        check_pattern(pattern)


def test_nothing_is_found_in_what_is_not_there() -> None:
    assert not matches(".*", None)
    assert matches("^$", "")
