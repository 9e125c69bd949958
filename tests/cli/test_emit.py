"""budwood export manifests: what is printed and what is written."""

import json
from pathlib import Path
from typing import Any

import pytest

SERVING = """\
apiVersion: budwood.dev/v1
kind: Serving
spec:
  runtime: {engine: mlserver, implementation: mlserver_sklearn.SKLearnModel, format: sklearn}
  storage: s3://models/{model}/{version}
"""


@pytest.fixture
def serving(here: Path) -> Path:
    path = here / "serving.yaml"
    path.write_text(SERVING)
    return path


@pytest.fixture
def pushed(ask: Any) -> Any:
    assert ask("push", "encoder", "scorer").code == 0
    return ask


def test_files_are_printed_or_written_and_say_what_is_lacking(pushed: Any, serving: Path, here: Path) -> None:
    printed = pushed("export", "manifests", "kserve", "scorer@v1", "--serving", serving).out
    assert "# inference-service.yaml\n# KServe InferenceService." in printed
    assert 'storageUri: "s3://models/scorer/v1"' in printed
    out = here / "made"
    told = pushed("export", "manifests", "istio", "scorer", "--serving", serving, "--out", out).out
    assert told.splitlines() == [str(out / "1-workload.yaml"), str(out / "2-routes.yaml")]
    assert "drawn anew for each request" in (out / "2-routes.yaml").read_text()
    found = pushed("export", "manifests", "istio", "scorer", "--serving", serving, "--json").json
    assert [file["text"] for file in found["files"]] == [
        (out / "1-workload.yaml").read_text(),
        (out / "2-routes.yaml").read_text(),
    ]


def test_folders_are_made_for_model_repositories(pushed: Any, serving: Path, here: Path) -> None:
    assert pushed("export", "manifests", "mlserver", "scorer", "--serving", serving, "--out", here / "models").code == 0
    settings = json.loads((here / "models/scorer/v1-stable/model-settings.json").read_text())
    assert settings["implementation"] == "mlserver_sklearn.SKLearnModel"


def test_what_somebody_changed_is_not_overwritten(pushed: Any, serving: Path, here: Path) -> None:
    words = ("export", "manifests", "kserve", "scorer", "--serving", serving, "--out", here / "made")
    assert pushed(*words).code == 0
    assert pushed(*words).code == 0
    place = here / "made" / "inference-service.yaml"
    place.write_text("mine")
    refused = pushed(*words)
    assert (refused.code, "--overwrite" in refused.err, place.read_text()) == (4, True, "mine")
    assert pushed(*words, "--overwrite").code == 0
    assert place.read_text() != "mine"


def test_a_mistake_is_told_with_what_would_mend_it(pushed: Any, serving: Path) -> None:
    wrong = pushed("export", "manifests", "kserv", "scorer")
    assert (wrong.code, "Did you mean kserve?" in wrong.err) == (2, True)
    serving.write_text(SERVING.replace("storage:", "storag:"))
    wrong = pushed("export", "manifests", "kserve", "scorer", "--serving", serving)
    assert (wrong.code, "Did you mean storage?" in wrong.err) == (2, True)
    assert pushed("export", "manifests", "seldon-experiment", "scorer", "--serving", serving).code == 2
    serving.write_text(SERVING)
    refused = pushed("export", "manifests", "seldon-experiment", "scorer", "--serving", serving)
    assert (refused.code, "Emit seldon-model." in refused.err) == (8, True)
    assert pushed("export", "manifests", "kserve").code == 2
