"""Publishing a push that came from elsewhere: the version is made only of what was checked here.

The manifest is read from its blocks and must be exactly what a push in this process would have written: canonical,
by this caller, of now, with parents that are there. Every block it names must be one this namespace sent or holds,
with the length its span says. The SHA-256 of a file is computed from its blocks, unless the same blocks under the
same SHA-256 were published before. Then it is the same transaction as in process.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Final

from budwood.catalog.api import Lease, Transaction
from budwood.domain.access import Within
from budwood.domain.change import Suggestion
from budwood.domain.facts import Parent
from budwood.domain.label import Label, Level
from budwood.domain.limits import (
    AT_ONCE_BYTES,
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
from budwood.domain.transfers import PublishPush, PushAtOnce
from budwood.errors import BadParcel, BadValue, Damaged, Invalid, LeaseLost, LimitExceeded, NotFound
from budwood.store.api import BlockIndex, BlockRow
from budwood.store.fingerprints import probes_in
from budwood.store.read import BlockReader, Placed, Rows, grouped, placed_in_file
from budwood.store.write import Kept, KnownFile
from budwood.verbs.derived import SOURCES_TOLD, derivations
from budwood.verbs.describe import check_facts
from budwood.verbs.draft import Draft
from budwood.verbs.house import House
from budwood.verbs.lease import PUSHING, Held
from budwood.verbs.manifests import load_manifest
from budwood.verbs.one_view import OneView
from budwood.verbs.publish import publishing
from budwood.verbs.resolve import resolve
from budwood.verbs.suggest import BUMPS
from budwood.verbs.tag import checked_tags
from budwood.verbs.uploads import Visible, checkers, clear_incoming, existing, live
from budwood.verbs.whole_files import Growing, whole_files

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
REMEMBERED_BYTES: Final = 1 << 15
MANIFESTS_REMEMBERED: Final = 64
_AHEAD: Final = 2
"""So many groups of blocks a thread are decoded before their turn to be hashed."""


def publish_push(house: House, namespace: str, push: str, asked: PublishPush, reach: Within | None) -> VersionRecord:
    """``reach`` is where the caller may read: parents must lie there.

    Raises Invalid, LabelTaken, LeaseLost, QuotaExceeded, StorageFull, StorageFailed.
    """
    with house.catalog.read() as view:
        lease = live(view, house, namespace, push)
    target = Reference(Namespace(namespace), ModelName(lease.holder.removeprefix(PUSHING).rpartition("/")[2]))
    checked = _checked(house, house.index, whole_files().of(push), target, asked, reach)
    version = house.catalog.write(_publishing(house, checked, target, asked, Held.again(house, lease)))
    clear_incoming(house, push)
    whole_files().forget(push)
    return version


def publishing_at_once(
    house: House, now: BlockIndex, namespace: str, asked: PushAtOnce, reach: Within | None, lease: Lease | None
) -> Callable[[Transaction], VersionRecord]:
    """What publishes a small push, once it is run in a transaction; everything is looked at here, in one view.

    ``now`` knows where a block lies at this moment. ``lease`` is that of the pack it brought. Without one nothing was
    written, so no sweep could take it: the transaction asks for every block again.

    Raises Invalid, LeaseLost, LimitExceeded, StorageFailed.
    """
    target = Reference(Namespace(namespace), ModelName(asked.model))
    with house.catalog.read() as view:
        seen = replace(house, catalog=OneView(house.catalog, view))
        checked = _checked(seen, now, Growing(), target, asked, reach, most=AT_ONCE_BYTES)
    return _publishing(house, checked, target, asked, Held.again(house, lease) if lease else None)


@dataclass(frozen=True, slots=True)
class _Checked:
    """A version that may be published, and the blocks it cannot do without."""

    draft: Draft
    needed: tuple[BlockId, ...]


def _checked(
    house: House,
    now: BlockIndex,
    growing: Growing,
    target: Reference,
    asked: PublishPush,
    reach: Within | None,
    *,
    most: int = 0,
) -> _Checked:
    """``most`` bytes may its files have together; 0: any number. ``now`` knows where a block lies at this moment."""
    _check_wishes(asked)
    visible = _Remembering(Visible(house.catalog, target.namespace))
    manifest = _manifest(house, visible, now, asked)
    _check_said(house, manifest)
    if most and manifest.size_bytes > most:
        hint = "Open a push for it."
        raise LimitExceeded("The files are too large to be pushed at once.", hint=hint, limit="AT_ONCE_BYTES")
    parents = _parents(house, manifest.facts.parents, reach)
    rows = _check_blocks(visible, manifest, asked)
    _check_files(house, rows, now, growing, manifest, [*_newest(house, target), *parents])
    draft = Draft(
        facts=manifest.facts,
        size_bytes=manifest.size_bytes,
        digest=asked.digest,
        manifest_size=asked.manifest_size,
        manifest_blocks=asked.manifest_blocks,
        structure=asked.structure,
        sketch=asked.sketch,
        kept=Kept((), frozenset(), 0),
        # Asked for by _still_allowed, which sees only what the namespace does.
        shared=frozenset(),
        parents=parents,
        suggestion=Suggestion(Level(asked.level)) if asked.level else None,
        probes=_probes(house, now, rows, asked),
        derivations=derivations(manifest, rows, _sources(house, asked, reach)),
    )
    return _Checked(draft, tuple({*rows, *asked.manifest_blocks}))


def _publishing(
    house: House, checked: _Checked, target: Reference, asked: PublishPush, lease: Held | None
) -> Callable[[Transaction], VersionRecord]:
    also = partial(_still_allowed, house=house, namespace=target.namespace, needed=checked.needed)
    return publishing(house, checked.draft, target, asked, lease, also=also)


def _still_allowed(transaction: Transaction, *, house: House, namespace: str, needed: Sequence[BlockId]) -> None:
    """What was looked at before the transaction and may have changed.

    Raises LeaseLost, NamespaceNotFound.
    """
    if len(transaction.find_blocks(needed, reach=frozenset({namespace}))) < len(needed):
        raise LeaseLost("Blocks of this version were swept while it was published.")
    existing(transaction, namespace)


class _Remembering:
    """``BlockIndex`` that asks for no block twice: what is there was there when the push began to be looked at."""

    def __init__(self, index: BlockIndex) -> None:
        self._index = index
        self._known: dict[BlockId, BlockRow] = {}

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        """See ``BlockIndex.find``."""
        if new := tuple(block for block in ids if block not in self._known):
            self._known |= self._index.find(new)
        return {block: row for block in ids if (row := self._known.get(block)) is not None}


class _AtHand:
    """``BlockIndex`` for reading: each row that was found already is given once. Who asks again found it moved."""

    def __init__(self, rows: Rows, now: BlockIndex) -> None:
        self._rows, self._now = dict(rows), now

    def find(self, ids: Sequence[BlockId]) -> Mapping[BlockId, BlockRow]:
        """See ``BlockIndex.find``."""
        found = {block: self._rows.pop(block) for block in ids if block in self._rows}
        missing = tuple(block for block in ids if block not in found)
        return {**found, **self._now.find(missing)} if missing else found


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


def _manifest(house: House, visible: _Remembering, now: BlockIndex, asked: PublishPush) -> Manifest:
    """Raises BadParcel, LeaseLost, LimitExceeded, TooNew."""
    # The sketch is asked for with them, so that it need not be asked for again.
    rows = _seen(visible, (*asked.manifest_blocks, *([asked.sketch] if asked.sketch else [])))
    if sum(rows[block].raw_length for block in asked.manifest_blocks) != asked.manifest_size:
        raise BadParcel("The manifest's blocks have another length than was said.")
    written = BlockReader(house.objects, _AtHand(rows, now)).read_all(asked.manifest_blocks, asked.manifest_size)
    return _proper(written, asked.digest) if len(written) > REMEMBERED_BYTES else _remembered(written, asked.digest)


def _proper(written: bytes, digest: str) -> Manifest:
    """The manifest, if it may be one: this depends on nothing but its bytes.

    Raises BadParcel, BadPath, BadName, BadValue, LimitExceeded, TooNew.
    """
    try:
        manifest = read_manifest(written, digest=digest)
    except Damaged as error:
        raise BadParcel(error.message) from error
    if manifest.canonical != written:
        raise BadParcel("The manifest is not written in the one way there is.")
    paths = [safe_path(entry.path) for entry in manifest.files]
    check_paths(paths)
    if not paths or paths != sorted(paths):
        raise BadParcel("A version has files, in the order of their paths.")
    if any(not _DIGEST.fullmatch(entry.sha256) for entry in manifest.files):
        raise BadParcel("A file has an impossible SHA-256.")
    check_facts(manifest.facts)
    return manifest


# The same files become versions of several models, and a broken request is sent again.
_remembered: Final = lru_cache(MANIFESTS_REMEMBERED)(_proper)


def _check_said(house: House, manifest: Manifest) -> None:
    """Raises BadParcel, BadValue."""
    facts = manifest.facts
    if facts.author != house.author:
        raise BadParcel("The manifest names another author than the one who pushes.", author=facts.author[:200])
    if abs(facts.created_ms - house.clock()) > CLOCKS_APART_S * 1000:
        hint = "Set the clock of the machine that pushes."
        raise BadValue("The manifest was made more than a day from now.", hint=hint, created_ms=facts.created_ms)


def _parents(house: House, said: Sequence[Parent], reach: Within | None) -> tuple[VersionRecord, ...]:
    """The parents' records. Raises BadParcel for one that is not there, not within reach, or another than was said."""
    if len(said) > PARENTS_PER_VERSION:
        raise BadParcel("The manifest names too many parents.", limit="PARENTS_PER_VERSION")
    if not said:
        return ()
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


