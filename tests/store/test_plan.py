"""Plans and chunks: whatever the hints, spans tile the file and batches cover the spans."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.domain.limits import BLOCK_BYTES, SPANS_PER_FILE
from budwood.errors import LimitExceeded
from budwood.store.api import Hint
from budwood.store.chunks import LARGEST, SMALLEST, cut
from budwood.store.plan import batches, check_span_count, span_hints


class Bytes:
    """A source in memory."""

    path = "a"

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]

    def read_into(self, offset: int, target: memoryview) -> None:
        target[:] = self._content[offset : offset + len(target)]


hints = st.lists(
    st.builds(
        Hint,
        offset=st.integers(-10, 70_000),
        length=st.integers(-10, 70_000),
        name=st.sampled_from(["", "a", "b"]),
        dtype=st.sampled_from(["", "f32"]),
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(size=st.integers(0, 60_000), believed=hints)
def test_spans_tile_the_file_and_batches_cover_the_spans_in_order(size: int, believed: list[Hint]) -> None:
    source = Bytes(random.Random(size).randbytes(size))
    spans = list(span_hints(source, believed))
    at = 0
    for span in spans:
        assert span.offset == at
        assert span.length > 0
        at += span.length
    assert at == size
    at = 0
    for batch in batches(enumerate(spans)):
        assert batch.length <= BLOCK_BYTES
        for piece in batch.pieces:
            assert piece.offset == at == spans[piece.span].offset + piece.index * BLOCK_BYTES
            at += piece.length
    assert at == size


def test_a_large_span_is_cut_in_blocks_from_its_own_start() -> None:
    pieces = [p for batch in batches([(0, Hint(7, 2 * BLOCK_BYTES + 1, "w"))]) for p in batch.pieces]
    assert [(p.offset - 7, p.length, p.index) for p in pieces] == [
        (0, BLOCK_BYTES, 0),
        (BLOCK_BYTES, BLOCK_BYTES, 1),
        (2 * BLOCK_BYTES, 1, 2),
    ]


def chunks(content: bytes) -> Iterator[bytes]:
    for offset, length in cut(Bytes(content), 0, len(content)):
        yield content[offset : offset + length]


def test_an_inserted_byte_moves_one_cut_and_not_all() -> None:
    content = random.Random(1).randbytes(12_000_000)
    before, after = set(chunks(content)), set(chunks(content[:5_000_000] + b"!" + content[5_000_000:]))
    assert len(after - before) <= 3
    assert all(len(chunk) <= LARGEST for chunk in before)


def test_chunks_do_not_depend_on_the_window_they_were_read_in() -> None:
    content = random.Random(2).randbytes(9_000_000)
    inside = list(cut(Bytes(content), 1_000, len(content) - 1_000))
    alone = [(offset + 1_000, length) for offset, length in cut(Bytes(content[1_000:]), 0, len(content) - 1_000)]
    assert inside == alone


@pytest.mark.parametrize("length", [1, SMALLEST - 1, SMALLEST, SMALLEST + 1, LARGEST, LARGEST + 1, 3 * LARGEST])
def test_a_constant_file_of_any_length_is_tiled(length: int) -> None:
    assert b"".join(chunks(bytes(length))) == bytes(length)


def test_a_file_of_too_many_spans_is_refused_before_it_is_read() -> None:
    with pytest.raises(LimitExceeded) as caught:
        check_span_count("a", 1 << 40, ())
    assert caught.value.facts["limit"] == "SPANS_PER_FILE"
    check_span_count("a", 1 << 40, [Hint(0, 1 << 40, "w", "bf16")])
    check_span_count("a", SPANS_PER_FILE * LARGEST, ())
