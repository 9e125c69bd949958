"""Real files, written once per run by the libraries people use, and what was put into them."""

import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from budwood.domain import canon
from budwood.domain.facts import FileFacts
from budwood.store.api import Hint, Reading
from budwood.store.formats import read_format, tile
from budwood.store.formats.bounded import Memory


class FileSource(Memory):
    """A file read whole, that says where it lies."""

    def __init__(self, path: Path, name: str = "") -> None:
        super().__init__(path.read_bytes(), name or path.name)
        self.real_path = str(path)


@dataclass(frozen=True)
class Shelf:
    """The folder of real files and the arrays that are in them, by name."""

    folder: Path
    arrays: Mapping[str, "np.ndarray[Any, Any]"]

    def source(self, name: str) -> FileSource:
        return FileSource(self.folder / name)

    def bytes(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    folder = tmp_path_factory.mktemp("shelf")
    generator = np.random.default_rng(7)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for layer in range(3):
        arrays[f"encoder.layer.{layer}.weight"] = generator.standard_normal((512, 384), dtype=np.float32)
        arrays[f"encoder.layer.{layer}.bias"] = generator.standard_normal(384, dtype=np.float32)
    _write_torch(folder, arrays)
    _write_numpy(folder, arrays)
    _write_onnx(folder, arrays)
    _write_gguf(folder, arrays)
    _write_sklearn(folder)
    return Shelf(folder, arrays)


@pytest.fixture(scope="session")
def read() -> Callable[[bytes, str], Reading]:
    """Read bytes under a name, and check what must hold for any bytes at all."""

    def reader(content: bytes, name: str) -> Reading:
        reading = read_format(Memory(content, name))
        check_certain(reading, len(content))
        return reading

    return reader


@pytest.fixture(scope="session")
def certain() -> Callable[[Reading, int], None]:
    return check_certain


def check_certain(reading: Reading, size: int) -> None:
    """Hints lie inside and apart, tiles cover exactly, and all that was found can be stored and read back."""
    at = 0
    for hint in reading.hints:
        assert hint.offset >= at
        assert hint.length > 0
        assert hint.name
        at = hint.offset + hint.length
    assert at <= size
    tiles = tile(size, reading.hints)
    assert b"".join(bytes([1]) * part.length for part in tiles) == bytes([1]) * size
    assert canon.unpack(FileFacts, canon.loads(canon.dumps(canon.pack(reading.facts)))) is not None
    canon.dumps(canon.pack([canon.pack(hint) for hint in reading.hints]))


@pytest.fixture(scope="session")
def coverage() -> Callable[[Reading, int], float]:
    return lambda reading, size: sum(hint.length for hint in reading.hints) / size


@pytest.fixture(scope="session")
def value_at() -> Callable[[bytes, Hint], "np.ndarray[Any, Any]"]:
    """The array a hint claims to be, from the bytes it points at."""
    dtypes = {"f32": "<f4", "f64": "<f8", "i64": "<i8", "f16": "<f2", "i32": "<i4", "u8": "u1"}

    def value(content: bytes, hint: Hint) -> "np.ndarray[Any, Any]":
        assert hint.shape is not None
        flat = np.frombuffer(content, dtypes[hint.dtype], offset=hint.offset, count=int(np.prod(hint.shape)))
        return flat.reshape(hint.shape)

    return value


def _write_torch(folder: Path, arrays: Mapping[str, "np.ndarray[Any, Any]"]) -> None:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    safetensors.save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    torch.save(state, folder / "model.pt")
    torch.save(state, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    model = torch.nn.Linear(384, 384)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(2, 384)).sum().backward()
    optimizer.step()
    checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 1}
    torch.save(checkpoint, folder / "checkpoint.pt")
    torch.save(model, folder / "whole.pt")
    torch.jit.save(torch.jit.trace(model, torch.ones(1, 384)), folder / "script.pt")
    weight = torch.arange(64 * 32, dtype=torch.float32).reshape(64, 32)
    shared = {
        "whole": weight,
        "row": weight[3],
        "turned": torch.arange(6.0).reshape(2, 3).t(),
        "half": weight.bfloat16(),
        "tiny": weight.to(torch.float8_e4m3fn),
    }
    torch.save(shared, folder / "shared.pt")


