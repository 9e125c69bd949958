"""What writes itself with ``save_pretrained``: Transformers, PEFT and SentenceTransformer, always as safetensors."""

from pathlib import Path
from typing import Any

from budwood.client.models.written import Draft, versions
from budwood.domain.names import Kind


def write_model(model: Any, folder: Path) -> Draft:
    """A Transformers model: config.json and its weights."""
    model.save_pretrained(folder, safe_serialization=True)
    return Draft(versions("transformers", "torch"), architecture=type(model).__name__)


def write_adapter(model: Any, folder: Path) -> Draft:
    """A PEFT model: its adapter only, not the base it sits on."""
    model.save_pretrained(str(folder), safe_serialization=True)
    architecture = type(model.get_base_model()).__name__
    return Draft(versions("peft", "transformers", "torch"), architecture=architecture, kind=Kind.ADAPTER)


def write_pipeline(model: Any, folder: Path) -> Draft:
    """A Transformers pipeline: its model and all that goes with it."""
    model.save_pretrained(folder, safe_serialization=True)
    return Draft(versions("transformers", "torch"), architecture=type(model.model).__name__)


def write_sentence_transformer(model: Any, folder: Path) -> Draft:
    """A SentenceTransformer: each of its modules. Its generated model card is left out; it names no facts of ours."""
    model.save_pretrained(str(folder), create_model_card=False, safe_serialization=True)
    return Draft(versions("sentence_transformers", "transformers", "torch"), architecture=type(model).__name__)


def write_companion(model: Any, folder: Path) -> Draft:
    """A tokenizer, processor or feature extractor, alone or beside its model."""
    model.save_pretrained(folder)
    return Draft(versions("transformers"))
