"""A real model, real data and a real evaluation script, in a folder, in memory and behind a server."""

import json
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from budwood.client.evaluating.kept import COMPARISON, EXAMPLES, LOG, comparison_of
from budwood.client.registry import Registry
from budwood.domain.asks_gates import Attached
from budwood.domain.limits import EVALUATION_MEMORY_BYTES, EVALUATION_TIME_S
from budwood.errors import (
    BadValue,
    EvaluationFailed,
    GateClosed,
    NotFound,
    RecordNotFound,
    SourceNotFound,
)

BENCH = """
import csv, json, math, sys
from pathlib import Path
import skops.io
model, data = map(Path, sys.argv[1:])
(file,) = model.glob("*.skops")
fitted = skops.io.load(file, trusted=skops.io.get_untrusted_types(file=file))
rows = list(csv.reader((data / "holdout.csv").open()))
for number, row in enumerate(rows):
    *given, label = map(float, row)
    sure = fitted.predict_proba([given])[0]
    loss = -math.log(max(1e-9, sure[int(label)]))
    print(json.dumps({"id": number, "correct": bool(sure.argmax() == label), "loss": loss}))
print(len(rows), "rows", file=sys.stderr)
"""
EXAMPLES_SAID = """
import json, sys
layers = json.load(open(sys.argv[1] + "/config.json"))["layers"]
for number in range(60):
    print(json.dumps({"id": number, "score": number * layers % 7}))
"""
COUNTS = 'print(\'{"counts": {"accuracy": [%d, 200]}}\')'
POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: production}
spec:
  stages: [production]
  requires: {scanned: true, evidence: [evaluation]}
  thresholds:
    - {metric: correct, operator: ">=", value: 0.8, minSamples: 30, dataset: %s}
    - {metric: loss, operator: "<=", champion: {tolerance: 0.05, first: 1.0}, dataset: %s}
