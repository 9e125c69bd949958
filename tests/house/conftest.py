"""What the house rules look at: the source files, parsed once, and the documents."""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Module:
    """One source file; ``name`` is its path below src/budwood, with '/'."""

    name: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The top folder or file: cli, domain, config, errors…"""
        return self.name.split("/")[0].removesuffix(".py")


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    """Every module of the package."""
    package = ROOT / "src" / "budwood"
    return [
        Module(path.relative_to(package).as_posix(), text := path.read_text("utf-8"), ast.parse(text))
        for path in sorted(package.rglob("*.py"))
    ]
