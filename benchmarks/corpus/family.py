"""A family of 1.7 GB models with the statistics of the small real run: a base and up to three fine-tunes.

Nobody can train such a family on a laptop, and random numbers would flatter or slander a codec. So every matrix is
sewn from tiles of 64 rows by 128 columns. A tile takes one window of a real tensor of the same role, and takes the
base's values and each fine-tune's update from that same window: the joint distribution of weight and update, the
rows of words never seen, and the correlation between successive fine-tunes are those of the real run. The base is
then jittered value by value, so that mantissas are fresh and no matching of bytes can find the tile again. Sums
are made in fp32 and rounded to bf16.

The files are written band by band at offsets known beforehand: a few tens of MB of memory for any size.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.corpus.encoder import METADATA, load_tensors
from benchmarks.corpus.folder import CorpusFolder
from benchmarks.corpus.recipe import Recipe

HIDDEN, INNER, KEYS, WORDS, LAYERS = 2048, 5632, 512, 32_000, 16
REAL_LAYERS = 6
TILE_ROWS, TILE_COLUMNS = 64, 128
JITTER = np.float32(0.15)
TUNED_FROM = (3, 5, 6)
"""The versions of the real series whose updates the family's fine-tunes take."""
BF16_BYTES = 2

Floats = npt.NDArray[np.float32]
Corners = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tensor of the family and the real tensor of the same role it is drawn from."""

    name: str
    shape: tuple[int, ...]
    role: str


@dataclass(frozen=True, slots=True)
class Real:
    """The real tensor: its base values, and its update in each fine-tune."""

    base: Floats
    updates: tuple[Floats, ...]


def large_family(recipe: Recipe, folder: CorpusFolder) -> None:
    """``large_bf16/base`` and ``ft1`` to ``ft3``, as many as the recipe says."""
    versions = TUNED_FROM[: recipe.family_tunes]
    base = load_tensors(folder.existing("base", "fp32.safetensors"))
    tuned = [load_tensors(folder.existing("series_fp32", f"v{version}.safetensors")) for version in versions]
    names = ["base", *(f"ft{number}" for number in range(1, len(versions) + 1))]
    chance = np.random.default_rng(recipe.seed)
    wanted = tensors_wanted()
    with ExitStack() as files:
        paths = [folder.file("large_bf16", f"{name}.safetensors") for name in names]
        outputs = [files.enter_context(FamilyFile(path, wanted)) for path in paths]
        for tensor in wanted:
            values = base[tensor.role].numpy()
            real = Real(values, tuple(version[tensor.role].numpy() - values for version in tuned))
            for row, members in draw(tensor.shape, real, chance):
                for output, member in zip(outputs, members, strict=True):
                    output.write(tensor, row, member)


def tensors_wanted() -> list[Wanted]:
    """The shape of a decoder of 0.85 billion parameters, each tensor with its role in the real encoder."""
    words = "embeddings.word_embeddings.weight"
    wanted = [Wanted("model.embed_tokens.weight", (WORDS, HIDDEN), words)]
    for layer in range(LAYERS):
        ours, real = f"model.layers.{layer}.", f"encoder.layer.{layer % REAL_LAYERS}."
        wanted += [
            Wanted(ours + "self_attn.q_proj.weight", (HIDDEN, HIDDEN), real + "attention.self.query.weight"),
            Wanted(ours + "self_attn.k_proj.weight", (KEYS, HIDDEN), real + "attention.self.key.weight"),
            Wanted(ours + "self_attn.v_proj.weight", (KEYS, HIDDEN), real + "attention.self.value.weight"),
            Wanted(ours + "self_attn.o_proj.weight", (HIDDEN, HIDDEN), real + "attention.output.dense.weight"),
            Wanted(ours + "mlp.gate_proj.weight", (INNER, HIDDEN), real + "intermediate.dense.weight"),
            Wanted(ours + "mlp.up_proj.weight", (INNER, HIDDEN), real + "intermediate.dense.weight"),
            Wanted(ours + "mlp.down_proj.weight", (HIDDEN, INNER), real + "output.dense.weight"),
            Wanted(ours + "input_layernorm.weight", (HIDDEN,), real + "attention.output.LayerNorm.weight"),
            Wanted(ours + "post_attention_layernorm.weight", (HIDDEN,), real + "output.LayerNorm.weight"),
        ]
    last_norm = f"encoder.layer.{REAL_LAYERS - 1}.output.LayerNorm.weight"
    return [
        *wanted,
        Wanted("model.norm.weight", (HIDDEN,), last_norm),
        Wanted("lm_head.weight", (WORDS, HIDDEN), words),
    ]


def draw(shape: Sequence[int], real: Real, chance: np.random.Generator) -> Iterator[tuple[int, list[Floats]]]:
    """Bands of rows from the top: the first row, then the band in the base and in each fine-tune."""
    if len(shape) == 1:
        taken = chance.integers(0, real.base.shape[0], shape[0])
        base = real.base[taken]
        yield 0, [base, *(base + update[taken] for update in real.updates)]
        return
    rows, columns = shape
    corners = _corners(rows, columns, real.base.shape, chance)
    for band, row in enumerate(range(0, rows, TILE_ROWS)):
        height = min(TILE_ROWS, rows - row)
        base = _sewn(real.base, corners[band], height, columns)
        base *= 1 + JITTER * chance.standard_normal(base.shape, dtype=np.float32)
        yield row, [base, *(base + _sewn(update, corners[band], height, columns) for update in real.updates)]


def _corners(rows: int, columns: int, real: Sequence[int], chance: np.random.Generator) -> Corners:
    """The top left corner in the real tensor of every tile, by band and tile."""
    bands = []
    for row in range(0, rows, TILE_ROWS):
        height = min(TILE_ROWS, rows - row)
        band = []
        for column in range(0, columns, TILE_COLUMNS):
            width = min(TILE_COLUMNS, columns - column)
            band.append((chance.integers(0, real[0] - height + 1), chance.integers(0, real[1] - width + 1)))
        bands.append(band)
    return np.array(bands, dtype=np.int64)


def _sewn(real: Floats, corners: Corners, height: int, columns: int) -> Floats:
    """One band: the windows of the real tensor side by side."""
    band = np.empty((height, columns), np.float32)
    for (top, left), column in zip(corners, range(0, columns, TILE_COLUMNS), strict=True):
        width = min(TILE_COLUMNS, columns - column)
        band[:, column : column + width] = real[top : top + height, left : left + width]
    return band


class FamilyFile:
    """A safetensors file whose header is written first, so that its tensors can come in any order."""

    def __init__(self, path: Path, wanted: Sequence[Wanted]) -> None:
        header, self._offsets = _header(wanted)
        self._file: BinaryIO = path.open("wb")
        self._file.write(header)

    def write(self, tensor: Wanted, row: int, band: Floats) -> None:
        """Round the band to bf16 and put it where its rows belong."""
        rounded = torch.from_numpy(np.ascontiguousarray(band)).to(torch.bfloat16).view(torch.int16).numpy()
        row_bytes = BF16_BYTES * (tensor.shape[1] if len(tensor.shape) == 2 else 1)
        self._file.seek(self._offsets[tensor.name] + row * row_bytes)
        self._file.write(rounded.tobytes())

    def __enter__(self) -> "FamilyFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _header(wanted: Sequence[Wanted]) -> tuple[bytes, dict[str, int]]:
    """The header as the safetensors library lays it out, by name; and where in the file each tensor begins."""
    entries: dict[str, object] = {"__metadata__": METADATA}
    begins: dict[str, int] = {}
    end = 0
    for tensor in sorted(wanted, key=lambda tensor: tensor.name):
        begins[tensor.name] = end
        end += BF16_BYTES * int(np.prod(tensor.shape))
        entries[tensor.name] = {"dtype": "BF16", "shape": tensor.shape, "data_offsets": (begins[tensor.name], end)}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    prefix = struct.pack("<Q", len(text)) + text
    return prefix, {name: len(prefix) + begin for name, begin in begins.items()}
