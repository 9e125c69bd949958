"""What is pushed: a few small folders that share blocks, differ a little, or are copies of each other; and a bundle.

Each tensor is just large enough to be looked at as a base and as the source of a copy.
"""

import random
from pathlib import Path
from typing import Final

import numpy as np

import budwood

MODELS: Final = ("encoder", "ranker")
BUNDLE: Final = "two-versions"
NUMBERS: Final = 4200
"""Of a tensor: fewer than 4096 are not looked at as bases."""
FINE_TUNES: Final = 4


def write_sources(root: Path) -> list[Path]:
    """The folders; the bundle lies beside them and holds the first and the last fine-tune."""
    start = np.random.default_rng(1).normal(0, 0.05, (2, NUMBERS)).astype(np.float32)
    noise = np.random.default_rng(2).normal(0, 1e-5, (FINE_TUNES, 2, NUMBERS)).astype(np.float32)
    folders = []
    for number in range(FINE_TUNES):
        moved = start + noise[:number].sum(axis=0, dtype=np.float32)
        second = start[1] if number % 2 else moved[1]
        folders.append(_folder(root, number, first=moved[0], second=second))
    folders.append(_folder(root, FINE_TUNES, first=start[0].astype(np.float16), second=start[1].astype(np.float16)))
    with budwood.in_memory() as elsewhere:
        for folder in (folders[0], folders[FINE_TUNES - 1]):
            elsewhere.push(folder, MODELS[0], message=folder.name)
        elsewhere.export([f"{MODELS[0]}@v1", f"{MODELS[0]}@v2"], root / BUNDLE)
    return folders


def _folder(root: Path, number: int, first: np.ndarray, second: np.ndarray) -> Path:
    folder = root / f"model-{number}"
    folder.mkdir()
    np.savez(folder / "weights.npz", first=first, second=second)
    (folder / "tokens.bin").write_bytes(random.Random(number // 2).randbytes(2_000))
    (folder / "config.json").write_text(f'{{"seed": {number % 3}}}')
    return folder
