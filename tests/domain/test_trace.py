"""How far each node of a graph is, whatever the graph."""

from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.trace import Direction, Edge, serves, steps_from

EDGES = st.lists(st.builds(Edge, child=st.integers(1, 9), parent=st.integers(1, 9)), max_size=25)


def test_the_shortest_way_counts() -> None:
    edges = [Edge(2, 1), Edge(3, 2), Edge(3, 1), Edge(4, 3)]
    assert steps_from(4, edges, Direction.UP, 9) == {4: 0, 3: 1, 2: 2, 1: 2}
    assert steps_from(1, edges, Direction.DOWN, 9) == {1: 0, 2: 1, 3: 1, 4: 2}
    assert steps_from(1, edges, Direction.DOWN, 1) == {1: 0, 2: 1, 3: 1}


@given(EDGES, st.sampled_from(Direction), st.integers(1, 5))
def test_rings_end_and_each_step_is_one_edge(edges: list[Edge], direction: Direction, most: int) -> None:
    found = steps_from(1, edges, direction, most)
    assert found[1] == 0
    assert list(found.values()) == sorted(found.values())
    assert max(found.values()) <= most
    pairs = {(e.child, e.parent) if direction is Direction.UP else (e.parent, e.child) for e in edges}
    for node, step in found.items():
        if step:
            assert min(found[near] for near, far in pairs if far == node and near in found) == step - 1


def test_production_and_aliases_serve() -> None:
    assert serves(("production",))
    assert serves(("staging", "champion"))
    assert not serves(("staging", "archived", "development"))
    assert not serves(())
