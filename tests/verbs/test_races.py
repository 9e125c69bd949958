"""Pushes, imports, deletes, sweeps, aliases, pulls, rebuilds and work on tiers at once, in seeded random schedules.

``tests/schedules`` plays them, many more by hand: ``python -m tests.schedules --seeds 0:100000``. The planted bugs show
what the schedules can see.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import budwood
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.store.api import Objects
from tests.schedules.bugs import PLANTED, every_pack_is_worth_rewriting, planted
from tests.schedules.history import Histories
from tests.schedules.turns import StoppingObjects, Turns
from tests.schedules.world import problems_of

FEW_HISTORIES = 24
MOST_SEEDS = 1500
OFTEN_SEEN = [name for name in PLANTED if name != "sweep-that-asks-not-who-leans"]
"""The others: test_tier_races.py makes their moments happen."""


@pytest.fixture(autouse=True)
def small_packs() -> Iterator[None]:
    with every_pack_is_worth_rewriting():
        yield


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Histories:
    with every_pack_is_worth_rewriting():
        return Histories(tmp_path_factory.mktemp("schedules"), FEW_HISTORIES)


def test_no_schedule_loses_an_acknowledged_version(histories: Histories, request: pytest.FixtureRequest) -> None:
    for seed in range(int(request.config.getoption("--schedules"))):
        assert problems_of(seed, histories) == [], f"seed {seed}"


@pytest.mark.parametrize("bug", OFTEN_SEEN)
def test_a_planted_bug_is_caught(bug: str, histories: Histories) -> None:
    with planted(bug):
        assert any(problems_of(seed, histories, leaning=1) for seed in range(MOST_SEEDS))


class Meddled(StoppingObjects):
    """Objects beside which something else happens before each read."""

    def __init__(self, objects: Objects, act: "Meddling") -> None:
        super().__init__(objects, Turns(random.Random(0)), 0)
        self._act = act

    def read_into(self, key: str, offset: int, target: memoryview) -> None:
        self._act()
        super().read_into(key, offset, target)


class Meddling:
    """Frees the rest of a pack, once, as soon as a sweep has begun to rewrite it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.deleted: list[str] = []

    def __call__(self) -> None:
        house = self._registry.house
        with house.catalog.read() as view:
            holders = [lease.holder for lease in view.leases(now_ms=house.clock())]
        if not self.deleted and any(holder.startswith("rewrite") for holder in holders):
            self.deleted.append(self._registry.delete("ranker@v1").reference)
            self._registry.sweep(grace_s=0)


def test_a_pack_may_go_while_a_sweep_is_about_to_rewrite_it(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(random.Random(1).randbytes(50_000))
    (tmp_path / "config.json").write_text("{}")
    with budwood.in_memory() as registry:
        registry.push(tmp_path, "encoder")
        registry.push(tmp_path / "config.json", "ranker")
        registry.delete("encoder@v1")
        meddling = Meddling(registry)
        house = replace(registry.house, objects=Meddled(registry.house.objects, meddling))
        swept = Registry(Near(house, "memory", made=False, grace_s=0)).sweep()
        assert (meddling.deleted, swept.rewritten_packs) == (["ranker@v1"], 0)
        assert list(registry.house.objects.list()) == []
