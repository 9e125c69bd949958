"""Files as text. Whatever stands in a value, the document stays the same document.

Texts are written in double quotes, ASCII only, unless they are a plain word that every reader of YAML takes for a text:
readers differ in what they take for numbers, dates and yes.
"""

import json
import re
from typing import Any, Final

import yaml

from budwood.delivery.emit.release import File
from budwood.domain.canon import Json

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_NO_TEXT: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
_WIDTH: Final = 1_000_000
_LINE_CHARS: Final = 116


class _Quoting(yaml.SafeDumper):  # type: ignore[misc, unused-ignore]
    """Without aliases, and with texts in quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    plain = _WORD.fullmatch(value) and value.lower() not in _NO_TEXT
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


_Quoting.add_representer(str, _text)


def written(file: File) -> str:
    """The file's whole text, ending in a line break."""
    if isinstance(file.body, str):
        return remarks(file.head) + file.body.rstrip("\n") + "\n"
    if file.path.endswith(".json"):
        return json.dumps(file.body[0], indent=2) + "\n"
    return remarks(file.head) + "".join(as_yaml(document) for document in file.body)


def as_yaml(document: Json) -> str:
    """One document, with its line ``---``."""
    text: str = yaml.dump(
        document, Dumper=_Quoting, sort_keys=False, explicit_start=True, width=_WIDTH, allow_unicode=False
    )
    return text


def remarks(sentences: tuple[str, ...]) -> str:
    """Sentences as comments. What is no printable ASCII could end a line for some reader, and is left out."""
    lines: list[str] = []
    for sentence in sentences:
        line = "#"
        for word in "".join(each if " " <= each <= "~" else " " for each in sentence).split():
            if len(line) + len(word) >= _LINE_CHARS:
                lines.append(line)
                line = "#"
            line += f" {word}"
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)
