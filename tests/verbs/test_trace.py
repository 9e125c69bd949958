"""Where versions came from and what came of them, in a folder, in memory and over HTTP."""

from pathlib import Path

import pytest

from budwood.client.registry import Registry
from budwood.domain.trace import dot
from budwood.errors import BadValue, LimitExceeded, VersionNotFound


@pytest.fixture
def family(registry: Registry, tmp_path: Path) -> Registry:
    """data -> base -> tuned -> small, and a merge of tuned and base."""

    def push(name: str, *parents: str, relation: str = "", datasets: tuple[str, ...] = ()) -> None:
        (tmp_path / "config.json").write_text(f'{{"name": "{name}", "of": {len(parents)}}}')
        registry.push(tmp_path / "config.json", name, parents=parents, relation=relation, datasets=datasets)

    push("tickets")
    push("base", "tickets@v1", relation="trained-on", datasets=("tickets-2026",))
    push("tuned", "base@v1", relation="fine-tuned-from")
    push("risk/small", "tuned@v1", relation="distilled-from")
    push("merged", "tuned@v1", "base@v1", relation="derived-from")
    registry.stage("risk/small@v1", "production")
    registry.alias("merged@v1", "champion")
    return registry


def names(family: Registry, reference: str, direction: str, depth: int = 50) -> list[tuple[str, int]]:
    found = family.trace(reference, direction, depth=depth)
    return [(each.version.reference, each.depth) for each in found.versions]


def test_what_a_version_came_from_is_told_nearest_first(family: Registry) -> None:
    found = family.trace("merged@v1")
    assert names(family, "merged@v1", "up") == [("merged@v1", 0), ("base@v1", 1), ("tuned@v1", 1), ("tickets@v1", 2)]
    ids = {each.version.id: each.version.model for each in found.versions}
    edges = {(ids[edge.child], ids[edge.parent], edge.relation) for edge in found.edges}
    assert edges == {
        ("merged", "tuned", "derived-from"),
        ("merged", "base", "derived-from"),
        ("tuned", "base", "fine-tuned-from"),
        ("base", "tickets", "trained-on"),
    }
    assert {each.version.model: each.datasets for each in found.versions}["base"] == ("tickets-2026",)
    assert not found.cut


def test_what_came_of_a_version_says_what_serves_now(family: Registry) -> None:
    found = family.trace("tickets@v1", "down")
    assert {each.version.reference for each in found.versions} == {
        "tickets@v1",
        "base@v1",
        "tuned@v1",
        "merged@v1",
        "risk/small@v1",
    }
    serving = {each.version.reference: each.pointers for each in found.serving}
    assert serving == {"merged@v1": ("champion",), "risk/small@v1": ("production",)}


def test_a_trace_goes_as_far_as_was_asked(family: Registry) -> None:
    assert names(family, "merged@v1", "up", depth=1) == [("merged@v1", 0), ("base@v1", 1), ("tuned@v1", 1)]
    assert family.trace("merged@v1", "up", depth=1).cut
    with pytest.raises(LimitExceeded):
        family.trace("merged@v1", depth=51)
    with pytest.raises(BadValue):
        family.trace("merged@v1", "sideways")
    with pytest.raises(VersionNotFound):
        family.trace("merged@v9")


def test_a_trace_is_written_for_graphviz(family: Registry) -> None:
    written = dot(family.trace("risk/small@v1"))
    assert written.startswith("digraph lineage {")
    assert written.count("->") == 4
    assert '"tickets-2026" -> ' in written
    assert 'label="distilled-from"' in written
    assert "style=bold" in written


def test_a_name_cannot_break_out_of_what_is_written(near: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    near.push(tmp_path / "config.json", "base", datasets=['"]; evil -> "\\'])
    (line,) = [line for line in dot(near.trace("base")).splitlines() if "->" in line]
    assert line.startswith('  "\\"]; evil -> \\"\\\\" -> v')
