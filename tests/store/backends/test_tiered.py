"""Two stores as one: the conformance suite, and which of the two an object lies in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from budwood.errors import PackDamaged
from budwood.store.api import Objects
from budwood.store.backends.folder import FolderObjects
from budwood.store.backends.memory import MemoryObjects
from budwood.store.backends.tiered import TieredObjects
from budwood.store.marks import cold_name, is_cold, names_like
from budwood.store.packs import pack_key
from budwood.store.testing import ObjectsSuite

COLD, NEAR = pack_key("lease-c0001"), pack_key("lease-0001")


class TestTiered(ObjectsSuite):
    @pytest.fixture
    def objects(self, tmp_path: Path) -> Iterator[Objects]:
        objects = TieredObjects(FolderObjects(tmp_path / "near"), FolderObjects(tmp_path / "cold"))
        yield objects
        objects.close()


def put(objects: Objects, key: str, content: bytes) -> None:
    with objects.create(key) as writer:
        writer.append([content])
        writer.publish()


def test_packs_marked_cold_lie_in_the_cold_store_and_others_near() -> None:
    near, cold = MemoryObjects(), MemoryObjects()
    both = TieredObjects(near, cold)
    put(both, COLD, b"cold")
    put(both, NEAR, b"near")
    put(both, "incoming/lease-c0001.pack", b"sent")
    assert [each.key for each in cold.list()] == [COLD]
    assert sorted(each.key for each in near.list()) == sorted([NEAR, "incoming/lease-c0001.pack"])
    assert [each.key for each in both.list("packs/")] == sorted([COLD, NEAR])
    both.delete(COLD)
    assert both.size(COLD) is None


def test_what_is_marked_cold_and_lies_near_is_found_there() -> None:
    near, cold = MemoryObjects(), MemoryObjects()
    put(near, COLD, b"restored")
    both = TieredObjects(near, cold)
    target = bytearray(4)
    both.read_into(COLD, 2, memoryview(target))
    assert (both.read(COLD, 0, 8), bytes(target), both.size(COLD)) == (b"restored", b"stor", 8)
    both.delete(COLD)
    assert near.size(COLD) is None
    with pytest.raises(PackDamaged):
        both.read(COLD, 0, 1)


def test_what_lies_in_both_is_listed_once() -> None:
    near, cold = MemoryObjects(), MemoryObjects()
    put(near, COLD, b"same")
    put(cold, COLD, b"same")
    assert [each.key for each in TieredObjects(near, cold).list()] == [COLD]


def test_a_mark_goes_with_the_lease_and_is_given_once() -> None:
    assert cold_name("lease-0007") == cold_name(cold_name("lease-0007")) == "lease-c0007"
    assert is_cold("lease-c0007")
    assert not is_cold("lease-0007")
    assert not is_cold("c0007-lease")
    assert names_like("old-c0001", lambda: "new-0001")() == "new-c0001"
    assert names_like("old-0001", lambda: "new-0001")() == "new-0001"
