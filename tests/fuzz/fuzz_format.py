"""Fuzz the whole door: sniffing, every reader and the wall; the first byte chooses the file's ending."""

from tests.fuzz import common  # first, because it instruments what is imported after it

# isort: split
from budwood.store.api import Reading, Source
from budwood.store.formats import read_format
from budwood.store.formats.bounded import Memory

ENDINGS = (".bin", ".pt", ".safetensors", ".onnx", ".gguf", ".npy", ".pkl", "/saved_model.pb", ".engine")
SEEDS = [
    bytes([at]) + seed
    for at in range(len(ENDINGS))
    for seed in (b"GGUF\x03\x00\x00\x00", b"PK\x03\x04", b"cos\nsystem\n.")
]


def read(source: Source) -> Reading:
    content = source.read(0, source.size)
    ending = ENDINGS[content[0] % len(ENDINGS)] if content else ".bin"
    reading = read_format(Memory(content[1:], f"a{ending}"))
    assert not any("its reader failed" in flag.detail for flag in reading.facts.flags)
    return reading


if __name__ == "__main__":
    common.fuzz("a", read, SEEDS)
