"""The control plane's copy of what is in force: looks and glances, and which of them holds."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

import budwood
from budwood.catalog.api import Catalog, View
from budwood.client.registry import Registry
from budwood.server.in_force import InForce

ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {{name: {name}}}
spec:
  model: fraud
  arms:
    stable: {{version: v1, backends: ["http://127.0.0.1:9"]}}
    canary: {{version: v2, backends: ["http://127.0.0.1:9"]}}
"""
KEYS = "  auth: {keys: {header: x-api-key}}\n"


@dataclass
class Late:
    """A catalog whose readers may be shown what was there earlier."""

    catalog: Catalog
    view: View | None = None

    def read(self) -> AbstractContextManager[View]:
        return self.catalog.read() if self.view is None else nullcontext(self.view)


@dataclass
class World:
    registry: Registry
    late: Late
    seen: InForce

    def put(self, name: str, more: str = "") -> None:
        self.registry.endpoints.put(ENDPOINT.format(name=name) + more)

    def move(self, name: str, arm: str) -> None:
        self.registry.endpoints.split(name, {arm: 10_000})

    def id_of(self, name: str) -> int:
        with self.late.catalog.read() as view:
            found = view.endpoint("default", name)
        assert found is not None
        return found.id

    def generations(self) -> dict[str, int]:
        return {each.endpoint.name: each.generation for each in self.seen.routings.values()}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        for number in (1, 2):
            (tmp_path / "config.json").write_text(f'{{"layers": {number}}}')
            registry.push(tmp_path / "config.json", "fraud")
        late = Late(registry.house.catalog)
        house = replace(registry.house, catalog=cast(Any, late))
        made = World(registry, late, InForce(house))
        made.put("one")
        made.put("two")
        made.seen.look()
        yield made


def test_a_glance_sees_what_it_is_told_of_and_nothing_else(world: World) -> None:
    world.move("one", "canary")
    world.move("two", "canary")
    assert world.seen.glance([world.id_of("one")])
    assert world.generations() == {"one": 2, "two": 1}
    world.seen.look()
    assert world.generations() == {"one": 2, "two": 2}


def test_a_look_that_began_before_a_glance_takes_nothing_back(world: World) -> None:
    world.move("two", "canary")
    with world.late.catalog.read() as before:
        before.generations()
        world.registry.endpoints.back("one", "bad")
        assert world.seen.glance([world.id_of("one")])
        world.late.view = before
        world.seen.look()
    world.late.view = None
    assert world.generations() == {"one": 2, "two": 2}
    assert world.seen.routings[world.id_of("one")].killed


def test_nothing_is_replaced_while_nothing_moves(world: World) -> None:
    before = world.seen.routings
    world.seen.look()
    assert world.seen.glance([world.id_of("one")])
    assert world.seen.routings is before


def test_a_glance_says_when_there_is_more_to_see(world: World) -> None:
    world.put("three")
    assert not world.seen.glance([world.id_of("three")])
    # Before it knew who its clients are an endpoint would let nobody in.
    world.put("one", KEYS)
    assert not world.seen.glance([world.id_of("one")])
    assert world.generations() == {"one": 1, "two": 1}
    world.seen.look()
    assert world.generations() == {"one": 2, "two": 1, "three": 1}
    world.registry.endpoints.remove("two")
    world.seen.look()
    assert world.generations() == {"one": 2, "three": 1}
