"""safetensors: eight bytes of header length, a JSON header, then the tensors back to back.

The format promises that the data is covered exactly. Where a file breaks the promise the tensors that
are certain still become hints, and the file is flagged.
"""

from typing import Final

from budwood.domain.canon import Json
from budwood.domain.facts import FileFacts, Flag
from budwood.domain.limits import HEADER_BYTES, SHAPE_DIMENSIONS, TENSORS_PER_FILE
from budwood.store.api import Hint, Reading, Source
from budwood.store.formats.bounded import INT64_MAX, Malformed, elements, is_size, malformed, parse_json, plain
from budwood.store.formats.dtypes import BITS, byte_length

FORMAT: Final = "safetensors"


def looks_like_safetensors(head: bytes, size: int) -> bool:
    """The header length fits the file and the header opens like a JSON object."""
    return len(head) > 9 and head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= size - 8


def read_safetensors(source: Source) -> Reading:
    """Raises Malformed when the header is none."""
    length = int.from_bytes(source.read(0, 8), "little")
    if source.size < 10 or not 2 <= length <= source.size - 8:
        raise Malformed(f"a header of {length} bytes in a file of {source.size}")
    if length > HEADER_BYTES:
        raise Malformed(f"a header of {length} bytes, over the limit HEADER_BYTES")
    header = _parse_header(source, length)
    metadata = header.pop("__metadata__", None)
    hints, problems = _hints(header, 8 + length, source.size)
    if metadata is not None and not _is_text_map(metadata):
        problems.append("__metadata__ is not a map of text")
        metadata = None
    flags: tuple[Flag, ...] = tuple(malformed(source.path, problem) for problem in problems[:10])
    config: dict[str, Json] = {"metadata": plain(metadata)} if metadata else {}
    return Reading(FORMAT, tuple(hints), FileFacts(config=config, flags=flags))


def _parse_header(source: Source, length: int) -> dict[str, Json]:
    # Stripping copies only what is left, so a header of spaces costs one buffer, not three.
    text = source.read(8, length).rstrip(b" ")
    if text.count(b"{") > TENSORS_PER_FILE + 2:
        raise Malformed("more tensors than the limit TENSORS_PER_FILE")
    header = parse_json(text)
    if not isinstance(header, dict):
        raise Malformed("the header is not a JSON object")
    return header


def _hints(header: dict[str, Json], start: int, end: int) -> tuple[list[Hint], list[str]]:
    found: list[Hint] = []
    problems: list[str] = []
    for name, entry in header.items():
        try:
            found.append(_hint(name, entry, start, end))
        except Malformed as error:
            problems.append(f"tensor {name[:100]!r}: {error}")
    found.sort(key=lambda hint: (hint.offset, hint.length))
    kept: list[Hint] = []
    at = start
    for hint in found:
        if hint.offset < at:
            problems.append(f"tensor {hint.name[:100]!r} overlaps the one before it")
            continue
        if hint.offset > at:
            problems.append(f"{hint.offset - at} bytes before tensor {hint.name[:100]!r} belong to none")
        kept.append(hint)
        at = hint.offset + hint.length
    if at < end:
        problems.append(f"{end - at} bytes after the last tensor belong to none")
    return kept, problems


def _hint(name: str, entry: Json, start: int, end: int) -> Hint:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise Malformed("not a dtype, a shape and data_offsets")
    shape, offsets, written = entry["shape"], entry["data_offsets"], entry["dtype"]
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(is_size(offset) for offset in offsets):
        raise Malformed("data_offsets are not two sizes")
    if not isinstance(shape, list) or len(shape) > SHAPE_DIMENSIONS or not isinstance(written, str):
        raise Malformed("the shape or dtype is none")
    low, high = (int(offset) for offset in offsets)
    if not low <= high <= end - start:
        raise Malformed(f"data_offsets [{low}, {high}] outside {end - start} bytes of tensors")
    count = elements(shape)
    dtype = written.lower() if written.lower() in BITS else ""
    expected = byte_length(dtype, count)
    if expected is not None and expected != high - low:
        raise Malformed(f"{high - low} bytes where shape and dtype need {min(expected, INT64_MAX)}")
    return Hint(start + low, high - low, name, dtype, tuple(shape))


def _is_text_map(value: Json) -> bool:
    return isinstance(value, dict) and all(isinstance(member, str) for member in value.values())
