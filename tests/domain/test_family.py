"""The family tree: every version once, parents above children, and few columns however many versions."""

from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.family import family_tree
from budwood.domain.names import Kind, Stage
from budwood.domain.records import VersionRecord


def _version(number: int) -> VersionRecord:
    return VersionRecord(
        number, 1, "default", "m", number, "0" * 64, "", Kind.MODEL, Stage.DEVELOPMENT, "mara", number, 1, 1, ()
    )


def _drawn(count: int, *edges: tuple[int, int]) -> list[tuple[int, int, bool]]:
    tree = family_tree([_version(n) for n in range(count, 0, -1)], edges)
    return [(branch.version.number, branch.depth, branch.opens) for branch in tree]


def test_a_line_stays_in_its_column() -> None:
    assert _drawn(3, (2, 1), (3, 2)) == [(1, 0, True), (2, 0, False), (3, 0, False)]


def test_side_lines_come_before_the_main_line_goes_on() -> None:
    drawn = _drawn(6, (2, 1), (3, 1), (5, 3), (4, 2), (6, 4))
    assert drawn == [(1, 0, True), (3, 1, True), (5, 1, False), (2, 0, False), (4, 0, False), (6, 0, False)]


def test_versions_without_parents_are_roots_in_order() -> None:
    assert _drawn(3) == [(1, 0, True), (2, 0, True), (3, 0, True)]


def test_a_version_with_several_parents_stands_below_the_first() -> None:
    tree = family_tree([_version(n) for n in (1, 2, 3)], [(3, 2), (3, 1), (3, 99), (3, 2)])
    by_number = {branch.version.number: branch for branch in tree}
    assert (by_number[3].parent, by_number[3].also_from) == (2, (1, 99))


def test_a_parent_elsewhere_is_noted() -> None:
    (branch,) = family_tree([_version(5)], [(5, 3), (4, 3)])
    assert (branch.parent, branch.also_from, branch.depth) == (0, (3,), 0)


def test_a_ring_that_cannot_be_is_still_drawn_once() -> None:
    assert sorted(number for number, _, _ in _drawn(3, (1, 3), (2, 1), (3, 2), (2, 2))) == [1, 2, 3]


def test_ten_thousand_versions_need_few_columns() -> None:
    long = family_tree([_version(n) for n in range(1, 10_001)], [(n, n - 1) for n in range(2, 10_001)])
    wide = family_tree([_version(n) for n in range(1, 10_001)], [(n, n // 2) for n in range(2, 10_001)])
    assert max(branch.depth for branch in long) == 0
    assert max(branch.depth for branch in wide) <= 13


@given(st.integers(0, 30), st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=60))
def test_every_version_stands_once_below_its_parent(count: int, edges: list[tuple[int, int]]) -> None:
    tree = family_tree([_version(n) for n in range(1, count + 1)], edges)
    seen: dict[int, int] = {}
    for branch in tree:
        assert branch.version.id not in seen
        assert branch.parent == 0 or branch.depth - seen[branch.parent] == branch.opens
        seen[branch.version.id] = branch.depth
    assert len(seen) == count
