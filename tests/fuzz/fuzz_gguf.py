"""Fuzz the GGUF reader."""

import struct

from tests.fuzz import common  # first, because it instruments what is imported after it

# isort: split
from budwood.store.formats.gguf import read_gguf


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


PAIRS = [
    text(b"general.architecture") + struct.pack("<I", 8) + text(b"bert"),
    text(b"general.alignment") + struct.pack("<II", 4, 32),
    text(b"tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"b"),
    text(b"scores") + struct.pack("<IIQff", 9, 6, 2, 1.0, 2.0),
    text(b"nested") + struct.pack("<IIQIQB", 9, 9, 1, 0, 1, 7),
]
INFO = text(b"w") + struct.pack("<IQQIQ", 2, 4, 2, 0, 0) + text(b"q") + struct.pack("<IQIQ", 1, 32, 8, 32)
HEADER = b"GGUF" + struct.pack("<IQQ", 3, 2, len(PAIRS)) + b"".join(PAIRS) + INFO
SEEDS = [HEADER + bytes(-len(HEADER) % 32) + bytes(96), b"GGUF" + struct.pack("<IQQ", 3, 0, 0)]

if __name__ == "__main__":
    common.fuzz("a.gguf", read_gguf, SEEDS)
