"""A manifest as canonical JSON, written and read piece by piece: a version may have 100,000 files.

The bytes are those that ``canon`` gives for the whole, which tests compare; only the tree of lists and dictionaries in
between, ten times as large as the text, never exists at once. What is read need not be canonical: any JSON of that
shape is taken, and fields unknown here are passed over.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from budwood.domain import canon
from budwood.domain.entries import FileEntry, Span
from budwood.domain.facts import Facts
from budwood.domain.json_pieces import JsonPieces

MANIFEST_FORMAT: Final = 1
SPANS_AT_ONCE: Final = 1_000
_quoted: Final = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Parts:
    """What a manifest is made of."""

    files: tuple[FileEntry, ...]
    facts: Facts
    format: int


def pieces(parts: Parts) -> Iterator[str]:
    """The canonical text, in order."""
    yield f'{{"facts":{canon.dumps(canon.pack(parts.facts)).decode()},"files":['
    for number, entry in enumerate(parts.files):
        if number:
            yield ","
        yield from entry_pieces(entry)
    yield f'],"format":{parts.format}}}'


def parse(written: Iterable[bytes | memoryview]) -> Parts:
    """Of a text in parts, each of which is read before the next is asked for.

    Raises ValueError for what is no JSON or has another shape, RecursionError for what is too deep.
    """
    text = JsonPieces(written)
    found = dict[str, Any]()
    reader = _EntryReader()
    for key in text.members():
        match key:
            case "files":
                found[key] = tuple(reader.file(text) for _ in text.elements())
            case "facts":
                found[key] = canon.unpack(Facts, text.value())
            case "format":
                found[key] = _number(text.value())
            case _:
                # Unknown fields were written by a newer Budwood; passing over them lets old readers read on.
                text.value()
    text.end()
    if missing := {"files", "facts"} - found.keys():
        raise ValueError(f"a manifest without {', '.join(sorted(missing))}")
    return Parts(found["files"], found["facts"], found.get("format", MANIFEST_FORMAT))


def entry_pieces(entry: FileEntry) -> Iterator[str]:
    """The canonical text of one entry."""
    executable = "true" if entry.executable else "false"
    form = f',"format":{_quoted(entry.format)}' if entry.format else ""
    yield (
        f'{{"executable":{executable}{form},"path":{_quoted(entry.path)},"sha256":{_quoted(entry.sha256)},'
        f'"size":{entry.size},"spans":['
    )
    written = list[str]()
    for number, span in enumerate(entry.spans):
        written.append(_span_text(span))
        if number % SPANS_AT_ONCE == SPANS_AT_ONCE - 1 and number + 1 < len(entry.spans):
            yield ",".join(written) + ","
            written.clear()
    yield ",".join(written) + "]}"


def parse_entry(written: bytes) -> FileEntry:
    """The inverse of ``entry_pieces``; the same errors as ``parse``."""
    text = JsonPieces([written])
    entry = _EntryReader().file(text)
    text.end()
    return entry


def _span_text(span: Span) -> str:
    blocks = ",".join([f'"{block.hex()}"' for block in span.blocks])
    dtype = f',"dtype":{_quoted(span.dtype)}' if span.dtype else ""
    name = f',"name":{_quoted(span.name)}' if span.name else ""
    shape = f',"shape":[{",".join(map(str, span.shape))}]' if span.shape is not None else ""
    return f'{{"blocks":[{blocks}]{dtype},"length":{span.length}{name},"offset":{span.offset}{shape}}}'


class _EntryReader:
    """Makes entries of what was parsed; equal words and shapes become one object."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._shapes: dict[tuple[int, ...], tuple[int, ...]] = {}

    def file(self, text: JsonPieces) -> FileEntry:
        """The one that begins here. Raises ValueError."""
        if (whole := text.short_object()) is not None:
            return self._entry(whole)
        found = dict[str, Any]()
        for key in text.members():
            found[key] = (
                [self._span(_object(text.value())) for _ in text.elements()] if key == "spans" else text.value()
            )
        return self._entry(found)

    def _entry(self, found: dict[str, Any]) -> FileEntry:
        try:
            return FileEntry(
                path=_text(found["path"]),
                size=_number(found["size"]),
                sha256=_text(found["sha256"]),
                spans=tuple(each if isinstance(each, Span) else self._span(each) for each in _list(found["spans"])),
                format=self._word(found.get("format", "")),
                executable=_truth(found.get("executable", False)),
            )
        except KeyError as error:
            raise ValueError(f"a file without {error}") from error

    def _span(self, found: dict[str, Any]) -> Span:
        try:
            return Span(
                offset=_number(found["offset"]),
                length=_number(found["length"]),
                blocks=tuple([bytes.fromhex(_text(block)) for block in _list(found["blocks"])]),
                name=_text(found.get("name", "")),
                dtype=self._word(found.get("dtype", "")),
                shape=self._shape(found.get("shape")),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"a span that is none: {error}") from error

    def _word(self, found: object) -> str:
        text = _text(found)
        return self._words.setdefault(text, text)

    def _shape(self, found: object) -> tuple[int, ...] | None:
        if found is None:
            return None
        shape = tuple([_number(each) for each in _list(found)])
        return self._shapes.setdefault(shape, shape)


def _object(found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, got {type(found).__name__}")
    return found


def _list(found: object) -> list[Any]:
    if not isinstance(found, list):
        raise ValueError(f"expected a list, got {type(found).__name__}")
    return found


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise ValueError(f"expected text, got {type(found).__name__}")
    return found


def _number(found: object) -> int:
    if type(found) is not int:
        raise ValueError(f"expected int, got {type(found).__name__}")
    return found


def _truth(found: object) -> bool:
    if type(found) is not bool:
        raise ValueError(f"expected bool, got {type(found).__name__}")
    return found
