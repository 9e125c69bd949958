"""Fuzz the protocol buffer walk and the ONNX reader."""

from tests.fuzz import common  # first, because it instruments what is imported after it

# isort: split
from budwood.store.api import Reading, Source
from budwood.store.formats.onnx import external_hints, read_onnx


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


INLINE = b"\x08\x02\x10\x01" + field(8, b"w") + field(9, bytes(8))
OUTSIDE = b"\x08\x02\x10\x01" + field(8, b"v") + field(13, field(1, b"location") + field(2, b"w.bin")) + b"\x70\x01"
INPUT = field(1, b"x") + field(2, field(1, b"\x08\x01" + field(2, field(1, b"\x08\x03") + field(1, field(2, b"n")))))
NODE = field(2, b"y") + field(5, field(5, INLINE))
GRAPH = field(1, NODE) + field(5, INLINE) + field(11, INPUT) + field(12, INPUT)
SEEDS = [
    b"\x08\x08" + field(2, b"tests") + field(7, GRAPH) + field(8, b"\x10\x12"),
    b"\x08\x08" + field(2, b"tests") + field(7, field(5, OUTSIDE)),
]


def read(source: Source) -> Reading:
    external_hints(source)
    return read_onnx(source)


if __name__ == "__main__":
    common.fuzz("a.onnx", read, SEEDS)
