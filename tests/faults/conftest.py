"""The compiled shim and a running fork server, one of each for the session."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.sweep import Sweep

SHARED_MEMORY = Path("/dev/shm")
SAMPLED_POINTS = 8


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of the shared library."""
    compiler = shutil.which("cc")
    if sys.platform != "linux":
        pytest.skip("the fault shim is for Linux")
    if compiler is None:
        pytest.skip("there is no C compiler (cc) for the fault shim; on Debian: apt install gcc libc6-dev")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", library, source, "-ldl"], check=True
    )
    return library


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where there is room: a sweep syncs some thousand times, and what it looks for needs no disk."""
    roomy = SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK)
    if roomy and shutil.disk_usage(SHARED_MEMORY).free > 1 << 29:
        with tempfile.TemporaryDirectory(dir=SHARED_MEMORY, prefix="budwood-faults-") as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def sweep(shim: Path, scratch: Path) -> Iterator[Sweep]:
    """The fork server."""
    with Sweep(shim, scratch) as running:
        yield running


@pytest.fixture(scope="session")
def points(request: pytest.FixtureRequest) -> int | None:
    """How many calls to try in each mode: a sample, or with --all-points every one."""
    return None if request.config.getoption("--all-points") else SAMPLED_POINTS
