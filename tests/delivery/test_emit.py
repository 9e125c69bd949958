"""Manifests for other systems: valid by those systems' own schemas, true to the split, and deaf to what texts hold."""

import json
import lzma
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped, unused-ignore]
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.delivery.emit.release import File, Part, Release, label
from budwood.delivery.emit.repositories import _quoted
from budwood.delivery.emit.targets import TARGETS, emitted
from budwood.delivery.emit.written import as_yaml, written
from budwood.domain.facts import Facts, Field, Schema
from budwood.domain.names import Kind
from budwood.domain.rollout.plan import Guardrail, Plan, Step, Watched, Way
from budwood.domain.serving.defaults import defaults_for
from budwood.domain.serving.manifest import Autoscaling, Batching, Engine, Exposed, Logged, Logging, Runtime, ScaleBy
from budwood.domain.traffic.endpoint import Rule, Shadow
from budwood.errors import BadServing, BadValue, NotOffered

# No schema of it is small enough to be kept beside the tests; what matters of it is checked below.
UNCHECKED = {"SeldonDeployment"}
FORMS = Schema(
    (Field("x", "float32", (-1, 4)),), (Field("y", "int64", (-1,)), Field("p", "float32", (-1, 2))), "model.onnx"
)
FACTS = Facts(formats=("onnx",), frameworks={"onnx": "1.19"}, schema=FORMS)
ADAPTER = Facts(kind=Kind.ADAPTER, base_model="acme/base-7b", adapter={"r": 24})


def part(arm: str, number: int, points: int, facts: Facts = FACTS, **changes: Any) -> Part:
    serving = replace(
        defaults_for(facts.kind, facts, 50_000_000),
        batching=Batching(32, 5),
        logging=Logging(Logged.ALL, "http://sink.logs", 1_000),
        exposed=Exposed(("fraud.example.com",), "web/public"),
        storage="s3://models/{model}/{version}",
    )
    made = Part(arm, "default", "fraud-detector", number, f"sha256:{number:064x}", points, serving, facts)
    return replace(made, **changes)


PLAN = Plan(
    "careful",
    (
        Step(Way.SHADOW, 1_000, 600),
        Step(Way.CANARY, 500, 600),
        Step(Way.CANARY, 2_500, 1_200),
        Step(Way.SWITCH, 10_000),
    ),
    (
        Guardrail(Watched.ERRORS),
        Guardrail(Watched.LATENCY),
        Guardrail(Watched.SAMPLE_RATIO),
        Guardrail(Watched.ERROR_RATE, limit=0.02),
        Guardrail(Watched.LATENCY_LIMIT, limit=250, quantile=0.99),
    ),
)
ALONE = Release("fraud-detector", (part("stable", 1, 10_000),), "stable")
SPLIT = Release(
    "fraud",
    (part("stable", 1, 9_000), part("canary", 2, 1_000)),
    "stable",
    generation=7,
    reason="it looks well",
    sticky="x-user-id",
    rules=(Rule("x-group", "internal", "canary"), Rule("x-debug", "", "canary")),
    plan=PLAN,
    step=1,
    candidate="canary",
    retries=2,
)
SHADOWED = replace(
    SPLIT, parts=(part("stable", 1, 10_000), part("canary", 2, 0)), shadow=Shadow("canary", 1_000), step=0
)
THREE = replace(
    SPLIT,
    parts=(part("stable", 1, 8_950), part("canary", 2, 1_000), part("blue", 3, 50)),
    plan=None,
    candidate="",
)
ADAPTERS = Release("chat", (part("stable", 1, 5_000, ADAPTER), part("new", 2, 5_000, ADAPTER)), "stable")
RELEASES = {"alone": ALONE, "split": SPLIT, "shadowed": SHADOWED, "three": THREE}
NOT_FOR = {
    ("seldon-experiment", "alone"),
    ("kserve", "three"),
    ("argo-rollouts", "three"),
    ("flagger", "three"),
    ("seldon-deployment", "three"),
    *(("vllm", name) for name in ("split", "shadowed", "three")),
}


