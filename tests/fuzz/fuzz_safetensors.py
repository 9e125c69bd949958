"""Fuzz the safetensors reader."""

import json

from tests.fuzz import common  # first, because it instruments what is imported after it

# isort: split
from budwood.store.formats.safetensors import read_safetensors


def file(header: object, tensors: int) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(tensors)


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
SEEDS = [
    file({"a": ENTRY, "__metadata__": {"format": "pt"}}, 8),
    file({"a": ENTRY, "b": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [8, 16]}}, 16),
]

if __name__ == "__main__":
    common.fuzz("a.safetensors", read_safetensors, SEEDS)
