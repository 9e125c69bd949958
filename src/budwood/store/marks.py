"""Which store a pack lies in is written in its name: LEASE-c0001 is in the cold store, LEASE-0001 near at hand.

So no row, no look-up and no second question to an object store says where a block is to be read, and a registry
that is rebuilt from its packs alone finds each where it is.
"""

import re
from collections.abc import Callable
from typing import Final

_COLD: Final = re.compile(r".*-c[0-9]+", re.DOTALL)


def is_cold(pack: str) -> bool:
    """Whether a pack of that name belongs in the cold store."""
    return _COLD.fullmatch(pack) is not None


def cold_name(pack: str) -> str:
    """The name with the mark of the cold store; the lease in it stays what it is."""
    lease, _, number = pack.rpartition("-")
    return f"{lease}-c{number.removeprefix('c')}"


def names_like(pack: str, fresh: Callable[[], str]) -> Callable[[], str]:
    """Names for packs that take the place of this one, in the store where it lies."""
    return (lambda: cold_name(fresh())) if is_cold(pack) else fresh
