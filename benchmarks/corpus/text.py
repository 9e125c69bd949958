"""The training text: what a function is called, and what its docstring says, from the standard library.

It is real prose about real code, it is on every machine that can run this program, and it is free to use. The
files are parsed and never imported.
"""

import ast
import random
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SHORTEST_CHARS = 60
LONGEST_CHARS = 600
FOREIGN = ("site-packages", "dist-packages", "/test")


@dataclass(frozen=True, slots=True)
class Pair:
    """A name in words, and the passage that explains it."""

    query: str
    passage: str


def standard_library_pairs(seed: int) -> list[Pair]:
    """Every documented function and class, shuffled by the seed."""
    pairs = list(_pairs_in_order())
    random.Random(seed).shuffle(pairs)
    return pairs


@cache
def _pairs_in_order() -> tuple[Pair, ...]:
    return tuple(pair for path in _source_files() for pair in _pairs_in(path))


def _source_files() -> list[Path]:
    library = Path(sysconfig.get_paths()["stdlib"])
    return [path for path in sorted(library.rglob("*.py"), key=str) if not any(part in str(path) for part in FOREIGN)]


def _pairs_in(path: Path) -> Iterator[Pair]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return  # Some files of the library are broken on purpose; they have no text for us.
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            passage = ast.get_docstring(node)
            if passage is not None and len(passage) > SHORTEST_CHARS:
                yield Pair(f"{path.stem} {_in_words(node)}", passage[:LONGEST_CHARS])


def _in_words(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    name = node.name.replace("_", " ")
    if isinstance(node, ast.ClassDef):
        return name
    return f"{name} ( {' , '.join(argument.arg for argument in node.args.args)} )"
