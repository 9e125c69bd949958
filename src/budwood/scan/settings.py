"""Settings that ask a loader for more than numbers: chat templates, auto_map, Keras in JSON, MLflow's models."""

import re
from typing import Final

from budwood.domain.limits import CONFIG_BYTES, SCAN_BYTES
from budwood.scan import graphs
from budwood.scan.notes import Notes, Part
from budwood.store.api import Source
from budwood.store.formats.bounded import Malformed, Memory
from budwood.store.formats.configs import names_a_config, reader_of
from budwood.store.formats.gguf import MAGIC, read_gguf

# Read by people, not by loaders: when one of these is malformed nobody is hurt.
_PROSE: Final = ("README.md", "requirements.txt", "conda.yaml")
_TEMPLATES: Final = (".jinja", ".jinja2", ".j2")
_TEMPLATE_KEY: Final = re.compile(rb"tokenizer\.chat_template[\w.]{0,100}\x08\x00\x00\x00(.{8})", re.DOTALL)
# Letters that are written as escapes have no reason but to be overlooked.
_KERAS: Final = re.compile(
    rb'"class_name"\s*:\s*"(?:Lambda|__lambda__|function)|"module"\s*:\s*"'
    rb"|\\u00(?:4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])"
)
_PIECE_BYTES: Final = 1 << 20
_KEY_BYTES: Final = 1 << 8


def is_settings(_: bytes, source: Source) -> bool:
    return names_a_config(source.path) or source.path.lower().endswith((".json", *_TEMPLATES))


def look_settings(part: Part, notes: Notes) -> None:
    """Raises Malformed."""
    source = part.source
    name = source.path.rpartition("/")[2]
    if name.lower().endswith(_TEMPLATES):
        _tell(source, "chat_template.jinja", part.inner, notes)
        return
    if names_a_config(source.path):
        try:
            _tell(source, name, part.inner, notes)
        except Malformed:
            if name not in _PROSE:
                raise
    if name.lower().endswith(".json") and source.size <= CONFIG_BYTES:
        content = source.read(0, source.size)
        if b"chat_template" in content and reader_of(name) is not reader_of("tokenizer_config.json"):
            _tell(source, "tokenizer_config.json", part.inner, notes)
        if _KERAS.search(content):
            graphs.look_keras_config(source, part.inner, notes)


def is_gguf(head: bytes, source: Source) -> bool:
    return head.startswith(MAGIC) or source.path.lower().endswith(".gguf")


def look_gguf(part: Part, notes: Notes) -> None:
    """Raises Malformed."""
    for flag in read_gguf(part.source).facts.flags:
        notes.tell("malformed", part.inner, flag.detail)
    source, end = part.source, min(part.source.size, SCAN_BYTES)
    for at in range(0, end, _PIECE_BYTES):
        piece = source.read(at, min(_PIECE_BYTES + _KEY_BYTES, end - at))
        for found in _TEMPLATE_KEY.finditer(piece):
            length = min(int.from_bytes(found.group(1), "little"), CONFIG_BYTES)
            start = at + found.end()
            text = source.read(start, min(length, source.size - start))
            _tell(Memory(text, "chat_template.jinja"), "chat_template.jinja", part.inner, notes)


def _tell(source: Source, name: str, inner: str, notes: Notes) -> None:
    """The flags of the reader that files of this name have. Raises Malformed."""
    reader = reader_of(name)
    assert reader is not None
    for flag in reader(source).facts.flags:
        rule = {"template-code": "template-code", "custom-code": "custom-code"}.get(flag.code, "malformed")
        notes.tell(rule, inner, flag.detail)
