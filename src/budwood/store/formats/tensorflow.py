"""TensorFlow SavedModels and TensorRT engines: named, and searched for operations that reach outside.

Neither is walked for tensors. A graph may hold operations that run Python or touch files when it is
loaded or called; their names are searched for in a bounded part of the file.
"""

from typing import Final

from budwood.domain.facts import FileFacts, Flag
from budwood.domain.limits import SCAN_BYTES
from budwood.store.api import Reading, Source
from budwood.store.formats.bounded import malformed

OPERATIONS: Final = (b"PyFunc", b"ReadFile", b"WriteFile", b"MergeV2Checkpoints", b"LoadLibrary")
_PIECE_BYTES: Final = 1 << 20


def read_saved_model(source: Source) -> Reading:
    """Flags PyFunc, ReadFile and their like."""
    found = operations(source)
    flags = [Flag("executes-code", source.path, f"has the operation {name}") for name in found]
    if source.size > SCAN_BYTES:
        flags.append(malformed(source.path, "longer than the limit SCAN_BYTES; the rest was not searched"))
    return Reading("savedmodel", (), FileFacts(frameworks={"tensorflow": ""}, flags=tuple(flags)))


def read_tensorrt(source: Source) -> Reading:
    """An engine is native code for one device; there is nothing in it to check."""
    return Reading("tensorrt", (), FileFacts(frameworks={"tensorrt": ""}))


def operations(source: Source) -> tuple[str, ...]:
    """Which of OPERATIONS the first SCAN_BYTES name."""
    found: dict[str, None] = {}
    overlap = max(map(len, OPERATIONS)) - 1
    end = min(source.size, SCAN_BYTES)
    for at in range(0, end, _PIECE_BYTES):
        piece = source.read(at, min(_PIECE_BYTES + overlap, end - at))
        found.update({name.decode(): None for name in OPERATIONS if name in piece})
    return tuple(found)
