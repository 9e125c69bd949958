"""What is in deploy/, read once, and the command line to hold it against."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from budwood.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


@dataclass(frozen=True, slots=True)
class Asked:
    """A command line as the CLI understands it: the words of the command, and what its options and arguments hold."""

    command: tuple[str, ...]
    values: Mapping[str, object]


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def documents() -> list[dict[str, Any]]:
    """Every document of the Kubernetes manifests, but not the kustomization, which is no resource."""
    files = [path for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")) if path.name != "kustomization.yaml"]
    return [document for path in files for document in yaml.safe_load_all(path.read_text("utf-8"))]


@pytest.fixture(scope="session")
def pods(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod of each workload, by the workload's name."""
    found = {}
    for document in documents:
        match document["kind"]:
            case "Deployment" | "Job":
                found[document["metadata"]["name"]] = document["spec"]["template"]["spec"]
            case "CronJob":
                template = document["spec"]["jobTemplate"]["spec"]["template"]
                found[document["metadata"]["name"]] = template["spec"]
    return found


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """The compose file, its anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return loaded


@pytest.fixture(scope="session")
def ask() -> Callable[[Sequence[str]], Asked]:
    """Reads a command line without running it; raises what the CLI raises for one it does not understand."""

    def read(words: Sequence[str]) -> Asked:
        command: Any = typer.main.get_command(app)
        rest, names = list(words), []
        context = command.make_context("budwood", rest, resilient_parsing=False)
        values = dict(context.params)
        while hasattr(command, "commands"):
            rest = [*context._protected_args, *context.args]
            name, command, rest = command.resolve_command(context, rest)
            names.append(name)
            context = command.make_context(name, rest, parent=context)
            values |= context.params
        return Asked(tuple(names), values)

    return read
