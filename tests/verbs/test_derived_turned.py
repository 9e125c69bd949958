"""Matrices above 64 MiB that were turned over: kept as functions, given back, and read in part."""

from pathlib import Path

import torch
from safetensors.torch import save_file

import budwood
from budwood.client.registry import Registry
from budwood.domain.limits import DERIVED_INPUT_BYTES
from budwood.store.encodings.registry import DERIVED


def saved(folder: Path, name: str, held: dict[str, torch.Tensor]) -> Path:
    folder.mkdir(exist_ok=True)
    save_file(held, folder / name)
    return folder / name


def matrix() -> torch.Tensor:
    """Any bits: nothing is computed of them."""
    words = torch.randint(-(1 << 15), 1 << 15, (8_400, 4_096), dtype=torch.int16, generator=torch.Generator())
    assert words.numel() * 2 > DERIVED_INPUT_BYTES
    return words.view(torch.bfloat16)


def encodings(registry: Registry, reference: str, tensor: str) -> set[int]:
    spans = [span for entry in registry.get(reference).manifest.files for span in entry.tensors if span.name == tensor]
    return {row.encoding for span in spans for row in registry.house.index.find(span.blocks).values()}


def test_a_large_matrix_turned_over_is_a_function_of_it(tmp_path: Path) -> None:
    base = matrix()
    copy = saved(tmp_path / "copy", "model.safetensors", {"w.T": base.T.contiguous()})
    with budwood.connect(tmp_path / "registry") as registry:
        registry.push(saved(tmp_path / "base", "model.safetensors", {"w": base}), "base")
        pushed = registry.push(copy, "copy")
        assert pushed.stored_bytes < 0.01 * pushed.logical_bytes
        assert encodings(registry, "copy", "w.T") == {DERIVED}
        assert registry.get("copy").detail().computed[0].startswith("A rearrangement of base@v1, 99.9")
        assert registry.diff("base", "copy").computed.startswith("copy@v1 is computed: A rearrangement of base@v1")
        registry.pull("copy", tmp_path / "out")
        assert (tmp_path / "out" / "model.safetensors").read_bytes() == copy.read_bytes()
        with registry.get("copy").open("model.safetensors") as file:
            file.seek(50 << 20)
            assert file.read(5 << 20) == copy.read_bytes()[50 << 20 : 55 << 20]
        assert registry.verify(read_data=True).problems == ()


def test_one_beside_its_source_is_derived_and_travels(tmp_path: Path) -> None:
    base, folder = matrix(), tmp_path / "both"
    saved(folder, "model.safetensors", {"w": base})
    saved(folder, "turned.safetensors", {"w.T": base.T.contiguous()})
    with budwood.connect(tmp_path / "here") as here:
        here.push(folder, "both")
        # Which of the two is as good.
        assert {DERIVED} in (encodings(here, "both", "w.T"), encodings(here, "both", "w"))
        here.export(["both"], tmp_path / "both.budwood")
    with budwood.connect(tmp_path / "there") as there:
        there.import_bundle(tmp_path / "both.budwood")
        assert {DERIVED} in (encodings(there, "both", "w.T"), encodings(there, "both", "w"))
        there.pull("both", tmp_path / "out")
        for path in folder.iterdir():
            assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
