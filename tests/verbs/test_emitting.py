"""Manifests of versions and endpoints, asked in a folder, in memory and over HTTP."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from budwood.client.registry import Registry
from budwood.domain.asks_emit import Emitted
from budwood.domain.rollout.next_action import Shift
from budwood.errors import BadServing, BadValue, LimitExceeded, NotOffered, RecordNotFound, VersionNotFound
from budwood.verbs.rollouts import advance, take_over

SERVING = """\
apiVersion: budwood.dev/v1
kind: Serving
spec:
  runtime: {engine: mlserver, implementation: mlserver_sklearn.SKLearnModel, format: sklearn}
  storage: s3://models/{model}/{version}
"""
ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {name: fraud}
spec:
  model: encoder
  arms:
    stable: {version: v1, backends: ["http://127.0.0.1:8081"]}
  sticky: {header: x-user-id}
"""
PLAN = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: careful}
spec: {steps: [{canary: 5%, hold: 1s}, {canary: 25%, hold: 10h}], silence: 10h, proof: false}
"""


@pytest.fixture
def served(registry: Registry, tmp_path: Path) -> Registry:
    """Two versions of one model; the second brings a serving manifest of its own."""
    return filled(registry, tmp_path)


def filled(registry: Registry, tmp_path: Path) -> Registry:
    folder = tmp_path / "encoder"
    folder.mkdir()
    for number in range(2):
        (folder / "config.json").write_text(f'{{"layers": {number}}}')
        registry.push(folder, "encoder", message=f"layers: {number}\n---\nkind: Secret")
        (folder / "budwood.serving.yaml").write_text(SERVING.replace("storage:", "resources: {cpu: 3}\n  storage:"))
    return registry


def documents(made: Emitted, kind: str) -> list[dict[str, Any]]:
    every = [each for file in made.files for each in yaml.safe_load_all(file.text)]
    return [each for each in every if each["kind"] == kind]


def test_a_version_is_served_by_the_manifest_it_brings(served: Registry) -> None:
    made = served.emit("kserve", "encoder@v2")
    (service,) = documents(made, "InferenceService")
    model = service["spec"]["predictor"]["model"]
    assert model["storageUri"] == "s3://models/encoder/v2"
    assert model["resources"]["requests"]["cpu"] == "3"
    assert service["metadata"]["annotations"]["budwood.dev/digest"] == served.get("encoder@v2").record.digest
    assert service["metadata"]["annotations"]["budwood.dev/message"] == "layers: 1\n---\nkind: Secret"


def test_a_version_without_one_takes_the_one_that_is_given(served: Registry) -> None:
    with pytest.raises(BadServing, match=r"spec\.(storage|runtime)"):
        served.emit("kserve", "encoder@v1")
    (service,) = documents(served.emit("kserve", "encoder@v1", serving=SERVING), "InferenceService")
    assert service["spec"]["predictor"]["model"]["storageUri"] == "s3://models/encoder/v1"


def test_a_mistake_in_it_is_told_by_its_field(served: Registry) -> None:
    with pytest.raises(BadServing) as caught:
        served.emit("kserve", "encoder@v1", serving=SERVING.replace("engine", "engin"))
    assert caught.value.facts["field"] == "spec.runtime.engin"
    with pytest.raises(LimitExceeded):
        served.emit("kserve", "encoder@v1", serving="#" * 70_000)
    with pytest.raises(BadServing):
        served.emit("kserve", "encoder@v1", serving="a: [")


def test_a_rollout_in_its_second_step_carries_the_split_of_that_moment(near: Registry, tmp_path: Path) -> None:
    served = filled(near, tmp_path)
    served.endpoints.put(ENDPOINT)
    served.rollouts.start("fraud", "encoder@v2", PLAN, backends=["http://127.0.0.1:8082"])
    assert ways(served.emit("istio", endpoint="fraud", serving=SERVING)) == {"stable": 95, "candidate": 5}
    take_the_next_step(served)
    made = served.emit("istio", endpoint="fraud", serving=SERVING)
    assert made.generation == served.endpoints.show("fraud").generation == 3
    assert ways(made) == {"stable": 75, "candidate": 25}
    kserve = served.emit("kserve", endpoint="fraud", serving=SERVING)
    assert [file.path for file in kserve.files] == ["1-baseline.yaml", "2-candidate.yaml"]
    first, second = documents(kserve, "InferenceService")
    assert second["spec"]["predictor"]["canaryTrafficPercent"] == 25
    assert "canaryTrafficPercent" not in first["spec"]["predictor"]
    assert "drawn anew for each request" in " ".join(kserve.files[1].text.replace("# ", "").split())
    rollout = documents(served.emit("argo-rollouts", endpoint="fraud", serving=SERVING), "Rollout")[1]
    assert rollout["spec"]["strategy"]["canary"]["steps"][0] == {"setWeight": 25}
    served.endpoints.back("fraud", "errors went up")
    assert ways(served.emit("istio", endpoint="fraud", serving=SERVING)) == {"stable": 100}


def ways(made: Emitted) -> dict[str, int]:
    (route,) = documents(made, "VirtualService")
    return {each["destination"]["subset"]: each["weight"] for each in route["spec"]["http"][-1]["route"]}


def take_the_next_step(served: Registry) -> None:
    """As the engine does an hour later."""
    house = served.house
    later = replace(house, clock=lambda: house.clock() + 3_600_000)
    number = served.rollouts.show("fraud").rollout.id
    assert isinstance(advance(later, number, take_over(later, number)), Shift)


def test_an_endpoint_is_emitted_the_same_from_near_and_far(served: Registry) -> None:
    served.endpoints.put(ENDPOINT)
    made = served.emit("gateway-api", endpoint="fraud", serving=SERVING)
    assert (made.of, made.generation) == ("default/fraud", 1)
    assert [file.path for file in made.files] == ["1-workload.yaml", "2-route.yaml"]
    assert "x-user-id" in made.files[1].text
    assert "salt" not in "".join(file.text for file in made.files)


def test_who_names_nothing_or_two_things_or_what_is_not_there_is_told(served: Registry) -> None:
    with pytest.raises(BadValue):
        served.emit("istio")
    with pytest.raises(BadValue):
        served.emit("istio", "encoder@v1", endpoint="fraud")
    with pytest.raises(BadValue, match="no target"):
        served.emit("helm", "encoder@v1")
    with pytest.raises(VersionNotFound):
        served.emit("istio", "encoder@v9")
    with pytest.raises(RecordNotFound):
        served.emit("istio", endpoint="fraud")
    with pytest.raises(NotOffered):
        served.emit("seldon-experiment", "encoder@v2")
