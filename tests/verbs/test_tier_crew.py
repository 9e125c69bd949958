"""Work on tiers by others' hands: the same blocks come of it, and what came back is looked at before it is kept."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.storage_tiers.values import Arrival
from budwood.errors import StorageFailed
from budwood.store.api import Objects
from budwood.store.crew import AtOnce, Crew
from budwood.store.recode import Recoded, recode

MakeModel = Callable[..., Path]
Lying = dict[bytes, tuple[int, int, bytes]]
POLICY = "apiVersion: budwood.dev/v1\nkind: Tiering\nspec: {rules: [{tier: %s, models: [encoder]}]}\n"


@dataclass(frozen=True, slots=True)
class Meddling:
    """A crew in whose hands something else becomes of each block."""

    objects: Objects
    meddle: Callable[[Recoded], Recoded | None]

    def each(self, work: Callable[[Objects, Any], Any], given: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for one in given:
            came = work(self.objects, one)
            # What a scrub found is not theirs to change.
            yield one, tuple(map(self.meddle, came)) if work is recode else came


def moved_by(model: MakeModel, tier: str, crew: Callable[[Objects], Crew] | None, threads: int = 1) -> Lying:
    """How each block lies when that crew has moved a model and its fine-tune."""
    with budwood.in_memory(author="mara") as opened:
        registry = with_crew(opened, crew, threads)
        registry.push(model(), "encoder")
        registry.push(model(moved=0.01), "encoder")
        registry.tiers.put_policy(POLICY % tier)
        registry.tiers.run()
        assert registry.verify(read_data=True).problems == ()
        return lying(registry)


def with_crew(registry: Registry, crew: Callable[[Objects], Crew] | None, threads: int = 1) -> Registry:
    house = replace(registry.house, push_as=Arrival.RAW, tier_threads=threads)
    if crew is not None:
        house = replace(house, cluster=crew(house.objects))
    return Registry(Near(house, "memory", made=True, grace_s=0))


def lying(registry: Registry) -> Lying:
    """How each block of a file lies; manifests hold the time of their push."""
    with registry.house.catalog.read() as view:
        return {row.id: (row.encoding, row.length, row.base) for row in view.blocks() if not row.is_manifest}


@pytest.mark.parametrize("tier", ["warm", "cold"])
def test_many_hands_make_what_one_makes(model: MakeModel, tier: str) -> None:
    alone = moved_by(model, tier, None)
    assert any(base for _, _, base in alone.values())
    assert moved_by(model, tier, None, threads=3) == alone
    assert moved_by(model, tier, AtOnce) == alone


def test_what_a_cluster_made_of_a_block_is_decoded_before_it_is_kept(model: MakeModel) -> None:
    def other_bytes(made: Recoded) -> Recoded:
        return replace(made, content=made.content[:-1] + bytes([made.content[-1] ^ 1])) if made.content else made

    with budwood.in_memory(author="mara") as opened:
        registry = with_crew(opened, lambda objects: Meddling(objects, other_bytes))
        registry.push(model(), "encoder")
        registry.push(model(moved=0.01), "encoder")
        before = lying(registry)
        registry.tiers.put_policy(POLICY % "warm")
        with pytest.raises(StorageFailed, match="something else"):
            registry.tiers.run()
        assert lying(registry) == before
        assert registry.verify(read_data=True).problems == ()


def test_a_block_that_a_hand_cannot_read_stays_as_it_is(model: MakeModel) -> None:
    with budwood.in_memory(author="mara") as opened:
        registry = with_crew(opened, lambda objects: Meddling(objects, lambda made: None))
        registry.push(model(), "encoder")
        before = lying(registry)
        registry.tiers.put_policy(POLICY % "warm")
        registry.tiers.run()
        assert lying(registry) == before
