"""A pack of derived blocks that somebody else wrote: taken when each is what it claims, and never at any price."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from blake3 import blake3

from budwood.domain.limits import DERIVED_DEPTH, DERIVED_SOURCES, PARCEL_SOURCES
from budwood.domain.manifest import BlockId
from budwood.errors import BadParcel
from budwood.store import packs
from budwood.store.api import BlockRow
from budwood.store.backends.memory import MemoryObjects
from budwood.store.encodings._kinds import BY_NAME
from budwood.store.encodings.derived import Function, SourcePiece, written_function
from budwood.store.encodings.registry import DERIVED, RAW
from budwood.store.packs import NewBlock, PackSet, pack_key
from budwood.store.receive import Standing, check_pack

Block = tuple[NewBlock, bytes]


class Rows(dict[BlockId, BlockRow]):
    """An index."""

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        return {block: self[block] for block in ids if block in self}


@pytest.fixture
def workers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def whole(raw: bytes) -> Block:
    return NewBlock(blake3(raw).digest(), len(raw), RAW), raw


def copy(raw: bytes, function: Function, *sources: BlockId) -> Block:
    body = written_function(function)
    return NewBlock(blake3(raw).digest(), len(raw), DERIVED, b"".join(sources), DERIVED_DEPTH), body


def written(objects: MemoryObjects, name: str, *blocks: Block) -> Rows:
    with PackSet(objects, iter([name]), derives=True) as pack:
        for block, body in blocks:
            pack.add(block, [body], len(body))
        return Rows((row.id, row) for row in pack.finish())


def check(objects: MemoryObjects, workers: ThreadPoolExecutor, seen: Rows, all_: Rows | None = None) -> int:
    size = objects.size(pack_key("sent"))
    assert size is not None
    standing = Standing(objects, seen, seen if all_ is None else all_, workers, 2)
    return len(check_pack(standing, "sent", size))


NUMBERS = np.arange(1024, dtype="<f4").tobytes()
NARROW = (np.arange(1024, dtype="<f4").view("<u4") >> 16).astype("<u2").tobytes()
CAST = Function(BY_NAME["f32"], BY_NAME["bf16"], (SourcePiece(0, 0, 4096),))
SOURCE = blake3(NUMBERS).digest()


def test_a_copy_is_taken_with_its_source_or_after_it(workers: ThreadPoolExecutor) -> None:
    exact = np.arange(256, dtype="<f4").tobytes() * 4
    narrow = (np.frombuffer(exact, "<u4") >> 16).astype("<u2").tobytes()
    objects = MemoryObjects()
    written(objects, "sent", whole(exact), copy(narrow, CAST, blake3(exact).digest()))
    assert check(objects, workers, Rows()) == 2
    later = MemoryObjects()
    held = written(later, "held", whole(exact))
    written(later, "sent", copy(narrow, CAST, blake3(exact).digest()))
    assert check(later, workers, held) == 1
    with pytest.raises(BadParcel, match="not here"):
        check(later, workers, Rows(), held)


@pytest.mark.parametrize(
    "lie",
    [
        lambda: copy(bytes(2048), CAST, SOURCE),
        lambda: copy(NARROW[:2000], CAST, SOURCE),
        lambda: copy(NARROW, Function(CAST.source, CAST.target, (SourcePiece(1, 0, 4096),)), SOURCE),
        lambda: copy(NARROW, Function(CAST.source, CAST.target, (SourcePiece(0, 4, 4096),)), SOURCE),
        lambda: (NewBlock(blake3(NARROW).digest(), 2048, DERIVED, SOURCE, DERIVED_DEPTH), b"\x01"),
    ],
    ids=["other bytes", "shorter", "another source", "past its source", "no function"],
)
def test_a_copy_that_is_none_is_the_senders_fault(workers: ThreadPoolExecutor, lie: Callable[[], Block]) -> None:
    objects = MemoryObjects()
    held = written(objects, "held", whole(NUMBERS))
    written(objects, "sent", lie())
    with pytest.raises(BadParcel):
        check(objects, workers, held)


def test_a_few_bytes_cannot_ask_for_the_reading_of_terabytes(
    workers: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = MemoryObjects()
    sources = [np.full(16, number, "<f4").tobytes() * 16 for number in range(DERIVED_SOURCES)]
    held = written(objects, "held", *map(whole, sources))
    # Our own writer begins a new pack before.
    monkeypatch.setattr(packs, "PARCEL_SOURCES", 1 << 40)
    kind, ids = BY_NAME["f32"], [blake3(source).digest() for source in sources]

    def joined(first: int) -> Block:
        order = [(first + number * 7) % DERIVED_SOURCES for number in range(DERIVED_SOURCES)]
        pieces = tuple(SourcePiece(place, 0, 1024 - 4 * (first % 3)) for place in order)
        raw = b"".join(sources[place][: 1024 - 4 * (first % 3)] for place in order)
        return copy(raw, Function(kind, kind, pieces), *ids)

    every = {block[0].id: block for block in map(joined, range(32 * 3))}
    few = list(every.values())
    written(objects, "sent", *few)
    assert check(objects, workers, held) == len(few)
    monkeypatch.setattr("budwood.store.receive.PARCEL_SOURCES", len(few) * DERIVED_SOURCES - 1)
    with pytest.raises(BadParcel) as refused:
        check(objects, workers, held)
    assert refused.value.facts["limit"] == "PARCEL_SOURCES"
    assert PARCEL_SOURCES < 10_000
