"""Files that come with evidence: kept as blocks like those of versions, and held by the evidence for ever.

They are small (``EVIDENCE_FILES_BYTES`` together), so they travel in the request itself. Their blocks are durable
before the transaction that names them; sweep, verify and rebuilding an index take the evidence for what needs them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from budwood.catalog.api import Transaction
from budwood.domain.asks_gates import Attached
from budwood.domain.limits import BLOCK_BYTES, EVIDENCE_FILES, EVIDENCE_FILES_BYTES, NAME_CHARS
from budwood.domain.policy.evidence import Evidence, EvidenceFile
from budwood.errors import BadValue, BlockDamaged, BudwoodError, LimitExceeded
from budwood.store.write import BlockWriter, Kept
from budwood.verbs.house import House
from budwood.verbs.lease import Held
from budwood.verbs.publish import hold, new_rows
from budwood.verbs.quotas import check_bytes
from budwood.verbs.workplace import Reads


@dataclass(frozen=True, slots=True)
class Writing:
    """Files whose bytes are durable, waiting for the transaction that names them. ``lease`` None: there are none."""

    files: tuple[EvidenceFile, ...]
    kept: Kept
    lease: Held | None

    def publish(self, transaction: Transaction, house: House, namespace: str) -> None:
        """Put their blocks in force. Raises LeaseLost, QuotaExceeded."""
        if self.lease is None:
            return
        now = house.clock()
        self.lease.confirm(transaction, now)
        if new := new_rows(transaction, self.kept.rows):
            check_bytes(transaction, namespace, sum(row.length for row in new), now_ms=now)
            transaction.add_blocks(new, namespace)
        fresh = {row.id for row in new}
        elsewhere = (row.id for row in self.kept.rows if row.id not in fresh)
        hold(transaction, self.kept.shared.union(elsewhere), namespace, now)
        transaction.drop_lease(self.lease.id)


@contextmanager
def written(house: House, files: Sequence[Attached], namespace: str) -> Iterator[Writing]:
    """Write the files for the length of the block, in which they are to be published.

    Raises BadValue, LimitExceeded, StorageFull, StorageFailed.
    """
    check_files(files)
    if not files:
        yield Writing((), Kept((), frozenset(), 0), None)
        return
    lease = Held(house, "evidence", namespace=namespace)
    try:
        with BlockWriter(house.objects, house.index, lease.new_pack_name, threads=1) as writer:
            named = tuple(_written(writer, each) for each in files)
            kept = writer.finish()
        yield Writing(named, kept, lease)
    except BaseException:
        # It runs out by itself if this fails too; what went wrong first is what the caller must hear.
        with suppress(BudwoodError):
            lease.drop()
        raise


def check_files(files: Sequence[Attached]) -> None:
    """Raises BadValue, LimitExceeded."""
    if len(files) > EVIDENCE_FILES:
        raise LimitExceeded(f"At most {EVIDENCE_FILES} files come with evidence.", limit="EVIDENCE_FILES")
    size = sum(len(each.content) for each in files)
    if size > EVIDENCE_FILES_BYTES:
        hint = "Push what is large as a version of a dataset, and name it in the summary."
        message = f"The files have {size} bytes; {EVIDENCE_FILES_BYTES} are kept with evidence."
        raise LimitExceeded(message, hint=hint, limit="EVIDENCE_FILES_BYTES")
    for each in files:
        _check_name(each.name)
    if len({each.name for each in files}) < len(files):
        raise BadValue("Two of the files have one name.", hint="Name each differently.")


def read_attached(place: Reads, evidence: Evidence) -> tuple[Attached, ...]:
    """Its files, verified. Raises BlockDamaged, PackDamaged."""
    return tuple(Attached(file.name, _read(place, file)) for file in evidence.files)


def _check_name(name: str) -> None:
    bad = not 1 <= len(name) <= NAME_CHARS or not name.isprintable() or name.startswith(".")
    if bad or any(letter in name for letter in '/\\:*?"<>|'):
        raise BadValue(f"{name[:80]!r} is no name of a file that comes with evidence.", hint="Such as report.json.")


def _written(writer: BlockWriter, file: Attached) -> EvidenceFile:
    blocks = writer.write_blob(file.content) if file.content else ()
    sha256 = hashlib.sha256(file.content).hexdigest()
    return EvidenceFile(file.name, len(file.content), sha256, tuple(block.hex() for block in blocks))


def _read(place: Reads, file: EvidenceFile) -> bytes:
    reader = place.reader()
    blocks = [bytes.fromhex(block) for block in file.blocks]
    rows, whole = reader.rows(blocks), bytearray()
    for block in blocks:
        raw = bytearray(min(BLOCK_BYTES, rows[block].raw_length))
        reader.read(block, rows, memoryview(raw))
        whole += raw
    if len(whole) != file.size or hashlib.sha256(whole).hexdigest() != file.sha256:
        raise BlockDamaged(f"The file {file.name!r} of evidence is not what it was.", file=file.name)
    return bytes(whole)
