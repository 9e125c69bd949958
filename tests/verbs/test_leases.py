"""Leases hold through what takes long: sweeps between the versions of a bundle, pushes that write nothing."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.catalog.api import Catalog, Done, Transaction, View
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.verbs.house import House

Act = Callable[[], None]


class Interrupted:
    """A catalog where something else happens after every write."""

    def __init__(self, catalog: Catalog, act: Act) -> None:
        self._catalog, self._act = catalog, act

    def read(self) -> AbstractContextManager[View]:
        return self._catalog.read()

    def write(self, work: Callable[[Transaction], Any]) -> Any:
        written = self._catalog.write(work)
        self._act()
        return written

    def write_behind(self, work: Callable[[Transaction], Any]) -> Any:
        return self._catalog.write_behind(work)

    def write_soon(self, work: Callable[[Transaction], Any], done: Done[Any]) -> None:
        self._catalog.write_soon(work, done)

    def check(self) -> Iterator[str]:
        return self._catalog.check()

    def close(self) -> None:
        """Whoever opened it closes it."""


def interrupted(near: Registry, act: Act) -> Registry:
    house: House = replace(near.house, catalog=Interrupted(near.house.catalog, act))
    return Registry(Near(house, "memory", made=False, grace_s=0))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Three versions of a model; each has a file of its own and one they share."""
    chance = random.Random(1)
    shared = chance.randbytes(50_000)
    with budwood.in_memory() as registry:
        for number in range(3):
            folder = tmp_path / f"version-{number}"
            folder.mkdir()
            (folder / "shared.bin").write_bytes(shared)
            (folder / "own.bin").write_bytes(chance.randbytes(50_000))
            registry.push(folder, "m")
        registry.export(["m@v1", "m@v2", "m@v3"], tmp_path / "bundle")
    return tmp_path / "bundle"


def test_an_import_is_not_stopped_by_sweeps_between_its_versions(bundle: Path) -> None:
    with budwood.in_memory() as registry:
        taken = interrupted(registry, lambda: _done(registry.sweep(grace_s=0))).import_bundle(bundle)
        assert [version.number for version in taken.versions] == [1, 2, 3]
        assert not registry.verify(read_data=True).problems
        swept = registry.sweep(grace_s=0)
        assert (swept.condemned_blocks, swept.live_leases) == (0, 0)


def test_an_import_writes_anew_what_it_shared_and_a_sweep_took(bundle: Path, tmp_path: Path) -> None:
    with budwood.in_memory() as registry:
        registry.push(tmp_path / "version-2" / "own.bin", "mine")
        writes = iter(range(100))

        def act() -> None:
            # The first write takes the lease, the second publishes the first version, the third needs what is gone.
            if next(writes) == 1:
                registry.delete("mine@v1")
                registry.sweep(grace_s=0)

        taken = interrupted(registry, act).import_bundle(bundle)
        assert [version.number for version in taken.versions] == [1, 2, 3]
        assert not registry.verify(read_data=True).problems
        assert registry.get("m@v3").read("own.bin") == (tmp_path / "version-2" / "own.bin").read_bytes()


def test_a_slow_push_of_known_blocks_keeps_its_lease(tmp_path: Path) -> None:
    folder, now_ms = tmp_path / "model", [1_700_000_000_000]
    folder.mkdir()
    for number in range(9):
        (folder / f"{number}.bin").write_bytes(random.Random(number).randbytes(9_000))
    with budwood.in_memory(clock=lambda: now_ms[0]) as registry:
        registry.push(folder, "first")

        def slowly(_: int) -> None:
            now_ms[0] += 20 * 60_000
            registry.sweep(grace_s=0)

        began_ms = now_ms[0]
        registry.push(folder, "second", progress=slowly)
        # Once through, without beginning again.
        assert now_ms[0] - began_ms == 9 * 20 * 60_000
        assert not registry.verify(read_data=True).problems


def _done(_: object) -> None:
    """What came of it does not matter here."""