def strict(schema: Any) -> Any:
    """As kubectl checks it: what is not named is an error, unless the schema says that it keeps the unknown."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: {name: strict(each) for name, each in value.items()} if key == "properties" else strict(value)
        for key, value in schema.items()
        if key not in ("nullable", "format", "default")
    }
    if schema.get("x-kubernetes-int-or-string"):
        made = {key: value for key, value in made.items() if key != "pattern"} | {"type": ["integer", "string"]}
    if "properties" in schema and not (
        schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema or "type" not in schema
    ):
        made["additionalProperties"] = False
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") else made


@lru_cache
def validators() -> Mapping[str, jsonschema.Draft7Validator]:
    packed = (Path(__file__).parent / "crds" / "schemas.json.xz").read_bytes()
    found = json.loads(lzma.decompress(packed))
    # Some definitions leave out what every object has.
    every: Any = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    return {
        kind: jsonschema.Draft7Validator(strict({**schema, "properties": {**every, **schema["properties"]}}))
        for kind, schema in found.items()
    }


def check(document: Mapping[str, Any]) -> None:
    """By the schema of its kind."""
    name, kind = document["metadata"]["name"], document["kind"]
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name)
    for key, value in document["metadata"]["labels"].items():
        assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", value), key
    assert all(isinstance(value, str) for value in document["metadata"].get("annotations", {}).values())
    validator = validators().get(f"{document['apiVersion']} {kind}")
    if validator is not None:
        validator.validate(document)
    elif kind not in UNCHECKED:
        kubernetes_validate = pytest.importorskip("kubernetes_validate")
        kubernetes_validate.validate(document, "1.34", strict=True)


def documents(files: tuple[File, ...], kind: str = "") -> list[dict[str, Any]]:
    """What a reader of YAML finds in the files."""
    every = [each for file in files if file.path.endswith(".yaml") for each in yaml.safe_load_all(written(file))]
    return [each for each in every if kind in ("", each["kind"])]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_is_valid_by_its_own_schema_or_refuses_with_another(target: str, release: str) -> None:
    if (target, release) in NOT_FOR:
        with pytest.raises(NotOffered) as caught:
            emitted(target, RELEASES[release])
        assert caught.value.hint
        return
    files = emitted(target, RELEASES[release])
    for document in documents(files):
        check(document)
    for file in files:
        assert file.head or file.path.endswith(".json")
    assert any("Nothing here counts or tests" in " ".join(file.head) for file in files) or target in (
        *("argo-rollouts", "flagger", "prometheus", "hpa", "keda", "deployment"),
    )


def test_a_misspelled_field_would_be_found() -> None:
    route = documents(emitted("istio", SPLIT), "VirtualService")[0]
    route["spec"]["http"][0]["weigth"] = 1
    with pytest.raises(jsonschema.ValidationError, match="weigth"):
        check(route)


def test_whoever_draws_each_request_anew_says_so() -> None:
    for target in ("kserve", "seldon-experiment", "seldon-deployment", "istio", "gateway-api", "inference-pool"):
        heads = " ".join(sentence for file in emitted(target, SPLIT) for sentence in file.head)
        assert "drawn anew for each request" in heads, target
        assert "x-user-id" in heads, target
    for target in ("argo-rollouts", "flagger"):
        assert "exact tests" in " ".join(sentence for file in emitted(target, SPLIT) for sentence in file.head)


def test_the_split_of_the_moment_is_the_one_that_is_written() -> None:
    assert weights_of("istio", "VirtualService", SPLIT) == {"stable": 90, "canary": 10}
    assert weights_of("istio", "VirtualService", THREE) == {"stable": 8_950, "canary": 1_000, "blue": 50}
    route = documents(emitted("gateway-api", SPLIT), "HTTPRoute")[0]["spec"]["rules"][-1]["backendRefs"]
    assert {each["name"]: each["weight"] for each in route} == {"fraud-stable": 90, "fraud-canary": 10}
    first, second = documents(emitted("kserve", SPLIT))
    assert "canaryTrafficPercent" not in first["spec"]["predictor"]
    assert second["spec"]["predictor"]["canaryTrafficPercent"] == 10
    assert second["spec"]["predictor"]["model"]["storageUri"] == "s3://models/fraud-detector/v2"
    experiment = documents(emitted("seldon-experiment", SPLIT), "Experiment")[0]["spec"]
    assert experiment["candidates"] == [{"name": "fraud-stable", "weight": 90}, {"name": "fraud-canary", "weight": 10}]
    predictors = documents(emitted("seldon-deployment", SPLIT))[0]["spec"]["predictors"]
    assert [(each["name"], each["traffic"]) for each in predictors] == [("stable", 90), ("canary", 10)]


def weights_of(target: str, kind: str, release: Release) -> dict[str, int]:
    ways = documents(emitted(target, release), kind)[0]["spec"]["http"][-1]["route"]
    return {way["destination"]["subset"]: way["weight"] for way in ways}


def test_a_shadow_hears_the_part_that_it_is_to_hear() -> None:
    last = documents(emitted("istio", SHADOWED), "VirtualService")[0]["spec"]["http"][-1]
    assert last["mirrors"][0]["percentage"]["value"] == 10
    assert last["mirrors"][0]["destination"]["subset"] == "canary"
    mirror = documents(emitted("gateway-api", SHADOWED), "HTTPRoute")[0]["spec"]["rules"][-1]["filters"][0]
    assert mirror["requestMirror"]["fraction"] == {"numerator": 1_000, "denominator": 10_000}
    assert documents(emitted("seldon-experiment", SHADOWED), "Experiment")[0]["spec"]["mirror"]["percent"] == 10
    heard = documents(emitted("seldon-deployment", SHADOWED))[0]["spec"]["predictors"][1]
    assert (heard["shadow"], heard["traffic"]) == (True, 10)
    assert "not copied to a shadow" in " ".join(emitted("kserve", SHADOWED)[0].head)


def test_rules_come_before_the_split() -> None:
    http = documents(emitted("istio", SPLIT), "VirtualService")[0]["spec"]["http"]
    assert http[0]["match"] == [{"headers": {"x-group": {"exact": "internal"}}}]
    assert http[1]["match"] == [{"headers": {"x-debug": {}}}]
    rules = documents(emitted("gateway-api", SPLIT), "HTTPRoute")[0]["spec"]["rules"]
    assert rules[0]["matches"][0]["headers"] == [{"name": "x-group", "type": "Exact", "value": "internal"}]


def test_controllers_go_on_from_the_step_that_is_in_force() -> None:
    rollout = documents(emitted("argo-rollouts", SPLIT), "Rollout")[1]
    steps = rollout["spec"]["strategy"]["canary"]["steps"]
    assert [each["setWeight"] for each in steps if "setWeight" in each] == [5, 25]
    assert steps[1] == {"pause": {"duration": "600s"}}
    canary = documents(emitted("flagger", SPLIT), "Canary")[0]["spec"]["analysis"]
    assert (canary["stepWeights"], canary["mirror"], canary["mirrorWeight"]) == ([5, 25], True, 10)


def test_argo_watches_what_the_plan_watches_and_says_what_it_cannot() -> None:
    rails = (*PLAN.guardrails, Guardrail(Watched.DRIFT, metric="score", limit=0.2))
    files = emitted("argo-rollouts", replace(SPLIT, plan=replace(PLAN, guardrails=rails)))
    metrics = documents(files, "AnalysisTemplate")[0]["spec"]["metrics"]
    assert [each["name"] for each in metrics] == ["errors", "latency", "error-rate", "p99-limit"]
    assert "{{args.canary}}" in metrics[0]["provider"]["prometheus"]["query"]
    # Without requests there is no figure: the query answers nothing, which neither passes nor fails.
    for metric in metrics:
        assert (
            'destination_canonical_revision="{{args.canary}}"}[2m])) > 0)' in metric["provider"]["prometheus"]["query"]
        )
        assert metric["failureCondition"].startswith("len(result) > 0")
    assert "sample-ratio, drift score" in " ".join(files[0].head)
    route = documents(files, "VirtualService")[0]["spec"]["http"][-1]["route"]
    assert [(way["destination"]["subset"], way["weight"]) for way in route] == [("stable", 100), ("canary", 0)]


def test_part_of_a_percent_is_refused_where_it_cannot_be_kept() -> None:
    half = replace(SPLIT, parts=(part("stable", 1, 9_950), part("canary", 2, 50)))
    with pytest.raises(NotOffered, match=r"0\.5 %"):
        emitted("kserve", half)
    assert weights_of("istio", "VirtualService", half) == {"stable": 9_950, "canary": 50}


def test_what_scales_is_said_in_each_systems_words() -> None:
    none = replace(ALONE.parts[0].serving, autoscaling=Autoscaling(0, 5, ScaleBy.REQUESTS, 50, 120))
    asleep = replace(ALONE, parts=(replace(ALONE.parts[0], serving=none),))
    scaled = documents(emitted("keda", asleep))[0]["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"], scaled["cooldownPeriod"]) == (0, 5, 120)
    assert scaled["triggers"][0]["metadata"]["threshold"] == "50"
    hpa = emitted("hpa", asleep)
    assert documents(hpa)[0]["spec"]["minReplicas"] == 1
    assert "scales by CPU" in " ".join(hpa[0].head)
    predictor = documents(emitted("kserve", asleep))[0]["spec"]["predictor"]
    assert (predictor["minReplicas"], predictor["scaleMetric"], predictor["scaleTarget"]) == (0, "rps", 50)
    assert predictor["batcher"] == {"maxBatchSize": 32, "maxLatency": 5}
    assert predictor["logger"] == {"mode": "all", "url": "http://sink.logs"}


def test_alerts_take_the_limits_of_the_plan() -> None:
    rules = documents(emitted("prometheus", SPLIT))[0]["spec"]["groups"][0]["rules"]
    assert [rule["alert"] for rule in rules].count("ModelErrors") == 2
    assert rules[0]["expr"].endswith("> 0.02")
    assert rules[1]["expr"].endswith("> 250")


def test_triton_is_told_types_and_shapes_without_the_batch() -> None:
    file = emitted("triton", SPLIT)[0]
    assert file.path == "fraud/config.pbtxt"
    assert 'backend: "onnxruntime"' in file.body
    assert "max_batch_size: 32" in file.body
    assert '{ name: "x", data_type: TYPE_FP32, dims: [ 4 ] }' in file.body
    assert '{ name: "y", data_type: TYPE_INT64, dims: [ 1 ] }' in file.body
    assert "versions: [ 1, 2 ]" in file.body
    assert "budwood pull default/fraud-detector@v2 fraud/2" in file.head


def test_a_fixed_batch_is_left_as_it_is() -> None:
    fixed = replace(FACTS, schema=Schema((Field("x", "float32", (1, 4)),), (Field("y", "int64", (1,)),)))
    text = str(emitted("triton", Release("m", (part("stable", 1, 10_000, fixed),), "stable"))[0].body)
    assert "max_batch_size: 0" in text
    assert "dims: [ 1, 4 ]" in text
    assert "dynamic_batching" not in text


def test_mlserver_has_a_folder_for_each_version() -> None:
    files = emitted("mlserver", SPLIT)
    found = {file.path: json.loads(written(file)) for file in files if file.path.endswith(".json")}
    assert list(found) == ["fraud/v1-stable/model-settings.json", "fraud/v2-canary/model-settings.json"]
    second = found["fraud/v2-canary/model-settings.json"]
    assert second["parameters"] == {"uri": "./files", "version": "v2"}
    assert second["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert (second["max_batch_size"], second["max_batch_time"]) == (32, 0.005)
    assert any(file.path == "fraud/v2-canary/README.txt" and "budwood pull" in written(file) for file in files)


def test_vllm_serves_adapters_on_their_base() -> None:
    text = written(emitted("vllm", ADAPTERS)[0])
    command = [line for line in text.splitlines() if not line.startswith("#")]
    words = shlex.split(" ".join(line.rstrip("\\") for line in command))
    assert words[:5] == ["exec", "vllm", "serve", "acme/base-7b", "--served-model-name=acme/base-7b"]
    assert "--enable-lora" in words
    assert "--max-lora-rank=32" in words
    first, second = (json.loads(word) for word in words if word.startswith("{"))
    assert (first["name"], second["name"], second["path"]) == ("chat-stable", "chat-new", "models/chat/v2")


def test_a_cluster_that_is_told_nothing_is_not_left_to_guess() -> None:
    nowhere = replace(ALONE.parts[0].serving, storage="")
    with pytest.raises(BadServing, match=r"spec\.storage"):
        emitted("kserve", replace(ALONE, parts=(replace(ALONE.parts[0], serving=nowhere),)))
    unknown = replace(ALONE.parts[0].serving, runtime=Runtime(Engine.MLSERVER, image="x"))
    for target in ("kserve", "mlserver", "triton", "deployment"):
        with pytest.raises(BadServing) as caught:
            emitted(target, replace(ALONE, parts=(replace(ALONE.parts[0], serving=unknown),)))
        assert str(caught.value.facts["field"]).startswith("spec.runtime")


def test_an_unknown_target_is_told_the_nearest() -> None:
    with pytest.raises(BadValue) as caught:
        emitted("kservee", ALONE)
    assert caught.value.hint == "Did you mean kserve?"


@given(st.text(max_size=200))
def test_every_name_is_a_label(text: str) -> None:
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", label(text))
    assert label(text) == label(text)


@pytest.mark.parametrize("text", ["fraud", "a-b-1", "m0"])
def test_a_name_that_is_a_label_stays(text: str) -> None:
    assert label(text) == text


def test_names_that_look_alike_stay_apart() -> None:
    assert len({label(text) for text in ("a.b", "a_b", "a-b", "a/b", "A-b")}) == 5


YAML_TRAPS = (
    *(
        "no",
        "1e3",
        "0o17",
        "0x1f",
        "12:30:00",
        "2026-11-21",
        "~",
        "---",
        "...",
        "a: b",
        "- x",
        "*a",
        "&a",
        "#",
        "<<",
        "=",
    ),
    *("!!python/object:os", "x\n---\nkind: Secret", "\u2028kind: Secret", "\x85", "{{ .Values }}", "'\"", "\ufeff"),
)
HOSTILE = st.text() | st.sampled_from(YAML_TRAPS)


@given(st.recursive(HOSTILE, lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner), max_leaves=6))
def test_whatever_text_is_in_a_document_is_read_back_as_it_was(value: Any) -> None:
    text = as_yaml({"kind": "X", "value": value})
    assert list(yaml.safe_load_all(text)) == [{"kind": "X", "value": value}]
    # For readers who take other things for line breaks, numbers or the end than this one.
    assert text.isascii()
    assert text.count("\n---") == 0


@settings(max_examples=30, deadline=None)
@given(
    HOSTILE, HOSTILE, st.sampled_from(["istio", "kserve", "seldon-experiment", "argo-rollouts", "keda", "deployment"])
)
def test_no_message_or_reason_changes_a_document(reason: str, message: str, target: str) -> None:
    stable, canary = SPLIT.parts
    hostile = replace(SPLIT, reason=reason, parts=(replace(stable, message=message), replace(canary, message=message)))
    assert list(without_notes(emitted(target, hostile))) == list(without_notes(emitted(target, SPLIT)))


def without_notes(files: tuple[File, ...]) -> Iterator[dict[str, Any]]:
    """The documents, without the two annotations that hold what people wrote."""
    for document in documents(files):
        yield _without(document)


def _without(value: Any) -> Any:
    if isinstance(value, list):
        return [_without(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without(each) for key, each in value.items() if key not in ("budwood.dev/reason", "budwood.dev/message")
    }


@given(HOSTILE)
def test_no_name_of_a_tensor_ends_its_text_in_tritons_configuration(name: str) -> None:
    quoted = _quoted(name.encode("utf-8", "replace").decode())
    assert re.fullmatch(r'"([ !#-\[\]-~]|\\[0-7]{3})*"', quoted)


@given(HOSTILE)
def test_no_remark_ends_its_line(text: str) -> None:
    file = File("a.yaml", (text, "x"), ({"kind": "X"},))
    assert list(yaml.safe_load_all(written(file))) == [{"kind": "X"}]
