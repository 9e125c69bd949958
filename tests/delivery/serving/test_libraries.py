"""Each library serves what it wrote, in our own server or in MLServer."""

import inspect
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from budwood.delivery.serving.host import Asked, Limits, Pulled
from budwood.delivery.serving.kinds import Runtime, mlserver_for, runtime_for
from budwood.errors import ModelDown, Unsupported
from tests.waiting import eventually

from .conftest import Place, ask, sent, tensor


def test_which_file_is_the_model_is_not_guessed() -> None:
    assert runtime_for(["README.md", "model.skops"]) == Runtime("skops", "model.skops")
    assert runtime_for(["config.json", "model.safetensors"]).name == "hugging-face"
    with pytest.raises(Unsupported, match="could each be"):
        runtime_for(["a.onnx", "b.onnx"])
    with pytest.raises(Unsupported, match="None of its files"):
        runtime_for(["weights.safetensors"])


def skops(folder: Path) -> None:
    from skops.io import dump

    dump(fitted(), folder / "model.skops")


def joblib(folder: Path) -> None:
    from joblib import dump

    dump(fitted(), folder / "model.joblib")


def fitted() -> Any:
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor().fit([[0.0, 0.0], [1.0, 1.0]], [0.0, 1.0])


def onnx(folder: Path) -> None:
    from onnx import TensorProto, helper, save

    kind = TensorProto.FLOAT
    shapes = [helper.make_tensor_value_info(name, kind, ["n", 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", shapes[:1], shapes[1:])
    opsets = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder / "model.onnx")


def torchscript(folder: Path) -> None:
    import torch

    torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1, 2)), folder / "model.torchscript")


def exported(folder: Path) -> None:
    import torch

    torch.export.save(torch.export.export(torch.nn.ReLU(), (torch.zeros(1, 2),)), folder / "model.pt2")


TABLE = [[float(row % 2), float(row % 2)] for row in range(40)]
TARGET = [row[0] for row in TABLE]


def xgboost(folder: Path) -> None:
    import numpy as np
    import xgboost as library

    table = library.DMatrix(np.array(TABLE), label=np.array(TARGET))
    settings = {"max_depth": 1, "eta": 1.0, "lambda": 0.0, "base_score": 0.0}
    library.train(settings, table, num_boost_round=1).save_model(folder / "model.ubj")


def lightgbm(folder: Path) -> None:
    import numpy as np

    library = pytest.importorskip("lightgbm")
    settings = {"min_data_in_leaf": 1, "learning_rate": 1.0, "num_leaves": 2, "verbose": -1}
    table = library.Dataset(np.array(TABLE), label=np.array(TARGET))
    library.train(settings, table, num_boost_round=1).save_model(folder / "model.lgb")


@pytest.mark.parametrize(
    ("library", "write", "expected"),
    [
        ("skops", skops, [1.0]),
        ("joblib", joblib, [1.0]),
        ("onnxruntime", onnx, [1.0, 1.0]),
        ("torch", torchscript, [1.0, 1.0]),
        ("torch", exported, [1.0, 1.0]),
        ("xgboost", xgboost, [1.0]),
        ("lightgbm", lightgbm, [1.0]),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_each_library_serves_what_it_wrote(
    tmp_path: Path, place: Place, library: str, write: Callable[[Path], None], expected: list[float]
) -> None:
    pytest.importorskip(library)
    folder = tmp_path / "files"
    folder.mkdir()
    write(folder)
    (name,) = (path.name for path in folder.iterdir())
    pulled = Pulled(folder, {name: sha256((folder / name).read_bytes()).hexdigest()})
    one = place.serve(Asked("m", 1, "aa" * 32, pulled, runtime_for([name]), Limits(4 << 30, 1, 0)))
    data = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 1.0]}
    answer = ask(one, data, path="/v2/models/m/infer")
    assert answer.status == 200, answer
    assert next(iter(answer.outputs.values())) == pytest.approx(expected)


