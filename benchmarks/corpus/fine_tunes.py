"""The stages that train: the series everything is measured on, and five other ways to change a model."""

import json
from pathlib import Path

import torch

from benchmarks.corpus.encoder import PUBLISHED_AS, load_encoder, published_tensors, save_tensors, tensors_of
from benchmarks.corpus.folder import CorpusFolder
from benchmarks.corpus.recipe import Recipe
from benchmarks.corpus.training import Checkpoint, Schedule, fine_tune

TRAINER_VERSIONS = (4, 5)


def base(recipe: Recipe, folder: CorpusFolder) -> None:
    """The published weights in the three float formats."""
    tensors = published_tensors()
    save_tensors(tensors, folder.file("base", "fp32.safetensors"))
    save_tensors(tensors, folder.file("base", "bf16.safetensors"), torch.bfloat16)
    save_tensors(tensors, folder.file("base", "fp16.safetensors"), torch.float16)


def series(recipe: Recipe, folder: CorpusFolder) -> None:
    """Full fine-tuning, saved as it goes; two of the marks also as whole training checkpoints."""

    def save(mark: Checkpoint) -> None:
        _save_both(mark, folder, f"v{mark.number}.safetensors")
        if mark.number in TRAINER_VERSIONS:
            torch.save(_trainer_state(mark), folder.file("trainer_pt", f"checkpoint-{mark.number}.pt"))

    fine_tune(load_encoder(), Schedule(recipe.marks, recipe.seed, salt=0), save)


def frozen_embedding(recipe: Recipe, folder: CorpusFolder) -> None:
    """Fine-tuning that leaves the embeddings alone: half of the bytes stay what they were."""
    model = load_encoder()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith("embeddings."))
    schedule = Schedule((recipe.steps(60),), recipe.seed, salt=1)
    fine_tune(model, schedule, lambda mark: _save_both(mark, folder, "frozen_emb"))


def low_rate(recipe: Recipe, folder: CorpusFolder) -> None:
    """Fine-tuning at a twentieth of the usual rate: nearly all bf16 values round back to what they were."""
    schedule = Schedule((recipe.steps(60),), recipe.seed, salt=2, learning_rate=1e-6, weight_decay=0.0)
    fine_tune(load_encoder(), schedule, lambda mark: _save_both(mark, folder, "lowlr"))


def pure_bf16(recipe: Recipe, folder: CorpusFolder) -> None:
    """Fine-tuning with the weights themselves in bf16: small updates vanish, so few values change."""
    schedule = Schedule((recipe.steps(15), recipe.steps(40)), recipe.seed, salt=3)

    def save(mark: Checkpoint) -> None:
        save_tensors(tensors_of(mark.model), folder.file("purebf16", f"v{mark.number}.safetensors"))

    fine_tune(load_encoder().to(torch.bfloat16), schedule, save)


def lora(recipe: Recipe, folder: CorpusFolder) -> None:
    """Three versions of an adapter of rank 16, as PEFT writes them."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.seed)
    config = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=["query", "key", "value", "dense"])
    marks = (recipe.steps(20), recipe.steps(40), recipe.steps(60))

    def save(mark: Checkpoint) -> None:
        version = folder.folder("lora", f"v{mark.number}")
        mark.model.save_pretrained(version, safe_serialization=True)
        _put_in_order(version / "adapter_config.json")

    adapted = get_peft_model(load_encoder(), config)
    adapted.peft_config["default"].base_model_name_or_path = PUBLISHED_AS  # It would name where the base lay here.
    fine_tune(adapted, Schedule(marks, recipe.seed, salt=4, learning_rate=2e-4), save)


def _save_both(mark: Checkpoint, folder: CorpusFolder, name: str) -> None:
    """A version of the series goes to a folder per dtype; a single fine-tune to one folder of its own."""
    tensors = tensors_of(mark.model)
    if name.endswith(".safetensors"):
        wide, narrow = folder.file("series_fp32", name), folder.file("series_bf16", name)
    else:
        wide, narrow = folder.file(name, "fp32.safetensors"), folder.file(name, "bf16.safetensors")
    save_tensors(tensors, wide)
    save_tensors(tensors, narrow, torch.bfloat16)


def _put_in_order(config: Path) -> None:
    """PEFT keeps the module names in a set, whose order is another in every process."""
    settings = json.loads(config.read_text(encoding="utf-8"))
    settings["target_modules"] = sorted(settings["target_modules"])
    config.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _trainer_state(mark: Checkpoint) -> dict[str, object]:
    """What a training loop saves to go on later: weights, both AdamW moments, schedule and chance."""
    return {
        "model": mark.model.state_dict(),
        "optimizer": mark.optimizer.state_dict(),
        "scheduler": mark.scheduler.state_dict(),
        "step": mark.step,
        "rng": torch.get_rng_state(),
    }
