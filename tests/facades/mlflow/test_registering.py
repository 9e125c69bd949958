"""A version made of what a run logged: the same files, no byte more, its facts, and where it came from."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from budwood.client.models.tensors import write_tensor_dict
from budwood.domain.trace import Direction
from budwood.errors import BadValue, QuotaExceeded, RecordNotFound
from budwood.verbs.artifacts import entries_of, find_entry, list_files, read_pieces
from budwood.verbs.manifests import load_manifest
from budwood.verbs.registering import Registering, register_version
from budwood.verbs.sweep import sweep
from budwood.verbs.trace import trace
from budwood.verbs.verify import verify

MLMODEL = """flavors:
  python_function:
    loader_module: mlflow.sklearn
  sklearn:
    sklearn_version: 1.9.1
mlflow_version: 3.17.2
signature:
  inputs: '[{"name": "x", "type": "double"}]'
  outputs: '[{"type": "long"}]'
"""


@pytest.fixture
def run(client: Any, tmp_path: Path) -> str:
    """A run with a model of tensors, metrics, parameters and a data set."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    write_tensor_dict({"net.weight": np.arange(100_000, dtype=np.float32)}, folder)
    id_ = str(client.create_run("0").info.run_id)
    client.log_artifacts(id_, str(folder), "model")
    client.log_metric(id_, "auc", 0.75)
    client.log_metric(id_, "loss", math.nan)
    client.log_param(id_, "lr", ".1")
    return id_


def stored(home: Any) -> int:
    with home.house.catalog.read() as view:
        return sum(use.live_blocks for use in view.packs())


def test_a_version_of_a_run_has_its_files_and_costs_a_manifest(home: Any, run: str) -> None:
    before = stored(home)
    version = register_version(home.house, Registering(home.namespace, "net", f"runs:/{run}/model"))
    assert stored(home) == before + 1
    manifest = load_manifest(home.house, version)
    assert [entry.path for entry in manifest.files] == ["MLmodel", "model.safetensors"]
    assert [span.name for span in manifest.files[1].tensors if span.dtype] == ["net.weight"]
    facts = manifest.facts
    assert facts.metrics == {"auc": 0.75}
    assert facts.params == {"lr": ".1"}
    assert facts.frameworks["sklearn"] == "1.9.1"
    assert facts.schema is not None
    assert [each.name for each in facts.schema.inputs] == ["x"]
    assert facts.settings["mlflow"] == {"source": f"runs:/{run}/model", "run": run}


def test_a_version_was_built_by_its_run(home: Any, run: str) -> None:
    version = register_version(home.house, Registering(home.namespace, "net", f"runs:/{run}/model"))
    found = trace(home.house, version.reference, Direction.UP)
    assert [(each.source, each.run) for each in found.named] == [("mlflow", run)]


def test_a_version_outlives_what_it_was_made_of(home: Any, run: str, client: Any) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    location = client.get_run(run).info.artifact_uri
    version = register_version(home.house, Registering(home.namespace, "net", f"{location}/model"))
    content = b"".join(read_pieces(home.house, load_manifest(home.house, version).files[0]))
    get_artifact_repository(location).delete_artifacts("model")
    sweep(home.house, grace_s=0)
    sweep(home.house, grace_s=0)
    assert verify(home.house).problems == ()
    path = f"versions/net/{version.number}"
    listed = list_files(home.house, home.namespace, path)
    assert [each.path for each in listed] == [f"{path}/MLmodel", f"{path}/model.safetensors"]
    assert b"".join(read_pieces(home.house, find_entry(home.house, home.namespace, f"{path}/MLmodel"))) == content


def test_a_copy_of_a_version_has_the_same_files_and_comes_from_it(home: Any, run: str) -> None:
    first = register_version(home.house, Registering(home.namespace, "net", f"runs:/{run}/model"))
    copy = register_version(home.house, Registering(home.namespace, "copy", f"models:/net/{first.number}"))
    assert load_manifest(home.house, copy).files == load_manifest(home.house, first).files
    (parent,) = load_manifest(home.house, copy).facts.parents
    assert (parent.number, parent.digest) == (first.number, first.digest)


def test_what_runs_in_the_same_transaction_can_unmake_the_version(home: Any, run: str) -> None:
    def refuse(transaction: object, version: object) -> None:
        raise QuotaExceeded("No more.")

    with pytest.raises(QuotaExceeded):
        register_version(home.house, Registering(home.namespace, "net", f"runs:/{run}/model"), refuse)
    with home.house.catalog.read() as view:
        assert view.model(home.namespace, "net") is None


def test_a_source_elsewhere_is_written_down_and_nothing_is_read(home: Any) -> None:
    version = register_version(home.house, Registering(home.namespace, "net", "s3://bucket/model"))
    assert load_manifest(home.house, version).files == ()


@pytest.mark.parametrize("source", ["runs:/" + "0" * 32 + "/model", "models:/m-" + "0" * 32])
def test_a_source_that_is_not_there_is_refused(home: Any, source: str) -> None:
    with pytest.raises(RecordNotFound):
        register_version(home.house, Registering(home.namespace, "net", source))


@pytest.mark.parametrize("path", ["../x", "a/../../b", "%2e%2e/x", "%252e%252e/x", "a\\..\\b", "/etc/passwd"])
def test_a_source_leads_nowhere_else(home: Any, run: str, path: str) -> None:
    with pytest.raises(BadValue, match="Invalid path"):
        register_version(home.house, Registering(home.namespace, "net", f"runs:/{run}/{path}"))


def test_files_are_given_as_a_manifest_has_them(home: Any, run: str) -> None:
    with home.house.catalog.read() as view:
        entries = entries_of(view, home.namespace, f"0/{run}/artifacts/model")
        alone = entries_of(view, home.namespace, f"0/{run}/artifacts/model/MLmodel")
    assert [entry.path for entry in entries] == ["MLmodel", "model.safetensors"]
    assert [(entry.path, entry.size) for entry in alone] == [("MLmodel", len(MLMODEL))]
