"""Models of the frameworks people train with, by MLflow's own client: logged, registered, loaded back by every kind of
address, predicting the same; logged again for nothing; fine-tuned for the difference."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from budwood.verbs.sweep import sweep

X = np.random.default_rng(3).normal(size=(64, 64)).astype(np.float32)
Y = (X.sum(axis=1) > 0).astype(int)
NAMING_BYTES = 2_000
"""What a model logged again may add: MLmodel names the run, the model and the time."""


@dataclass(frozen=True)
class Flavour:
    """``make(chance, tuned)`` gives a model, or its fine-tune; ``log`` and ``load`` are MLflow's; ``answers`` asks a
    loaded model, and ``given`` is what pyfunc asks it. ``share`` is the most a fine-tune may cost of a model."""

    make: Callable[[int, bool], Any]
    log: Callable[..., Any]
    load: Callable[[str], Any]
    answers: Callable[[Any], Any]
    given: Any = field(default_factory=lambda: X)
    share: float = 1.0


def _sklearn() -> Flavour:
    import mlflow.sklearn
    from sklearn.neural_network import MLPClassifier

    def make(chance: int, tuned: bool) -> Any:
        model = MLPClassifier((512, 512), max_iter=1, random_state=chance).fit(X, Y)
        del model._optimizer
        # What a machine with many cores fits is not the same to the last bit.
        random = np.random.default_rng(chance)
        model.coefs_ = [random.normal(size=each.shape) for each in model.coefs_]
        model.coefs_[-1] = model.coefs_[-1] + tuned
        return model

    def log(model: Any, **words: Any) -> Any:
        return mlflow.sklearn.log_model(model, serialization_format="cloudpickle", **words)

    return Flavour(make, log, mlflow.sklearn.load_model, lambda model: model.predict(X), share=0.6)


def _pytorch() -> Flavour:
    import mlflow.pytorch
    import torch

    def make(chance: int, tuned: bool) -> Any:
        torch.manual_seed(chance)
        model = torch.nn.Sequential(torch.nn.Linear(64, 1024), torch.nn.ReLU(), torch.nn.Linear(1024, 512)).eval()
        with torch.no_grad():
            for weights in model.parameters():
                weights.mul_(1 + 1e-4 * tuned * torch.randn_like(weights))
        return model

    def log(model: Any, **words: Any) -> Any:
        return mlflow.pytorch.log_model(model, serialization_format="pickle", **words)

    def answers(model: Any) -> Any:
        with torch.no_grad():
            return model(torch.from_numpy(X)).numpy()

    return Flavour(make, log, mlflow.pytorch.load_model, answers, share=0.8)


def _onnx(*, beside: bool = True) -> Flavour:
    import mlflow.onnx
    import onnx
    import onnxruntime

    def make(chance: int, tuned: bool) -> Any:
        # Others than in the other form: they would be in the store already.
        random = np.random.default_rng(chance + 10 * beside)
        weights = random.normal(size=(64, 4096)).astype(np.float32)
        weights = (weights * (1 + 1e-4 * tuned * random.normal(size=weights.shape))).astype(np.float32)
        kept = onnx.numpy_helper.from_array(weights, "weights")
        node = onnx.helper.make_node("MatMul", ["x", "weights"], ["y"])
        ends = [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, width])
            for name, width in (("x", 64), ("y", 4096))
        ]
        graph = onnx.helper.make_graph([node], "net", ends[:1], ends[1:], [kept])
        return onnx.helper.make_model(graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 20)])

    def answers(model: Any) -> Any:
        return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": X})[0]

    def log(model: Any, **words: Any) -> Any:
        return mlflow.onnx.log_model(model, save_as_external_data=beside, **words)

    return Flavour(make, log, mlflow.onnx.load_model, answers, share=0.8)


def _transformers() -> Flavour:
    import mlflow.transformers
    import torch
    from transformers import BertConfig, BertForSequenceClassification, pipeline

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "model"]

    def make(chance: int, tuned: bool) -> Any:
        torch.manual_seed(chance)
        sizes = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2}
        model = BertForSequenceClassification(BertConfig(vocab_size=len(words), **sizes)).eval()
        with torch.no_grad():
            for weights in model.parameters():
                weights.mul_(1 + 1e-4 * tuned * torch.randn_like(weights))
        return pipeline("text-classification", model=model, tokenizer=_tokenizer(words))

    def log(model: Any, **words: Any) -> Any:
        return mlflow.transformers.log_model(model, task="text-classification", **words)

    def answers(model: Any) -> Any:
        return [each["score"] for each in model(["good model", "bad"])]

    given = ["good model", "bad"]
    return Flavour(make, log, mlflow.transformers.load_model, answers, given, share=0.8)


def _tokenizer(words: list[str]) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    found = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    found.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=found, unk_token="[UNK]", pad_token="[PAD]")


def _xgboost() -> Flavour:
    import mlflow.xgboost
    import xgboost

    words = {"max_depth": 6, "nthread": 1}

    def make(chance: int, tuned: bool) -> Any:
        random = np.random.default_rng(chance)
        given = xgboost.DMatrix(random.normal(size=(500, 32)), random.normal(size=500), nthread=1)
        first = xgboost.train(words, given, num_boost_round=200)
        return xgboost.train(words, given, 1, xgb_model=first) if tuned else first

    def answers(model: Any) -> Any:
        return model.predict(xgboost.DMatrix(X[:, :32], nthread=1))

    return Flavour(make, mlflow.xgboost.log_model, mlflow.xgboost.load_model, answers, X[:, :32], share=0.6)


def _pyfunc() -> Flavour:
    import mlflow.pyfunc

    class Weighs(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def __init__(self, weights: Any) -> None:
            self.weights = weights

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return np.asarray(model_input) @ self.weights

    def make(chance: int, tuned: bool) -> Any:
        weights = np.random.default_rng(chance).normal(size=(64, 4096))
        weights[-4:] += tuned
        return Weighs(weights)

    def log(model: Any, **words: Any) -> Any:
        return mlflow.pyfunc.log_model(python_model=model, **words)

    def answers(model: Any) -> Any:
        return model.predict(X) if isinstance(model, mlflow.pyfunc.PyFuncModel) else model.predict(None, X)

    return Flavour(make, log, mlflow.pyfunc.load_model, answers, share=0.8)


FLAVOURS: dict[str, Callable[[], Flavour]] = {
    "sklearn": _sklearn,
    "pytorch": _pytorch,
    "onnx": _onnx,
    "onnx in one file": lambda: _onnx(beside=False),
    "transformers": _transformers,
    "xgboost": _xgboost,
    "pyfunc": _pyfunc,
}


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    if request.param == "xgboost":
        pytest.importorskip("xgboost")
    return FLAVOURS[request.param]()


def stored_bytes(home: Any) -> int:
    """Without what nobody needs: weights that came before the model that says where they lie were cut anew."""
    for _ in range(2):
        sweep(home.house, grace_s=0)
    with home.house.catalog.read() as view:
        return sum(use.live_bytes for use in view.packs())


def logged(flavour: Flavour, model: Any, **words: Any) -> Any:
    import mlflow

    with mlflow.start_run():
        return flavour.log(model, name="net", pip_requirements=[], **words)


def test_a_model_answers_the_same_by_every_address(flavour: Flavour, home: Any, client: Any) -> None:
    import mlflow

    model = flavour.make(1, False)
    expected = flavour.answers(model)
    found = logged(flavour, model, registered_model_name="net")
    client.set_registered_model_alias("net", "champion", 1)
    client.transition_model_version_stage("net", 1, "Production")
    addresses = (
        *(found.model_uri, f"models:/{found.model_id}", f"runs:/{found.run_id}/net"),
        *("models:/net/1", "models:/net@champion", "models:/net/Production", "models:/net/latest"),
    )
    for address in (addresses[0], addresses[4]):
        np.testing.assert_allclose(flavour.answers(flavour.load(address)), expected, rtol=1e-6)
    told = [_plain(mlflow.pyfunc.load_model(address).predict(flavour.given)) for address in addresses]
    assert all(_same(each, told[0]) for each in told)


def test_a_model_logged_again_stores_nothing_and_its_fine_tune_the_difference(flavour: Flavour, home: Any) -> None:
    sizes = [stored_bytes(home)]
    model = flavour.make(2, False)
    for each in (model, model, flavour.make(2, True)):
        logged(flavour, each)
        sizes.append(stored_bytes(home))
    first, again, more = np.diff(sizes)
    assert again < NAMING_BYTES
    assert first > 30 * NAMING_BYTES
    assert more < flavour.share * first


def _plain(answer: Any) -> Any:
    """Of a frame, a series, a tensor or an array."""
    values = getattr(answer, "values", answer)
    return list(values()) if callable(values) else values


def _same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))
