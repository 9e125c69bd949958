"""Publishing a push that came from elsewhere: the version is made only of what was checked here.

The manifest is read from its blocks and must be exactly what a push in this process would have written: canonical,
by this caller, of now, with parents that are there. Every block it names must be one this namespace sent or holds,
with the length its span says. The SHA-256 of a file is computed from its blocks, unless the same blocks under the
same SHA-256 were published before. Then it is the same transaction as in process.
"""

import re
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final

from budwood.catalog.api import Transaction
from budwood.catalog.people_api import Reach
from budwood.domain.change import Suggestion
from budwood.domain.facts import Parent
from budwood.domain.label import Label, Level
from budwood.domain.limits import (
    BLOCK_BYTES,
    CLOCKS_APART_S,
    MANIFEST_BYTES,
    NAME_CHARS,
    PARENTS_PER_VERSION,
)
from budwood.domain.manifest import BlockId, FileEntry, Manifest, read_manifest
from budwood.domain.names import AliasName, ModelName, Namespace
from budwood.domain.paths import check_paths, safe_path
from budwood.domain.records import VersionRecord
from budwood.domain.reference import Reference, parse_reference
from budwood.domain.transfers import PublishPush
from budwood.errors import BadParcel, BadValue, Damaged, Invalid, LeaseLost, QuotaExceeded
from budwood.store.read import BlockReader, Placed, Rows, grouped, placed_in_file
from budwood.store.write import Kept, KnownFile
from budwood.verbs.describe import Declared, check_declared
from budwood.verbs.draft import Draft
from budwood.verbs.house import House
from budwood.verbs.lease import Held
from budwood.verbs.manifests import load_manifest
from budwood.verbs.publish import publish
from budwood.verbs.suggest import BUMPS
from budwood.verbs.tag import checked_tags
from budwood.verbs.uploads import PUSHING, Visible, checkers, clear_incoming, live
from budwood.verbs.whole_files import Growing, whole_files

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_AHEAD: Final = 2
"""So many groups of blocks a thread are decoded before their turn to be hashed."""


def publish_push(house: House, namespace: str, push: str, asked: PublishPush, reach: Reach) -> VersionRecord:
    """``reach`` is where the caller may read: parents must lie there.

    Raises Invalid, LabelTaken, LeaseLost, QuotaExceeded, StorageFull, StorageFailed.
    """
    with house.catalog.read() as view:
        lease = live(view, house, namespace, push)
    target = Reference(Namespace(namespace), ModelName(lease.holder.removeprefix(PUSHING).rpartition("/")[2]))
    _check_wishes(asked)
    visible = Visible(house.catalog, namespace)
    manifest = _manifest(house, visible, asked)
    _check_said(house, manifest)
    parents = _parents(house, manifest.facts.parents, reach)
    rows = _check_blocks(visible, manifest, asked)
    _check_files(house, push, manifest, [*_newest(house, target), *parents])
    needed = {*rows, *asked.manifest_blocks}
    draft = Draft(
        manifest=manifest,
        digest=asked.digest,
        manifest_size=asked.manifest_size,
        manifest_blocks=asked.manifest_blocks,
        structure=asked.structure,
        sketch=asked.sketch,
        kept=Kept((), frozenset(), 0),
        shared=frozenset(needed),
        parents=parents,
        suggestion=Suggestion(Level(asked.level)) if asked.level else None,
    )
    also = partial(_still_allowed, house=house, namespace=namespace, needed=tuple(needed))
    version = publish(house, draft, target, asked, Held.again(house, lease), also=also)
    clear_incoming(house, push)
    whole_files().forget(push)
    return version


def _still_allowed(transaction: Transaction, *, house: House, namespace: str, needed: Sequence[BlockId]) -> None:
    """What was looked at before the transaction and may have changed. Raises LeaseLost, QuotaExceeded."""
    if len(transaction.find_blocks(needed, reach=frozenset({namespace}))) < len(needed):
        raise LeaseLost("Blocks of this version were swept while it was published.")
    usage = transaction.usage(namespace, now_ms=house.clock())
    if usage and usage.quota.versions and usage.versions >= usage.quota.versions:
        raise QuotaExceeded(f"{namespace} has {usage.versions} versions; it may have no more.", quota="versions")


# What is said


