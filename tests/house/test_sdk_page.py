"""The page on the SDK names everything that a program can call, with its arguments, and uses it in an example."""

import inspect
import re
from pathlib import Path

import pytest

import budwood

HIDDEN = {"house"}  # how a registry is put together, not something to call
SNIPPETS = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


def members(kind: type) -> list[str]:
    return [name for name in vars(kind) if not name.startswith("_") and name not in HIDDEN]


def methods(kind: type) -> list[str]:
    return [name for name in members(kind) if inspect.isfunction(vars(kind)[name])]


@pytest.mark.parametrize("name", [*members(budwood.Registry), *members(budwood.Version), "connect", "in_memory"])
def test_the_page_names_every_member_and_uses_it(name: str, root: Path) -> None:
    page = (root / "docs/sdk.md").read_text("utf-8")
    assert re.search(rf"`(?:budwood\.)?{name}\b", SNIPPETS.sub("", page)), "it is not described"
    assert re.search(rf"\.{name}\b", "\n".join(SNIPPETS.findall(page))), "no example uses it"


@pytest.mark.parametrize("name", methods(budwood.Registry))
def test_the_page_gives_the_arguments_a_method_has(name: str, root: Path) -> None:
    described = re.search(rf"`{name}\(([^`]*)\)`", (root / "docs/sdk.md").read_text("utf-8"))
    assert described is not None, "its arguments are not described"
    written = re.findall(r"\w+", re.sub(r"=[^,]*", "", described.group(1)))
    assert written == [name for name in inspect.signature(vars(budwood.Registry)[name]).parameters if name != "self"]
