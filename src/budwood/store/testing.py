"""The conformance suite of the ``Objects`` port, shipped so that every backend, also one of yours, can prove itself.

Subclass ``ObjectsSuite`` in a test module and give it a pytest fixture ``objects`` that makes an empty store:

    class TestMyObjects(ObjectsSuite):
        @pytest.fixture
        def objects(self) -> Iterator[Objects]: ...

The methods are plain functions that use ``assert``; this module does not import pytest.
"""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from budwood.domain.limits import MIB
from budwood.errors import BudwoodError, PackDamaged, StorageFailed
from budwood.store.api import Objects

_LARGE_BYTES: Final = 21 * MIB
_FAR_FUTURE_MS: Final = 1 << 45


class ObjectsSuite:
    """Every sentence of the port, as a test."""

    def test_a_published_object_reads_back_exactly(self, objects: Objects) -> None:
        content = _bytes(100_000)
        publish(objects, "packs/ab/one.pack", content)
        assert objects.size("packs/ab/one.pack") == len(content)
        assert objects.read("packs/ab/one.pack", 0, len(content)) == content

    def test_every_range_of_an_object_can_be_read(self, objects: Objects) -> None:
        content = _bytes(10_000)
        publish(objects, "packs/ab/one.pack", content)
        for offset, length in ((0, 1), (9_999, 1), (1, 9_999), (4_095, 2), (500, 0), (10_000, 0)):
            assert objects.read("packs/ab/one.pack", offset, length) == content[offset : offset + length]
            target = bytearray(length)
            objects.read_into("packs/ab/one.pack", offset, memoryview(target))
            assert target == content[offset : offset + length]

    def test_reading_into_a_slice_leaves_its_surroundings_alone(self, objects: Objects) -> None:
        publish(objects, "packs/ab/one.pack", b"0123456789")
        target = bytearray(b"-" * 10)
        objects.read_into("packs/ab/one.pack", 2, memoryview(target)[3:7])
        assert target == b"---2345---"

    def test_reading_past_the_end_is_damage(self, objects: Objects) -> None:
        publish(objects, "packs/ab/one.pack", bytes(1_000))
        for offset, length in ((0, 1_001), (999, 2), (1_000, 1), (5_000, 1), (1_001, 0), (0, 1 << 50), (-1, 1)):
            _fails(PackDamaged, objects.read, "packs/ab/one.pack", offset, length)
        _fails(PackDamaged, objects.read_into, "packs/ab/one.pack", 990, memoryview(bytearray(11)))

    def test_reading_what_is_missing_is_damage(self, objects: Objects) -> None:
        _fails(PackDamaged, objects.read, "packs/ab/none.pack", 0, 1)
        _fails(PackDamaged, objects.read, "packs/ab/none.pack", 0, 0)
        _fails(PackDamaged, objects.read_into, "packs/ab/none.pack", 0, memoryview(bytearray(1)))

    def test_what_is_missing_has_no_size(self, objects: Objects) -> None:
        assert objects.size("packs/ab/none.pack") is None
        publish(objects, "packs/ab/one.pack", b"x")
        assert objects.size("packs/ab") is None

    def test_an_empty_object_exists(self, objects: Objects) -> None:
        publish(objects, "packs/ab/empty.pack", b"")
        assert objects.size("packs/ab/empty.pack") == 0
        assert objects.read("packs/ab/empty.pack", 0, 0) == b""

    def test_nothing_is_visible_before_it_is_published(self, objects: Objects) -> None:
        for content in (_bytes(10), _bytes(_LARGE_BYTES)):
            with objects.create("packs/ab/late.pack") as writer:
                writer.append([content])
                assert objects.size("packs/ab/late.pack") is None
                assert list(objects.list()) == []
                _fails(PackDamaged, objects.read, "packs/ab/late.pack", 0, 1)
                writer.publish()
            assert objects.read("packs/ab/late.pack", 0, len(content)) == content
            objects.delete("packs/ab/late.pack")

    def test_leaving_without_publishing_discards(self, objects: Objects) -> None:
        for content in (b"", _bytes(10), _bytes(_LARGE_BYTES)):
            with objects.create("packs/ab/gone.pack") as writer:
                writer.append([content])
            assert list(objects.list()) == []
            assert objects.size("packs/ab/gone.pack") is None

    def test_an_exception_discards_and_passes(self, objects: Objects) -> None:
        def write_and_fail() -> None:
            with objects.create("packs/ab/gone.pack") as writer:
                writer.append([_bytes(_LARGE_BYTES)])
                raise StorageFailed("planned")

        _fails(StorageFailed, write_and_fail)
        assert list(objects.list()) == []
        publish(objects, "packs/ab/gone.pack", b"second try")
        assert objects.read("packs/ab/gone.pack", 0, 10) == b"second try"

    def test_leaving_after_publishing_keeps(self, objects: Objects) -> None:
        def publish_and_fail() -> None:
            with objects.create("packs/ab/kept.pack") as writer:
                writer.append([b"kept"])
                writer.publish()
                raise StorageFailed("planned")

        _fails(StorageFailed, publish_and_fail)
        assert objects.read("packs/ab/kept.pack", 0, 4) == b"kept"

    def test_appends_follow_each_other(self, objects: Objects) -> None:
        with objects.create("packs/ab/one.pack") as writer:
            assert (writer.append([b"ab", b"", b"cde"]), writer.size) == (0, 5)
            assert (writer.append([]), writer.size) == (5, 5)
            assert (writer.append([bytearray(b"fg"), memoryview(b"-hi-")[1:3]]), writer.size) == (5, 9)
            writer.publish()
        assert objects.read("packs/ab/one.pack", 0, 9) == b"abcdefghi"

    def test_parts_may_be_reused_as_soon_as_append_returns(self, objects: Objects) -> None:
        buffer = bytearray(MIB)
        with objects.create("packs/ab/one.pack") as writer:
            for value in range(30):
                buffer[:] = bytes([value]) * MIB
                writer.append([buffer])
            buffer[:] = b"\xff" * MIB
            writer.publish()
        for value in range(30):
            assert objects.read("packs/ab/one.pack", value * MIB, MIB) == bytes([value]) * MIB

    def test_a_large_object_of_uneven_parts_reads_back_exactly(self, objects: Objects) -> None:
        content = _bytes(_LARGE_BYTES + 1_234)
        chance = random.Random(7)  # noqa: S311 - repeatable sizes, no secret
        with objects.create("packs/ab/large.pack") as writer:
            at = 0
            while at < len(content):
                middle, end = (at + chance.choice((0, 1, 100, 4_096, 700_001, 5 * MIB)) for _ in range(2))
                middle, end = sorted((min(middle, len(content)), min(end, len(content))))
                assert writer.append([memoryview(content)[at:middle], content[middle:end]]) == at
                at = end
            writer.publish()
        assert objects.size("packs/ab/large.pack") == len(content)
        target = bytearray(len(content))
        objects.read_into("packs/ab/large.pack", 0, memoryview(target))
        assert target == content

    def test_threads_may_append_at_once(self, objects: Objects) -> None:
        content = _bytes(4 * MIB)

        def append(turn: int) -> tuple[int, memoryview]:
            part = memoryview(content)[turn * 1_000 : turn * 1_000 + 30_000 + turn * 7_919]
            return writer.append([part[:1_000], part[1_000:]]), part

        with objects.create("packs/ab/shared.pack") as writer:
            with ThreadPoolExecutor(4) as threads:
                placed = sorted(threads.map(append, range(100)), key=lambda place: place[0])
            writer.publish()
        end = 0
        for offset, part in placed:
            assert offset == end
            assert objects.read("packs/ab/shared.pack", offset, len(part)) == part
            end += len(part)
        assert objects.size("packs/ab/shared.pack") == end

    def test_threads_may_read_at_once(self, objects: Objects) -> None:
        contents = {f"packs/{turn:02x}/{turn}.pack": _bytes(5_000 + turn) for turn in range(100)}
        for key, content in contents.items():
            publish(objects, key, content)
        with ThreadPoolExecutor(4) as threads:
            reads = threads.map(lambda key: (key, objects.read(key, 17, 4_000)), [*contents] * 5)
            assert all(read == contents[key][17:4_017] for key, read in reads)

    def test_a_key_is_never_overwritten(self, objects: Objects) -> None:
        publish(objects, "packs/ab/one.pack", b"first")
        _fails(StorageFailed, publish, objects, "packs/ab/one.pack", b"other")
        assert objects.read("packs/ab/one.pack", 0, 5) == b"first"

    def test_the_first_of_two_writers_of_a_key_keeps_it(self, objects: Objects) -> None:
        with objects.create("packs/ab/one.pack") as first, objects.create("packs/ab/one.pack") as second:
            first.append([b"first"])
            second.append([b"other"])
            first.publish()
            _fails(StorageFailed, second.publish)
        assert objects.read("packs/ab/one.pack", 0, 5) == b"first"
        assert [stored.size for stored in objects.list()] == [5]

    def test_a_copy_has_the_same_bytes_and_outlives_what_it_was_made_of(self, objects: Objects) -> None:
        for content in (b"", b"some bytes"):
            publish(objects, "incoming/one.pack", content)
            objects.copy("incoming/one.pack", f"packs/ab/{len(content)}.pack")
            objects.delete("incoming/one.pack")
            assert objects.size(f"packs/ab/{len(content)}.pack") == len(content)
            assert objects.read(f"packs/ab/{len(content)}.pack", 0, len(content)) == content

    def test_a_copy_overwrites_nothing_and_is_made_of_something(self, objects: Objects) -> None:
        publish(objects, "incoming/one.pack", b"other")
        publish(objects, "packs/ab/one.pack", b"first")
        _fails(StorageFailed, objects.copy, "incoming/one.pack", "packs/ab/one.pack")
        _fails(PackDamaged, objects.copy, "incoming/two.pack", "packs/ab/two.pack")
        assert objects.read("packs/ab/one.pack", 0, 5) == b"first"
        assert objects.size("packs/ab/two.pack") is None

    def test_a_listing_is_in_key_order_and_by_prefix(self, objects: Objects) -> None:
        keys = ["a", "packs/a-b.x", "packs/a/b", "packs/a.c", "packs/ab/1", "packs/ab/10", "packs/b", "z/y"]
        for key in reversed(keys):
            publish(objects, key, key.encode())
        for prefix in ("", "packs/", "packs/a", "packs/ab/", "packs/ab/1", "packs", "q", "packs/ab/100"):
            expected = sorted(key for key in keys if key.startswith(prefix))
            assert [stored.key for stored in objects.list(prefix)] == expected
        assert all(stored.size == len(stored.key) for stored in objects.list())

    def test_a_listing_of_nothing_is_empty(self, objects: Objects) -> None:
        assert list(objects.list()) == []
        assert list(objects.list("packs/")) == []

    def test_deleting_removes_and_may_be_repeated(self, objects: Objects) -> None:
        publish(objects, "packs/ab/one.pack", b"one")
        publish(objects, "packs/ab/two.pack", b"two")
        assert objects.read("packs/ab/one.pack", 0, 3) == b"one"
        for _ in range(2):
            objects.delete("packs/ab/one.pack")
            assert objects.size("packs/ab/one.pack") is None
            _fails(PackDamaged, objects.read, "packs/ab/one.pack", 0, 1)
        objects.delete("packs/zz/never.pack")
        assert [stored.key for stored in objects.list()] == ["packs/ab/two.pack"]

    def test_an_abandoned_object_is_never_listed_and_can_be_cleaned(self, objects: Objects) -> None:
        publish(objects, "packs/ab/one.pack", b"one")
        abandoned = objects.create("packs/ab/two.pack")
        abandoned.append([_bytes(_LARGE_BYTES)])
        assert objects.clean(older_than_ms=0) == 0
        assert objects.clean(older_than_ms=_FAR_FUTURE_MS) >= 0
        assert [stored.key for stored in objects.list()] == ["packs/ab/one.pack"]
        assert objects.read("packs/ab/one.pack", 0, 3) == b"one"
        abandoned.__exit__(None, None, None)
        assert objects.clean(older_than_ms=_FAR_FUTURE_MS) == 0

    def test_a_key_that_leaves_the_store_names_nothing(self, objects: Objects) -> None:
        for key in ("../x", "packs/../../x", "/etc/passwd", "", "packs//x", "packs/.x", "packs/x/", "tmp/x", "a\0b"):
            _fails(PackDamaged, objects.read, key, 0, 1)
            _fails(PackDamaged, objects.create, key)
            _fails(PackDamaged, objects.delete, key)


def publish(objects: Objects, key: str, content: bytes) -> None:
    """Store one object."""
    with objects.create(key) as writer:
        writer.append([content])
        writer.publish()


def _bytes(count: int) -> bytes:
    """The same bytes on every run, without a pattern that a misplaced copy could repeat."""
    return random.Random(count).randbytes(count)  # noqa: S311


def _fails(kind: type[BudwoodError], act: Callable[..., object], *arguments: object) -> None:
    try:
        act(*arguments)
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")
