"""What is asked of the libraries and of the system beneath the encodings."""

import sys

import numpy as np
import pytest

from budwood.errors import BlockDamaged
from budwood.store._memory import keep_freed_memory
from budwood.store.encodings import _zstd


def test_this_zstd_codes_without_matching() -> None:
    assert _zstd.HUFFMAN_ONLY, "weights would be stored 3 % larger and encoded at a third of the speed"
    # Four symbols in no order take two bits each; a repeated text is not found.
    symbols = np.random.default_rng(1).integers(0, 4, 100_000, np.uint8)
    assert len(_zstd.huffman(symbols.data)) == pytest.approx(25_000, rel=0.05)
    text = np.random.default_rng(2).bytes(1000) * 100
    assert len(_zstd.fast(text)) < 2000 < 90_000 < len(_zstd.huffman(text))


def test_frames_are_ordinary_ones_that_state_their_size() -> None:
    for coder in (_zstd.fast, _zstd.huffman):
        frame = coder(b"graft " * 1000)
        assert _zstd.zstd.decompress(frame) == b"graft " * 1000
        assert _zstd.zstd.get_frame_info(frame).decompressed_size == 6000


def test_an_empty_frame_is_one_too() -> None:
    assert _zstd.decompress(_zstd.huffman(b""), 0) == b""


def test_a_frame_of_another_size_is_damage() -> None:
    with pytest.raises(BlockDamaged, match="claims 10 bytes where 11"):
        _zstd.decompress(_zstd.fast(bytes(10)), 11)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_memory_can_be_kept() -> None:
    assert keep_freed_memory() in (True, False)
    assert keep_freed_memory() == keep_freed_memory()
