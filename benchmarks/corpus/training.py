"""Fine-tuning as people do it: contrastive pairs, AdamW, warm-up and linear decay.

The settings are the defaults of sentence-transformers' ``fit``: learning rate 2e-5, batch 16, weight decay 0.01
(none on biases and layer norms), a tenth of the steps to warm up, gradients clipped to norm 1. What matters for a
store is which bits such a run changes, so the optimiser and the rates are real and the data is small.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from benchmarks.corpus.encoder import Tokenizer, load_tokenizer
from benchmarks.corpus.text import Pair, standard_library_pairs

BATCH = 16
QUERY_TOKENS = 32
PASSAGE_TOKENS = 48
SCALE = 20.0
NOT_DECAYED = ("bias", "LayerNorm.weight")


@dataclass(frozen=True, slots=True)
class Schedule:
    """One run. ``marks`` are the steps after which the run is shown to its visitor; the last one ends it."""

    marks: tuple[int, ...]
    seed: int
    salt: int
    learning_rate: float = 2e-5
    weight_decay: float = 0.01


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The run at one mark. ``number`` counts marks from 1; the tensors inside go on changing afterwards."""

    number: int
    step: int
    loss: float
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler


def fine_tune(model: torch.nn.Module, schedule: Schedule, visit: Callable[[Checkpoint], None]) -> None:
    """Train the model in place and show each mark to ``visit``.

    ``salt`` keeps the runs of one corpus from seeing the same batches.
    """
    torch.manual_seed(schedule.seed + schedule.salt)
    tokenize = load_tokenizer()
    pairs = standard_library_pairs(schedule.seed)
    batches = random.Random(schedule.seed + 17 + schedule.salt)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = _adamw(model, schedule)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, _warm_up_then_decay(schedule.marks[-1]))
    model.train()
    for step in range(1, schedule.marks[-1] + 1):
        loss = _loss(model, tokenize, batches.sample(pairs, BATCH))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad(set_to_none=True)
        if step in schedule.marks:
            number = schedule.marks.index(step) + 1
            visit(Checkpoint(number, step, float(loss.detach()), model, optimizer, scheduler))


def _adamw(model: torch.nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    decayed: list[torch.nn.Parameter] = []
    spared: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (spared if any(part in name for part in NOT_DECAYED) else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": schedule.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=schedule.learning_rate)


def _warm_up_then_decay(steps: int) -> Callable[[int], float]:
    warm = max(1, steps // 10)

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return max(0.0, (steps - step) / (steps - warm))

    return factor


def _loss(model: torch.nn.Module, tokenize: Tokenizer, batch: Sequence[Pair]) -> torch.Tensor:
    """Each query should find its own passage among all the passages of its batch."""
    queries = _embed(model, tokenize, [pair.query for pair in batch], QUERY_TOKENS)
    passages = _embed(model, tokenize, [pair.passage for pair in batch], PASSAGE_TOKENS)
    similarity = SCALE * queries.float() @ passages.float().T
    return torch.nn.functional.cross_entropy(similarity, torch.arange(len(batch)))


def _embed(model: torch.nn.Module, tokenize: Tokenizer, texts: Sequence[str], tokens: int) -> torch.Tensor:
    encoded = tokenize(list(texts), padding=True, truncation=True, max_length=tokens, return_tensors="pt")
    hidden = model(**encoded).last_hidden_state
    mask = encoded["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
