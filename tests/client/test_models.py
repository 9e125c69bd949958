"""A model in memory becomes files that give the same predictions when its own framework loads them."""

import json
import subprocess
import sys
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from budwood.client.models import onnx as onnx_module
from budwood.client.models import write_model
from budwood.client.models.tensors import write_tensor_dict
from budwood.domain.facts import Field, Schema
from budwood.domain.names import Kind
from budwood.errors import FrameworkMissing, NotOffered, StorageFailed, TargetDiffers


class TestScikitLearn:
    def test_an_estimator_loads_back_with_equal_predictions(self, tmp_path: Path) -> None:
        skops_io = pytest.importorskip("skops.io")
        model, inputs = trained_pipeline()
        written = write_model(model, tmp_path)
        loaded = skops_io.load(tmp_path / "model.skops", trusted=["sklearn.tree._tree.Tree"])
        assert np.array_equal(loaded.predict_proba(inputs), model.predict_proba(inputs))
        assert written.files == ("model.skops",)
        assert written.architecture == "Pipeline"
        assert written.schema == Schema(inputs=(Field("X", shape=(-1, 4)),), source="model.skops")
        assert set(written.frameworks) == {"scikit-learn", "skops"}

    def test_remembered_feature_names_become_the_schema(self, tmp_path: Path) -> None:
        linear_model = pytest.importorskip("sklearn.linear_model")
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame({"age": [1.0, 2.0, 3.0], "pay": [0.0, 1.0, 0.0]})
        written = write_model(linear_model.LinearRegression().fit(frame, [1, 2, 3]), tmp_path)
        assert written.schema is not None
        assert [field.name for field in written.schema.inputs] == ["age", "pay"]

    def test_an_untrained_estimator_has_no_schema(self, tmp_path: Path) -> None:
        linear_model = pytest.importorskip("sklearn.linear_model")
        assert write_model(linear_model.LinearRegression(), tmp_path).schema is None

    def test_without_skops_it_is_refused_and_never_pickled(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        linear_model = pytest.importorskip("sklearn.linear_model")
        for name in [name for name in sys.modules if name.partition(".")[0] == "skops"]:
            monkeypatch.delitem(sys.modules, name)
        without_skops = [entry for entry in sys.path if not (Path(entry) / "skops").is_dir()]
        monkeypatch.setattr(sys, "path", without_skops)
        with pytest.raises(FrameworkMissing) as refused:
            write_model(linear_model.LinearRegression(), tmp_path)
        assert refused.value.hint == "pip install skops"
        assert not list(tmp_path.iterdir())

    def test_a_part_without_a_safe_format_is_refused(self, tmp_path: Path) -> None:
        preprocessing = pytest.importorskip("sklearn.preprocessing")
        generator = (number for number in range(3))
        with pytest.raises(NotOffered, match="FunctionTransformer"):
            write_model(preprocessing.FunctionTransformer(generator), tmp_path)


class TestTorch:
    def test_a_module_loads_back_with_equal_predictions(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        safetensors = pytest.importorskip("safetensors.torch")
        torch.manual_seed(7)
        model, twin = small_network(torch), small_network(torch)
        written = write_model(model, tmp_path)
        safetensors.load_model(twin, tmp_path / "model.safetensors")
        inputs = torch.randn(8, 5)
        assert torch.equal(model.eval()(inputs), twin.eval()(inputs))
        assert written.files == ("config.json", "model.safetensors")
        assert written.frameworks == {"torch": torch.__version__}
        assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["Sequential"]

    def test_tied_weights_are_written_once_and_load_back(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        safetensors = pytest.importorskip("safetensors.torch")
        model, twin = tied_network(torch), tied_network(torch)
        write_model(model, tmp_path)
        stored = safetensors.load_file(tmp_path / "model.safetensors")
        assert set(stored) == {"0.weight"}
        safetensors.load_model(twin, tmp_path / "model.safetensors")
        assert torch.equal(twin[1].weight, model[0].weight)
        assert twin[1].weight is twin[0].weight

    def test_the_file_holds_what_safetensors_own_save_model_would_write(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        safetensors = pytest.importorskip("safetensors.torch")
        for i, model in enumerate((small_network(torch), tied_network(torch))):
            folder = tmp_path / str(i)
            folder.mkdir()
            write_model(model, folder)
            safetensors.save_model(model, str(folder / "theirs.safetensors"), metadata={"format": "pt"})
            ours = safetensors.load_file(folder / "model.safetensors")
            theirs = safetensors.load_file(folder / "theirs.safetensors")
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[name], theirs[name]) for name in ours)

    def test_slices_of_one_memory_are_each_written(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        safetensors = pytest.importorskip("safetensors.torch")
        model = torch.nn.Module()
        memory = torch.arange(10.0)
        model.register_buffer("first", memory[:6])
        model.register_buffer("second", memory[4:])
        write_model(model, tmp_path)
        stored = safetensors.load_file(tmp_path / "model.safetensors")
        assert stored["first"].tolist() == [0, 1, 2, 3, 4, 5]
        assert stored["second"].tolist() == [4, 5, 6, 7, 8, 9]

    def test_every_dtype_and_layout_keeps_its_bits(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        safetensors = pytest.importorskip("safetensors.torch")
        state = {
            "bf16": torch.randn(3, 4).to(torch.bfloat16),
            "half": torch.tensor([float("nan"), -0.0, float("inf")], dtype=torch.float16),
            "transposed": torch.randn(3, 4).T,
            "strided": torch.arange(10)[::3],
            "scalar": torch.tensor(3.5, dtype=torch.float64),
            "empty": torch.empty(0, 4),
            "flags": torch.tensor([True, False]),
            "conjugate": torch.tensor([1 + 2j], dtype=torch.complex64).conj(),
            "fp8": torch.randn(5).to(torch.float8_e4m3fn),
            "trained": torch.nn.Parameter(torch.randn(2)),
        }
        written = write_model(state, tmp_path)
        stored = safetensors.load_file(tmp_path / "model.safetensors")
        assert written.files == ("model.safetensors",)
        assert stored.keys() == state.keys()
        for name, tensor in state.items():
            assert stored[name].dtype == tensor.dtype
            assert stored[name].shape == tensor.shape
            ours, theirs = (t.detach().resolve_conj().contiguous().reshape(-1) for t in (stored[name], tensor))
            assert ours.view(torch.uint8).tolist() == theirs.view(torch.uint8).tolist()

    def test_names_that_share_memory_all_stay_in_a_state_dict(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        safetensors = pytest.importorskip("safetensors.torch")
        model, twin = tied_network(torch), tied_network(torch)
        write_model(model.state_dict(), tmp_path)
        twin.load_state_dict(safetensors.load_file(tmp_path / "model.safetensors"))
        assert torch.equal(twin[0].weight, model[0].weight)

    def test_what_has_no_plain_values_is_refused_by_name(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        for tensor in (torch.empty(2, device="meta"), torch.eye(3).to_sparse(), torch.zeros(2, dtype=torch.complex128)):
            with pytest.raises(NotOffered, match="'weight'"):
                write_model({"weight": tensor}, tmp_path)
        with pytest.raises(NotOffered, match="__metadata__"):
            write_model({"__metadata__": torch.zeros(1)}, tmp_path)

        class Counting(torch.nn.Module):  # type: ignore[misc,name-defined]
            def get_extra_state(self) -> dict[str, int]:
                return {"steps": 3}

        with pytest.raises(NotOffered, match="_extra_state"):
            write_model(Counting(), tmp_path)

    def test_the_same_module_gives_the_same_bytes(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        model = small_network(torch)
        digests = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            write_model(model, tmp_path / name)
            digests.append((tmp_path / name / "model.safetensors").read_bytes())
        assert digests[0] == digests[1]


class TestNumPy:
    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_any_arrays_load_back_with_their_bits(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        load = pytest.importorskip("safetensors.numpy").load_file
        dtypes = st.one_of(
            hypothesis_numpy.boolean_dtypes(),
            hypothesis_numpy.integer_dtypes(endianness="?"),
            hypothesis_numpy.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
        )
        shapes = hypothesis_numpy.array_shapes(min_dims=0, min_side=0, max_side=4)
        names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
        arrays = data.draw(st.dictionaries(names, hypothesis_numpy.arrays(dtypes, shapes), min_size=1, max_size=4))
        folder = tmp_path_factory.mktemp("arrays")
        write_model(arrays, folder)
        stored = load(folder / "model.safetensors")
        assert stored.keys() == arrays.keys()
        for name, array in arrays.items():
            assert stored[name].shape == array.shape
            assert stored[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()

    def test_views_in_any_order_are_written_as_they_read(self, tmp_path: Path) -> None:
        load = pytest.importorskip("safetensors.numpy").load_file
        grid = np.arange(12, dtype=np.int32).reshape(3, 4)
        write_model({"fortran": np.asfortranarray(grid), "backwards": grid[::-1, ::2], "one": np.float32(2)}, tmp_path)
        stored = load(tmp_path / "model.safetensors")
        assert stored["fortran"].tolist() == grid.tolist()
        assert stored["backwards"].tolist() == grid[::-1, ::2].tolist()
        assert (stored["one"].shape, float(stored["one"])) == ((), 2.0)

    @pytest.mark.parametrize("values", [["a", "b"], [None, 1], [1 + 2j], [np.datetime64("2026-01-01")]])
    def test_what_is_no_number_is_refused(self, tmp_path: Path, values: list[object]) -> None:
        with pytest.raises(NotOffered, match="'names'"):
            write_model({"names": np.array(values)}, tmp_path)


class TestOnnx:
    def test_a_proto_loads_back_with_equal_predictions(self, tmp_path: Path) -> None:
        runtime = pytest.importorskip("onnxruntime")
        proto = small_graph()
        written = write_model(proto, tmp_path)
        inputs = {"x": np.array([[1.0, 2.0]], dtype=np.float32)}
        session = runtime.InferenceSession(tmp_path / "model.onnx")
        assert session.run(None, inputs)[0].tolist() == [[2.0, 6.0]]
        assert written.files == ("model.onnx",)
        assert written.architecture == "scale"
        assert set(written.frameworks) == {"onnx"}

    def test_a_model_too_large_for_one_message_keeps_its_weights_beside_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        onnx = pytest.importorskip("onnx")
        monkeypatch.setattr(onnx_module, "ONE_MESSAGE_BYTES", 1000)
        proto = small_graph(width=1000)
        before = proto.graph.initializer[0].raw_data
        written = write_model(proto, tmp_path)
        assert written.files == ("model.onnx", "model.onnx.data")
        assert proto.graph.initializer[0].raw_data == before
        loaded = onnx.load(tmp_path / "model.onnx")
        assert onnx.numpy_helper.to_array(loaded.graph.initializer[0]).tolist() == list(range(2, 1002))


class TestHub:
    def test_a_model_and_its_tokenizer_are_one_version(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        transformers = pytest.importorskip("transformers")
        model, tokenizer = small_encoder(transformers), small_tokenizer(transformers, tmp_path)
        folder = tmp_path / "out"
        folder.mkdir()
        written = write_model((model, tokenizer), folder)
        loaded = quietly(transformers.AutoModel.from_pretrained, folder).eval()
        read = transformers.AutoTokenizer.from_pretrained(folder)
        tokens = tokenizer("bud wood", return_tensors="pt")
        assert torch.equal(read("bud wood", return_tensors="pt")["input_ids"], tokens["input_ids"])
        with torch.no_grad():
            assert torch.equal(loaded(**tokens).last_hidden_state, model(**tokens).last_hidden_state)
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(written.files)
        assert written.architecture == "BertModel"
        assert set(written.frameworks) == {"torch", "transformers"}

    def test_an_adapter_is_written_without_its_base(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        transformers = pytest.importorskip("transformers")
        peft = pytest.importorskip("peft")
        base, same_base = small_encoder(transformers), small_encoder(transformers)
        same_base.load_state_dict(base.state_dict())
        config = peft.LoraConfig(r=2, target_modules=["query"], init_lora_weights=False)
        adapter = quietly(peft.get_peft_model, base, config).eval()
        written = write_model(adapter, tmp_path)
        loaded = quietly(peft.PeftModel.from_pretrained, same_base, tmp_path).eval()
        tokens = torch.tensor([[1, 2, 3]])
        with torch.no_grad():
            assert torch.equal(loaded(tokens).last_hidden_state, adapter(tokens).last_hidden_state)
        assert written.kind is Kind.ADAPTER
        assert written.architecture == "BertModel"
        assert "adapter_model.safetensors" in written.files
        assert "model.safetensors" not in written.files

    def test_a_sentence_transformer_is_written_with_all_its_modules(self, tmp_path: Path) -> None:
        transformers = pytest.importorskip("transformers")
        library = pytest.importorskip("sentence_transformers")
        source, folder = tmp_path / "source", tmp_path / "out"
        folder.mkdir()
        small_encoder(transformers).save_pretrained(source)
        small_tokenizer(transformers, tmp_path).save_pretrained(source)
        model = quietly(library.SentenceTransformer, str(source), device="cpu")
        written = write_model(model, folder)
        loaded = quietly(library.SentenceTransformer, str(folder), device="cpu")
        assert np.array_equal(loaded.encode(["bud"]), model.encode(["bud"]))
        assert "modules.json" in written.files
        assert "README.md" not in written.files


class TestRefusal:
    @pytest.mark.parametrize("thing", [object(), "text", 3, {}, [], {"epoch": 3}, {1: np.zeros(2)}, np.zeros(3)])
    def test_the_unknown_is_refused_with_what_is_supported(self, tmp_path: Path, thing: object) -> None:
        with pytest.raises(NotOffered) as refused:
            write_model(thing, tmp_path)
        assert "scikit-learn" in refused.value.hint
        assert not list(tmp_path.iterdir())

    def test_two_models_do_not_overwrite_each_other(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        with pytest.raises(NotOffered, match="together"):
            write_model((small_network(torch), small_network(torch)), tmp_path)

    def test_only_an_empty_folder_is_written_to(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(TargetDiffers):
            write_model({"a": np.zeros(1)}, tmp_path)
        with pytest.raises(StorageFailed):
            write_model({"a": np.zeros(1)}, tmp_path / "missing")

    def test_no_framework_is_imported_to_recognise_a_model(self) -> None:
        program = (
            "import sys; from budwood.client.models import write_model\n"
            "class Module: pass\n"
            "Module.__module__ = 'elsewhere.torch'\n"
            "try: write_model(Module(), None)\n"
            "except Exception as error: print(error.code)\n"
            "print(sorted({'torch', 'sklearn', 'skops', 'onnx', 'transformers', 'peft'} & set(sys.modules)))\n"
        )
        printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
        assert printed == "not_offered\n[]\n"


def test_a_tensor_dict_of_an_ordered_dict_is_one_too(tmp_path: Path) -> None:
    write_tensor_dict(OrderedDict(b=np.zeros(3, np.int8), a=np.ones(2)), tmp_path)
    header = (tmp_path / "model.safetensors").read_bytes()
    length = int.from_bytes(header[:8], "little")
    assert length % 8 == 0
    assert list(json.loads(header[8 : 8 + length])) == ["__metadata__", "a", "b"]


def quietly(build: Any, *arguments: Any, **options: Any) -> Any:
    """Loading warns about the framework's own deprecations, which are not ours to fix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build(*arguments, **options)


def trained_pipeline() -> tuple[Any, Any]:
    ensemble = pytest.importorskip("sklearn.ensemble")
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    inputs = np.random.default_rng(7).normal(size=(60, 4))
    forest = ensemble.RandomForestClassifier(n_estimators=5, random_state=7)
    return pipeline.make_pipeline(preprocessing.StandardScaler(), forest).fit(inputs, inputs[:, 0] > 0), inputs


def small_network(torch: Any) -> Any:
    nn = torch.nn
    return nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 2).to(torch.float32))


def tied_network(torch: Any) -> Any:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4, bias=False), torch.nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    return model


def small_graph(width: int = 2) -> Any:
    onnx = pytest.importorskip("onnx")
    kind = onnx.TensorProto.FLOAT
    weights = onnx.numpy_helper.from_array(np.arange(2, 2 + width, dtype=np.float32), "w")
    node = onnx.helper.make_node("Mul", ["x", "w"], ["y"])
    ends = [onnx.helper.make_tensor_value_info(name, kind, [None, width]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "scale", ends[:1], ends[1:], [weights])
    return onnx.helper.make_model(graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 20)])


def small_encoder(transformers: Any) -> Any:
    config = transformers.BertConfig(
        vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    return transformers.BertModel(config).eval()


def small_tokenizer(transformers: Any, folder: Path) -> Any:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "bud", "wood"]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(words))
    return transformers.BertTokenizerFast(vocab=str(vocabulary))
