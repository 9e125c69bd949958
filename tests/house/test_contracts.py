"""Arrows point down only: the import contracts of pyproject.toml hold, and they would notice a breach."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

DOMAIN_MAY_ALSO_IMPORT = {"budwood"}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    words = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    surroundings = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(
        [sys.executable, "-c", words], cwd=folder, env=surroundings, capture_output=True, text=True, check=False
    )


def test_every_import_contract_is_kept(root: Path) -> None:
    linted = lint_imports(root)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_an_upward_import_would_be_noticed(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    with (tmp_path / "src/budwood/domain/names.py").open("a") as names:
        names.write("\nimport budwood.catalog.api as upward\n")
    linted = lint_imports(tmp_path)
    assert linted.returncode != 0
    assert "budwood.domain.names -> budwood.catalog.api" in linted.stdout


def test_the_domain_imports_the_standard_library_and_itself(modules: list[Any]) -> None:
    allowed = set(sys.stdlib_module_names) | DOMAIN_MAY_ALSO_IMPORT
    strangers = [
        f"{module.name} imports {name}"
        for module in modules
        if module.room == "domain"
        for name in imported(module.tree)
        if name.split(".")[0] not in allowed
    ]
    assert strangers == []


def imported(tree: ast.Module) -> list[str]:
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module or "")
    return names
