"""Asking the format readers about a whole folder, before any of it is encoded."""

import posixpath
from collections.abc import Sequence
from typing import Final

from budwood.store.api import Hint, Reading
from budwood.store.formats import external_hints, read_format
from budwood.store.gather import DiskFile
from budwood.store.plan import check_span_count

_NOTHING: Final = Reading()
"""What most files say, when there are very many."""


def read_files(files: Sequence[DiskFile]) -> list[tuple[DiskFile, Reading]]:
    """What each file says of itself, in order. An ONNX file also says where tensors lie in the files beside it.

    Raises FileChanged, StorageFailed, UnsafeEntry, LimitExceeded; a malformed file is no error but a flag in its
    reading.
    """
    readings: list[tuple[DiskFile, Reading]] = []
    outside: dict[str, tuple[Hint, ...]] = {}
    for file in files:
        with file.open() as source:
            reading = read_format(source)
            if reading.format == "onnx":
                folder = posixpath.dirname(file.path)
                for location, hints in external_hints(source).items():
                    outside[posixpath.join(folder, location)] = hints
        readings.append((file, reading if reading != _NOTHING else _NOTHING))
    if outside:
        readings = [(file, _with(reading, outside.get(file.path, ()))) for file, reading in readings]
    for file, reading in readings:
        check_span_count(file.path, file.size, reading.hints)
    return readings


def _with(reading: Reading, hints: tuple[Hint, ...]) -> Reading:
    if not hints or reading.hints:
        return reading
    return Reading(reading.format or "onnx-data", hints, reading.facts)
