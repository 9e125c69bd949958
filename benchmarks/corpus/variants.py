"""The same model again, changed in the ways that should cost a store next to nothing, and two that should not."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks.corpus.encoder import METADATA, Tensors, load_tensors, save_tensors
from benchmarks.corpus.folder import CorpusFolder
from benchmarks.corpus.recipe import Recipe

EMBEDDING = "embeddings.word_embeddings.weight"
ROWS_APPENDED = 10


def variants(recipe: Recipe, folder: CorpusFolder) -> None:
    """All of them, made from the last version of the series."""
    wide = load_tensors(folder.existing("series_fp32", f"{recipe.last}.safetensors"))
    narrow = load_tensors(folder.existing("series_bf16", f"{recipe.last}.safetensors"))
    change_the_header(narrow, folder.file("var", "metadata_only.safetensors"))
    for shards in (3, 4):
        shard(narrow, shards, folder.folder("var", f"reshard{shards}"))
    append_rows(narrow, folder.file("var", "vocab_ext.safetensors"))
    save_tensors(wide, folder.file("var", "last_fp16.safetensors"), torch.float16)
    save_tensors(narrow, folder.file("var", "upcast_fp32.safetensors"), torch.float32)
    torch.save(narrow, folder.file("var", "last_bf16.pt"))
    np.savez(folder.file("var", "last_fp32.npz"), **{name: tensor.numpy() for name, tensor in wide.items()})
    prune_half(narrow, folder.file("var", "pruned50.safetensors"))


def change_the_header(tensors: Tensors, path: Path) -> None:
    """Equal tensors behind a header of another length: every payload byte moves."""
    note = {"note": "approved 2026-11-20 by alice", "reference": "y" * 37}
    save_file(dict(tensors), path, METADATA | note)


def shard(tensors: Tensors, shards: int, into: Path) -> None:
    """Equal tensors in several files with an index, in name order, each an even share of what is left."""
    left = sum(tensor.numel() for tensor in tensors.values())
    parts: list[dict[str, torch.Tensor]] = [{}]
    filled, share = 0, left / shards
    for name in sorted(tensors):
        if filled > share and len(parts) < shards:
            left -= filled
            filled, share = 0, left / (shards - len(parts))
            parts.append({})
        parts[-1][name] = tensors[name]
        filled += tensors[name].numel()
    index: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        file = f"model-{number:05d}-of-{shards:05d}.safetensors"
        index |= dict.fromkeys(part, file)
        save_file(part, into / file, METADATA)
    size_bytes = sum(tensor.nbytes for tensor in tensors.values())
    text = json.dumps({"metadata": {"total_size": size_bytes}, "weight_map": index}, indent=2)
    (into / "model.safetensors.index.json").write_text(text + "\n", encoding="utf-8")


def append_rows(tensors: Tensors, path: Path) -> None:
    """Ten new words at the end of the vocabulary, drawn as people draw them: around the mean embedding."""
    known = tensors[EMBEDDING]
    noise = torch.randn(ROWS_APPENDED, known.shape[1], generator=torch.Generator().manual_seed(1))
    rows = known.float().mean(0) + known.float().std(0) * noise
    save_tensors({**tensors, EMBEDDING: torch.cat([known, rows.to(known.dtype)])}, path)


def prune_half(tensors: Tensors, path: Path) -> None:
    """The smaller half of every matrix set to zero."""
    save_tensors({name: _pruned(tensor) if tensor.dim() == 2 else tensor for name, tensor in tensors.items()}, path)


def _pruned(matrix: torch.Tensor) -> torch.Tensor:
    magnitude = matrix.abs()
    return torch.where(magnitude >= matrix.float().abs().flatten().median(), matrix, torch.zeros_like(matrix))
