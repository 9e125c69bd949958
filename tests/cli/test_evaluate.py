"""budwood evaluate and evidence, typed by a person, on a registry in a folder and on a server."""

import json
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from sklearn.datasets import load_wine
from sklearn.tree import DecisionTreeClassifier

from budwood.wiring import served
from tests.cli.conftest import Run
from tests.servers.running import TOKEN, serving

BENCH = """
import csv
import joblib

def examples(model, dataset):
    print("measuring")
    (file,) = model.glob("*.joblib")
    tree = joblib.load(file)
    for number, row in enumerate(csv.reader((dataset / "holdout.csv").open())):
        *given, label = map(float, row)
        yield {"id": number, "correct": bool(tree.predict([given])[0] == label)}
"""
POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: production}
spec:
  stages: [production]
  requires: {scanned: true, evidenceSigned: true}
  thresholds:
    - {metric: correct, operator: ">=", value: 0.8, minSamples: 50}
"""


@pytest.fixture(params=["folder", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two decision trees, the second deeper, and what they are measured on, where settings name the registry."""
    if request.param == "folder":
        monkeypatch.setenv("BUDWOOD_REGISTRY", str(tmp_path / "registry"))
        yield
        return
    with serving(served(tmp_path / "registry"), "mara") as address:
        monkeypatch.setenv("BUDWOOD_REGISTRY", address)
        monkeypatch.setenv("BUDWOOD_TOKEN", TOKEN)
        yield


@pytest.fixture
def wine(place: None, run: Run) -> None:
    table, labels = load_wine(return_X_y=True)
    for depth in (1, 6):
        folder = Path(f"tree-{depth}")
        folder.mkdir()
        tree = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(table[::2], labels[::2])
        joblib.dump(tree, folder / "tree.joblib")
        assert run("push", folder, "wine").code == 0
    rows = (",".join(map(str, [*row, label])) for row, label in zip(table[1::2], labels[1::2], strict=True))
    Path("holdout.csv").write_text("\n".join(rows) + "\n")
    assert run("push", "holdout.csv", "holdout", "--kind", "dataset").code == 0
    Path("bench.py").write_text(BENCH)


def key_files() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    Path("key.pem").write_bytes(private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    Path("pub.pem").write_bytes(
        private.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    )


def test_a_model_is_measured_signed_scanned_and_released(wine: None, run: Run) -> None:
    key_files()
    assert run("key", "trust", "pub.pem", "--name", "ci").code == 0
    Path("policy.yaml").write_text(POLICY)
    assert run("policy", "put", "policy.yaml").code == 0
    words = ("--entry", "bench:examples", "--dataset", "holdout@v1", "--champion", "@v1", "--sign", "key.pem")
    shown = run("evaluate", "wine@v2", *words)
    assert shown.code == 0, shown.err
    assert "correct" in shown.out
    assert "(wilson)" in shown.out
    assert "default/wine@v2 against default/wine@v1" in shown.out
    assert "better" in shown.out
    assert "Running bench:examples on default/wine@v1" in shown.err
    listed = run("evidence", "list", "wine@v2").out
    assert ("signed with" in listed, "holdout@v1" in listed) == (True, True)
    number = run("promotion", "request", "wine@v2", "production", "--json").json["promotion"]["id"]
    applied = run("promotion", "apply", str(number))
    assert applied.code == 0, applied.err
    assert run("show", "wine@production", "--json").json["version"]["number"] == 2
    scans = [each for each in run("evidence", "list", "wine@v2", "--json").json["evidence"] if each["kind"] == "scan"]
    assert [(each["author"], each["outcome"]) for each in scans] == [("the registry", "passed")]


def test_a_worse_model_ends_with_5_and_its_comparison_can_be_got_back(wine: None, run: Run) -> None:
    words = ("--entry", "bench:examples", "--dataset", "holdout")
    assert run("evaluate", "wine@v2", *words).code == 0
    worse = run("evaluate", "wine@v1", *words, "--champion", "wine@v2", "--json")
    assert worse.code == 5
    (row,) = worse.json["comparison"]["rows"]
    assert (row["metric"], row["verdict"], row["method"]) == ("correct", "worse", "paired-bootstrap")
    assert row["low"] <= row["difference"] <= row["high"] < 0
    digest = worse.json["evidence"]["digest"]
    listed = run("evidence", "files", "wine@v1", digest[:10])
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == [
        "results.jsonl.gz",
        "comparison.json",
        "log.txt",
    ]
    assert run("evidence", "files", "wine@v1", digest, "--output", "kept").code == 0
    assert json.loads(Path("kept/comparison.json").read_text())["rows"][0]["verdict"] == "worse"
    assert Path("kept/log.txt").read_text() == "measuring\n"
    Path("kept/log.txt").write_text("mine")
    assert run("evidence", "files", "wine@v1", digest, "--output", "kept").code == 4
    compared = run("evidence", "compare", "wine@v2", "wine@v1", "--json").json
    assert compared["rows"] == worse.json["comparison"]["rows"]
    assert "worse" in run("evidence", "compare", "wine@v2", "wine@v1").out


def test_a_crash_ends_with_2_and_shows_the_end_of_the_log(wine: None, run: Run) -> None:
    Path("broken.py").write_text("import sys; print('loading', file=sys.stderr); raise OSError('\\x1b[2J gone')")
    ended = run("evaluate", "wine@v2", "--entry", "broken.py", "--dataset", "holdout")
    assert ended.code == 2
    assert "  loading" in ended.err
    assert "broken.py ended with exit code 1" in ended.err
    assert "\x1b" not in ended.err
    failing = run("evaluate", "wine@v2", "--entry", "broken.py", "--dataset", "holdout", "--json")
    assert failing.json["error"]["code"] == "evaluation_failed"
    assert "error" in run("evidence", "list", "wine@v2").out


def test_a_scan_of_a_version_is_recorded_by_the_registry(wine: None, run: Run) -> None:
    scanned = run("scan", "wine@v2")
    assert (scanned.code, scanned.out) == (0, "1 file: 1 clean\n")
    assert "Recorded as evidence" in scanned.err
    assert run("scan", "wine@v2").code == 0
    kept = run("evidence", "list", "wine@v2", "--json").json["evidence"]
    assert [(each["kind"], each["roles"]) for each in kept] == [("scan", ["scanner"])]


def test_files_and_details_are_given_by_hand(wine: None, run: Run) -> None:
    Path("audit.html").write_text("<b>fine</b>")
    added = run(
        *("evidence", "add", "wine@v1", "fairness", "--outcome", "passed", "--file", "audit.html"),
        *("--detail", "tool=own 2", "--json"),
    )
    assert added.json["details"] == {"tool": "own 2"}
    assert run("evidence", "files", "wine@v1", added.json["digest"], "--output", "back").code == 0
    assert Path("back/audit.html").read_text() == "<b>fine</b>"
    assert run("evidence", "add", "wine@v1", "fairness", "--file", "nothing.html").code == 3
    assert run("evidence", "add", "wine@v1", "fairness", "--outcome", "fine").code == 2
    assert run("evidence", "files", "wine@v1", "00000000").code == 3
