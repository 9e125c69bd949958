"""Thousands of requests made from the OpenAPI description, right and wrong: no 5xx, and every answer as described."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.siege import Siege
from tests.server.conftest import Start, token_of

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
KNOWN = '[parameters]\nnamespace = "ours"\nmodel = "encoder"\nselector = "v1"\n'
"""What is there, so that addresses lead to it; without it they are made up."""


def besiege(siege: Siege, folder: Path, by: str, examples: int, phases: str, known: str) -> None:
    (folder / "schemathesis.toml").write_text(known)
    words = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"]
    words += ["run", f"{siege.server.url}/openapi.json", "--header", f"Authorization: Bearer {token_of(by)}"]
    words += ["--checks", ",".join(CHECKS), "--phases", phases, "--max-examples", str(examples), "--seed", "1"]
    words += ["--mode", "all", "--suppress-health-check", "all", "--continue-on-failure", "--no-color"]
    told = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"}
    )
    assert told.returncode == 0, told.stdout[-20_000:] + told.stderr[-2_000:]
    siege.assert_well()


def test_every_answer_is_as_the_description_says_and_none_is_a_failure(
    start: Start, make_team: Callable[[], Path], tmp_path: Path
) -> None:
    siege = Siege(start(make_team()))
    besiege(siege, tmp_path, "owner", 4, "fuzzing", KNOWN)
    siege.end()


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(("by", "known"), [("owner", KNOWN), ("admin", KNOWN), ("admin", "")])
def test_the_same_of_thousands(
    by: str, known: str, start: Start, make_team: Callable[[], Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not request.config.getoption("--all-points"):
        pytest.skip("takes minutes: --all-points")
    siege = Siege(start(make_team()))
    besiege(siege, tmp_path, by, 60, "coverage,fuzzing", known)
    siege.end()
