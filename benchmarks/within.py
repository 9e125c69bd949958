"""What only a library can answer, measured inside a process that has nothing else to do.

``measure_within`` fills a registry and runs this file once per act and repeat, in a fresh process each time, so
that no act finds what an earlier one left in memory. Only Budwood is measured here: no peer keeps a tensor.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.meter import CommandFailed, measure
from benchmarks.samples import OURS, Sample

WITHIN = "within"
TENSOR = "model.layers.3.mlp.gate_proj.weight"
FILE = "model.safetensors"
VERSIONS, MODELS, BATCH = 100_000, 100, 1_000
MODEL_NAMED = "model-50"
LOOKUPS = 2_000

Seen = dict[str, float]


def measure_within(corpus: Path, room: Path, repeats: int) -> Iterator[Sample]:
    """A sample per act and repeat; acts that cannot be done here carry a fault."""
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    try:
        for file in ("base", "ft1"):
            _run("push", room, str(corpus / "large_bf16" / f"{file}.safetensors"))
        _run("fill", room)
    except CommandFailed as failed:
        yield Sample(OURS, WITHIN, "fill", fault=str(failed))
    for _ in range(repeats):
        for act in ("tensor", "unchanged", "memory first", "memory last", "resolve", "import"):
            try:
                yield _run(act, room)
            except CommandFailed as failed:
                yield Sample(OURS, WITHIN, act, fault=str(failed))
    shutil.rmtree(room, ignore_errors=True)


def push(room: Path, path: str) -> Seen:
    """One version of the large family, from a folder in which its file has its usual name."""
    import budwood

    folder = room / "model"
    folder.mkdir(exist_ok=True)
    shutil.copyfile(path, folder / FILE)
    began = time.perf_counter()
    with budwood.connect(room / "registry") as registry:
        registry.push(folder, "encoder")
    return {"wall_s": time.perf_counter() - began, "raw_bytes": (folder / FILE).stat().st_size}


def tensor(room: Path, path: str = "") -> Seen:
    """From a reference to an array in memory."""
    import budwood

    with budwood.connect(room / "registry") as registry:
        began = time.perf_counter()
        array = registry.get("encoder@v2").tensor(TENSOR)
        return {"wall_s": time.perf_counter() - began, "raw_bytes": array.nbytes}


def unchanged(room: Path, path: str = "") -> Seen:
    """The folder pushed last, pushed again from a process that has the registry open.

    The push before is not timed: a file written within the last two seconds is not yet trusted to stay as it is.
    """
    import budwood

    folder = room / "model"
    with budwood.connect(room / "registry") as registry:
        registry.push(folder, "encoder")
        began = time.perf_counter()
        registry.push(folder, "encoder")
        return {"wall_s": time.perf_counter() - began, "raw_bytes": (folder / FILE).stat().st_size}


def memory_first(room: Path, path: str = "") -> Seen:
    """A version that is no difference from another."""
    return _to_memory(room, "encoder@v1")


def memory_last(room: Path, path: str = "") -> Seen:
    """A version that is."""
    return _to_memory(room, "encoder@v2")


def fill(room: Path, path: str = "") -> Seen:
    """Many versions of a hundred models, written through the catalog's own door, and one alias."""
    import budwood
    from budwood.catalog.api import NewVersion, Transaction
    from budwood.domain.names import Kind

    def add(transaction: Transaction, first: int) -> None:
        for number in range(first, first + BATCH):
            digest = hashlib.sha256(number.to_bytes(8, "big"))
            name = f"model-{number % MODELS}"
            model = transaction.model("default", name) or transaction.add_model("default", name, Kind.MODEL, "bench", 1)
            block = digest.digest()
            version = NewVersion(model.id, digest.hexdigest(), "", Kind.MODEL, "bench", number, 1, 1, (block,))
            transaction.add_version(version)

    began = time.perf_counter()
    with budwood.connect(room / "many") as registry:
        for first in range(0, VERSIONS, BATCH):
            registry.house.catalog.write(partial(add, first=first))
        registry.alias(f"{MODEL_NAMED}@v500", "champion")
    return {"wall_s": time.perf_counter() - began}


def resolve(room: Path, path: str = "") -> Seen:
    """The mean of many look-ups of one alias, after one that warms the statement up."""
    import budwood

    with budwood.connect(room / "many") as registry:
        registry.get(f"{MODEL_NAMED}@champion")
        began = time.perf_counter()
        for _ in range(LOOKUPS):
            registry.get(f"{MODEL_NAMED}@champion")
        return {"wall_s": (time.perf_counter() - began) / LOOKUPS}


def import_(room: Path, path: str = "") -> Seen:
    """What the import statement takes in a process that has imported little else."""
    began = time.perf_counter()
    import budwood  # noqa: F401

    return {"wall_s": time.perf_counter() - began}


ACTS: dict[str, Callable[[Path, str], Seen]] = {
    "push": push,
    "tensor": tensor,
    "unchanged": unchanged,
    "memory first": memory_first,
    "memory last": memory_last,
    "fill": fill,
    "resolve": resolve,
    "import": import_,
}


def _to_memory(room: Path, reference: str) -> Seen:
    """Every byte of the file, verified, into one buffer."""
    import budwood

    with budwood.connect(room / "registry") as registry:
        version = registry.get(reference)
        began = time.perf_counter()
        content = version.load(FILE)
        return {"wall_s": time.perf_counter() - began, "raw_bytes": len(content)}


def _run(act: str, room: Path, path: str = "") -> Sample:
    command = (sys.executable, "-m", "benchmarks.within", act, "--room", str(room), "--path", path)
    cost = measure(command, Path.cwd(), os.environ)
    seen = json.loads(cost.output.splitlines()[-1])
    return Sample(
        tool=OURS,
        story=WITHIN,
        step=act,
        wall_s=seen["wall_s"],
        cpu_s=cost.cpu_s,
        anonymous_bytes=cost.anonymous_bytes,
        raw_bytes=int(seen.get("raw_bytes", 0)),
    )


def main() -> int:
    """Do one act and print what was seen."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.within", description=__doc__)
    parser.add_argument("act", choices=ACTS)
    parser.add_argument("--room", type=Path, required=True)
    parser.add_argument("--path", default="")
    asked = parser.parse_args()
    print(json.dumps(ACTS[asked.act](asked.room, asked.path)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