def _sources(house: House, asked: PublishPush, reach: Within | None) -> Iterator[tuple[VersionRecord, Manifest]]:
    """Those of the versions that it may have been computed from which are within reach: what is not proves nothing."""
    for reference in asked.sources[:SOURCES_TOLD]:
        at = parse_reference(reference)
        if reach is not None and at.namespace not in reach:
            continue
        with suppress(NotFound, Damaged):
            with house.catalog.read() as view:
                version = resolve(view, at)
            if not version.gone_ms:
                yield version, load_manifest(house, version)


def _probes(house: House, now: BlockIndex, rows: Rows, asked: PublishPush) -> tuple[int, ...]:
    """Of its sketch, which is the client's affair: one that cannot be read has none."""
    if not asked.sketch or rows[asked.sketch].raw_length > BLOCK_BYTES:
        return ()
    with suppress(Damaged):
        reader = BlockReader(house.objects, _AtHand(rows, now))
        return tuple(probes_in(reader.read_all((asked.sketch,), rows[asked.sketch].raw_length)))
    return ()


# What it is made of


def _seen(visible: _Remembering, blocks: Sequence[BlockId]) -> Rows:
    """Raises LeaseLost: what is missing was swept, or never sent."""
    rows = visible.find(tuple(set(blocks)))
    if missing := set(blocks) - rows.keys():
        raise LeaseLost(f"{len(missing)} block(s) of this version are not here.", block=min(missing).hex())
    return rows


