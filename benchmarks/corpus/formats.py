"""Models in the formats that are not PyTorch's own: scikit-learn, ONNX, GGUF."""

import pickle
from pathlib import Path

import numpy as np
import torch

from benchmarks.corpus.encoder import Tensors, load_encoder, load_tensors
from benchmarks.corpus.folder import CorpusFolder
from benchmarks.corpus.recipe import Recipe

TREES = 400
ROWS_SEEN = (1200, 1500, 1797)
LAYERS = 6
WIDTH = 384
Q8_0_BLOCK = 32
SAMPLE_TOKENS = 16


def formats(recipe: Recipe, folder: CorpusFolder) -> None:
    """The base and the last version of the series in ONNX and GGUF; forests of trees as they are pickled."""
    forests(folder)
    for name, path in (
        ("base", folder.existing("base", "fp32.safetensors")),
        ("last", folder.existing("series_fp32", f"{recipe.last}.safetensors")),
    ):
        tensors = load_tensors(path)
        write_onnx(tensors, folder.file("onnx", f"{name}.onnx"))
        for kind in ("q8_0", "f16"):
            write_gguf(tensors, kind, folder.file("gguf", f"{name}-{kind}.gguf"))


def forests(folder: CorpusFolder) -> None:
    """A random forest retrained on more and more rows, and a boosted one, by joblib and by pickle."""
    import joblib
    from sklearn.datasets import load_digits
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    images, digits = load_digits(return_X_y=True)
    for version, rows in enumerate(ROWS_SEEN, 1):
        forest = RandomForestClassifier(TREES, random_state=0, n_jobs=1).fit(images[:rows], digits[:rows])
        joblib.dump(forest, folder.file("sklearn", f"rf_v{version}.joblib"))
        folder.file("sklearn", f"rf_v{version}.pkl").write_bytes(pickle.dumps(forest, protocol=5))
    boosted = HistGradientBoostingClassifier(random_state=0).fit(images, digits)
    joblib.dump(boosted, folder.file("sklearn", "hgb.joblib"))


class HiddenStates(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
    """The encoder with one plain output, which is what the exporter wants."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def write_onnx(tensors: Tensors, path: Path) -> None:
    """The exporter's own output, weights inside the protobuf; half of them come out transposed."""
    import onnx

    encoder = load_encoder()
    encoder.load_state_dict(tensors, strict=False)
    tokens = torch.ones(1, SAMPLE_TOKENS, dtype=torch.long)
    torch.onnx.export(
        HiddenStates(encoder.eval()),
        (tokens, tokens),
        path,
        input_names=["input_ids", "attention_mask"],
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    exported = onnx.load(path)
    for node in exported.graph.node:
        node.ClearField("metadata_props")  # Stack traces: they name where the libraries lay.
    onnx.save(exported, path)


def write_gguf(tensors: Tensors, kind: str, path: Path) -> None:
    """Matrices quantised or halved, vectors as they are, which is what the usual converters do."""
    import gguf

    writer = gguf.GGUFWriter(path, "bert")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(WIDTH)
    for name, tensor in tensors.items():
        values = tensor.numpy()
        if values.ndim != 2 or values.shape[-1] % Q8_0_BLOCK:
            writer.add_tensor(name, values)
        elif kind == "q8_0":
            quantised = gguf.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(name, values.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
