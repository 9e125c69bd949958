"""Versions to serve, each in a process of its own, and how they are asked."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from budwood.delivery.serving.host import Asked, Happened, Limits, Pulled, Served, close_all, listen
from budwood.delivery.serving.kinds import Runtime

PREDICTOR = """
import os, time
class Adds:
    def __init__(self, folder):
        self.folder = folder
        self.by = float(open(folder + "/by.txt").read())
    def predict(self, inputs):
        x = inputs["x"]
        if "fail" in inputs:
            raise KeyError("what it needs")
        if "hog" in inputs:
            return len(bytearray(1 << 30))
        if "slow" in inputs:
            open(self.folder + "/../slow", "w").close()
            time.sleep(0.6)
        return {"sum": [each + self.by for each in x], "pid": os.getpid()}
"""
ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


@dataclass
class Place:
    """Makes versions to serve, and ends them."""

    folder: Path
    happened: list[Happened] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)

    def asked(self, number: int = 1, **said: Any) -> Asked:
        at = self.folder / f"v{number}"
        at.mkdir()
        (at / "by.txt").write_text(str(number))
        pulled = Pulled(at, {"by.txt": sha256(str(number).encode()).hexdigest()})
        limits = Limits(2 << 30, 1, 0)
        asked = Asked("adds", number, "aa" * 32, pulled, Runtime("predictor"), limits, "adds:Adds", str(self.folder))
        return replace(asked, **said)

    def serve(self, asked: Asked) -> Served:
        one = Served(asked, listen("127.0.0.1", 0), ENVIRONMENT, self.happened.append)
        self.served.append(one)
        one.start()
        one.wait()
        return one

    def words(self) -> list[str]:
        return [each.what for each in self.happened]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield from _place(tmp_path)


@pytest.fixture(scope="module")
def one_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Of every test of a file."""
    yield from _place(tmp_path_factory.mktemp("place"))


def _place(folder: Path) -> Iterator[Place]:
    (folder / "adds.py").write_text(PREDICTOR)
    made = Place(folder)
    yield made
    close_all(made.served)


@dataclass(frozen=True)
class Answer:
    status: int
    said: Mapping[str, Any]

    @property
    def outputs(self) -> dict[str, Any]:
        return {each["name"]: each["data"] for each in self.said["outputs"]}


def tensor(name: str = "x", values: tuple[Any, ...] = (1.5,), datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": [len(values)], "datatype": datatype, "data": list(values)}


def ask(one: Served | int, *tensors: dict[str, Any], path: str = "/v2/models/adds/infer", wait_s: float = 30) -> Answer:
    return sent(one, json.dumps({"inputs": list(tensors) or [tensor()]}).encode(), path, wait_s=wait_s)


def sent(
    one: Served | int,
    body: bytes,
    path: str,
    wait_s: float = 30,
    headers: Mapping[str, str] | None = None,
    *,
    want_json: bool = True,
) -> Answer:
    port = one if isinstance(one, int) else one.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=wait_s)
    try:
        connection.request("POST" if body else "GET", path, body or None, headers or {})
        answer = connection.getresponse()
        said = answer.read()
        return Answer(answer.status, json.loads(said) if want_json else {})
    finally:
        connection.close()


@dataclass
class Command:
    process: "subprocess.Popen[str]"

    def served(self) -> list[dict[str, str]]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=30)[1]
        rows: list[dict[str, str]] = json.loads(line)["served"]
        return rows


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    began: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> Command:
        whole = [sys.executable, "-m", "budwood", "--registry", str(tmp_path / "registry"), "serve-model", *words]
        process = subprocess.Popen(whole, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        began.append(process)
        return Command(process)

    yield begin
    for each in began:
        each.terminate()
        each.communicate(timeout=30)
