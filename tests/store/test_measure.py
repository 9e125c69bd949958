"""How far tensors moved, against plain NumPy, and with the numbers that break sums."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import budwood
from budwood.client.registry import Registry
from budwood.domain.limits import BLOCK_BYTES

Array = "np.ndarray[Any, Any]"


@pytest.fixture
def moved(tmp_path: Path) -> Callable[[Any, Any], Any]:
    """The change of one tensor between two versions, by the verb."""

    def measured(before: Any, after: Any) -> Any:
        with budwood.in_memory() as registry:
            registry.push({"w": before}, "m")
            registry.push({"w": after}, "m")
            return one(registry)

    return measured


def one(registry: Registry) -> Any:
    change = registry.diff("m@v1", "m@v2")
    (tensor,) = [each for each in change.tensors.changed if each.name == "w"]
    return tensor


@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "|u1"])
def test_norms_and_shares_are_numpys(moved: Callable[[Any, Any], Any], dtype: str) -> None:
    chance = np.random.default_rng(1)
    before = chance.normal(0, 20, (700, 1001)).astype(dtype)
    after = before.copy()
    chosen = chance.random(before.shape) < 0.1
    after[chosen] += np.array(1, dtype)
    found = moved(before, after)
    old, new = before.astype(np.float64), after.astype(np.float64)
    assert found.changed_share == pytest.approx(np.count_nonzero(before != after) / before.size)
    assert found.relative_l2 == pytest.approx(np.linalg.norm(new - old) / np.linalg.norm(old), rel=1e-3)


def test_a_tensor_of_many_blocks_is_measured_whole(moved: Callable[[Any, Any], Any]) -> None:
    before = np.ones(3 * BLOCK_BYTES // 4 + 5, np.float32)
    after = before.copy()
    after[-1] = 3
    found = moved(before, after)
    assert found.changed_share == pytest.approx(1 / before.size)
    assert found.relative_l2 == pytest.approx(2 / math.sqrt(before.size))


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0, -0.0])
def test_no_number_breaks_a_measure(moved: Callable[[Any, Any], Any], odd: float) -> None:
    before = np.ones(100, np.float64)
    after = before.copy()
    after[3] = odd
    for old, new in ((before, after), (after, before)):
        found = moved(old, new)
        assert found.changed_share == pytest.approx(0.01)
        assert found.relative_l2 is None or math.isfinite(found.relative_l2)