def _write_numpy(folder: Path, arrays: Mapping[str, "np.ndarray[Any, Any]"]) -> None:
    np.savez(folder / "model.npz", allow_pickle=False, **arrays)
    np.savez_compressed(folder / "small.npz", allow_pickle=False, **arrays)
    np.save(folder / "one.npy", arrays["encoder.layer.0.weight"])
    np.save(folder / "fortran.npy", np.asfortranarray(arrays["encoder.layer.0.weight"]))
    np.save(folder / "big_endian.npy", arrays["encoder.layer.0.weight"].astype(">f4"))
    np.save(folder / "records.npy", np.zeros(50, dtype=[("a", "<f4"), ("b", "<i8", (2, 3)), ("c", [("d", "<u2")])]))
    np.save(folder / "objects.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)


def _write_onnx(folder: Path, arrays: Mapping[str, "np.ndarray[Any, Any]"]) -> None:
    onnx = pytest.importorskip("onnx")
    make = onnx.helper
    weight, bias = arrays["encoder.layer.0.weight"], arrays["encoder.layer.0.bias"]
    graph = make.make_graph(
        [make.make_node("MatMul", ["x", "weight"], ["z"]), make.make_node("Add", ["z", "bias"], ["y"])],
        "main",
        [make.make_tensor_value_info("x", 1, ["batch", 512]), make.make_tensor_value_info("bias", 1, [384])],
        [make.make_tensor_value_info("y", 1, ["batch", 384])],
        [onnx.numpy_helper.from_array(weight, "weight"), onnx.numpy_helper.from_array(bias, "bias")],
    )
    model = make.make_model(
        graph, producer_name="tests", producer_version="1.2", opset_imports=[make.make_opsetid("", 18)]
    )
    onnx.save(model, folder / "model.onnx")
    onnx.save(model, folder / "external.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)


def _write_gguf(folder: Path, arrays: Mapping[str, "np.ndarray[Any, Any]"]) -> None:
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(folder / "model.gguf", "bert")
    writer.add_name("a small encoder")
    writer.add_block_count(3)
    writer.add_context_length(512)
    writer.add_token_list([f"token{at}" for at in range(100)])
    for name, array in arrays.items():
        if array.ndim == 2:
            quantity = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quantize(array, quantity), raw_dtype=quantity)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_sklearn(folder: Path) -> None:
    joblib = pytest.importorskip("joblib")
    ensemble = pytest.importorskip("sklearn.ensemble")
    generator = np.random.default_rng(3)
    features = generator.standard_normal((2_000, 8))
    forest = ensemble.RandomForestRegressor(12, random_state=0).fit(features, features.sum(axis=1))
    joblib.dump(forest, folder / "forest.joblib")
    joblib.dump(forest, folder / "forest-small.joblib", compress=3)
    for protocol in (0, 2, 4, 5):
        (folder / f"forest-{protocol}.pkl").write_bytes(pickle.dumps(forest, protocol=protocol))


@pytest.fixture
def keras_file(tmp_path: Path) -> Callable[[object], Path]:
    """A .keras file with those settings around real weights."""
    h5py = pytest.importorskip("h5py")

    def write(settings: object) -> Path:
        weights = tmp_path / "model.weights.h5"
        with h5py.File(weights, "w") as file:
            file["layers/dense/vars/0"] = np.arange(40_000, dtype="<f4").reshape(200, 200)
        with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": "3.6.0"}))
            archive.writestr("config.json", json.dumps(settings))
            archive.write(weights, "model.weights.h5")
        return tmp_path / "model.keras"

    return write
