"""Marked blocks: a set in eight bytes each."""

from hypothesis import given
from hypothesis import strategies as st

from budwood.verbs.marked import Awaited, Marked

ids = st.binary(min_size=32, max_size=32)


@given(st.lists(st.lists(ids, max_size=30), max_size=12), st.lists(ids, max_size=30))
def test_it_holds_what_was_added_and_nothing_else(added: list[list[bytes]], others: list[bytes]) -> None:
    marked = Marked()
    for some in added:
        marked.add(some)
    known = {block[:8] for some in added for block in some}
    asked = [*others, *(block for some in added for block in some)]
    assert marked.has(asked) == [block[:8] in known for block in asked]
    assert marked.without(asked) == [block for block in asked if block[:8] not in known]
    assert len(marked) >= len(known)


def test_two_that_begin_alike_count_as_one() -> None:
    marked = Marked()
    marked.add([b"beginning" + bytes(23)])
    assert marked.has([b"beginning" + b"x" * 23, b"otherwise" + bytes(23)]) == [True, False]


def test_what_is_added_again_takes_no_more_room() -> None:
    marked = Marked()
    for _ in range(100):
        marked.add([bytes([number]) * 32 for number in range(200)])
    assert sum(run.size for run in marked.runs()) == len(marked) == 200


@given(st.lists(ids, max_size=30), st.lists(st.lists(ids, max_size=30), max_size=5))
def test_what_was_not_met_is_left(added: list[bytes], met: list[list[bytes]]) -> None:
    marked = Marked()
    marked.add(added)
    awaited = Awaited(marked)
    known = {block[:8] for block in added}
    for some in [*met, added[::2]]:
        assert awaited.meet(some) == [block[:8] in known for block in some]
    assert awaited.has(added) == [True] * len(added)
    left = known - {block[:8] for some in [*met, added[::2]] for block in some}
    assert awaited.unmet().has(added) == [block[:8] in left for block in added]
    assert len(awaited.unmet()) == len(left)
