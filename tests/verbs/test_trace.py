"""Where versions came from and what came of them, in a folder, in memory and over HTTP."""

from collections.abc import Callable
from pathlib import Path

import pytest

from budwood.client.registry import Registry
from budwood.domain.trace import dot
from budwood.errors import BadValue, LimitExceeded, VersionNotFound


@pytest.fixture
def family(registry: Registry, tmp_path: Path, open_borders: Callable[..., None]) -> Registry:
    """data -> base -> tuned -> small, and a merge of tuned and base."""

    def push(name: str, *parents: str, relation: str = "", datasets: tuple[str, ...] = ()) -> None:
        (tmp_path / "config.json").write_text(f'{{"name": "{name}", "of": {len(parents)}}}')
        registry.push(tmp_path / "config.json", name, parents=parents, relation=relation, datasets=datasets)

    open_borders(registry, "default", "risk")
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
    ids = {each.version.id: each.version.model for each in found.versions} | {
        each.id: each.name for each in found.named
    }
    edges = {(ids[edge.child], ids[edge.parent], edge.relation) for edge in found.edges}
    assert edges == {
        ("merged", "tuned", "derived-from"),
        ("merged", "base", "derived-from"),
        ("tuned", "base", "fine-tuned-from"),
        ("base", "tickets", "trained-on"),
        ("base", "tickets-2026", "trained-on"),
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
    assert 'label="tickets-2026", shape=cylinder' in written
    assert 'label="trained-on"' in written
    assert 'label="distilled-from"' in written
    assert "style=bold" in written


def test_a_name_cannot_break_out_of_what_is_written(near: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    near.push(tmp_path / "config.json", "base", datasets=['"]; evil -> "\\'])
    _, _, _, named, edge, _ = dot(near.trace("base")).splitlines()
    assert named == '  n1 [label="\\"]; evil -> \\"\\\\", shape=cylinder, style=dashed];'
    assert edge == '  n1 -> v1 [label="trained-on"];'


def test_impact_tells_what_serves_before_the_rest(family: Registry) -> None:
    found = family.impact("tickets@v1")
    assert found.version.version.reference == "tickets@v1"
    assert [each.version.reference for each in found.serving] == ["merged@v1", "risk/small@v1"]
    assert [each.version.reference for each in found.others] == ["base@v1", "tuned@v1"]
    assert not found.cut


def test_what_serves_far_away_is_told_however_much_lies_between(
    near: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("budwood.verbs.trace.TRACE_VERSIONS", 6)
    parents: tuple[str, ...] = ()
    for name in ("base", "one", "two", "three", *(f"leaf{number}" for number in range(6))):
        (tmp_path / "config.json").write_text(f'{{"name": "{name}"}}')
        near.push(tmp_path / "config.json", name, parents=("base@v1",) if name.startswith("leaf") else parents)
        parents = (f"{name}@v1",)
    near.alias("three@v1", "champion")
    found = near.trace("base@v1", "down")
    told = [each.version.reference for each in found.versions]
    assert told == ["base@v1", "one@v1", "leaf0@v1", "leaf1@v1", "two@v1", "three@v1"]
    assert found.cut
    assert [each.version.reference for each in near.impact("base@v1").serving] == ["three@v1"]
    assert {(edge.child, edge.parent) for edge in found.edges} >= {(2, 1), (3, 2), (4, 3)}
