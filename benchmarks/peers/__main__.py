"""``python -m benchmarks.peers --peers DIR``: install the peers there and say which can be run."""

import argparse
from pathlib import Path

from benchmarks.peers import TOOLS
from benchmarks.peers.install import available, install


def main() -> int:
    """Install, then list."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--peers", type=Path, required=True, help="the peers' environment, made when missing")
    peers: Path = parser.parse_args().peers
    install(peers)
    print("can be run:", ", ".join(tool.name for tool in available(TOOLS, peers)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
