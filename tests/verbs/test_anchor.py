"""Where chains of differences are full, a version leans on the ground if that costs little: the next lean on it."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from budwood.client.registry import Registry
from budwood.domain.results import Pushed

Numbers = np.ndarray[tuple[int, int], np.dtype[np.float32]]
SMALL, LARGE = 1e-5, 1e-3


def pushed(registry: Registry, folder: Path, steps: list[float]) -> list[Pushed]:
    """A version for each step, which is how far it is from the one before."""
    chance = np.random.default_rng(5)
    numbers: Numbers = chance.normal(0, 0.05, (1024, 1024)).astype(np.float32)
    found = []
    for number, step in enumerate(steps):
        numbers = (numbers + chance.normal(0, step, numbers.shape)).astype(np.float32) if step else numbers
        (folder / str(number)).mkdir()
        save_file({"weight": numbers}, folder / str(number) / "model.safetensors")
        found.append(registry.push(folder / str(number), "m"))
    return found


def depths(registry: Registry, count: int) -> list[int]:
    """How deep the first block of each version lies."""
    blocks = [registry.get(f"m@v{number}").manifest.tensor("weight")[1].blocks[0] for number in range(1, count + 1)]
    rows = registry.house.index.find(blocks)
    return [rows[block].depth for block in blocks]


def test_a_version_far_from_a_full_chain_begins_another(near: Registry, tmp_path: Path) -> None:
    versions = pushed(near, tmp_path, [0, SMALL, SMALL, LARGE, SMALL, SMALL])
    assert depths(near, 6) == [0, 1, 2, 1, 2, 2]
    assert versions[4].stored_bytes < 0.8 * versions[3].stored_bytes
    assert versions[5].stored_bytes < 0.8 * versions[3].stored_bytes
    for number in range(6):
        near.pull(f"m@v{number + 1}", tmp_path / f"out-{number}")
        out, source = (tmp_path / name / "model.safetensors" for name in (f"out-{number}", str(number)))
        assert out.read_bytes() == source.read_bytes()


def test_a_version_near_a_full_chain_goes_on_with_it(near: Registry, tmp_path: Path) -> None:
    versions = pushed(near, tmp_path, [0, LARGE, SMALL, SMALL])
    assert depths(near, 4) == [0, 1, 2, 2]
    assert versions[3].stored_bytes < 0.8 * versions[1].stored_bytes
