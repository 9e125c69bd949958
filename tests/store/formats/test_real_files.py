"""Files written by the real libraries: what is found in them is what was put into them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from budwood.domain.facts import Field
from budwood.store.api import Hint, Reading
from budwood.store.formats import external_hints, read_format, tile

Value = Callable[[bytes, Hint], "np.ndarray[Any, Any]"]
Coverage = Callable[[Reading, int], float]
Shelf = Any


@pytest.mark.parametrize(
    ("name", "form"),
    [("model.safetensors", "safetensors"), ("model.pt", "torch"), ("legacy.pt", "torch-legacy"), ("model.npz", "npz")],
)
def test_every_tensor_is_found_by_name_dtype_shape_and_value(
    shelf: Shelf, value_at: Value, coverage: Coverage, name: str, form: str
) -> None:
    content = shelf.bytes(name)
    reading = read_format(shelf.source(name))
    assert reading.format == form
    assert reading.facts.flags == ()
    assert {hint.name for hint in reading.hints} == set(shelf.arrays)
    for hint in reading.hints:
        np.testing.assert_array_equal(value_at(content, hint), shelf.arrays[hint.name])
    assert coverage(reading, len(content)) >= 0.998


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt", "legacy.pt", "model.npz", "model.onnx"])
def test_equal_tensors_are_equal_bytes_in_every_format(shelf: Shelf, name: str) -> None:
    content = shelf.bytes(name)
    raw = {shelf.arrays["encoder.layer.0.weight"].tobytes(), shelf.arrays["encoder.layer.0.bias"].tobytes()}
    found = {content[hint.offset : hint.offset + hint.length] for hint in read_format(shelf.source(name)).hints}
    assert raw <= found


def test_tiles_of_a_real_file_give_it_back(shelf: Shelf) -> None:
    content = shelf.bytes("model.pt")
    tiles = tile(len(content), read_format(shelf.source("model.pt")).hints)
    assert b"".join(content[part.offset : part.offset + part.length] for part in tiles) == content


def test_safetensors_keeps_its_metadata(shelf: Shelf) -> None:
    assert read_format(shelf.source("model.safetensors")).facts.config == {"metadata": {"format": "pt"}}


def test_checkpoint_tensors_are_named_by_their_key_path(shelf: Shelf) -> None:
    reading = read_format(shelf.source("checkpoint.pt"))
    names = {hint.name for hint in reading.hints}
    assert {"model.weight", "model.bias", "optimizer.state.0.exp_avg", "optimizer.state.1.exp_avg_sq"} <= names
    assert not any("checkpoint" in name for name in names)
    assert reading.facts.frameworks == {"torch": ""}


def test_tensors_that_share_a_storage_are_one_hint(shelf: Shelf) -> None:
    reading = read_format(shelf.source("shared.pt"))
    by_name = {hint.name: hint for hint in reading.hints}
    assert set(by_name) == {"whole", "turned", "half", "tiny"}
    assert by_name["whole"].shape == (64, 32)
    assert by_name["turned"].shape is None, "its bytes are not in the order its shape would say"
    assert (by_name["half"].dtype, by_name["tiny"].dtype) == ("bf16", "f8_e4m3")


def test_whole_model_pickle_is_read_and_flagged(shelf: Shelf) -> None:
    reading = read_format(shelf.source("whole.pt"))
    assert {hint.name for hint in reading.hints} == {"weight", "bias"}
    assert {flag.code for flag in reading.facts.flags} == {"unsafe-pickle"}
    assert any("torch.nn.modules.linear.Linear" in flag.detail for flag in reading.facts.flags)


def test_torchscript_is_named_so_and_its_own_types_are_not_flagged(shelf: Shelf) -> None:
    reading = read_format(shelf.source("script.pt"))
    assert reading.format == "torchscript"
    assert {"weight", "bias"} <= {hint.name for hint in reading.hints}
    assert reading.facts.flags == ()


def test_compressed_npz_is_known_but_gives_no_hints(shelf: Shelf) -> None:
    reading = read_format(shelf.source("small.npz"))
    assert (reading.format, reading.hints, reading.facts.flags) == ("npz", (), ())


def test_npy_is_one_tensor_under_the_file_name(shelf: Shelf, value_at: Value) -> None:
    (hint,) = read_format(shelf.source("one.npy")).hints
    assert hint.name == "one"
    np.testing.assert_array_equal(value_at(shelf.bytes("one.npy"), hint), shelf.arrays["encoder.layer.0.weight"])


def test_fortran_order_has_no_shape_and_big_endian_says_so(shelf: Shelf) -> None:
    (fortran,) = read_format(shelf.source("fortran.npy")).hints
    (big,) = read_format(shelf.source("big_endian.npy")).hints
    assert (fortran.dtype, fortran.shape, fortran.length) == ("f32", None, 512 * 384 * 4)
    assert (big.dtype, big.shape) == ("f32be", (512, 384))


def test_record_arrays_have_the_right_length(shelf: Shelf) -> None:
    (hint,) = read_format(shelf.source("records.npy")).hints
    assert (hint.length, hint.dtype, hint.shape) == (50 * (4 + 48 + 2), "", (50,))


def test_array_of_objects_is_a_pickle_and_flagged(shelf: Shelf) -> None:
    reading = read_format(shelf.source("objects.npy"))
    assert reading.hints == ()
    assert [flag.code for flag in reading.facts.flags] == ["unsafe-pickle"]


def test_onnx_says_its_weights_schema_and_opset(shelf: Shelf, value_at: Value, coverage: Coverage) -> None:
    content = shelf.bytes("model.onnx")
    reading = read_format(shelf.source("model.onnx"))
    by_name = {hint.name: hint for hint in reading.hints}
    np.testing.assert_array_equal(value_at(content, by_name["weight"]), shelf.arrays["encoder.layer.0.weight"])
    assert coverage(reading, len(content)) >= 0.993
    assert reading.facts.frameworks == {"onnx": "opset 18", "tests": "1.2"}
    schema = reading.facts.schema
    assert schema is not None
    assert schema.inputs == (Field("x", "f32", (-1, 512)),), "an initializer is no input"
    assert schema.outputs == (Field("y", "f32", (-1, 384)),)


def test_onnx_external_data_gives_hints_for_the_sibling_file(shelf: Shelf, value_at: Value) -> None:
    reading = read_format(shelf.source("external.onnx"))
    assert (reading.hints, reading.facts.flags) == ((), ())
    (location,) = external_hints(shelf.source("external.onnx"))
    assert location == "weights.bin"
    content = shelf.bytes(location)
    for hint in external_hints(shelf.source("external.onnx"))[location]:
        np.testing.assert_array_equal(value_at(content, hint), shelf.arrays[f"encoder.layer.0.{hint.name}"])


def test_gguf_lies_where_its_own_library_says(shelf: Shelf) -> None:
    gguf = pytest.importorskip("gguf")
    reading = read_format(shelf.source("model.gguf"))
    theirs = {t.name: (t.data_offset, t.n_bytes) for t in gguf.GGUFReader(shelf.folder / "model.gguf").tensors}
    assert {hint.name: (hint.offset, hint.length) for hint in reading.hints} == theirs
    by_name = {hint.name: hint for hint in reading.hints}
    assert (by_name["encoder.layer.0.weight"].dtype, by_name["encoder.layer.0.weight"].shape) == ("q8_0", (512, 384))
    assert by_name["encoder.layer.0.bias"].dtype == "f32"


def test_gguf_metadata_is_facts(shelf: Shelf) -> None:
    facts = read_format(shelf.source("model.gguf")).facts
    assert facts.architecture == "bert"
    assert facts.config["general.name"] == "a small encoder"
    assert facts.config["bert.context_length"] == 512
    assert facts.config["tokenizer.ggml.tokens"] == {"length": 100}


def test_every_ggml_type_has_its_size() -> None:
    gguf = pytest.importorskip("gguf")
    from budwood.store.formats.gguf import _QUANTITIES

    theirs = {int(kind): (kind.name.lower(), *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    ours = {kind: (quantity.dtype, quantity.block, quantity.width) for kind, quantity in _QUANTITIES.items()}
    assert {kind: size for kind, size in theirs.items() if kind in ours} == ours


def test_joblib_arrays_between_the_opcodes_are_found(shelf: Shelf) -> None:
    joblib = pytest.importorskip("joblib")
    reading = read_format(shelf.source("forest.joblib"))
    forest = joblib.load(shelf.folder / "forest.joblib")
    content = shelf.bytes("forest.joblib")
    assert (reading.format, dict(reading.facts.frameworks), reading.facts.flags) == ("pickle", {"scikit-learn": ""}, ())
    by_name = {hint.name: hint for hint in reading.hints}
    for at, tree in enumerate(forest.estimators_):
        hint = by_name[f"estimators_.{at}.tree_.nodes"]
        nodes = tree.tree_.__getstate__()["nodes"]
        found = np.frombuffer(content, nodes.dtype, offset=hint.offset, count=len(nodes))
        np.testing.assert_array_equal(found, nodes)


@pytest.mark.parametrize("protocol", [4, 5])
def test_large_arrays_of_plain_pickles_are_found(shelf: Shelf, coverage: Coverage, protocol: int) -> None:
    name = f"forest-{protocol}.pkl"
    reading = read_format(shelf.source(name))
    assert reading.facts.flags == ()
    assert coverage(reading, len(shelf.bytes(name))) > 0.97
    assert "estimators_.0.tree_.nodes" in {hint.name for hint in reading.hints}


@pytest.mark.parametrize("name", ["forest-0.pkl", "forest-2.pkl", "forest-small.joblib"])
def test_honest_pickles_of_other_shapes_are_followed_without_a_flag(shelf: Shelf, name: str) -> None:
    reading = read_format(shelf.source(name))
    assert (reading.format, dict(reading.facts.frameworks), reading.facts.flags) == ("pickle", {"scikit-learn": ""}, ())


def test_hdf5_datasets_are_found_with_h5py(tmp_path: Path, shelf: Shelf, value_at: Value) -> None:
    h5py = pytest.importorskip("h5py")
    weight = shelf.arrays["encoder.layer.0.weight"]
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file["dense/kernel"] = weight
        file.create_dataset("chunked", data=weight, chunks=(128, 384))
        file.create_dataset("packed", data=weight, chunks=(128, 384), compression="gzip")
        file.attrs["keras_version"] = "2.15.0"
    source = _file_source(shelf, tmp_path / "model.h5")
    reading = read_format(source)
    content = (tmp_path / "model.h5").read_bytes()
    by_name = {hint.name: hint for hint in reading.hints}
    assert set(by_name) == {"dense/kernel", "chunked.0", "chunked.1", "chunked.2", "chunked.3"}
    np.testing.assert_array_equal(value_at(content, by_name["dense/kernel"]), weight)
    np.testing.assert_array_equal(value_at(content, by_name["chunked.1"]), weight[128:256])
    assert reading.facts.frameworks == {"keras": "2.15.0"}


def test_weights_inside_a_keras_file_are_found(
    keras_file: Callable[[object], Path], shelf: Shelf, value_at: Value
) -> None:
    path = keras_file({"module": "keras", "class_name": "Sequential", "config": {"layers": []}})
    reading = read_format(_file_source(shelf, path))
    (hint,) = reading.hints
    assert (reading.format, hint.name, reading.facts.flags) == ("keras", "layers/dense/vars/0", ())
    expected = np.arange(40_000, dtype="<f4").reshape(200, 200)
    np.testing.assert_array_equal(value_at(path.read_bytes(), hint), expected)
    assert reading.facts.frameworks == {"keras": "3.6.0"}


def _file_source(shelf: Shelf, path: Path) -> Any:
    return type(shelf.source("one.npy"))(path)
