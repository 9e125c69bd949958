"""The machine that pushes: architecture, processor, cores, memory, NVIDIA accelerators. Asked once a process."""

import functools
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from budwood.domain.facts import Hardware

TIMEOUT_S: Final = 2.0
_CPU_TABLE: Final = Path("/proc/cpuinfo")
_GPU_TABLES: Final = Path("/proc/driver/nvidia/gpus")


@functools.cache
def capture_hardware() -> Hardware:
    """What this machine is; empty where it does not say."""
    return Hardware(
        machine=platform.machine(),
        processor=_processor(),
        cores=os.cpu_count() or 0,
        memory_bytes=_memory_bytes(),
        accelerators=_accelerators(),
    )


def _processor() -> str:
    if _CPU_TABLE.exists():
        return _named_line(_CPU_TABLE, "model name") or _named_line(_CPU_TABLE, "Model") or platform.processor()
    if platform.system() == "Darwin":
        return _printed("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    return platform.processor()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0


def _accelerators() -> tuple[str, ...]:
    """One name for each GPU. The driver's own table is instant; nvidia-smi may take a second to wake the cards."""
    try:
        tables = sorted(_GPU_TABLES.glob("*/information"))
    except OSError:
        tables = []
    names = [name for table in tables if (name := _named_line(table, "Model"))]
    if not names:
        names = _printed("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    return tuple(name.strip() for name in names if name.strip())


def _named_line(table: Path, key: str) -> str:
    """The value of the first ``key : value`` line."""
    try:
        text = table.read_text(errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{re.escape(key)}\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _printed(program: str, *arguments: str) -> str:
    """What a program prints; empty when it is missing, fails or is too slow."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        ran = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.decode("utf-8", "replace").strip() if ran.returncode == 0 else ""
