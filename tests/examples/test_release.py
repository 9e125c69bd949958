"""The tour's second half, as a new user takes it: traffic moves to a better version, and away from a worse one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import budwood

ROOT = Path(__file__).parents[2]
WITHOUT_ENVOY = """
import sys, runpy
sys.modules["envoy"] = None
runpy.run_module("examples.release", run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_good_version_is_promoted_and_the_bad_one_sent_back(tmp_path: Path) -> None:
    for name in ("envoy", "grpc", "uvicorn", "sklearn", "skops"):
        pytest.importorskip(name)
    folder = tmp_path / "release"
    ran = subprocess.run(
        [sys.executable, "-m", "examples.release", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (good, none), (bad, some) = re.findall(r"([0-9,]+) requests in .* s; ([0-9,]+) of them failed", ran.stdout)
    assert (none, good != "0", bad != "0") == ("0", True, True)
    assert 0 < int(some.replace(",", "")) < 300
    assert "✔ promoted" in ran.stdout
    assert "✘ rolled back" in ran.stdout
    assert "tumours@v3 answered, with 500" in ran.stdout
    with budwood.connect(folder / "registry", create=False) as registry:
        assert registry.get("tumours@champion").number == 2
        ended = registry.rollouts.list("tumours").rollouts
        assert [(each.candidate_number, str(each.state)) for each in ended] == [(3, "rolled-back"), (2, "promoted")]
        assert ended[0].ended_why.startswith("errors:")


def test_without_envoy_one_line_says_so(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    folder = tmp_path / "release"
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_ENVOY, str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "The rest needs envoy" in ran.stdout
    with budwood.connect(folder / "registry", create=False) as registry:
        assert registry.get("tumours@champion").number == 1
