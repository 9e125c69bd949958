"""What the command line shows of who stands behind what, and of broken glass."""

from dataclasses import replace
from pathlib import Path

import pytest

import budwood
from budwood.domain.access import HOLDER
from budwood.domain.limits import GLASS_S
from budwood.verbs.policies import put_policy
from budwood.verbs.promotions import break_glass
from tests.cli.conftest import Run
from tests.cli.conftest import _new_user as _new_user
from tests.cli.conftest import run as run

POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: production}
spec:
  stages: [production]
  requires: {signed: true}
"""
HOUR_MS = 3_600_000


@pytest.mark.parametrize(("hours", "shown"), [(1, "to look at by"), (25, "OVERDUE: nobody looked at it by")])
def test_broken_glass_is_marked_until_somebody_looked(hours: int, shown: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with budwood.connect(tmp_path / "registry", author="mara") as registry:
        registry.push(tmp_path / "config.json", "encoder")
        house = registry.house
        put_policy(house, "default", POLICY)
        ago = replace(house, clock=lambda: house.clock() - hours * HOUR_MS)
        broken = break_glass(ago, HOLDER, "encoder@v1", "production", "payments are refused")
        assert broken.due_ms - broken.decided_ms == GLASS_S * 1000
    for words in (["list"], ["show", "1"]):
        assert shown in run("--registry", tmp_path / "registry", "promotion", *words).out
    with budwood.connect(tmp_path / "registry", author="jon") as registry:
        registry.gates.look(1)
    after = run("--registry", tmp_path / "registry", "promotion", "list").out
    assert "looked at by jon" in after
    assert ("too late" in after) is (hours > 24)


def test_whom_an_account_answers_to_is_shown_and_missed(run: Run, tmp_path: Path) -> None:
    registry = ["--registry", str(tmp_path / "registry")]
    budwood.connect(tmp_path / "registry", author="root").close()
    run(*registry, "person", "add", "mara")
    alone = run(*registry, "person", "add", "nightly", "--service")
    assert alone.code == 0
    assert "answers to nobody" in alone.err
    assert "nobody" in run(*registry, "person", "list").out
    run(*registry, "person", "change", "nightly", "--owner", "mara")
    listed = run(*registry, "person", "list", "--json").json["people"]
    assert [each["owner"] for each in listed] == ["", "mara"]
    ran = run(*registry, "group", "add", "crew", "mara", "--json").json
    assert ran["joined"]["mara"]["by"] == "mara@example.com"
    assert ran["joined"]["mara"]["at_ms"] > 0
