"""What a training run measures and is told, and what its version then knows."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import budwood
from budwood.client.capture.hardware import capture_hardware
from budwood.client.registry import Registry
from budwood.domain.facts import Facts
from budwood.domain.fields import missing_fields
from budwood.errors import BadValue, Conflict, SourceNotFound

MODEL = {"weight": np.ones((4, 4), np.float32)}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.chdir(tmp_path)
    with budwood.in_memory(author="mara") as opened:
        yield opened


def facts_of(registry: Registry, name: str = "encoder") -> Facts:
    return registry.get(name).facts


def test_a_run_measures_what_it_takes_and_keeps_what_it_is_told(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("text,label\nfine,1\nbad,0\n")
    registry.push({"base": np.zeros(4, np.float32)}, "base")
    with budwood.training_run(registry, run_by="tove") as run:
        began = time.process_time()
        while time.process_time() - began < 0.2:
            np.ones(100).sum()
        run.param("lr", 1e-3)
        run.params({"epochs": 3})
        run.metric("accuracy", 0.5)
        run.metric("accuracy", 0.9)
        run.metrics({"loss": 0.1})
        kept = run.dataset("reviews", tmp_path / "reviews.csv", statistics={"source": "shop"})
        run.dataset("holdout", version="2026-10")
        run.parent("base@v1")
        run.search({"trials": 40})
        run.fairness({"gap": 0.01})
        run.resource("energy_kwh", 0.2)
    run.push(MODEL, "encoder", message="Measured")
    facts = facts_of(registry)
    assert facts.training is not None
    assert facts.training.seconds is not None
    assert 0.2 <= facts.training.seconds < 30
    assert facts.training.hardware == capture_hardware()
    assert facts.training.run_by == "tove"
    assert facts.training.began_ms is not None
    assert abs(facts.training.began_ms - time.time() * 1000) < 60_000
    assert facts.resources["cpu_seconds"] >= 0.15
    assert facts.resources["peak_memory_bytes"] > 10_000_000
    assert facts.resources["energy_kwh"] == 0.2
    assert (facts.params, facts.metrics) == ({"lr": "0.001", "epochs": "3"}, {"accuracy": 0.9, "loss": 0.1})
    assert kept.startswith("reviews@sha256:")
    assert facts.datasets == (kept, "holdout@2026-10")
    assert facts.statistics["reviews"] == {
        "size_bytes": 24,
        "rows": 2,
        "columns": ["text: text", "label: integer"],
        "source": "shop",
    }
    assert [(each.model, each.relation) for each in facts.parents] == [("base", "fine-tuned-from")]
    assert (facts.search, facts.fairness, facts.message) == ({"trials": 40}, {"gap": 0.01}, "Measured")


def test_memory_that_was_given_back_before_the_run_is_not_its_own(registry: Registry) -> None:
    np.ones(40_000_000).sum()
    with budwood.training_run(registry) as small:
        pass
    with budwood.training_run(registry) as large:
        held = np.ones(120_000_000)
        held.sum()
    small.push(MODEL, "small")
    large.push(MODEL, "large", message="another")
    peaks = [facts_of(registry, name).resources["peak_memory_bytes"] for name in ("small", "large")]
    assert peaks[1] - peaks[0] > 500_000_000


def test_what_is_said_at_the_push_is_added_to_what_the_run_was_told(registry: Registry) -> None:
    with budwood.training_run(registry) as run:
        run.metric("accuracy", 0.9)
        run.dataset("reviews@sha256:" + "ab" * 32)
        run.push(MODEL, "encoder", metrics={"auc": 0.8}, datasets="more", facts={"fairness": {"gap": 0.1}})
    facts = facts_of(registry)
    assert facts.metrics == {"accuracy": 0.9, "auc": 0.8}
    assert facts.datasets == ("reviews@sha256:" + "ab" * 32, "more")
    assert facts.fairness == {"gap": 0.1}


def test_a_push_inside_the_run_ends_its_clock_there_and_the_next_one_later(registry: Registry) -> None:
    with budwood.training_run(registry) as run:
        run.push(MODEL, "encoder")
        time.sleep(0.2)
        run.push(MODEL, "encoder", message="later")
    first, second = (registry.get(f"encoder@v{number}").facts.training for number in (1, 2))
    assert first is not None
    assert second is not None
    assert (second.seconds or 0) - (first.seconds or 0) > 0.15
    assert run.seconds >= (second.seconds or 0)
    ended = run.seconds
    time.sleep(0.05)
    assert run.seconds == ended


def test_a_run_that_failed_pushes_nothing(registry: Registry) -> None:
    run = budwood.training_run(registry)
    with pytest.raises(ZeroDivisionError), run:
        raise ZeroDivisionError
    with pytest.raises(Conflict, match="failed"):
        run.push(MODEL, "encoder")
    assert registry.list() == ()


def test_a_run_is_begun_once_and_before_it_is_pushed(registry: Registry) -> None:
    run = budwood.training_run(registry)
    with pytest.raises(Conflict, match="not begun"):
        run.push(MODEL, "encoder")
    with run:
        pass
    with pytest.raises(Conflict, match="begun before"), run:
        pass


def test_data_has_one_version_and_is_there(registry: Registry, tmp_path: Path) -> None:
    with budwood.training_run(registry) as run:
        with pytest.raises(BadValue, match="one version"):
            run.dataset("reviews", tmp_path, version="2")
        with pytest.raises(SourceNotFound):
            run.dataset("reviews", tmp_path / "nothing.csv")
        with pytest.raises(BadValue, match="no relation"):
            run.parent("base@v1", "stolen-from")


PROGRAM = """
import budwood, numpy as np, sys
with budwood.training_run() as run:
    run.metric("accuracy", 0.9)
    run.dataset("reviews", "reviews.txt")
    run.push({"weight": np.ones((4, 4), np.float32)}, "encoder")
print([name for name in ("torch", "sklearn", "tensorflow") if name in sys.modules])
"""


def test_a_training_program_in_a_git_tree_lacks_nothing_and_loads_no_framework(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUDWOOD_REGISTRY", str(tmp_path / "registry"))
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "reviews.txt").write_text("fine\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "train.py"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    (tmp_path / "train.py").write_text(PROGRAM + "# changed\n")
    ran = subprocess.run(
        [sys.executable, "train.py", "--lr", "0.1"], check=True, stdout=subprocess.PIPE, timeout=120, text=True
    )
    assert json.loads(ran.stdout) == []
    with budwood.connect(create=False) as registry:
        facts = facts_of(registry)
    assert missing_fields(facts) == ()
    assert facts.training is not None
    assert facts.training.command == "python train.py --lr 0.1"
    assert facts.code is not None
    assert "+# changed" in facts.code.diff
    assert facts.datasets[0].startswith("reviews@sha256:")
