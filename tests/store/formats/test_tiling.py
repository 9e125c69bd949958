"""Whatever the hints say, the tiles cover the file exactly and in order."""

from hypothesis import given
from hypothesis import strategies as st

from budwood.store.api import Hint
from budwood.store.formats import tile

NUMBERS = st.one_of(st.integers(-5, 120), st.integers(-(1 << 70), 1 << 70))
HINTS = st.lists(st.builds(Hint, NUMBERS, NUMBERS, st.text(max_size=3)), max_size=30)


@given(st.integers(0, 100), HINTS)
def test_any_hints_at_all_tile_exactly(size: int, hints: list[Hint]) -> None:
    at = 0
    for part in tile(size, hints):
        assert part.offset == at
        assert part.length > 0
        at += part.length
    assert at == size


@given(st.integers(0, 100), HINTS)
def test_a_tile_with_a_name_is_a_hint_unchanged(size: int, hints: list[Hint]) -> None:
    assert all(part in hints for part in tile(size, hints) if part.name)


def test_gaps_are_nameless_and_hints_keep_their_place() -> None:
    hints = [Hint(6, 2, "b"), Hint(1, 3, "a", "f32", (3,))]
    assert tile(9, hints) == (
        Hint(0, 1, ""),
        Hint(1, 3, "a", "f32", (3,)),
        Hint(4, 2, ""),
        Hint(6, 2, "b"),
        Hint(8, 1, ""),
    )


def test_of_two_that_overlap_the_earlier_and_longer_stays() -> None:
    assert [part.name for part in tile(10, [Hint(0, 4, "short"), Hint(0, 6, "long"), Hint(5, 5, "late")])] == [
        "long",
        "",
    ]


def test_an_empty_file_has_no_tiles() -> None:
    assert tile(0, [Hint(0, 1, "a"), Hint(0, 0, "b")]) == ()
