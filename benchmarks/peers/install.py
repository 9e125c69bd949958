"""The peers' own environment: made once, by name from the package index, kept apart from ours."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers import PEERS
from benchmarks.peers.tool import Tool


def install(peers: Path) -> None:
    """Make the environment and install every peer that comes as a package. Raises CalledProcessError for the venv."""
    python = peers / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(peers)], check=True)
    for package in sorted({peer.package for peer in PEERS if peer.package}):
        # One by one: a peer that does not build here must not cost us the others.
        done = subprocess.run([str(python), "-m", "pip", "install", "--quiet", package], check=False)
        if done.returncode != 0:
            print(f"{package} could not be installed and will be left out", flush=True)


def available(tools: Sequence[type[Tool]], peers: Path) -> list[type[Tool]]:
    """Those of the tools that can be run; for each other one a line is printed with what is missing."""
    here = []
    for tool in tools:
        missing = tool.missing(peers)
        if missing:
            print(missing, flush=True)
        else:
            here.append(tool)
    return here
