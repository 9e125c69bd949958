"""What the command line is tried on: a real registry with two versions of a small encoder, made once and copied."""

import contextlib
import json
import shutil
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from budwood.cli.main import run as run_command_line
from budwood.config import SETTINGS


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


Run = Callable[..., Ran]
Save = Callable[..., Path]


@pytest.fixture(autouse=True)
def _new_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings, a home of its own, an empty folder to stand in."""
    for setting in SETTINGS:
        monkeypatch.delenv(f"BUDWOOD_{setting.upper()}", raising=False)
    for place in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(place, str(tmp_path / "home" / place.lower()))
    monkeypatch.setenv("BUDWOOD_AUTHOR", "mara@example.com")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Type a command, in this process."""

    def typed(*words: str | Path) -> Ran:
        capsys.readouterr()
        code = run_command_line([str(word) for word in words])
        return Ran(code, *capsys.readouterr())

    return typed


@pytest.fixture(scope="session")
def save_model() -> Save:
    """Write a folder with safetensors and its config; ``tensors`` are named arrays of float32."""

    def save(folder: Path, tensors: Mapping[str, np.ndarray], **config: object) -> Path:
        folder.mkdir(parents=True)
        header: dict[str, object] = {}
        at = 0
        for name, value in tensors.items():
            header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
            at += value.nbytes
        written = json.dumps(header).encode()
        written += b" " * (-len(written) % 8)
        body = b"".join(value.astype("<f4").tobytes() for value in tensors.values())
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(written)) + written + body)
        (folder / "config.json").write_text(json.dumps({"model_type": "bert", **config}))
        return folder

    return save


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, save_model: Save) -> Path:
    """encoder/, tuned/ and a registry that holds them as encoder@1.0.0 (champion) and its child encoder@1.1.0."""
    from budwood.wiring import connect

    place = tmp_path_factory.mktemp("template")
    chance = np.random.default_rng(3)
    tensors = {f"layer.{i}.weight": chance.normal(0, 0.05, (64, 64)).astype("<f4") for i in range(3)}
    tuned = dict(tensors) | {"layer.0.weight": (tensors["layer.0.weight"] * np.float32(1.01)).astype("<f4")}
    save_model(place / "encoder", tensors, hidden_size=64)
    save_model(place / "tuned", tuned, hidden_size=64, dropout=0.1)
    # What is said of code would depend on the work tree the tests are run from.
    with contextlib.chdir(place), connect(place / "registry", author="mara@example.com") as registry:
        registry.push(
            place / "encoder", "encoder", label="1.0.0", message="First", aliases=["champion"], metrics={"auc": 0.9}
        )
        registry.push(
            place / "tuned",
            "encoder",
            bump="auto",
            parents=["encoder@v1"],
            message="Tuned on tickets\n\nThree epochs.",
            metrics={"auc": 0.93},
            datasets=["tickets-2026"],
        )
    return place


@pytest.fixture
def here(template: Path) -> Path:
    """The current folder with encoder/, tuned/ and registry/."""
    for name in ("encoder", "tuned", "registry"):
        shutil.copytree(template / name, name)
    return Path.cwd()


@pytest.fixture
def ask(here: Path, run: Run) -> Run:
    """Type a command about the registry here."""

    def asked(*words: str | Path) -> Ran:
        return run("--registry", here / "registry", *words)

    return asked
