"""The registry's own scan of a version: evidence by itself, in a role that nobody else holds.

It is made when it is first needed, which is when somebody asks for a promotion that a policy with ``requires.scanned``
decides on, or when somebody asks for it; a push never waits for it. One that the present scanner made is not made
again: what it looked at never changes. Only an error is tried again.
"""

from collections import OrderedDict
from threading import BoundedSemaphore
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.limits import SCAN_TEXT_CHARS, SCANS_AT_ONCE
from budwood.domain.manifest import BlockId, FileEntry, Manifest
from budwood.domain.policy.evidence import SCANNER, Evidence, EvidenceKind, Outcome
from budwood.domain.records import VersionRecord
from budwood.scan.report import VERSION, Report, Severity, Verdict
from budwood.store.api import Progress
from budwood.store.read import Placed, placed_in_file
from budwood.verbs.guard import policies_guarding
from budwood.verbs.house import House
from budwood.verbs.kept_evidence import keep_evidence
from budwood.verbs.manifests import check_bytes, load_manifest
from budwood.verbs.resolve import resolve
from budwood.verbs.workplace import Reads

REGISTRY: Final = "the registry"
"""No person and no account can be called that."""
BLOCKS_HELD: Final = 8
# A scan may take SCAN_MEMORY_BYTES and a core; whoever asks for many waits.
_TURNS: Final = BoundedSemaphore(SCANS_AT_ONCE)
_OUTCOMES: Final = {Verdict.CLEAN: Outcome.PASSED, Verdict.BLOCKED: Outcome.FAILED, Verdict.ERROR: Outcome.ERROR}


def scan(house: House, reference: str, *, beside: House | None = None) -> Evidence:
    """What the registry itself says of a version; looked at now unless this scanner did before.

    ``beside`` is for what is not answered. Raises BadReference, NotFound, Damaged, StorageFailed.
    """
    with house.catalog.read() as view:
        version = resolve(view, reference)
        before = own_scan(view, version)
    return before if before is not None and _is_of_now(before) else _scan(beside or house, version)


def scan_where_asked(house: House, reference: str, pointer: str, *, anew: bool = True) -> None:
    """The same where a policy that guards the pointer asks for it. Without ``anew`` any scan of the registry's will do.

    Raises BadReference, NotFound, Damaged, StorageFailed.
    """
    with house.catalog.read() as view:
        version = resolve(view, reference)
        if not any(policy.requires.scanned for policy in policies_guarding(view, version, pointer)):
            return
        before = own_scan(view, version)
    if before is None or (anew and not _is_of_now(before)):
        _scan(house, version)


def own_scan(view: View, version: VersionRecord) -> Evidence | None:
    """The registry's newest."""
    known = view.evidence(version.namespace, version.digest)
    own = [each for each in known if each.kind is EvidenceKind.SCAN and SCANNER in each.roles]
    return own[-1] if own else None


def scan_manifest(place: Reads, manifest: Manifest, progress: Progress = lambda _: None) -> Report:
    """Every file, in the scanner's own process. Raises BlockDamaged, PackDamaged."""
    from budwood.scan.guarded import Guard

    reports = []
    with Guard() as guard:
        for entry in manifest.files:
            reports.append(guard.scan(Kept(place, entry)))
            progress(entry.size)
    return Report(tuple(reports))


class Kept:
    """One file of a version as the ``Source`` that readers take; the last few blocks are kept decoded."""

    def __init__(self, place: Reads, entry: FileEntry) -> None:
        self.path, self.size = entry.path, entry.size
        self._entry = entry
        self._reader = place.reader()
        self._places: list[Placed] | None = None
        self._held: OrderedDict[BlockId, memoryview] = OrderedDict()

    def read(self, offset: int, length: int) -> bytes:
        """Raises BlockDamaged."""
        target = bytearray(max(0, min(length, self.size - offset)))
        self.read_into(offset, memoryview(target))
        return bytes(target)

    def read_into(self, offset: int, target: memoryview) -> None:
        """Raises BlockDamaged."""
        places = self._places = self._places or list(placed_in_file(self._entry))
        end = offset + len(target)
        for place in places[_first(places, offset) :]:
            if place.offset >= end:
                break
            first, last = max(offset, place.offset), min(end, place.offset + place.length)
            block = self._block(place)
            target[first - offset : last - offset] = block[first - place.offset : last - place.offset]

    def _block(self, place: Placed) -> memoryview:
        found = self._held.get(place.id)
        if found is None:
            found = memoryview(bytearray(place.length))
            self._reader.read(place.id, self._reader.rows([place.id]), found)
            self._held[place.id] = found
            if len(self._held) > BLOCKS_HELD:
                self._held.popitem(last=False)
        return found


def _first(places: list[Placed], offset: int) -> int:
    """Which block the byte lies in."""
    low, high = 0, len(places)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if places[middle].offset + places[middle].length <= offset else (low, middle)
    return low


def _is_of_now(scan: Evidence) -> bool:
    return scan.outcome is not Outcome.ERROR and scan.details.get("scanner") == VERSION


def _scan(house: House, version: VersionRecord) -> Evidence:
    check_bytes(version)
    with _TURNS:
        report = scan_manifest(house, load_manifest(house, version))
    said = _said(version.digest, report, house.clock())

    def work(transaction: Transaction) -> Evidence:
        # Two at once come to the same; a second record would only void what was approved between them.
        before = own_scan(transaction, version)
        if before is not None and (before.outcome, before.details) == (said.outcome, said.details):
            return before
        return keep_evidence(transaction, house, version, said)

    return house.catalog.write(work)


def _said(digest: str, report: Report, now_ms: int) -> Evidence:
    return Evidence(
        0,
        digest,
        EvidenceKind.SCAN,
        REGISTRY,
        "",
        (SCANNER,),
        now_ms,
        _OUTCOMES[report.verdict],
        samples=len(report.files),
        summary=_summary(report),
        details={"scanner": VERSION},
    )


def _summary(report: Report) -> str:
    telling = [each for each in report.findings if each.severity is not Severity.NOTE]
    if not telling:
        return f"Nothing in its files would run when it is loaded: {len(report.files):,} looked at."
    first = telling[0]
    inside = f" ({first.inner})" if first.inner else ""
    more = f" And {len(telling) - 1} more." if len(telling) > 1 else ""
    text = f"{first.file}{inside}: {first.what}: {first.rule}."
    # A name of a file may hold half a character.
    return text[: 4 * SCAN_TEXT_CHARS].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0") + more
