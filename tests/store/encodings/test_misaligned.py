"""Blocks are views into larger buffers and may begin at any byte."""

import numpy as np
import pytest

from budwood.store.encodings import decode_block, encode_block
from budwood.store.encodings.choose import FLOATS, INTEGERS


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, "i8", "q8_0", ""])
@pytest.mark.parametrize("shift", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("count", [200, 20_000])
@pytest.mark.parametrize("with_base", [False, True])
def test_a_block_may_begin_at_any_byte(dtype: str, shift: int, count: int, with_base: bool) -> None:
    chance = np.random.default_rng(shift)
    numbers = np.cumsum(chance.integers(0, 9, count)).astype("<i8")
    content = numbers.tobytes() if dtype in INTEGERS else chance.normal(0, 1, count).astype("<f4").tobytes()
    other = bytearray(content)
    other[8::400] = bytes(len(other[8::400]))
    room = bytearray(shift) + content
    base_room = bytearray(shift + 1) + other
    raw = memoryview(room)[shift:]
    base = memoryview(base_room)[shift + 1 :] if with_base else None
    encoded = encode_block(raw, dtype=dtype, base=base)
    whole = b"".join(bytes(part) for part in encoded.parts)
    target = memoryview(bytearray(len(raw) + 3))[3:]
    written = memoryview(b"\0" * 5 + whole)[5:]
    decode_block(encoded.tag, written, base=base, target=target)
    assert target == raw
