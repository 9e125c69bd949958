"""Labels follow semver.org: what they accept, how they are ordered, how they are bumped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.label import FIRST, Label, Level
from budwood.domain.limits import LABEL_CHARS
from budwood.errors import BadLabel

_VALID = (
    "0.0.4 1.2.3 10.20.30 1.1.2-prerelease+meta 1.1.2+meta 1.1.2+meta-valid 1.0.0-alpha 1.0.0-beta 1.0.0-alpha.beta "
    "1.0.0-alpha.1 1.0.0-alpha0.valid 1.0.0-rc.1+build.1 2.0.0-rc.1+build.123 1.2.3-SNAPSHOT-123 1.0.0-0A.is.legal "
    "1.2.3----RC-SNAPSHOT.12.9.1--.12+788 1.0.0+0.build.1-rc.10000aaa-kk-0.1 99999999999999999999999.999.1"
)
_INVALID = (
    "1 1.2 1.2.3.4 v1.2.3 01.2.3 1.02.3 1.2.03 1.2.3-01 1.2.3-0123.0123 1.2.3- 1.2.3+ 1.2.3-a..b 1.2.3-é +invalid "
    "-invalid alpha 1.2.3+a+b 1.2.-3 1.2.3-+b"
)
labels = st.builds(
    Label,
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.lists(st.sampled_from(["alpha", "beta", "rc", "0", "1", "2", "10", "-", "0a"]), max_size=3).map(tuple),
    st.sampled_from(["", "cuda", "cuda.12", "007"]),
)


@pytest.mark.parametrize("text", _VALID.split())
def test_a_semantic_version_is_read_and_written_back(text: str) -> None:
    assert str(Label.parse(text)) == text


@pytest.mark.parametrize("text", ["", " 1.2.3", "1.2.3 ", "1.2.3\n", "١.٢.٣", *_INVALID.split()])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadLabel):
        Label.parse(text)


@pytest.mark.parametrize(
    ("text", "better"), [("1.2", "1.2.0"), ("3", "3.0.0"), ("v1.2", "1.2.0"), ("v1.2.0", "1.2.0"), ("1.02.3", "1.2.3")]
)
def test_the_hint_says_what_to_write_instead(text: str, better: str) -> None:
    with pytest.raises(BadLabel) as caught:
        Label.parse(text)
    assert f"rite {better}" in caught.value.hint


def test_a_label_has_a_length() -> None:
    longest = "1.0.0-" + "a" * (LABEL_CHARS - 6)
    assert str(Label.parse(longest)) == longest
    with pytest.raises(BadLabel, match="not a label") as caught:
        Label.parse(longest + "a")
    assert str(LABEL_CHARS) in caught.value.hint


def test_a_bump_past_the_length_is_refused() -> None:
    nines = Label.parse("9" * (LABEL_CHARS - 4) + ".0.0")
    with pytest.raises(BadLabel):
        nines.bump(Level.MAJOR)


def test_precedence_is_the_one_of_the_standard() -> None:
    ordered = [
        "1.0.0-1",
        "1.0.0-2",
        "1.0.0-10",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
        "1.2.0",
        "1.10.0",
        "2.0.0",
    ]
    assert [str(label) for label in sorted(map(Label.parse, reversed(ordered)))] == ordered


def test_build_metadata_does_not_tell_labels_apart() -> None:
    one, other = Label.parse("1.0.0+cuda"), Label.parse("1.0.0+cpu")
    assert one == other
    assert hash(one) == hash(other)
    assert not one < other
    assert one.identity == other.identity == "1.0.0"


@pytest.mark.parametrize(
    ("before", "level", "after"),
    [
        ("1.2.3", Level.MAJOR, "2.0.0"),
        ("1.2.3", Level.MINOR, "1.3.0"),
        ("1.2.3", Level.PATCH, "1.2.4"),
        ("1.2.3", Level.NONE, "1.2.4"),
        ("1.2.3+cuda", Level.PATCH, "1.2.4"),
        ("2.0.0-rc.1", Level.MAJOR, "2.0.0"),
        ("2.0.0-rc.1", Level.MINOR, "2.0.0"),
        ("2.0.0-rc.1", Level.PATCH, "2.0.0"),
        ("2.1.0-rc.1", Level.MAJOR, "3.0.0"),
        ("2.1.0-rc.1", Level.MINOR, "2.1.0"),
        ("2.1.1-rc.1", Level.MINOR, "2.2.0"),
        ("2.1.1-rc.1", Level.MAJOR, "3.0.0"),
        ("2.1.1-rc.1", Level.PATCH, "2.1.1"),
        ("0.3.1", Level.MAJOR, "1.0.0"),
    ],
)
def test_bumping_gives_the_next_label(before: str, level: Level, after: str) -> None:
    assert str(Label.parse(before).bump(level)) == after


def test_the_first_label_is_one() -> None:
    assert str(FIRST) == "1.0.0"


@given(labels)
def test_writing_and_reading_give_the_same_label(label: Label) -> None:
    read = Label.parse(str(label))
    assert read == label
    assert read.build == label.build


@given(labels, labels, labels)
def test_precedence_is_a_total_order(a: Label, b: Label, c: Label) -> None:
    assert (a < b) + (a == b) + (a > b) == 1
    assert not (a < b < c) or a < c


@given(labels, st.sampled_from(list(Level)))
def test_a_bump_always_goes_up(label: Label, level: Level) -> None:
    assert label < label.bump(level)
    assert not label.bump(level).prerelease


@given(st.text() | st.text("0123456789.-+vrc", max_size=150))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        label = Label.parse(text)
    except BadLabel:
        return
    assert str(label) == text
