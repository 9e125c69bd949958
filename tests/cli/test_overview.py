"""``budwood --help``: every command once, in a line that fits a terminal."""

from collections import Counter
from typing import Any

from typer.main import get_command

from budwood.cli.main import app
from budwood.cli.overview import SECTIONS

TERMINAL = 80


def test_every_command_is_in_one_section() -> None:
    command: Any = get_command(app)
    assert Counter(name for section in SECTIONS.values() for name in section) == Counter(list(command.commands))


def test_the_help_shows_the_sections_a_command_a_line(run: Any) -> None:
    lines = run("--help").out.splitlines()
    assert all(len(line) <= TERMINAL for line in lines)
    for title, commands in SECTIONS.items():
        assert f"{title}:" in lines
        for name, text in commands.items():
            assert any(line.split() == [name, *text.split()] for line in lines), f"{name} takes more than a line"
