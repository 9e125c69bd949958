"""Playing seeds in chunks, in processes of their own."""

import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.schedules.bugs import every_pack_is_worth_rewriting, planted
from tests.schedules.history import Histories
from tests.schedules.world import problems_of

SHARED_MEMORY: Final = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Played:
    """One chunk: what each of its seeds found, of those that found something."""

    bug: str
    first: int
    last: int
    found: dict[str, str]


def played(chunks: Sequence[tuple[int, int]], bug: str, leaning: float, workers: int) -> Iterator[Played]:
    """Each chunk as soon as it is done. A name of ``bugs`` plants that bug; an empty one none. ``leaning`` is the share
    of schedules in which two actors are after the same blocks."""
    room = SHARED_MEMORY if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="budwood-schedules-", dir=room) as folder:
        context = multiprocessing.get_context("spawn")
        with context.Pool(workers, _begin, (folder,)) as pool:
            yield from pool.imap_unordered(partial(_play, bug, leaning), chunks)


_histories: list[Histories] = []
"""Those of this worker."""


def _begin(folder: str) -> None:
    """In a new process. Histories are made before a bug is planted."""
    own = Path(folder) / str(os.getpid())
    own.mkdir()
    with every_pack_is_worth_rewriting():
        _histories.append(Histories(own))


def _play(bug: str, leaning: float, chunk: tuple[int, int]) -> Played:
    with every_pack_is_worth_rewriting(), planted(bug):
        found = {str(seed): problems_of(seed, _histories[0], leaning) for seed in range(*chunk)}
    return Played(bug, *chunk, {seed: problems[0] for seed, problems in found.items() if problems})
