"""``python -m benchmarks.tiers --corpus DIR --room DIR``: pushing hot, and what work on tiers costs those who wait.

Three questions, on ``large_bf16`` (1.7 GB a version) of the corpus, in under four minutes:

1. How fast is a push that writes files as they are, and what holds it back: the same bytes read, hashed twice, summed
   and written by the libraries alone, part by part.
2. What becomes of a family that was pushed so when a worker makes it warm, and what that takes.
3. How much slower a push and a pull become while a worker runs, and how much memory the worker adds.

Seconds are wall and CPU. On a machine that others use, the CPU seconds and the ratios carry; what is compared
is measured on the same files, and medians are told.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from blake3 import blake3

import budwood
from budwood.client.near import Near
from budwood.client.registry import Registry
from budwood.domain.storage_tiers.values import Arrival
from budwood.store.checksum import crc32
from budwood.verbs.lease import is_pushed_to
from budwood.verbs.tiers.pace import Pace, step_back
from budwood.verbs.tiers.worker import run_tiers

POLICY = "apiVersion: budwood.dev/v1\nkind: Tiering\nspec: {rules: [{tier: warm, models: [family]}]}\n"
ROUNDS = 3
STEP = 2 << 20
SETTLE_S = 3.0


def main() -> int:
    """Measure, and print one JSON document."""
    asked = _parser().parse_args()
    if asked.worker:
        work(Path(asked.worker), asked.share)
        return 0
    sources = sorted((asked.corpus / "large_bf16").glob("*.safetensors"))[: asked.versions]
    with tempfile.TemporaryDirectory(prefix="tiers-", dir=asked.room) as room:
        found = {
            "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0]},
            "push": push_hot(sources[0], Path(room)),
            "parts": parts_of_a_push(sources[0], Path(room)),
            **beside_a_worker(sources, Path(room), asked.share),
        }
    print(json.dumps(found, indent=1))
    return 0


def push_hot(source: Path, room: Path) -> dict[str, object]:
    """A new version of one file, in each way a push can write; the cache of the system is warm."""
    found = dict[str, object]()
    for arrival in (Arrival.RAW, Arrival.QUICK):
        with emptied(room / "push", arrival) as registry, timed() as spent:
            pushed = registry.push(source, "model")
        size = pushed.logical_bytes
        found[str(arrival)] = {**spent, "gb_s": size / spent["wall_s"] / 1e9, "gb_cpu_s": size / spent["cpu_s"] / 1e9}
    return found


def parts_of_a_push(source: Path, room: Path) -> dict[str, float]:
    """CPU seconds of what a raw push cannot leave out, each by itself, and the disk's wall seconds."""
    whole = source.read_bytes()
    pieces = [memoryview(whole)[at : at + STEP] for at in range(0, len(whole), STEP)]

    def written() -> None:
        with (room / "written").open("wb", buffering=0) as file:
            for piece in pieces:
                file.write(piece)
            os.fsync(file.fileno())

    parts: dict[str, Callable[[], object]] = {
        "read": source.read_bytes,
        "blake3": lambda: [blake3(piece).digest() for piece in pieces],
        "sha256": lambda: hashlib.sha256(whole).digest(),
        "crc32": lambda: [crc32(piece) for piece in pieces],
    }
    found = {}
    for name, part in parts.items():
        with timed() as spent:
            part()
        found[f"{name}_cpu_s"] = spent["cpu_s"]
    with timed() as spent:
        written()
    found["write_through_cache_wall_s"] = spent["wall_s"]
    (room / "written").unlink()
    return found


def beside_a_worker(sources: Sequence[Path], room: Path, share: float) -> dict[str, object]:
    """A family pushed as it is, made warm by a worker in a process of its own, while others push and pull."""
    folder = room / "family"
    with emptied(folder, Arrival.RAW) as registry:
        for source in sources:
            registry.push(source, "family")
        registry.push(sources[0], "foreground")
        before = registry.stats().stored_bytes
        alone = [foreground(registry, sources[0], room) for _ in range(ROUNDS)]
        registry.tiers.put_policy(POLICY)
        command = [sys.executable, "-m", "benchmarks.tiers", "--worker", str(folder), "--share", str(share)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            time.sleep(SETTLE_S)
            beside = list[dict[str, float]]()
            while len(beside) < ROUNDS and worker.poll() is None:
                beside.append(foreground(registry, sources[0], room, worker.pid))
            output, _ = worker.communicate()
        registry.sweep(grace_s=0)
        after = registry.stats().stored_bytes
        assert not registry.verify().problems
    return {
        "worker": {**json.loads(output), "share": share, "stored_before": before, "stored_after": after},
        "alone": summary(alone),
        "beside": summary(beside) if beside else {},
        "slower": {
            name: median(each[name] for each in beside) / median(each[name] for each in alone) - 1
            for name in alone[0]
            if beside and name != "worker_cpu_s"
        },
        "rounds_beside": len(beside),
    }


def foreground(registry: Registry, source: Path, room: Path, worker: int = 0) -> dict[str, float]:
    """A push of something new, and a pull; and how much a worker of that process id worked during the push."""
    part = room / "part.bin"
    with source.open("rb") as file:
        file.seek(256 << 20)
        content = bytearray(file.read(256 << 20))
    # Some bytes of each block differ, so all of it is new.
    content[:: STEP // 2] = os.urandom(len(content[:: STEP // 2]))
    part.write_bytes(content)
    before = _worked_s(worker)
    with timed() as push:
        registry.push(part, "scratch")
    worked_s = _worked_s(worker) - before
    target = room / "pulled"
    shutil.rmtree(target, ignore_errors=True)
    with timed() as pull:
        registry.pull("foreground", target)
    shutil.rmtree(target)
    return {
        "push_wall_s": push["wall_s"],
        "push_cpu_s": push["cpu_s"],
        "worker_cpu_s": worked_s,
        "pull_wall_s": pull["wall_s"],
        "pull_cpu_s": pull["cpu_s"],
    }


def work(folder: Path, share: float) -> None:
    """What a server does in the background, alone in a process: its memory is then its own."""
    step_back()
    with budwood.connect(folder, author="worker") as registry:
        idle = _anonymous_bytes()
        with timed() as spent:
            done = run_tiers(registry.house, Pace(share, yields=partial(is_pushed_to, registry.house)))
        told = {"versions": len(done.versions), "saved_bytes": done.saved_bytes, **spent}
        print(json.dumps({**told, "memory_bytes": _peak_bytes() - idle}))


def summary(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


@contextmanager
def emptied(folder: Path, arrival: Arrival) -> Iterator[Registry]:
    shutil.rmtree(folder, ignore_errors=True)
    with budwood.connect(folder, author="bench") as opened:
        house = replace(opened.house, push_as=arrival)
        yield Registry(Near(house, opened.place, made=True, grace_s=0))


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Wall seconds, and CPU seconds of this process."""
    spent: dict[str, float] = {}
    cpu, wall = time.process_time(), time.perf_counter()
    yield spent
    spent["wall_s"], spent["cpu_s"] = time.perf_counter() - wall, time.process_time() - cpu


def _worked_s(process: int) -> float:
    """CPU seconds of another process so far, in hundredths; none of none and of one that is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _anonymous_bytes() -> int:
    return _status("RssAnon")


def _peak_bytes() -> int:
    """Of all resident memory, mapped files too: the worst that can be said."""
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=Path("benchmarks/data/corpus"))
    parser.add_argument("--room", type=Path, default=Path("benchmarks/data"))
    parser.add_argument("--versions", type=int, default=2)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
