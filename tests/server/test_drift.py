"""A rollout's drift, asked for over HTTP: the same figures as beside the registry."""

from typing import Any

import budwood
from budwood.domain.rollout.drift import Drift
from budwood.domain.rollout.records import Counted
from budwood.domain.rollout.tally import Tally
from tests.server.conftest import token_of

ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {name: fraud}
spec:
  model: encoder
  arms:
    stable: {version: v1, backends: ["http://127.0.0.1:8081"]}
    canary: {version: v2, backends: ["http://127.0.0.1:8082"]}
"""
PLAN = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: drift}
spec:
  steps: [{canary: 50%, hold: 1h}]
  guardrails: [{watch: drift, metric: score, edges: [0.5]}]
  proof: false
"""


def test_what_a_drift_says_is_the_same_over_http(fresh: Any) -> None:
    with budwood.connect(fresh.url, token=token_of("owner")) as far, budwood.connect(fresh.registry) as near:
        far.endpoints.put(ENDPOINT, namespace="ours")
        far.rollouts.start("fraud", "encoder@v2", PLAN, namespace="ours")
        shown = far.rollouts.show("fraud", namespace="ours")
        assert shown.verdicts[0].guardrail == "drift score"
        assert shown.verdicts[0].detail.endswith("nothing to compare yet")
        made = Counted(Tally(drifts={"score": Drift((0.5,)).after([(True, 0.9), (False, 0.1)] * 400)}))
        near.house.catalog.write(lambda transaction: transaction.put_counted(shown.rollout.id, made))
        shown = far.rollouts.show("fraud", namespace="ours")
        assert shown.verdicts[0].says == "fails"
        assert (shown.drifts[0].candidate, shown.drifts[0].baseline) == ((0, 400), (400, 0))
        beside = near.rollouts.show("fraud", namespace="ours")
        assert (shown.drifts, shown.verdicts) == (beside.drifts, beside.verdicts)
