"""The serving manifest: guessed from what is known of a version, and changed by a document."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.facts import Facts
from budwood.domain.names import Kind
from budwood.domain.serving.defaults import defaults_for, mlserver_word, triton_word
from budwood.domain.serving.manifest import Batching, Engine, Logged, ScaleBy, Serving
from budwood.domain.serving.reading import read_serving
from budwood.errors import BadServing

GIB = 1 << 30
PLAIN = defaults_for(Kind.MODEL, Facts(frameworks={"sklearn": "1.7"}), 1_000)


def document(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "budwood.dev/v1", "kind": "Serving", "spec": spec}


@pytest.mark.parametrize(
    ("kind", "facts", "engine", "word"),
    [
        (Kind.MODEL, Facts(frameworks={"sklearn": "1.7"}), Engine.MLSERVER, "mlserver_sklearn.SKLearnModel"),
        (Kind.MODEL, Facts(frameworks={"xgboost": "3"}), Engine.MLSERVER, "mlserver_xgboost.XGBoostModel"),
        (Kind.MODEL, Facts(formats=("onnx",)), Engine.TRITON, "onnxruntime"),
        (Kind.MODEL, Facts(architecture="LlamaForCausalLM"), Engine.VLLM, ""),
        (Kind.ADAPTER, Facts(), Engine.VLLM, ""),
        (Kind.MODEL, Facts(), Engine.MLSERVER, ""),
    ],
)
def test_what_a_version_is_says_what_runs_it(kind: Kind, facts: Facts, engine: Engine, word: str) -> None:
    runtime = defaults_for(kind, facts, 1_000).runtime
    assert (runtime.engine, runtime.implementation) == (engine, word)


def test_mlflows_folders_are_read_by_mlflow() -> None:
    serving = defaults_for(Kind.MODEL, Facts(frameworks={"sklearn": "1.7"}), 1_000, ("model/MLmodel",))
    assert mlserver_word(serving.runtime) == "mlserver_mlflow.MLflowRuntime"


def test_a_large_version_is_given_memory_and_time() -> None:
    large = defaults_for(Kind.MODEL, Facts(), 10 * GIB)
    assert (large.resources.memory, large.health.starts_s) == ("21Gi", 1_800)
    assert (PLAIN.resources.memory, PLAIN.health.starts_s) == ("2Gi", 300)


def test_a_document_changes_what_it_names_and_nothing_else() -> None:
    read = read_serving(
        document(
            resources={"memory": "6Gi", "gpus": 1},
            batching={"most": 32, "waitMs": 3},
            autoscaling={"least": 2, "most": 8, "by": "cpu"},
            logging={"bodies": "all", "to": "http://sink.logs", "percent": 10},
            exposed={"hosts": ["fraud.example.com"], "gateway": "web/public"},
            storage="s3://models/{model}/{version}",
        ),
        PLAIN,
    )
    assert (read.resources.cpu, read.resources.memory, read.resources.gpus) == ("1", "6Gi", 1)
    assert read.batching == Batching(32, 3)
    assert (read.autoscaling.by, read.autoscaling.target) == (ScaleBy.CPU, 80)
    assert (read.logging.bodies, read.logging.points) == (Logged.ALL, 1_000)
    assert (read.runtime, read.health) == (PLAIN.runtime, PLAIN.health)
    assert read_serving(document(), PLAIN) == PLAIN


def test_another_engine_forgets_what_was_guessed_for_the_first() -> None:
    runtime = read_serving(document(runtime={"engine": "triton", "format": "onnx"}), PLAIN).runtime
    assert (runtime.engine, runtime.implementation, runtime.image) == (Engine.TRITON, "", "")
    assert triton_word(runtime) == "onnxruntime"


@pytest.mark.parametrize(
    ("spec", "field", "fix"),
    [
        ({"resource": {}}, "spec.resource", "Did you mean resources?"),
        ({"resources": {"memory": "2GB"}}, "spec.resources.memory", "2Gi"),
        ({"resources": {"cpu": "0"}}, "spec.resources.cpu", "500m"),
        ({"resources": {"gpus": True}}, "spec.resources.gpus", "whole number"),
        ({"batching": {"most": 0}}, "spec.batching.most", "whole number"),
        ({"batching": {}}, "spec.batching.most", "Give most"),
        ({"autoscaling": {"least": 5, "most": 2}}, "spec.autoscaling.most", "Raise"),
        ({"autoscaling": {"by": "cpu", "target": 500}}, "spec.autoscaling.target", "100"),
        ({"autoscaling": {"by": "memory"}}, "spec.autoscaling.by", "concurrency"),
        ({"health": {"ready": "health"}}, "spec.health.ready", "plain path"),
        ({"health": {"every": "2h"}}, "spec.health.every", "1h"),
        ({"logging": {"bodies": "all"}}, "spec.logging.to", "log-sink"),
        ({"logging": {"bodies": "all", "to": "file:///etc/passwd"}}, "spec.logging.to", "http://"),
        ({"runtime": {"engine": "other"}}, "spec.runtime.image", "image"),
        ({"runtime": {"environment": {"A B": "1"}}}, "spec.runtime.environment.A B", "underscores"),
        ({"runtime": {"image": "nginx; rm -rf /"}}, "spec.runtime.image", "registry"),
        ({"exposed": {"hosts": ["a b"]}}, "spec.exposed.hosts[0]", "fraud.example.com"),
        ({"exposed": {"gateway": "a/b/c"}}, "spec.exposed.gateway", "NAMESPACE/NAME"),
        ({"storage": "models"}, "spec.storage", "s3://models/{model}/{version}"),
        ({"storage": "s3://models/{secret}"}, "spec.storage", "{model}"),
    ],
)
def test_a_mistake_is_told_with_its_field_and_its_fix(spec: Mapping[str, Any], field: str, fix: str) -> None:
    with pytest.raises(BadServing) as caught:
        read_serving(document(**spec), PLAIN)
    assert caught.value.facts["field"] == field
    assert fix in caught.value.hint


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("runtime", "resources", "batching", "autoscaling", "health", "logging", "exposed", "storage")
INNER = ("engine", "port", "cpu", "memory", "gpus", "most", "least", "by", "every", "ready", "bodies", "hosts", "image")


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES | st.dictionaries(st.sampled_from(INNER), VALUES, max_size=4)))
def test_whatever_is_written_is_read_or_refused_by_name(spec: Mapping[str, Any]) -> None:
    wrong = ""
    try:
        read: Serving | None = read_serving(document(**spec), PLAIN)
    except BadServing as error:
        read, wrong = None, str(error.facts["field"])
    assert isinstance(read, Serving) or wrong.startswith("spec")