"""


@pytest.fixture
def iris(registry: Registry, tmp_path: Path) -> Registry:
    """Two classifiers, the second less held back, and what they are measured on."""
    table, labels = load_iris(return_X_y=True)
    for strength in (0.001, 100.0):
        registry.push(LogisticRegression(C=strength, max_iter=5_000).fit(table[::2], labels[::2]), "iris")
    rows = (",".join(map(str, [*row, label])) for row, label in zip(table[1::2], labels[1::2], strict=True))
    (tmp_path / "holdout.csv").write_text("\n".join(rows) + "\n")
    registry.push(tmp_path / "holdout.csv", "holdout", kind="dataset")
    (tmp_path / "bench.py").write_text(BENCH)
    registry.alias("iris@v1", "champion")
    return registry


@pytest.fixture
def small(near: Registry, tmp_path: Path) -> Registry:
    """Three versions, a dataset, and scripts that say counts."""
    for number in range(3):
        (tmp_path / "config.json").write_text(f'{{"layers": {number}}}')
        near.push(tmp_path / "config.json", "encoder")
    near.push(tmp_path / "config.json", "holdout", kind="dataset")
    return near


def script(tmp_path: Path, code: str, name: str = "bench.py") -> str:
    (tmp_path / name).write_text(code)
    return name


def test_a_better_model_is_measured_compared_and_released(iris: Registry) -> None:
    said: list[str] = []
    found = iris.evaluate("iris@v2", "bench.py", "holdout@v1", champion="@champion", say=said.append)
    kept, digest = found.evidence, iris.get("holdout@v1").record.digest
    assert (kept.dataset, kept.samples, kept.kind) == (digest, 75, "evaluation")
    assert kept.metrics["correct"] > 0.9
    assert {name: each.method for name, each in kept.intervals.items()} == {"correct": "wilson", "loss": "bootstrap"}
    assert all(each.low <= kept.metrics[name] <= each.high for name, each in kept.intervals.items())
    assert found.comparison is not None
    verdicts = {row.metric: (row.method, row.verdict) for row in found.comparison.rows}
    assert verdicts["loss"] == ("paired-bootstrap", "better")
    assert said.count("Running bench.py on default/iris@v1") == 1
    assert [each.subject for each in iris.gates.evidence("iris@v1")] == [iris.get("iris@v1").record.digest]
    files = iris.gates.evidence_files("iris@v2", kept.digest)
    assert [each.name for each in files] == [EXAMPLES, COMPARISON, LOG]
    assert comparison_of(files) == found.comparison
    assert files[2].content == b"75 rows\n"
    assert iris.gates.compare("iris@v1", "iris@v2").rows == found.comparison.rows
    iris.gates.put_policy(POLICY % (digest, digest))
    iris.gates.add_evidence("iris@v2", "evaluation", outcome="passed", summary="Seen by a person.")
    asked = iris.gates.request("iris@v2", "production")
    assert iris.gates.apply(asked.id).allowed, iris.gates.show(asked.id)
    worse = iris.gates.request("iris@v1", "production")
    with pytest.raises(GateClosed):
        iris.gates.apply(worse.id)


def test_what_was_measured_of_the_champion_is_not_measured_again(small: Registry, tmp_path: Path) -> None:
    said: list[str] = []
    entry = script(tmp_path, EXAMPLES_SAID)
    small.evaluate("encoder@v1", entry, "holdout")
    found = small.evaluate("encoder@v2", entry, "holdout", champion="encoder@v1", say=said.append)
    assert "Running bench.py on default/encoder@v1" not in said
    assert found.comparison is not None
    assert found.comparison.rows[0].method == "paired-bootstrap"
    script(tmp_path, EXAMPLES_SAID + "# Another one.\n")
    small.evaluate("encoder@v2", entry, "holdout", champion="encoder@v1", say=said.append)
    assert "Running bench.py on default/encoder@v1" in said


def test_the_same_evaluation_gives_the_same_numbers_and_intervals(small: Registry, tmp_path: Path) -> None:
    entry = script(tmp_path, EXAMPLES_SAID)
    one, other = (small.evaluate("encoder@v2", entry, "holdout").evidence for _ in range(2))
    assert (one.metrics, one.intervals) == (other.metrics, other.intervals)


def test_an_evaluation_is_signed_with_a_key(small: Registry, tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP384R1())
    secret = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    public = private.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo).decode()
    trusted = small.gates.trust_key("ci", public)
    found = small.evaluate("encoder@v2", script(tmp_path, EXAMPLES_SAID), "holdout", key=secret)
    assert found.evidence.key == trusted.key


# What goes wrong


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ValueError('no such column')", "exit code 1: ValueError: no such column"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
        ("import sys; sys.exit(3)", "exit code 3: it said nothing"),
        ("print('{\"loss\": NaN}')", "NaN"),
        ("print('epoch 1')", "Line 1"),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\n')", "UTF-8"),
        ("pass", "no metric"),
        ("import time; time.sleep(60)", "after 1 seconds"),
        ("while True: print('x' * 100_000)", "more than an evaluation may"),
        ("x = bytearray(1 << 30)", "MemoryError"),
        ("def", "SyntaxError"),
    ],
)
def test_what_goes_wrong_is_said_and_kept_as_an_error_that_passes_nothing(
    code: str, words: str, small: Registry, tmp_path: Path
) -> None:
    entry = script(tmp_path, code)
    time_s = 1 if "sleep" in code else 60
    with pytest.raises(EvaluationFailed) as failed:
        small.evaluate("encoder@v1", entry, "holdout", time_s=time_s, memory_bytes=256 << 20)
    assert words in failed.value.message
    (kept,) = small.gates.evidence("encoder@v1")
    assert (kept.outcome, kept.metrics, kept.summary) == ("error", {}, failed.value.message)
    assert failed.value.facts["evidence"] == kept.digest
    assert kept.details["entry"] == "bench.py"


def test_an_error_after_a_good_one_closes_the_gate_that_was_open(small: Registry, tmp_path: Path) -> None:
    policy = POLICY.partition("  requires")[0] + '  thresholds: [{metric: accuracy, operator: ">=", value: 0.9}]\n'
    small.gates.put_policy(policy)
    small.evaluate("encoder@v1", script(tmp_path, COUNTS % 190), "holdout")
    asked = small.gates.request("encoder@v1", "production")
    assert small.gates.show(asked.id).allowed
    with pytest.raises(EvaluationFailed):
        small.evaluate("encoder@v1", script(tmp_path, "raise SystemExit(1)"), "holdout")
    assert not small.gates.show(asked.id).allowed


def test_a_champion_that_cannot_be_measured_ends_it(small: Registry, tmp_path: Path) -> None:
    code = "import sys\nif '\"layers\": 0' in open(sys.argv[1] + '/config.json').read(): raise ValueError('old')\n"
    with pytest.raises(EvaluationFailed, match="old"):
        small.evaluate("encoder@v2", script(tmp_path, code + COUNTS % 190), "holdout", champion="encoder@v1")
    assert small.gates.evidence("encoder@v1")[0].outcome == "error"
    assert small.gates.evidence("encoder@v2") == ()


def test_what_is_asked_wrongly_is_refused_before_anything_is_pulled(small: Registry, tmp_path: Path) -> None:
    def refused(kind: type[Exception], entry: str = "bench.py", **more: object) -> None:
        with pytest.raises(kind):
            small.evaluate("encoder@v1", entry, "holdout", **more)  # type: ignore[arg-type]

    script(tmp_path, COUNTS % 190)
    for entry in ("bench", "bench:", ":go", "bench:go()", "os;x:y", "", "bench:go:go"):
        refused(BadValue, entry)
    refused(SourceNotFound, "nothing.py")
    for time_s in (0, -1, EVALUATION_TIME_S + 1, float("nan")):
        refused(BadValue, time_s=time_s)
    for memory_bytes in (0, EVALUATION_MEMORY_BYTES + 1):
        refused(BadValue, memory_bytes=memory_bytes)
    for margin in (-0.1, float("nan")):
        refused(BadValue, margin=margin)
    refused(BadValue, champion="encoder@v1")
    refused(NotFound, champion="@champion")
    refused(SourceNotFound, python=str(tmp_path / "no-python"))
    assert small.gates.evidence("encoder@v1") == ()


def test_another_interpreter_may_run_it(small: Registry, tmp_path: Path) -> None:
    wrapped = tmp_path / "python"
    wrapped.write_text(f'#!/bin/sh\nMARKED=yes exec {sys.executable} "$@"\n')
    wrapped.chmod(0o755)
    code = "import os, json; print(json.dumps({'metrics': {'marked': int('MARKED' in os.environ)}}))"
    found = small.evaluate("encoder@v1", script(tmp_path, code), "holdout", python=str(wrapped))
    assert found.evidence.metrics == {"marked": 1.0}


# Comparing


def test_without_examples_versions_are_compared_by_their_intervals(small: Registry, tmp_path: Path) -> None:
    for number, hits in ((1, 150), (2, 190), (3, 151)):
        small.evaluate(f"encoder@v{number}", script(tmp_path, COUNTS % hits), "holdout")
    (better,) = small.gates.compare("encoder@v1", "encoder@v2").rows
    assert (better.method, better.verdict) == ("intervals", "better")
    assert small.gates.compare("encoder@v1", "encoder@v3").rows[0].verdict == "unclear"
    worse = small.gates.compare("encoder@v2", "encoder@v1", dataset="default/holdout@v1")
    assert (worse.rows[0].verdict, worse.outcome) == ("worse", "failed")


def test_versions_measured_on_other_data_are_not_compared(small: Registry, tmp_path: Path) -> None:
    (tmp_path / "more.json").write_text("{}")
    small.push(tmp_path / "more.json", "holdout", kind="dataset")
    entry = script(tmp_path, COUNTS % 190)
    small.evaluate("encoder@v1", entry, "holdout@v1")
    small.evaluate("encoder@v2", entry, "holdout@v2")
    with pytest.raises(RecordNotFound, match="never evaluated"):
        small.gates.compare("encoder@v1", "encoder@v2")
    small.gates.add_evidence("encoder@v1", "evaluation", metrics={"a": 1})
    small.gates.add_evidence("encoder@v2", "evaluation", metrics={"a": 1})
    with pytest.raises(RecordNotFound):
        small.gates.compare("encoder@v1", "encoder@v2")


@pytest.mark.parametrize("content", [b"no gzip", b"\x1f\x8b\x08\x00garbage", b""])
def test_examples_that_are_none_are_left_alone(content: bytes, small: Registry, tmp_path: Path) -> None:
    for number in (1, 2):
        small.gates.add_evidence(
            f"encoder@v{number}", "evaluation", metrics={"a": 1}, dataset="d", files=[Attached(EXAMPLES, content)]
        )
    assert small.gates.compare("encoder@v1", "encoder@v2").rows[0].verdict == "same"


def test_a_bomb_of_examples_is_not_unpacked(small: Registry, tmp_path: Path) -> None:
    import gzip

    bomb = gzip.compress(b" " * (200 << 20))
    for number in (1, 2):
        small.gates.add_evidence(
            f"encoder@v{number}", "evaluation", metrics={"a": 1}, dataset="d", files=[Attached(EXAMPLES, bomb)]
        )
    assert small.gates.compare("encoder@v1", "encoder@v2").rows[0].verdict == "same"


def test_a_comparison_is_kept_as_json_that_others_read(small: Registry, tmp_path: Path) -> None:
    code = "import json, sys; layers = json.load(open(sys.argv[1] + '/config.json'))['layers']\n"
    entry = script(tmp_path, code + "print(json.dumps({'counts': {'accuracy': [150 + 40 * layers, 200]}}))")
    found = small.evaluate("encoder@v2", entry, "holdout", champion="encoder@v1")
    files = small.gates.evidence_files("encoder@v2", found.evidence.digest)
    (table,) = [json.loads(each.content) for each in files if each.name == COMPARISON]
    assert table["rows"][0]["verdict"] == "better"
    assert table["champion"] == "default/encoder@v1"
    assert found.evidence.outcome == "passed"
