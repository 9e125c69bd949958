"""Memory does not grow without measure with the number of files and tensors, whatever they hold.

What counts is the peak of resident memory of a whole command over one that does the same with a single file.
"""

import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from budwood.domain.limits import KIB, MIB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")

FILES = 30_000
TENSORS = 60_000
FILES_MIB = {"push": 85, "push again": 85, "pull": 40, "verify": 70, "show": 40}
TENSORS_MIB = {"push": 160, "pull": 75, "verify": 100, "show": 45}
_RUN = """
import os, sys
child = os.fork()
if not child:
    os.execv(sys.executable, [sys.executable, "-m", "budwood", *sys.argv[1:]])
_, status, used = os.wait4(child, 0)
print(used.ru_maxrss, os.waitstatus_to_exitcode(status))
"""


def peak_bytes(registry: Path, *command: str) -> int:
    """Of the real command in a process of its own, started from a small one: a fork counts its parent's pages."""
    environment = dict(os.environ, BUDWOOD_REGISTRY=str(registry))
    told = subprocess.run([sys.executable, "-c", _RUN, *command], env=environment, capture_output=True, check=True)
    peak, status = map(int, told.stdout.split()[-2:])
    assert status == 0, told.stderr.decode()
    return peak * KIB


def test_thirty_thousand_files_take_little_memory(tmp_path: Path) -> None:
    chance = random.Random(1)
    for number in range(FILES):
        folder = tmp_path / "many" / f"part-{number % 100:02}"
        folder.mkdir(parents=True, exist_ok=True) if number < 100 else None
        (folder / f"item-{number:05}.bin").write_bytes(chance.randbytes(chance.randrange(200, 400)))
    one = tmp_path / "one"
    one.mkdir()
    (one / "item.bin").write_bytes(b"x" * 300)
    _compare(tmp_path, one, tmp_path / "many", FILES_MIB)


def test_sixty_thousand_tensors_take_little_memory(tmp_path: Path) -> None:
    one, many = tmp_path / "one" / "w.safetensors", tmp_path / "many" / "w.safetensors"
    _write_tensors(one, 1)
    _write_tensors(many, TENSORS)
    _compare(tmp_path, one.parent, many.parent, TENSORS_MIB)


def _write_tensors(path: Path, count: int) -> None:
    chance = random.Random(2)
    header: dict[str, object] = {}
    for number in range(count):
        header[f"layers.{number // 100}.part.{number % 100}.weight"] = {
            "dtype": "F32",
            "shape": [4],
            "data_offsets": [number * 16, number * 16 + 16],
        }
    written = json.dumps(header).encode()
    path.parent.mkdir()
    path.write_bytes(struct.pack("<Q", len(written)) + written + chance.randbytes(16 * count))


def _compare(tmp_path: Path, one: Path, many: Path, bounds_mib: dict[str, int]) -> None:
    over = {}
    for name in bounds_mib:
        least = peak_bytes(tmp_path / "few-registry", *_command(name, one, tmp_path / "few-out"))
        most = peak_bytes(tmp_path / "registry", *_command(name, many, tmp_path / "out"))
        over[name] = (most - least) // MIB
    assert all(over[name] <= bound for name, bound in bounds_mib.items()), over


def _command(name: str, folder: Path, out: Path) -> tuple[str, ...]:
    match name:
        case "push" | "push again":
            return "push", str(folder), "m"
        case "pull":
            return "pull", "m", str(out)
        case "verify":
            return "verify", "--read-data"
        case _:
            return name, "m"
