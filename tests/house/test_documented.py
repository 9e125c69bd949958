"""What a person can meet is written down: every error, limit, setting and command, and every word once."""

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from budwood import errors
from budwood.domain import limits

UNITS: Final = {"KIB", "MIB"}


def rows(page: Path) -> Iterator[list[str]]:
    """The cells of every table row of a document, without back-ticks."""
    for line in page.read_text("utf-8").splitlines():
        if line.startswith("| ") and not line.startswith("|---"):
            yield [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line.strip("|"))]


def error_classes() -> list[type[errors.BudwoodError]]:
    return [
        thing
        for thing in vars(errors).values()
        if inspect.isclass(thing) and issubclass(thing, errors.BudwoodError) and thing is not errors.BudwoodError
    ]


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_every_error_stands_in_the_tree_and_in_the_document(error: type[errors.BudwoodError], root: Path) -> None:
    assert re.search(rf"\b{error.__name__}\b", errors.__doc__ or "")
    written = {cells[0]: cells[1] for cells in rows(root / "docs/errors.md") if len(cells) == 4}
    assert written.get(error.code) == error.__name__


def test_every_error_stands_below_its_exit_code(root: Path) -> None:
    page = (root / "docs/errors.md").read_text("utf-8")
    for family, exit_code, section in re.findall(r"^## (\w+): exit (\d+)$(.*?)(?=^## |\Z)", page, re.M | re.S):
        written = set(re.findall(r"^\| `(\w+)` \|", section, re.M))
        assert written == {error.code for error in error_classes() if error.exit_code == int(exit_code)}, family


def test_every_error_has_a_code_of_its_own() -> None:
    counted = Counter(error.code for error in error_classes())
    assert [code for code, times in counted.items() if times > 1] == []


def test_no_document_names_an_error_that_is_gone(root: Path) -> None:
    known = {error.code for error in error_classes()}
    written = {cells[0] for cells in rows(root / "docs/errors.md") if len(cells) == 4 and "_" in cells[0]}
    assert written <= known


def test_every_limit_is_written_down_with_its_value(root: Path) -> None:
    written = {cells[0]: cells[1].replace(" ", "") for cells in rows(root / "docs/limits.md") if cells[0].isupper()}
    real = {name: str(value) for name, value in vars(limits).items() if name.isupper() and name not in UNITS}
    assert written == real


def test_every_setting_is_written_down(root: Path) -> None:
    config = pytest.importorskip("budwood.config")
    written = {cells[0]: cells[1] for cells in rows(root / "docs/settings.md") if cells[1].startswith("BUDWOOD_")}
    assert written == {name: f"BUDWOOD_{name.upper()}" for name in config.SETTINGS}


def test_no_setting_is_read_that_is_not_written_down(root: Path, modules: list[Any]) -> None:
    page = (root / "docs/settings.md").read_text("utf-8")
    named = {
        name
        for module in modules
        if module.room in ("config", "cli")
        for name in re.findall(r"\bBUDWOOD_[A-Z]\w*", module.text)
    }
    assert [name for name in sorted(named) if name not in page] == []


def commands() -> dict[str, Any]:
    """Every command by the words a person types; empty until there is a command line."""
    try:
        from typer.main import get_command

        from budwood.cli.main import app
    except ImportError:
        return {}
    found: dict[str, Any] = {}

    def walk(command: Any, words: str) -> None:
        inner = getattr(command, "commands", None)
        if inner is None:
            found[words] = command
        for name, child in (inner or {}).items():
            walk(child, f"{words} {name}")

    walk(get_command(app), "budwood")
    return found


@pytest.mark.parametrize("words", commands())
def test_every_command_is_written_down_and_shows_an_example(words: str, root: Path) -> None:
    command = commands()[words]
    assert re.search(rf"^#+ .*`?{re.escape(words)}\b", (root / "docs/cli.md").read_text("utf-8"), re.M)
    assert words in (command.help or "") + (command.epilog or ""), "its --help shows no example"
    assert any("--json" in option.opts for option in command.params), "it has no --json"


@pytest.mark.parametrize("words", commands())
def test_every_option_says_what_it_does(words: str) -> None:
    silent = [
        option.name
        for option in commands()[words].params
        if getattr(option, "opts", [""])[0].startswith("-") and not getattr(option, "help", "")
    ]
    assert silent == []


def test_the_documents_name_no_command_that_is_gone(root: Path) -> None:
    known = commands()
    if not known:
        pytest.skip("there is no command line yet")
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    named = {word for page in pages for word in re.findall(r"`budwood ([a-z][a-z-]*)", page.read_text("utf-8"))}
    assert sorted(word for word in named if not any(words.split()[1] == word for words in known)) == []


def test_every_word_of_the_glossary_stands_once(root: Path) -> None:
    words = Counter(
        word.strip() for cells in rows(root / "GLOSSARY.md") for word in cells[0].split(",") if word.strip() != "word"
    )
    assert [word for word, times in words.items() if times > 1] == []


def test_unreleased_changes_are_single_sentences_of_a_known_kind(root: Path) -> None:
    lines = [
        (path.name, line)
        for path in sorted((root / "changes").glob("*.md"))
        if path.name != "README.md"
        for line in path.read_text("utf-8").splitlines()
        if line
    ]
    assert [line for line in lines if not re.fullmatch(r"(added|changed|fixed|removed): .+\.", line[1])] == []