def _check_wishes(asked: PublishPush) -> None:
    """Raises BadParcel, BadValue, BadName, BadLabel, LimitExceeded."""
    if not _DIGEST.fullmatch(asked.digest) or not 0 < asked.manifest_size <= MANIFEST_BYTES:
        raise BadParcel("The manifest has an impossible digest or size.")
    if len(asked.manifest_blocks) != -(-asked.manifest_size // BLOCK_BYTES):
        raise BadParcel("The manifest has not as many blocks as its size asks for.")
    if len(asked.structure) > NAME_CHARS or (asked.bump and asked.bump not in BUMPS):
        raise BadValue("The structure or the bump is none.")
    if bool(asked.bump == "auto") != bool(asked.level) or (asked.level and asked.level not in list(Level)):
        raise BadValue("What a bump of 'auto' comes to must be said, and of no other.")
    if asked.label and asked.bump:
        raise Invalid("Give a label or a bump, not both.")
    if asked.label:
        Label.parse(asked.label)
    for alias in asked.aliases:
        AliasName(alias)
    checked_tags(asked.tags)


def _manifest(house: House, visible: Visible, asked: PublishPush) -> Manifest:
    """Raises BadParcel, LeaseLost, LimitExceeded, TooNew."""
    rows = _seen(visible, asked.manifest_blocks)
    if sum(rows[block].raw_length for block in asked.manifest_blocks) != asked.manifest_size:
        raise BadParcel("The manifest's blocks have another length than was said.")
    written = house.reader().read_all(asked.manifest_blocks, asked.manifest_size)
    try:
        manifest = read_manifest(written, digest=asked.digest)
    except Damaged as error:
        raise BadParcel(error.message) from error
    if manifest.canonical != written:
        raise BadParcel("The manifest is not written in the one way there is.")
    return manifest


def _check_said(house: House, manifest: Manifest) -> None:
    """Raises BadParcel, BadPath, BadName, BadValue, LimitExceeded."""
    facts = manifest.facts
    paths = [safe_path(entry.path) for entry in manifest.files]
    check_paths(paths)
    if not paths or paths != sorted(paths):
        raise BadParcel("A version has files, in the order of their paths.")
    if any(not _DIGEST.fullmatch(entry.sha256) for entry in manifest.files):
        raise BadParcel("A file has an impossible SHA-256.")
    check_declared(
        Declared(
            facts.kind,
            facts.message,
            datasets=facts.datasets,
            metrics=facts.metrics,
            params=facts.params,
            base_model=facts.base_model,
        )
    )
    if facts.author != house.author:
        raise BadParcel("The manifest names another author than the one who pushes.", author=facts.author[:200])
    if abs(facts.created_ms - house.clock()) > CLOCKS_APART_S * 1000:
        hint = "Set the clock of the machine that pushes."
        raise BadValue("The manifest was made more than a day from now.", hint=hint, created_ms=facts.created_ms)


def _parents(house: House, said: Sequence[Parent], reach: Reach) -> tuple[VersionRecord, ...]:
    """The parents' records. Raises BadParcel for one that is not there, not within reach, or another than was said."""
    if len(said) > PARENTS_PER_VERSION:
        raise BadParcel("The manifest names too many parents.", limit="PARENTS_PER_VERSION")
    found = []
    with house.catalog.read() as view:
        for parent in said:
            at = parse_reference(parent.model)
            within = reach is None or at.namespace in reach
            version = view.version_by_number(at.namespace, at.model, parent.number) if within else None
            if version is None or version.digest != parent.digest:
                raise BadParcel("The manifest names a parent that is not here.", parent=parent.model[:200])
            found.append(version)
    return tuple(found)


# What it is made of


def _seen(visible: Visible, blocks: Sequence[BlockId]) -> Rows:
    """Raises LeaseLost: what is missing was swept, or never sent."""
    rows = visible.find(tuple(set(blocks)))
    if missing := set(blocks) - rows.keys():
        raise LeaseLost(f"{len(missing)} block(s) of this version are not here.", block=min(missing).hex())
    return rows


def _check_blocks(visible: Visible, manifest: Manifest, asked: PublishPush) -> Rows:
    """The rows of all blocks of the files, and of the sketch. Raises BadParcel, LeaseLost."""
    lengths = {placed.id: placed.length for entry in manifest.files for placed in placed_in_file(entry)}
    rows = _seen(visible, (*lengths, *([asked.sketch] if asked.sketch else [])))
    for entry in manifest.files:
        for placed in placed_in_file(entry):
            if rows[placed.id].raw_length != placed.length:
                raise BadParcel(f"A block of {entry.path} has another length than its span says.", path=entry.path)
    return rows


def _newest(house: House, target: Reference) -> list[VersionRecord]:
    with house.catalog.read() as view:
        newest = view.newest_version(target.namespace, target.model)
    return [newest] if newest else []


def _check_files(house: House, push: str, manifest: Manifest, before: Sequence[VersionRecord]) -> None:
    """Raises BadParcel for a file whose blocks do not give its SHA-256."""
    known = _known(house, before)
    new = [entry for entry in manifest.files if known.get(_content(entry)) != entry.sha256]
    if not new:
        return
    reader = house.reader()
    whole = reader.rows({placed.id for entry in new for placed in placed_in_file(entry)})
    for entry in new:
        if _sha256(house, reader, whole, entry, whole_files().of(push)) != entry.sha256:
            raise BadParcel(f"The blocks of {entry.path} do not give the SHA-256 that was said.", path=entry.path)


def _known(house: House, before: Sequence[VersionRecord]) -> dict[KnownFile, str]:
    """The files of versions that were published before. One that cannot be read proves nothing."""
    known: dict[KnownFile, str] = {}
    for version in {version.id: version for version in before}.values():
        try:
            manifest = load_manifest(house, version)
        except Damaged:
            continue
        known |= {_content(entry): entry.sha256 for entry in manifest.files}
    return known


def _content(entry: FileEntry) -> KnownFile:
    return entry.size, tuple(block for span in entry.spans for block in span.blocks)


def _sha256(house: House, reader: BlockReader, rows: Rows, entry: FileEntry, growing: Growing) -> str:
    """Hashed in order while other threads decode what comes next. What was hashed as it came is not read again."""
    placed = list(placed_in_file(entry))
    sha, hashed = growing.begun([each.id for each in placed])
    pending, free = deque[tuple[Future[int], memoryview]](), deque[memoryview]()

    def decode(group: Sequence[Placed], target: memoryview) -> int:
        at = 0
        for placed in group:
            reader.decode(rows[placed.id], rows, target[at : at + placed.length])
            at += placed.length
        return at

    def hash_next() -> None:
        done, buffer = pending.popleft()
        sha.update(buffer[: done.result()])
        free.append(buffer)

    workers = checkers(house.threads)
    for group in grouped(placed[hashed:]):
        if len(pending) >= _AHEAD * house.threads:
            hash_next()
        buffer = free.popleft() if free else memoryview(bytearray(BLOCK_BYTES))
        pending.append((workers.submit(decode, group, buffer), buffer))
    while pending:
        hash_next()
    digest: str = sha.hexdigest()
    return digest
