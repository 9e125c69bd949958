"""Blocks like those of real models, small enough to test many of."""

from collections.abc import Callable

import numpy as np
import pytest

from budwood.store.encodings.registry import ENCODINGS, Plan

Block = bytes
Write = Callable[[bytes, bytes, Plan], bytes]


@pytest.fixture(scope="session")
def weights() -> Callable[[str, int, int], bytes]:
    """Normally distributed weights: dtype, count, seed."""

    def make(dtype: str, count: int, seed: int) -> bytes:
        values = np.random.default_rng(seed).normal(0, 0.02, count)
        match dtype:
            case "bf16":
                return bytes((values.astype("<f4").view("<u4") >> 16).astype("<u2").data)
            case _:
                return bytes(values.astype(f"<f{int(dtype[1:]) // 8}").data)

    return make


@pytest.fixture(scope="session")
def tuned() -> Callable[[bytes, int, int], bytes]:
    """The same weights after a light fine-tune: base, bytes of a number, seed. A quarter moves by a few steps."""

    def make(base: bytes, width: int, seed: int) -> bytes:
        random = np.random.default_rng(seed)
        numbers = np.frombuffer(base[: len(base) // width * width], f"<i{width}")
        steps = random.integers(-9, 10, numbers.size) * (random.random(numbers.size) < 0.25)
        moved = bytes((numbers + steps.astype(numbers.dtype)).data)
        return moved + base[len(moved) :]

    return make


@pytest.fixture(scope="session")
def write() -> Write:
    """The bytes that one encoding makes of a block, as the pack would hold them."""

    def make(raw: bytes, base: bytes, plan: Plan) -> bytes:
        return b"".join(ENCODINGS[plan.tag].encode(memoryview(raw), memoryview(base), plan))

    return make
