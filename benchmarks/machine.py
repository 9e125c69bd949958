"""``python -m benchmarks.machine --model FILE --room DIR``: what this machine can do at best.

No store can push faster than its cores can read, hash and encode, or than its disk takes what is left; those two
go on at the same time. The parts are measured with the libraries Budwood uses and nothing around them: the coder is
given exponents that are already apart, the disk is written past the page cache. The distance between a figure and
its limit is what our own code costs.
"""

import argparse
import mmap
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from backports.zstd import CompressionParameter, ZstdCompressor, ZstdDecompressor
from blake3 import blake3

BLOCK_BYTES = 2 << 20
FILE_BYTES = 256 << 20
SKIPPED_BYTES = 1 << 16
ROUNDS = 5
HUFFMAN_ONLY: Mapping[int, int] = {int(CompressionParameter.compression_level): -131072, 1002: 1}
"""Negative levels leave matching out; 1002 is the library's experimental parameter that compresses literals."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Raw GB/s of each part: the first four of one core, ``write`` of the disk.

    ``encoded_share`` is what coding leaves of the raw bytes.
    """

    read: float
    digest: float
    encode: float
    decode: float
    write: float
    encoded_share: float

    def push_limit(self, cores: int) -> float:
        """Raw GB/s of a push that encodes, durable on return."""
        return min(cores * together(self.read, self.digest, self.encode), self.write / self.encoded_share)

    def pull_limit(self, cores: int) -> float:
        """Raw GB/s of a verified pull into memory."""
        return cores * together(self.digest, self.decode)


def together(*speeds: float) -> float:
    """The speed of doing several things to each byte, one after the other."""
    return 1 / sum(1 / speed for speed in speeds)


def look(model: Path, room: Path) -> Machine:
    """Measure the parts on the start of a real bf16 file."""
    with model.open("rb") as file:
        file.seek(SKIPPED_BYTES)
        blocks = [file.read(BLOCK_BYTES) for _ in range(FILE_BYTES // BLOCK_BYTES)]
    exponents = [exponents_of(block) for block in blocks]
    encoded = [_encode(plane) for plane in exponents]
    rest_bytes = FILE_BYTES // 2
    written = room / "machine.bin"
    return Machine(
        read=_speed(lambda: _read_all(model)),
        digest=_speed(lambda: [blake3(block).digest() for block in blocks]),
        encode=_speed(lambda: [_encode(plane) for plane in exponents]),
        decode=_speed(lambda: [ZstdDecompressor().decompress(frame) for frame in encoded]),
        write=_speed(lambda: _write_all(blocks, written), written.unlink),
        encoded_share=(sum(map(len, encoded)) + rest_bytes) / FILE_BYTES,
    )


def exponents_of(block: bytes) -> npt.NDArray[np.uint8]:
    """The eight exponent bits of every bf16 value: the half of the bytes that can be made smaller."""
    return (np.frombuffer(block, np.uint16) >> 7).astype(np.uint8)


def _encode(plane: npt.NDArray[np.uint8]) -> bytes:
    return ZstdCompressor(options=HUFFMAN_ONLY).compress(plane.data, ZstdCompressor.FLUSH_FRAME)


def _read_all(path: Path) -> None:
    room = memoryview(bytearray(BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        for _ in range(FILE_BYTES // BLOCK_BYTES):
            file.readinto(room)


def _write_all(blocks: list[bytes], path: Path) -> None:
    """Past the page cache where the system can: a fresh page can cost the kernel more than the disk does."""
    direct = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_DIRECT", 0), 0o600)
    with mmap.mmap(-1, BLOCK_BYTES) as aligned:
        for block in blocks:
            aligned[:] = block
            os.write(direct, aligned)
    os.fsync(direct)
    os.close(direct)


def _speed(work: Callable[[], object], clear: Callable[[], object] = lambda: None) -> float:
    """``clear`` goes before each round and is not measured: taking a file away can cost what writing it did."""
    work()
    times = []
    for _ in range(ROUNDS):
        clear()
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    clear()
    return FILE_BYTES / median(times) / 1e9


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.machine", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a bf16 file of a GB or so")
    parser.add_argument("--room", type=Path, required=True, help="a folder on the disk to be measured")
    asked = parser.parse_args()
    machine = look(asked.model, asked.room)
    for part in ("read", "digest", "encode", "decode", "write"):
        print(f"{part}: {getattr(machine, part):.2f} GB/s")
    print(f"encoded share: {machine.encoded_share:.4f}")
    for cores in (1, 2):
        print(f"{cores} core(s): push {machine.push_limit(cores):.2f} GB/s, pull {machine.pull_limit(cores):.2f} GB/s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
