"""Shadows and A/B tests from end to end: a real gateway, its control plane, users who buy or do not."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from budwood.cli.main import run
from budwood.domain.rollout.records import RolloutState
from budwood.errors import RecordNotFound

from .conftest import Client, eventually
from .test_control import ENDPOINT, World, world

__all__ = ["world"]
STICKY = ENDPOINT + "  sticky: {{header: x-user-id}}\n"
PLAN = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: ab}
spec:
  steps: [{compare: 50%, metric: bought, hold: 1h}]
  guardrails:
    - {watch: metric, metric: bought, kind: ratio}
    - {watch: sample-ratio}
  proof: false
  alpha: 0.05
  silence: 5m
"""
SHADOW = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: shadow}
spec:
  steps: [{shadow: 100%, samples: 100000}, {canary: 10%}]
  guardrails: [{watch: disagreement, limit: 0.05}]
  compare: {type: class, field: arm}
  proof: false
"""
DRIFT = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: drift}
spec:
  steps: [{canary: 50%, samples: 100}]
  guardrails: [{watch: drift, metric: score, edges: [0.25, 0.5, 0.75]}, {watch: sample-ratio}]
  proof: false
  silence: 5m
"""
USERS = 1_200


def begin(world: World, plan: str) -> None:
    world.registry.endpoints.put(STICKY.format(stable=world.backends["stable"].backend.port))
    canary = f"http://127.0.0.1:{world.backends['canary'].backend.port}"
    world.registry.rollouts.start("fraud", "fraud@v2", plan, backends=[canary], alias="champion")
    world.control.moved()
    wanted = str(world.registry.endpoints.show("fraud").generation)
    client = Client(world.place)
    eventually(lambda: client.ask("/predict/fraud").headers.get("x-budwood-generation") == wanted)
    client.close()


def visit(world: World) -> dict[str, str]:
    """Every user comes once: the version that answered each."""

    def some(number: int) -> dict[str, str]:
        client = Client(world.place)
        users = [f"u{user}" for user in range(number, USERS, 2)]
        seen = {user: client.ask("/predict/fraud", {"x-user-id": user}).headers["x-budwood-version"] for user in users}
        client.close()
        return seen

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(some, range(2)))
    return {**both[0], **both[1]}


def test_the_version_that_sells_more_is_promoted(world: World) -> None:
    begin(world, PLAN)
    seen = visit(world)
    buyers = [user for user, version in seen.items() if int(user[1:]) % 10 < (6 if version == "fraud@v2" else 2)]
    world.registry.endpoints.observe("fraud", [{"metric": "bought", "user": user} for user in buyers])
    eventually(lambda: world.state() is RolloutState.PROMOTED, told=lambda: world.registry.rollouts.show("fraud"))
    assert world.registry.get("fraud@champion").number == 2
    report = world.registry.rollouts.report("fraud")
    assert report.metrics[0].overall.says == "better"
    assert report.ratio_holds
    assert [each.kind for each in world.registry.gates.evidence("fraud@v1")] == ["ab-test"]


def test_one_that_sells_the_same_stays_unclear(world: World) -> None:
    begin(world, PLAN)
    seen = visit(world)
    buyers = [user for user in seen if int(user[1:]) % 10 < 3]
    world.registry.endpoints.observe("fraud", [{"metric": "bought", "user": user} for user in buyers])

    def counted() -> bool:
        overall = world.registry.rollouts.report("fraud").metrics[0].overall
        return overall.candidate_units + overall.baseline_units >= 0.99 * USERS and overall.candidate > 0

    eventually(counted)
    time.sleep(0.6)
    assert world.state() is RolloutState.RUNNING
    told = world.registry.rollouts.report("fraud").metrics[0]
    assert told.overall.says == "unclear"
    assert told.enough.startswith("not enough")


@pytest.mark.parametrize(
    ("times", "state"), [(3, RolloutState.ROLLED_BACK), (1, RolloutState.PROMOTED)], ids=["elsewhere", "alike"]
)
def test_where_the_scores_of_a_version_fall_decides(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], times: int, state: RolloutState
) -> None:
    """The candidate's score is this power of one that is spread evenly; it is told at the command line."""

    def typed(*words: str) -> Any:
        capsys.readouterr()
        assert run(["--registry", str(tmp_path / "registry"), *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    begin(world, DRIFT)
    seen = visit(world)
    assert world.state() is RolloutState.RUNNING, "without a value nothing goes forward"
    scores = tmp_path / "scores.jsonl"
    with scores.open("w") as file:
        for user, version in seen.items():
            score = (int(user[1:]) * 7 % 100 / 100) ** (times if version == "fraud@v2" else 1)
            print(json.dumps({"metric": "score", "user": user, "value": score}), file=file)
        print('{"metric": "score", "user": "u1", "value": NaN}', file=file)
    assert typed("endpoint", "observe", "fraud", str(scores))["garbled"] == 1
    eventually(lambda: world.state() is state, told=lambda: world.registry.rollouts.show("fraud"))
    shown = typed("rollout", "show", "fraud")
    found = shown["drifts"][0]
    assert (found["metric"], found["edges"]) == ("score", [0.25, 0.5, 0.75])
    assert (found["psi"] > 0.2) is (times > 1)
    assert shown["verdicts"][0]["guardrail"] == "drift score"
    if times > 1:
        ledger = [each for each in world.registry.ledger(limit=1_000) if each.action == "rollout.rolled-back"]
        assert "drift score: PSI" in str(ledger[0].body["why"])
        assert run(["--registry", str(tmp_path / "registry"), "rollout", "show", "fraud"]) == 0
        assert "drift score: PSI" in capsys.readouterr().out


def test_a_shadow_that_answers_differently_goes_back_and_is_listed(world: World) -> None:
    begin(world, SHADOW)
    client = Client(world.place)
    answers = [client.ask("/predict/fraud", {"x-user-id": f"u{user}"}) for user in range(100)]
    assert {answer.arm for answer in answers} == {"stable"}
    eventually(lambda: world.state() is RolloutState.ROLLED_BACK, told=lambda: world.registry.rollouts.show("fraud"))
    page = world.registry.rollouts.disagreements("fraud")
    assert page.disagreements[0].detail == "'stable' became 'canary'"
    assert page.disagreements[0].asked == '{"inputs": []}'


def test_what_stood_behind_an_answer_is_told(world: World) -> None:
    begin(world, PLAN)
    client = Client(world.place)
    request = client.ask("/predict/fraud", {"x-user-id": "u1"}).headers["x-request-id"]

    def known() -> bool:
        try:
            return world.registry.endpoints.which(request).behind is not None
        except RecordNotFound:
            return False

    eventually(known)
    behind = world.registry.endpoints.which(request).behind
    assert behind is not None
    assert behind.author == "mara"
