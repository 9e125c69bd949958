"""Honest files for the scanner, written by the libraries that people use; hostile ones are in corpus.py."""

import gzip
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.scan.corpus import tarred, zipped


def ordinary(folder: Path) -> dict[str, Path]:
    """Files and folders as the libraries write them, by name."""
    makers: tuple[Callable[[Path], None], ...] = (_by_torch, _by_sklearn, _by_numpy, _by_others)
    for make in makers:
        make(folder)
    return {path.name: path for path in sorted(folder.iterdir())}


def _by_torch(folder: Path) -> None:
    import torch

    torch.manual_seed(7)
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4), nn.Dropout()
    )
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.rand(2, 3, 4, 4)).sum().backward()
    optimizer.step()
    torch.save(model.state_dict(), folder / "state_dict.pt")
    torch.save(model.state_dict(), folder / "state_dict_legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(
        {"epoch": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, folder / "checkpoint.ckpt"
    )
    torch.save(model, folder / "module.pt")
    torch.save(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), folder / "transformer_module.pth")
    torch.save(nn.LSTM(4, 8, 2), folder / "lstm_module.pt")
    torch.save(torch.rand(100, 7).bfloat16(), folder / "pytorch_model.bin")
    torch.jit.script(nn.Sequential(nn.Linear(3, 3), nn.ReLU())).save(str(folder / "script.pt"))


def _by_sklearn(folder: Path) -> None:
    import joblib
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVC

    chance = np.random.default_rng(7)
    inputs, labels = chance.normal(size=(200, 4)), np.arange(200) % 2
    (folder / "forest.pkl").write_bytes(pickle.dumps(RandomForestClassifier(10).fit(inputs, labels)))
    (folder / "forest_protocol_2.pkl").write_bytes(pickle.dumps(RandomForestClassifier(3).fit(inputs, labels), 2))
    joblib.dump(RandomForestClassifier(10).fit(inputs, labels), folder / "forest.joblib")
    joblib.dump(GradientBoostingClassifier(n_estimators=5).fit(inputs, labels), folder / "boosting.joblib", compress=3)
    joblib.dump(
        HistGradientBoostingClassifier(max_iter=5).fit(inputs, labels), folder / "hist.joblib.xz", compress=("xz", 3)
    )
    joblib.dump(KNeighborsClassifier(algorithm="kd_tree").fit(inputs, labels), folder / "neighbours.joblib")
    (folder / "svc.pkl.gz").write_bytes(gzip.compress(pickle.dumps(SVC(probability=False).fit(inputs, labels))))
    words = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["a fine day", "a bad night"] * 5, [0, 1] * 5)
    joblib.dump(words, folder / "text.joblib")
    table = np.array([["red", 1.0], ["blue", 2.0], ["red", 3.0]] * 10, dtype=object)
    columns = ColumnTransformer([("one", OneHotEncoder(), [0]), ("two", StandardScaler(), [1])])
    joblib.dump(make_pipeline(columns, LogisticRegression()).fit(table, [0, 1, 0] * 10), folder / "columns.joblib")


def _by_numpy(folder: Path) -> None:
    import numpy as np
    import scipy.sparse as sparse  # type: ignore[import-untyped]

    chance = np.random.default_rng(7)
    np.save(folder / "weights.npy", chance.normal(size=(100, 7)))
    np.save(folder / "records.npy", np.zeros(5, dtype=[("a", "<f4"), ("b", "<i8", (2,))]))
    np.save(folder / "names.npy", np.array(["a", None, 3], dtype=object))
    np.savez(folder / "arrays.npz", a=chance.normal(size=9), b=np.arange(5))
    np.savez_compressed(folder / "compressed.npz", a=np.zeros((300, 300)), b=np.arange(5))
    sparse.save_npz(folder / "sparse.npz", sparse.random(50, 50, 0.1, format="csr", rng=chance))
    (folder / "generator.pkl").write_bytes(pickle.dumps({"state": chance, "seen": {1, 2}, "when": 3.5}))


def _by_others(folder: Path) -> None:
    import gguf
    import numpy as np
    import onnx
    import safetensors.numpy
    import skops.io
    from onnx import TensorProto, helper, numpy_helper
    from sklearn.linear_model import LinearRegression

    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    safetensors.numpy.save_file({"w": weights}, folder / "model_ok.safetensors")
    skops.io.dump(LinearRegression().fit(weights, weights[:, 0]), folder / "linear.skops")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph), folder / "model_ok.onnx")
    writer: Any = gguf.GGUFWriter(str(folder / "model_ok.gguf"), "llama")
    writer.add_chat_template("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}")
    writer.add_tensor("w", weights)
    for step in ("write_header_to_file", "write_kv_data_to_file", "write_tensors_to_file", "close"):
        getattr(writer, step)()
    _with_hdf5(folder, weights)
    inside = ["forest.pkl", "state_dict.pt", "weights.npy", "model_ok.safetensors", "columns.joblib"]
    (folder / "all.zip").write_bytes(
        zipped(*((each, (folder / each).read_bytes()) for each in inside), method=zipfile.ZIP_DEFLATED)
    )
    (folder / "all.tar.gz").write_bytes(tarred(*((each, (folder / each).read_bytes()) for each in inside), mode="w:gz"))
    (folder / "vocab.txt").write_text("certifi\nnumpy\n[PAD]\ncat\ndog\n.\n")
    (folder / "config.json").write_text('{"architectures": ["BertModel"], "vocab_size": 5, "hidden_size": 4}')


def _with_hdf5(folder: Path, weights: Any) -> None:
    import h5py

    dense = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 4, "activation": "relu"}}
    config = json.dumps({"module": "keras", "class_name": "Sequential", "config": {"layers": [dense]}})
    with h5py.File(folder / "model_ok.h5", "w") as file:
        file.attrs["model_config"] = config
        file["w"] = weights
    inside = (("config.json", config.encode()), ("metadata.json", b'{"keras_version": "3.5.0"}'))
    (folder / "model_ok.keras").write_bytes(
        zipped(*inside, ("model.weights.h5", (folder / "model_ok.h5").read_bytes()))
    )
