"""Other people's tools, each behind the same few acts, so that every one of them gets the same files.

Read ``tool.py`` first: what a tool must be able to do. Then one small file per family of tools. ``peers.install``
makes the environment the Python ones live in; the others are looked for on PATH.
"""

from benchmarks.peers.backups import Borg, Restic
from benchmarks.peers.codecs import Zipnn, Zstd
from benchmarks.peers.gits import Dvc, GitLfs, Oxen
from benchmarks.peers.hubs import Mlflow, Wandb, Xet
from benchmarks.peers.ours import Budwood
from benchmarks.peers.tool import Act, Tool

PEERS: tuple[type[Tool], ...] = (Dvc, GitLfs, Mlflow, Wandb, Oxen, Restic, Borg, Xet, Zipnn, Zstd)
TOOLS: tuple[type[Tool], ...] = (Budwood, *PEERS)

__all__ = ["PEERS", "TOOLS", "Act", "Budwood", "Tool"]
