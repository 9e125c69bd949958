"""How small and how fast the block encodings are, on real weights.

    python benchmarks/encodings.py CORPUS            every pair below that the folder holds
    python benchmarks/encodings.py CORPUS --series   also six versions in a row, at most two differences deep

CORPUS holds ``base/{bf16,fp16,fp32}.safetensors``, ``series_bf16/v1..v6``, ``series_fp32/v1..v6`` and
``frozen_emb/{bf16,fp32}``. Speeds are raw bytes over CPU seconds of the process (GB/s, 1e9), which other
work on the machine disturbs least; the columns with an x are two threads against one by the clock. Encoding
includes choosing by a sample and checking by decoding. Equal tensors are stored once and not coded.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from budwood.domain.limits import BLOCK_BYTES
from budwood.store._memory import keep_freed_memory
from budwood.store.encodings import Plan, decode_block, encode_block

Work = TypeVar("Work")

PAIRS = (
    ("bf16 alone", "base/bf16", ""),
    ("f16 alone", "base/fp16", ""),
    ("f32 alone", "base/fp32", ""),
    ("bf16 v3 from base", "series_bf16/v3", "base/bf16"),
    ("bf16 v6 from base", "series_bf16/v6", "base/bf16"),
    ("bf16 v6 from v5", "series_bf16/v6", "series_bf16/v5"),
    ("bf16 frozen embedding", "frozen_emb/bf16", "base/bf16"),
    ("f32 v6 from base", "series_fp32/v6", "base/fp32"),
    ("f32 v6 from v5", "series_fp32/v6", "series_fp32/v5"),
    ("f32 frozen embedding", "frozen_emb/fp32", "base/fp32"),
)
# As pushes one after the other choose: nothing is deeper than two differences.
SERIES = (("v1", ""), ("v2", "v1"), ("v3", "v2"), ("v4", "v1"), ("v5", "v4"), ("v6", "v4"))


@dataclass(frozen=True, slots=True)
class Job:
    """One tensor that is not equal to its base's."""

    dtype: str
    raw: memoryview
    base: memoryview | None


@dataclass(frozen=True, slots=True)
class Written:
    """One block as a pack would hold it."""

    tag: int
    body: memoryview
    base: memoryview | None
    raw: memoryview


@dataclass(frozen=True, slots=True)
class Speed:
    """GB/s of one direction: by CPU seconds, and by the clock."""

    cpu: float
    wall: float


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("corpus", type=Path)
    arguments.add_argument("--series", action="store_true")
    arguments.add_argument("--default-memory", action="store_true", help="leave malloc as it is")
    chosen = arguments.parse_args()
    if not chosen.default_memory:
        keep_freed_memory()
    columns = ("ratio", "coded", "encode", "decode", "enc 2T", "dec 2T", "x enc", "x dec")
    print(f"{'pair':22}" + "".join(f" {column:>7}" for column in columns))
    for name, new, base in PAIRS:
        if (chosen.corpus / f"{new}.safetensors").exists():
            print_pair(name, chosen.corpus, new, base)
    if chosen.series:
        for folder in ("series_bf16", "series_fp32"):
            print_series(chosen.corpus, folder)


def print_pair(name: str, corpus: Path, new: str, base: str) -> None:
    """One line of the table."""
    size, jobs = load_pair(corpus, new, base)
    raw = sum(len(job.raw) for job in jobs)
    run(jobs[:8], encode, 1)
    written, encoding = run(jobs, encode, 1)
    _, decoding = run([[block] for block in written], decode, 1)
    _, encoding_2 = run(jobs, encode, 2)
    _, decoding_2 = run([[block] for block in written], decode, 2)
    stored = sum(len(block.body) for block in written)
    print(
        f"{name:22} {stored / size:7.4f} {stored / raw:7.4f} {encoding.cpu:7.2f} {decoding.cpu:7.2f}"
        f" {encoding_2.cpu:7.2f} {decoding_2.cpu:7.2f} {encoding_2.wall / encoding.wall:7.2f}"
        f" {decoding_2.wall / decoding.wall:7.2f}",
        flush=True,
    )


def print_series(corpus: Path, folder: str) -> None:
    """What all versions of a series take, over what they would take raw."""
    size = stored = 0
    shares = []
    for new, base in SERIES:
        raw, jobs = load_pair(corpus, f"{folder}/{new}", f"{folder}/{base}" if base else "")
        took = sum(len(block.body) for job in jobs for block in encode(job))
        size, stored = size + raw, stored + took
        shares.append(f"{took / raw:.4f}")
    print(f"{folder:22} {stored / size:7.4f}  {' '.join(shares)}")


def load_pair(corpus: Path, new: str, base: str) -> tuple[int, list[Job]]:
    """The size of the new file and its tensors that are not in the base as they are."""
    tensors = dict(read_tensors(corpus / f"{new}.safetensors"))
    known = dict(read_tensors(corpus / f"{base}.safetensors")) if base else {}
    jobs = []
    for name, (dtype, raw) in tensors.items():
        _, parent = known.get(name, ("", None))
        if parent is None or raw != parent:
            jobs.append(Job(dtype, raw, parent))
    return sum(len(raw) for _, raw in tensors.values()), jobs


def read_tensors(path: Path) -> Iterator[tuple[str, tuple[str, memoryview]]]:
    """Name, dtype and bytes of each tensor of a safetensors file."""
    whole = memoryview(path.read_bytes())
    start = 8 + int.from_bytes(whole[:8], "little")
    for name, entry in json.loads(bytes(whole[8:start])).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            yield name, (entry["dtype"].lower(), whole[start + first : start + last])


def run(work: Sequence[Work], act: Callable[[Work], list[Written]], threads: int) -> tuple[list[Written], Speed]:
    """Everything done in that many threads, and how fast."""
    with ThreadPoolExecutor(threads) as pool:
        wall, cpu = time.perf_counter(), time.process_time()
        done = [block for blocks in pool.map(act, work) for block in blocks]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    raw = sum(len(block.raw) for block in done) / 1e9
    return done, Speed(raw / cpu, raw / wall)


def encode(job: Job) -> list[Written]:
    """The blocks of one tensor; each hints the next."""
    written = []
    hint: Plan | None = None
    for at in range(0, len(job.raw), BLOCK_BYTES):
        raw = job.raw[at : at + BLOCK_BYTES]
        base = None if job.base is None else job.base[at : at + BLOCK_BYTES]
        encoded = encode_block(raw, dtype=job.dtype, base=base, hint=hint)
        hint = encoded.plan
        written.append(Written(encoded.tag, memoryview(b"".join(encoded.parts)), base, raw))
    return written


def decode(blocks: list[Written]) -> list[Written]:
    """Each block into memory of its own, as a pull does."""
    for block in blocks:
        target = bytearray(len(block.raw))
        decode_block(block.tag, block.body, base=block.base, target=memoryview(target))
    return blocks


if __name__ == "__main__":
    main()