@pytest.mark.parametrize("task", ["classification", "generation", "vectors"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_hugging_face_serves_what_a_folder_holds(tmp_path: Path, place: Place, task: str) -> None:
    pytest.importorskip("transformers")
    folder = tmp_path / "files"
    hugging_face(folder, task)
    files = {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    one = place.serve(Asked("m", 1, "aa" * 32, Pulled(folder, files), runtime_for([*files]), Limits(8 << 30, 1, 0)))
    answer = ask(one, tensor("text", ("a b", "b"), "BYTES"), path="/v2/models/m/infer", wait_s=120)
    assert answer.status == 200, answer
    names = {"classification": ["label", "score"], "generation": ["text"], "vectors": ["embedding"]}
    assert list(answer.outputs) == names[task]
    assert answer.said["outputs"][0]["shape"][0] == 2


def hugging_face(folder: Path, task: str) -> None:
    """The smallest there is of its kind, with a tokenizer of four words."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"[UNK]": 0, "[PAD]": 1, "a": 2, "b": 3}
    tokenizer = Tokenizer(models.WordLevel(words, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    small = {"vocab_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": 4}
    torch.manual_seed(0)
    if task == "generation":
        config = transformers.GPT2Config(vocab_size=4, n_layer=1, n_head=1, n_embd=4, bos_token_id=2, eos_token_id=3)
        model: Any = transformers.GPT2LMHeadModel(config)
    else:
        config = transformers.BertConfig(**small, intermediate_size=4, max_position_embeddings=32, pad_token_id=1)
        kind = "BertForSequenceClassification" if task == "classification" else "BertModel"
        model = getattr(transformers, kind)(config)
    model.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=16
    ).save_pretrained(folder)


# MLServer

MLSERVER = os.environ.get("BUDWOOD_TEST_MLSERVER", "")


@pytest.mark.skipif(not MLSERVER, reason="BUDWOOD_TEST_MLSERVER names no Python that has MLServer")
def test_mlserver_serves_in_an_environment_of_its_own(tmp_path: Path, place: Place) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    script = "import joblib,sys;from sklearn.tree import DecisionTreeRegressor as T;"
    script += "joblib.dump(T().fit([[0.0,0.0],[1.0,1.0]],[0.0,1.0]),sys.argv[1])"
    subprocess.run([MLSERVER, "-c", script, str(folder / "model.joblib")], check=True)
    files = {"model.joblib": sha256((folder / "model.joblib").read_bytes()).hexdigest()}
    data = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 1.0]}
    (tmp_path / "warm.json").write_text(json.dumps({"inputs": [data]}))
    asked = Asked(
        *("m", 3, "aa" * 32, Pulled(folder, files), mlserver_for([*files]), Limits(4 << 30, 1, 2)),
        python=MLSERVER,
        warm=str(tmp_path / "warm.json"),
        batch=4,
    )
    one = place.serve(asked)
    at = "/v2/models/m/versions/3/infer"
    for _ in range(2):
        answer = ask(one, data, path=at)
        assert (answer.status, answer.outputs["predict"]) == (200, [1.0]), answer
        assert answer.said["model_version"] == "3"
        eventually(lambda: not one.pid)
    eventually(lambda: place.words() == ["loaded", "unloaded", "loaded", "unloaded"])
    assert sent(one, b"{}", "/v2/repository/models/m/unload", want_json=False).status == 404
    (tmp_path / "warm.json").write_text(json.dumps({"inputs": [{**data, "shape": [1, 1], "data": [1.0]}]}))
    with pytest.raises(ModelDown, match="features"):
        place.serve(replace(asked, number=4))


IN_MLSERVER = {
    "sklearn": (
        "import joblib; from sklearn.tree import DecisionTreeRegressor as T;"
        "joblib.dump(T().fit([[0.0,0.0],[1.0,1.0]],[0.0,1.0]), at + '/model.joblib')"
    ),
    "xgboost": (
        "import numpy as np, xgboost; x=np.array([[i%2,i%2] for i in range(40)],float);"
        "d=xgboost.DMatrix(x,label=x[:,0]);"
        "xgboost.train({'max_depth':1,'eta':1.0,'lambda':0.0,'base_score':0.0},d,1).save_model(at + '/model.ubj')"
    ),
    "lightgbm": (
        "import numpy as np, lightgbm; x=np.array([[i%2,i%2] for i in range(40)],float);"
        "s={'min_data_in_leaf':1,'learning_rate':1.0,'num_leaves':2,'verbose':-1};"
        "lightgbm.train(s,lightgbm.Dataset(x,label=x[:,0]),1).save_model(at + '/model.lgb')"
    ),
    "mlflow": (
        "import mlflow.sklearn; from sklearn.linear_model import LinearRegression as T;"
        "mlflow.sklearn.save_model(T().fit([[0.0,0.0],[1.0,1.0]],[0.0,1.0]), at)"
    ),
    "huggingface": (
        f"from typing import Any\nfrom pathlib import Path\n{inspect.getsource(hugging_face)}"
        "\nhugging_face(Path(at), 'classification')"
    ),
}


@pytest.mark.skipif(not MLSERVER, reason="BUDWOOD_TEST_MLSERVER names no Python that has MLServer")
@pytest.mark.parametrize("library", list(IN_MLSERVER))
def test_each_runtime_of_mlserver_serves_what_its_library_wrote(tmp_path: Path, place: Place, library: str) -> None:
    has = subprocess.run([MLSERVER, "-c", f"import mlserver_{library}"], capture_output=True, text=True, check=False)
    if has.returncode:
        pytest.skip(f"mlserver-{library}: {has.stderr.strip().splitlines()[-1]}")
    folder = tmp_path / "files"
    folder.mkdir()
    subprocess.run([MLSERVER, "-c", f"at = {str(folder)!r};" + IN_MLSERVER[library]], check=True)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    files = {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in paths}
    runtime = mlserver_for([*files])
    assert f"mlserver_{library}:" in runtime.implementation
    pulled = Pulled(folder, files)
    one = place.serve(Asked("m", 3, "aa" * 32, pulled, runtime, Limits(8 << 30, 1, 0), python=MLSERVER))
    table = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 1.0], "parameters": {"content_type": "np"}}
    text = {**tensor("args", ("a b",), "BYTES"), "parameters": {"content_type": "str"}}
    request = {"inputs": [text if library == "huggingface" else table], "parameters": {"content_type": "np"}}
    if library == "huggingface":
        del request["parameters"]
    answer = sent(one, json.dumps(request).encode(), "/v2/models/m/infer", wait_s=120)
    assert answer.status == 200, answer
    (data,) = answer.outputs.values()
    if library == "huggingface":
        assert set(json.loads(data[0])) == {"label", "score"}
    else:
        assert data == pytest.approx([1.0])


def test_mlserver_is_asked_only_for_what_it_can() -> None:
    assert mlserver_for(["MLmodel", "model.pkl"]) == Runtime("mlserver", "", "mlserver_mlflow:MLflowRuntime")
    assert mlserver_for(["model.joblib"]) == Runtime("mlserver", "model.joblib", "mlserver_sklearn:SKLearnModel")
    assert mlserver_for(["x"], "mine:Model") == Runtime("mlserver", "", "mine:Model")
    with pytest.raises(Unsupported, match="no runtime for ONNX"):
        mlserver_for(["model.onnx"])
