"""The index of a pack, as a liar would write it: whatever the rows say."""

from collections.abc import Sequence

import numpy as np

from budwood.store import packs
from budwood.store.api import BlockRow


def index_of(rows: Sequence[BlockRow]) -> bytes:
    """The entries of a pack's footer (docs/internals/packs.md)."""
    entries = np.zeros(len(rows), dtype=packs._ENTRY)
    for number, row in enumerate(rows):
        entry = entries[number]
        entry["id"], entry["base"] = row.id, row.base or bytes(32)
        for name in ("offset", "length", "raw_length", "encoding", "depth", "check"):
            entry[name] = getattr(row, name)
        entry["flags"] = 1 if row.is_manifest else 0
    written: bytes = entries.tobytes()
    return written
