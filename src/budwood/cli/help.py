"""How --help looks: arguments by the names people know them by, without the types of Python.

Everything else is typer's own. ``examples`` makes the end of a command's help.
"""

import re
from typing import Any, Final

from typer.core import TyperCommand

_PYTHON_TYPE: Final = re.compile(r" <[^>]*>+$")
_WORDS: Final = {"int": "NUMBER", "int range": "NUMBER", "float": "NUMBER", "float range": "NUMBER"}
_OBVIOUS: Final = re.compile(r"\s*\[required\]$")


class Command(TyperCommand):
    """A command whose usage reads ``budwood show [OPTIONS] REF``."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [param for param in self.get_params(ctx) if param.param_type_name == "argument"]
        names = [(str(argument.metavar or argument.name).upper(), argument.required) for argument in arguments]
        return ["[OPTIONS]", *(name if required else f"[{name}]" for name, required in names)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is not None:
                sections[param.param_type_name].append(record)
        arguments = [(_PYTHON_TYPE.sub("", name), _OBVIOUS.sub("", text)) for name, text in sections["argument"]]
        options = [(_PYTHON_TYPE.sub(_word, name), text) for name, text in sections["option"]]
        for title, records in (("Arguments", arguments), ("Options", options)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _word(found: re.Match[str]) -> str:
    """What an option takes, where it has no word of its own for it."""
    return f" {_WORDS.get(found[0].strip(' <>'), 'TEXT')}"


def examples(*commands: str) -> str:
    """The end of a command's help."""
    return "\b\nExamples:\n  " + "\n  ".join(commands)
