"""ONNX models with their weights in a file beside them: cut by tensors, whichever file comes first."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.artifacts import StoredFile
from budwood.domain.entries import FileEntry
from budwood.verbs.artifacts import find_file, read_pieces
from budwood.verbs.keeping import keep_file

WEIGHTS = "w.data"
PLACE = "1/run/artifacts/model"


def saved(folder: Path, *, tuned: bool = False, location: str = WEIGHTS) -> Path:
    """Two layers; tuned, one of them is a little different."""
    random = np.random.default_rng(5)
    layers = [random.normal(size=(256, 512)).astype(np.float32) for _ in range(2)]
    if tuned:
        layers[1] *= 1 + 1e-4 * random.normal(size=layers[1].shape).astype(np.float32)
    kept = [onnx.numpy_helper.from_array(each, f"layer.{at}") for at, each in enumerate(layers)]
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 256]) for name in "xy"]
    nodes = [onnx.helper.make_node("Identity", ["x"], ["y"])]
    graph = onnx.helper.make_graph(nodes, "net", ends[:1], ends[1:], kept)
    model = onnx.helper.make_model(graph, producer_name="tests")
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save_model(model, str(folder / "model.onnx"), save_as_external_data=True, location=location, size_threshold=0)
    return folder


def house_of(registry: Registry) -> Any:
    place = registry._place
    assert isinstance(place, Near)
    return place.house


def logged(house: Any, folder: Path, *names: str, place: str = PLACE) -> StoredFile:
    """The weights, once all have come in this order."""
    for name in names:
        keep_file(house, "default", f"{place}/{name}", folder / name)
    return find_file(house, "default", f"{place}/{WEIGHTS}")


def tensors(entry: FileEntry) -> list[tuple[str, str, Any]]:
    return [(span.name, span.dtype, span.shape) for span in entry.tensors if span.dtype]


def stored_bytes(house: Any) -> int:
    with house.catalog.read() as view:
        return sum(use.live_bytes for use in view.packs())


LAYERS = [("layer.0", "f32", (256, 512)), ("layer.1", "f32", (256, 512))]
BOTH = ("model.onnx", WEIGHTS)


def test_a_pushed_folder_is_cut_by_tensors_and_a_fine_tune_costs_its_difference(near: Registry, tmp_path: Path) -> None:
    near.push(saved(tmp_path / "1"), "net")
    (kept,) = (each for each in near.get("net@v1").manifest.files if each.path == WEIGHTS)
    assert tensors(kept) == LAYERS
    before = stored_bytes(house_of(near))
    near.push(saved(tmp_path / "2", tuned=True), "net")
    assert stored_bytes(house_of(near)) - before < 0.8 * 256 * 512 * 4


@pytest.mark.parametrize("names", [BOTH, BOTH[::-1]], ids=["model first", "weights first"])
def test_logged_weights_are_cut_by_tensors_whichever_comes_first(
    names: tuple[str, ...], near: Registry, tmp_path: Path
) -> None:
    house = house_of(near)
    kept = logged(house, saved(tmp_path / "1"), *names)
    assert tensors(kept.entry) == LAYERS
    assert b"".join(read_pieces(house, kept.entry)) == (tmp_path / "1" / WEIGHTS).read_bytes()
    before = stored_bytes(house)
    tuned = logged(house, saved(tmp_path / "2", tuned=True), *BOTH, place=PLACE.replace("run", "next"))
    assert tensors(tuned.entry) == LAYERS
    assert stored_bytes(house) - before < 0.8 * 256 * 512 * 4


def test_weights_that_are_cut_later_stay_whose_they_were(near: Registry, tmp_path: Path) -> None:
    house = house_of(near)
    folder = saved(tmp_path / "1")
    first = logged(house, folder, WEIGHTS)
    then = logged(house, folder, "model.onnx")
    assert (then.author, then.at_ms, then.entry.sha256) == (first.author, first.at_ms, first.entry.sha256)
    assert tensors(first.entry) == []


@pytest.mark.parametrize("location", ["../w.data", "/w.data", "deep/w.data"])
def test_a_model_says_nothing_of_files_elsewhere(location: str, near: Registry, tmp_path: Path) -> None:
    house = house_of(near)
    folder = saved(tmp_path / "1")
    model = onnx.load(str(folder / "model.onnx"), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    assert tensors(logged(house, folder, *BOTH[::-1]).entry) == []
    elsewhere = logged(house, folder, WEIGHTS, place=PLACE.rpartition("/")[0])
    assert tensors(elsewhere.entry) == []


@settings(max_examples=25, deadline=None)
@given(offset=st.integers(0, 2**60), length=st.integers(0, 2**60))
def test_whatever_a_model_says_the_bytes_stay(
    offset: int, length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import budwood

    home = tmp_path_factory.mktemp("said")
    folder = saved(home / "model")
    model = onnx.load(str(folder / "model.onnx"), load_external_data=False)
    said = {"offset": str(offset), "length": str(length)}
    for entry in model.graph.initializer[0].external_data:
        entry.value = said.get(entry.key, entry.value)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with budwood.connect(home / "registry") as registry:
        house = house_of(registry)
        kept = logged(house, folder, *BOTH[::-1])
        assert b"".join(read_pieces(house, kept.entry)) == (folder / WEIGHTS).read_bytes()
