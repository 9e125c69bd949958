"""An alias that goes back takes the traffic with it: alias, split and ledger agree."""

from pathlib import Path

import pytest

from budwood.catalog.api import Transaction
from budwood.client.registry import Registry
from budwood.domain.names import ModelName, Namespace
from budwood.domain.policy.case import Review
from budwood.domain.policy.records import Promotion
from budwood.domain.rollout.records import RolloutState
from budwood.errors import BadEndpoint, RecordNotFound

ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {name: fraud}
spec:
  model: encoder
  arms:
    stable: {version: v1, backends: ["http://127.0.0.1:8081"]}
"""
PLAN = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: quick}
spec: {steps: [{canary: 50%}]}
"""


@pytest.fixture
def served(registry: Registry, tmp_path: Path) -> Registry:
    for number in range(3):
        (tmp_path / "config.json").write_text(f'{{"layers": {number}}}')
        registry.push(tmp_path / "config.json", "encoder")
    registry.alias("encoder@v1", "champion")
    return registry


def test_what_a_rollout_promoted_goes_back_with_its_alias(served: Registry) -> None:
    served.endpoints.put(ENDPOINT)
    served.rollouts.start("fraud", "encoder@v2", PLAN, backends=["http://127.0.0.1:8082"], alias="champion")
    served.rollouts.promote("fraud")
    assert served.get("encoder@champion").number == 2
    served.roll_back("encoder", "champion")
    assert served.get("encoder@champion").number == 1
    shown = served.endpoints.show("fraud")
    assert (shown.body.baseline, shown.split, shown.killed) == ("stable", {"stable": 10_000}, True)
    entries = [each for each in served.ledger() if each.action == "pointer.rolled-back"]
    assert entries[-1].body["endpoints"] == ["fraud"]


def test_an_endpoint_that_names_the_alias_goes_back_to_the_arm_it_had(served: Registry) -> None:
    named = ENDPOINT.replace("version: v1", "version: champion")
    served.endpoints.put(named)
    served.alias("encoder@v2", "champion")
    served.endpoints.put(named.replace("8081", "8082"))
    assert served.endpoints.show("fraud").body.arm("stable").number == 2
    served.roll_back("encoder", "champion")
    arm = served.endpoints.show("fraud").body.arm("stable")
    assert (arm.number, arm.backends[0].port) == (1, 8081)


def test_another_alias_moves_nobodys_traffic(served: Registry) -> None:
    served.endpoints.put(ENDPOINT)
    before = served.endpoints.show("fraud").generation
    served.alias("encoder@v3", "other")
    served.alias("encoder@v1", "other")
    served.roll_back("encoder", "other")
    assert served.endpoints.show("fraud").generation == before


def test_a_rollout_that_runs_ends_when_the_alias_goes_back(served: Registry) -> None:
    named = ENDPOINT.replace("version: v1", "version: champion")
    served.endpoints.put(named)
    served.alias("encoder@v2", "champion")
    served.endpoints.put(named.replace("8081", "8082"))
    served.rollouts.start("fraud", "encoder@v3", PLAN, backends=["http://127.0.0.1:8083"])
    served.roll_back("encoder", "champion")
    assert served.rollouts.show("fraud").rollout.state is RolloutState.ROLLED_BACK
    assert served.endpoints.show("fraud").split == {"stable": 10_000}


def test_what_served_then_is_told_with_what_stood_behind_it(served: Registry) -> None:
    served.endpoints.put(ENDPOINT)
    then = served.endpoints.show("fraud").since_ms
    found = served.endpoints.serving("fraud", at_ms=then)
    assert (found.generation, found.split, found.actor) == (1, {"stable": 10_000}, "mara")
    arm = found.arms[0]
    assert (arm.version, arm.digest, arm.author) == ("encoder@v1", served.get("encoder@v1").digest, "mara")
    assert arm.approvals == ()
    with pytest.raises(BadEndpoint):
        served.endpoints.serving("fraud", at_ms=then - 86_400_000)
    with pytest.raises(RecordNotFound):
        served.endpoints.serving("nowhere")


def test_lineage_stands_behind_what_serves(served: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"layers": 7}')
    served.push(tmp_path / "config.json", "encoder", parents=["encoder@v1"])
    served.endpoints.put(ENDPOINT.replace("version: v1", "version: v4"))
    assert served.endpoints.serving("fraud").arms[0].made_from == ("encoder@v1",)


def test_approvals_stand_behind_what_serves_from_when_they_were_given(near: Registry, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"layers": 7}')
    near.push(tmp_path / "config.json", "encoder")
    near.endpoints.put(ENDPOINT)
    with near.house.catalog.read() as view:
        version = view.version_by_number(Namespace("default"), ModelName("encoder"), 1)
    assert version is not None
    now = near.endpoints.show("fraud").since_ms

    def approve(transaction: Transaction) -> None:
        asked = Promotion(
            *(0, "default", "encoder", version.model_id, version.id, 1, version.digest, "stage:production"),
            *("mara", "it is better", now, "b"),
        )
        made = transaction.add_promotion(asked)
        transaction.add_review(made.id, Review("ben", True, now + 5_000, "b"))

    near.house.catalog.write(approve)
    assert near.endpoints.serving("fraud", at_ms=now).arms[0].approvals == ()
    (approval,) = near.endpoints.serving("fraud", at_ms=now + 5_000).arms[0].approvals
    assert (approval.person, approval.approves, approval.pointer) == ("ben", True, "production")
