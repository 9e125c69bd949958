"""What a writer says about the model it wrote."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from budwood.domain.facts import Schema
from budwood.domain.names import Kind


@dataclass(frozen=True, slots=True)
class Draft:
    """One object written: what only the object in memory knew."""

    frameworks: Mapping[str, str]
    architecture: str = ""
    kind: Kind = Kind.MODEL
    schema: Schema | None = None


@dataclass(frozen=True, slots=True)
class WrittenModel:
    """A model in files. ``files`` are sorted paths with '/'; ``frameworks`` are versions by distribution name."""

    files: tuple[str, ...]
    frameworks: Mapping[str, str] = field(default_factory=dict)
    architecture: str = ""
    kind: Kind = Kind.MODEL
    schema: Schema | None = None


_DISTRIBUTIONS = {"sklearn": "scikit-learn", "sentence_transformers": "sentence-transformers"}


def versions(*modules: str) -> dict[str, str]:
    """The versions of top modules that are imported and say one, by the name they are installed under."""
    found = ((name, getattr(sys.modules.get(name), "__version__", None)) for name in modules)
    return {_DISTRIBUTIONS.get(name, name): str(version) for name, version in found if version}
