"""Text that a terminal cannot be fooled by."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from budwood.cli.plain import plain, plain_lines

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_escape_sequences_are_shown_not_obeyed() -> None:
    assert plain("a\x1b[31mred\x07") == "a\\x1b[31mred\\x07"
    assert plain("\x9b31m") == "\\x9b31m"


def test_direction_marks_and_invisible_characters_are_shown() -> None:
    assert plain("safe\u202egpj.exe") == "safe\\u202egpj.exe"
    assert plain("a\u200bb\u2066c\ufeff\u2028") == "a\\u200bb\\u2066c\\ufeff\\u2028"
    assert plain("\U000e0041") == "\\U000e0041"


def test_a_text_of_several_lines_stays_one_line() -> None:
    assert plain("one\ntwo\r\n\tthree") == "one\\ntwo\\r\\n\\tthree"


def test_lines_are_kept_where_lines_are_meant() -> None:
    assert plain_lines("one\r\n\ttwo\rx") == ["one", "    two\\rx"]


def test_letters_of_every_script_stay_as_they_are() -> None:
    for text in ("café", "моделей", "模型", "نموذج", "→ 5 µs — “quoted”", "🌳"):
        assert plain(text) == text


@given(st.text())
def test_nothing_unseen_is_left_whatever_the_text(text: str) -> None:
    assert not [c for c in plain(text) if unicodedata.category(c) in UNSEEN]


@given(st.text())
def test_a_plain_text_stays_as_it_is(text: str) -> None:
    assert plain(plain(text)) == plain(text)