def _check_blocks(visible: _Remembering, manifest: Manifest, asked: PublishPush) -> Rows:
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


def _check_files(
    house: House, rows: Rows, now: BlockIndex, growing: Growing, manifest: Manifest, before: Sequence[VersionRecord]
) -> None:
    """Raises BadParcel for a file whose blocks do not give its SHA-256."""
    known = _known(house, before)
    new = [entry for entry in manifest.files if known.get(_content(entry)) != entry.sha256]
    if not new:
        return
    reader = BlockReader(house.objects, _AtHand(rows, now))
    whole = reader.rows({placed.id for entry in new for placed in placed_in_file(entry)})
    for entry in new:
        if _sha256(house, reader, whole, entry, growing) != entry.sha256:
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

    workers, groups = checkers(house.threads), grouped(placed[hashed:])
    if len(groups) == 1:
        # Nothing comes next that could be decoded meanwhile.
        buffer = memoryview(bytearray(sum(each.length for each in groups[0])))
        sha.update(buffer[: decode(groups.pop(), buffer)])
    for group in groups:
        if len(pending) >= _AHEAD * house.threads:
            hash_next()
        buffer = free.popleft() if free else memoryview(bytearray(BLOCK_BYTES))
        pending.append((workers.submit(decode, group, buffer), buffer))
    while pending:
        hash_next()
    digest: str = sha.hexdigest()
    return digest
