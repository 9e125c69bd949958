"""What the verbs' tests share: registries, and small real models to push."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import budwood
from budwood.client.models.tensors import write_tensor_dict
from budwood.client.registry import Registry
from budwood.wiring import served
from tests.servers.running import far

Arrays = Mapping[str, "np.ndarray[Any, Any]"]
MakeModel = Callable[..., Path]


HOMES = ["folder", "memory", "server", "server-postgres-s3"]


@pytest.fixture(params=HOMES)
def registry(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """An empty registry: the same journeys run in a folder, in memory, and over HTTP with either set of parts."""
    with _opened(request, tmp_path, monkeypatch) as opened:
        yield opened


@pytest.fixture(params=["folder", "memory"])
def near(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """An empty registry in this process, for tests that look behind its door."""
    with _opened(request, tmp_path, monkeypatch) as opened:
        yield opened


def _opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AbstractContextManager[Registry]:
    # What is said of code would depend on the work tree the tests are run from.
    monkeypatch.chdir(tmp_path)
    if request.param == "folder":
        return budwood.connect(tmp_path / "registry", author="mara")
    if request.param == "memory":
        return budwood.in_memory(author="mara")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if request.param == "server-postgres-s3":
        bucket = request.getfixturevalue("s3_bucket")
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("BUDWOOD_STORE", bucket.url)
        monkeypatch.setenv("BUDWOOD_DATABASE", request.getfixturevalue("postgres_url"))
    home = served(tmp_path / "registry")
    for name in ("BUDWOOD_STORE", "BUDWOOD_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    return far(home)


@pytest.fixture
def open_borders() -> Callable[..., None]:
    """Let lineage lead from any of these namespaces to any other; those that are not there are made."""
    text = "apiVersion: budwood.dev/v1\nkind: MetadataStandard\nspec: {lineage: {from: ['*'], to: ['*']}}\n"

    def opened(registry: Registry, *rooms: str) -> None:
        there = {each.name for each in registry.admin.namespaces.list().namespaces}
        for room in rooms:
            if room not in there:
                registry.admin.namespaces.add(room)
            registry.standards.set(room, text)

    return opened


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Registry]:
    """A registry in a folder, for tests that look at the folder."""
    with budwood.connect(tmp_path / "registry", author="mara") as opened:
        yield opened


@pytest.fixture
def weights() -> Callable[..., dict[str, "np.ndarray[Any, Any]"]]:
    """Layers of a small network; ``moved`` shifts that share of one matrix, as a light fine-tune does."""

    def make(seed: int = 1, rows: int = 256, moved: float = 0.0) -> dict[str, "np.ndarray[Any, Any]"]:
        chance = np.random.default_rng(seed)
        layers = {
            "embed.weight": chance.normal(0, 0.05, (rows, 512)).astype(np.float32),
            "layer.0.weight": chance.normal(0, 0.05, (512, 512)).astype(np.float32),
            "layer.0.bias": chance.normal(0, 0.01, 512).astype(np.float32),
        }
        if moved:
            other = np.random.default_rng(seed + 1000)
            chosen = other.random(layers["layer.0.weight"].shape) < moved
            layers["layer.0.weight"][chosen] *= np.float32(1.001)
        return layers

    return make


@pytest.fixture
def model(tmp_path: Path, weights: Callable[..., dict[str, "np.ndarray[Any, Any]"]]) -> MakeModel:
    """A folder with real weights in a safetensors file and a ``config.json``; a new folder at each call."""
    numbers = itertools.count()

    def make(*, config: Mapping[str, object] | None = None, **choices: Any) -> Path:
        folder = tmp_path / f"model-{next(numbers)}"
        folder.mkdir()
        write_tensor_dict(weights(**choices), folder)
        settings = {"architectures": ["SmallNet"], "hidden": 512, **(config or {})}
        (folder / "config.json").write_text(json.dumps(settings))
        return folder

    return make
