"""Prints for versions that have none: those pushed before there were any, or before there were those of all kinds.

A version that goes warm or cold gets them on its way (``rewrite.py``). For the others somebody has to ask, since it
reads most of what they hold: ``budwood tier run --prints`` looks at each version once, oldest first, and a mark in the
catalog says how far. What is pushed from then on is found to be a copy of them; what was pushed before stays as it is.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from budwood.catalog.api import Transaction
from budwood.domain.limits import BLOCK_BYTES
from budwood.domain.records import VersionRecord
from budwood.errors import Archived, Damaged
from budwood.store.api import BlockRow, Progress
from budwood.store.encodings import encode_block
from budwood.store.fingerprints import COPIES, are_of_all_kinds, probes_in
from budwood.store.packs import NewBlock, PackSet
from budwood.store.sketch import prints_in, with_prints, without_prints
from budwood.verbs.choose_base import stored_sketch
from budwood.verbs.house import House
from budwood.verbs.lease import Held
from budwood.verbs.manifests import load_manifest
from budwood.verbs.tiers.functions import prints_of
from budwood.verbs.tiers.pace import Pace

LOOKED_AT: Final = f"printed-{len(COPIES)}"
"""The key of the mark: the id of the last version that was looked at, for prints of so many kinds."""
PAGE: Final = 100
"""Versions looked at before the mark is moved, unless it is told to stop between them."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A sketch with prints, and the probes among these."""

    row: BlockRow
    probes: tuple[int, ...]

    def put(self, transaction: Transaction, version: VersionRecord) -> None:
        """In the place of the version's."""
        if not transaction.find_blocks([self.row.id]):
            transaction.add_blocks([self.row], version.namespace)
        transaction.put_sketch(version.id, self.row.id)
        transaction.add_probes(version.id, version.namespace, self.probes)


def lacks_prints(sketch: bytes) -> bool:
    """Whether a sketch has none, or not those of all kinds. Raises BlockDamaged."""
    return bool(sketch) and not are_of_all_kinds(prints_in(sketch))


def written(house: House, lease: Held, sketch: bytes, prints: bytes) -> Printed | None:
    """The sketch with prints, durable; None where it would be too large, or there are none."""
    raw = with_prints(without_prints(sketch), prints)
    if not prints or len(raw) > BLOCK_BYTES:
        return None
    encoded = encode_block(memoryview(raw), dtype="")
    with PackSet(house.objects, lease.new_pack_name) as packs:
        packs.add(NewBlock(blake3(raw).digest(), len(raw), encoded.tag), encoded.parts, encoded.length)
        (row,) = packs.finish()
    return Printed(row, tuple(probes_in(raw)))


def make_prints(house: House, lease: Held, pace: Pace, stops: Callable[[], str], progress: Progress) -> int:
    """For each version that lacks them, until the pace or ``stops`` says to end; how many got them.

    One that cannot be read is passed over. Raises LeaseLost, StorageFull, StorageFailed.
    """
    made = 0
    pace.begin()
    while page := _page(house):
        for version in page:
            with suppress(Damaged, Archived):
                if _give(house, lease, version):
                    made += 1
                    progress(version.size_bytes)
            lease.keep_alive()
            if not pace.rest() or stops():
                _mark(house, version)
                return made
        _mark(house, page[-1])
    return made


def left_unprinted(house: House) -> bool:
    """Whether there is a version that nobody looked at."""
    return bool(_page(house, 1))


def _page(house: House, limit: int = PAGE) -> Sequence[VersionRecord]:
    """The next versions that nobody looked at."""
    with house.catalog.read() as view:
        return view.all_versions(after_id=int(view.meta(LOOKED_AT) or 0), limit=limit)


def _mark(house: House, version: VersionRecord) -> None:
    house.catalog.write(lambda transaction: transaction.set_meta(LOOKED_AT, str(version.id)))


def _give(house: House, lease: Held, version: VersionRecord) -> bool:
    """Whether it lacked prints and has them now. Raises Damaged, Archived, LeaseLost, StorageFull, StorageFailed."""
    sketch = stored_sketch(house, version.sketch) if version.sketch and not version.gone_ms else b""
    if not lacks_prints(sketch):
        return False
    found = written(house, lease, sketch, prints_of(house, load_manifest(house, version)))
    return found is not None and _keep(house, lease, version, found)


def _keep(house: House, lease: Held, version: VersionRecord, printed: Printed) -> bool:
    """Whether the version is still there, and may be changed."""
    now = house.clock()

    def work(transaction: Transaction) -> bool:
        lease.confirm(transaction, now)
        there = transaction.version_by_id(version.id)
        if there is None or there.gone_ms or transaction.holds_on(version.namespace, version.model_id, version.id):
            return False
        printed.put(transaction, version)
        body = {"number": version.number}
        transaction.add_ledger(now, house.author, "version.printed", version.reference, body, version.namespace)
        return True

    return house.catalog.write(work)
