"""Processes that evaluate, and variables for them."""

from collections.abc import Iterator, Mapping

import pytest

from budwood.domain.canon import Json
from budwood.govern.expressions import Expressions

pytest.importorskip("cel", reason="expressions need the extra 'policies'")


@pytest.fixture(scope="module")
def expressions() -> Iterator[Expressions]:
    with Expressions() as started:
        yield started


@pytest.fixture
def variables() -> Mapping[str, Json]:
    return {
        "facts": {
            "code": None,
            "metrics": {"accuracy": 0.93, "f1": 0.9},
            "params": {"epochs": "3"},
            "formats": ["safetensors"],
            "parameters": 110_000_000,
        },
        "version": {"label": "v3", "number": 3, "stage": "staging", "author": "mara", "age_days": 1.5},
        "evidence": [{"kind": "evaluation", "samples": 1_000, "metrics": {"accuracy": 0.92}, "roles": ["evaluator"]}],
        "champion": True,
        "target": "stage:production",
    }


@pytest.fixture
def many_metrics() -> Mapping[str, Json]:
    """So many that a comprehension in a comprehension over them takes a hundred million steps."""
    return {"facts": {"metrics": {f"m{number}": 1.0 for number in range(10_000)}}}
