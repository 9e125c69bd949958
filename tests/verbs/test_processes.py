"""Several processes on one registry: they push, name, delete and sweep at once, and some are killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import budwood

WORKER = """
import random, sys
from pathlib import Path
import budwood
from budwood.errors import BudwoodError, Conflict, NotFound, Refused, RegistryBusy
root, folder, seed, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
chance = random.Random(seed)
with budwood.connect(root, author=f"worker-{seed}") as registry:
    for number in range(rounds):
        target = folder / f"{seed}.bin"
        target.write_bytes(random.Random(chance.randrange(6)).randbytes(30_000))
        pushed = registry.push(target, chance.choice(["m", "n"]), metrics={"round": number}, bump="patch")
        reference = f"{pushed.version.model}@v{pushed.version.number}"
        print(reference, target.name, target.read_bytes()[:8].hex(), flush=True)
        try:
            match chance.randrange(4):
                case 0:
                    registry.sweep(grace_s=0)
                case 1:
                    registry.alias(reference, "champion")
                case 2:
                    registry.delete(f"m@v{chance.randrange(1, 12)}")
        except (Conflict, NotFound, Refused, RegistryBusy):
            pass
"""


def start(root: Path, folder: Path, seed: int, rounds: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WORKER, str(root), str(folder), str(seed), str(rounds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check(root: Path, lines: Sequence[str]) -> None:
    """Everything verifies, numbers are unique, and what was acknowledged and is still there has its bytes."""
    with budwood.connect(root, author="mara") as registry:
        assert registry.verify(read_data=True).problems == ()
        for line in lines:
            reference, name, start_of_it = line.split()
            try:
                version = registry.get(reference)
            except budwood.errors.VersionNotFound:
                assert reference.startswith("m@"), "only versions of m are ever deleted"
                continue
            assert version.read(name)[:8].hex() == start_of_it
        assert len({line.split()[0] for line in lines}) == len(lines)
        registry.sweep(grace_s=0)
        assert registry.verify(read_data=True).problems == ()


def test_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    workers = [start(tmp_path / "r", tmp_path, seed, 6) for seed in range(3)]
    lines: list[str] = []
    for worker in workers:
        printed, complaints = worker.communicate(timeout=60)
        assert worker.returncode == 0, complaints
        lines += printed.splitlines()
    assert len(lines) == 18
    check(tmp_path / "r", lines)


def test_processes_killed_at_any_time_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    budwood.connect(tmp_path / "r", author="mara").close()
    chance, lines = random.Random(4), list[str]()
    workers = [start(tmp_path / "r", tmp_path, seed, 10_000) for seed in (10, 11)]
    for worker in workers:
        assert worker.stdout
        lines.append(worker.stdout.readline())  # Both are at work, however long it took them to start.
    time.sleep(chance.random())
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
        printed, _ = worker.communicate(timeout=60)
        # The last line may be half of one.
        lines += [line for line in printed.splitlines(keepends=True) if line.endswith("\n")]
    assert all(lines)
    check(tmp_path / "r", lines)


def test_two_processes_that_make_one_registry_share_it(tmp_path: Path) -> None:
    workers = [start(tmp_path / "new" / "r", tmp_path, seed, 1) for seed in (20, 21, 22)]
    for worker in workers:
        _, complaints = worker.communicate(timeout=60)
        assert worker.returncode == 0, complaints
    with budwood.connect(tmp_path / "new" / "r", author="mara") as registry:
        assert sum(model.versions for model in registry.list()) + _deleted(registry) == 3


def _deleted(registry: budwood.Registry) -> int:
    return sum(entry.action == "version.deleted" for entry in registry.ledger())
