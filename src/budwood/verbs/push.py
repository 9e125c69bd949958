"""push: keep files as a new version of a model.

In this order, so that a crash between any two steps leaves the old state or the new: gather → take a lease →
choose bases → write blocks → make the manifest → packs durable → one transaction that re-checks the lease and
every shared block, and publishes version, pointers, tags and ledger entry together.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from budwood.domain.batches import batched
from budwood.domain.change import Suggestion
from budwood.domain.derivation import Derivation
from budwood.domain.facts import Code, Environment, Facts, FileFacts, Hardware, Parent, Relation, relation_named
from budwood.domain.label import Label
from budwood.domain.limits import AT_ONCE_BYTES, PARENTS_PER_VERSION
from budwood.domain.manifest import BlockId, FileEntry, Manifest, check_manifest
from budwood.domain.names import AliasName, TagKey
from budwood.domain.records import VersionRecord
from budwood.domain.reference import Newest, Reference, parse_reference
from budwood.domain.results import Pushed
from budwood.domain.storage_tiers.values import Arrival
from budwood.errors import BadReference, BadValue, Damaged, Invalid, LeaseLost, LimitExceeded
from budwood.store.api import Hint, Progress, Reading
from budwood.store.copies import OwnBlocks
from budwood.store.fingerprints import probes_in
from budwood.store.gather import DiskFile, gather
from budwood.store.readings import read_files
from budwood.store.remember import Remembered, StatCache
from budwood.store.write import BlockWriter, Kept
from budwood.verbs.choose_base import Chosen, FileTensors, Within, choose_base
from budwood.verbs.datasets import with_data_parents
from budwood.verbs.derived import derivations
from budwood.verbs.describe import Declared, check_declared, facts_of
from budwood.verbs.draft import Draft
from budwood.verbs.manifests import load_manifest
from budwood.verbs.suggest import BUMPS, suggestion
from budwood.verbs.tag import checked_tags
from budwood.verbs.workplace import Before, Lease, Workplace, leased

PUBLISH_TRIES: Final = 3
FILES_ASKED_ABOUT: Final = 10_000
"""The rows of all blocks of more files than these are not held at once."""


@dataclass(frozen=True, slots=True)
class PushRequest:
    """What to push and what its author says about it.

    ``label`` is a semantic version; or ``bump`` is major, minor, patch or auto, counted from the model's newest
    label. ``parents`` are references; ``relations`` say how this version came from each, in the same order, and
    ``relation`` how from those of which none says it. ``said`` is what a model in memory told about itself before it
    was written to files.
    """

    paths: tuple[Path, ...]
    model: str
    declared: Declared = field(default_factory=Declared)
    label: str = ""
    bump: str = ""
    parents: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    relation: str = ""
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    code: Code | None = None
    environment: Environment | None = None
    hardware: Hardware | None = None
    said: FileFacts = FileFacts()


def push(place: Workplace, request: PushRequest, *, progress: Progress = lambda _: None) -> Pushed:
    """Raises Invalid, NotFound, LabelTaken, FileChanged, LeaseLost, StorageFull, StorageFailed.

    When the model's newest version already holds exactly these files and nothing new is said about them, no
    version is made: ``created`` is False, and aliases and tags go to that version.
    """
    target = _check(request)
    request = with_data_parents(place, request)
    # Made before the files are looked at: the cache trusts a file only when it was old by then.
    cache = StatCache(place.scratch / "files.sqlite3" if place.scratch else None, looked_ms=place.clock())
    files = gather(request.paths, request.exclude)
    _refuse_own(place, request, files)
    for last in range(PUBLISH_TRIES):
        try:
            return _attempt(place, request, target, files, cache, progress)
        except LeaseLost:
            # A sweep condemned a block this push shares, or the machine slept: what was shared is written anew.
            if last == PUBLISH_TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _attempt(
    place: Workplace,
    request: PushRequest,
    target: Reference,
    files: Sequence[DiskFile],
    cache: StatCache,
    progress: Progress,
) -> Pushed:
    began_ms = place.clock()
    before = place.desk.look(target, request.parents)
    known = cache.recall(files)
    if (same := _unchanged(place, request, before, files, known)) is not None:
        version = place.desk.reuse(same, request.aliases, request.tags, None)
        return _pushed(place, version, files, None, began_ms)
    with leased(place.desk, target, small=_is_small(files)) as lease:
        draft = _write(place, request, target, before, files, known, cache, lease, progress)
        # Their entries are many, and publishing takes room of its own.
        del known
        if draft is None:
            assert before.newest is not None
            version = place.desk.reuse(before.newest, request.aliases, request.tags, lease)
        else:
            version = place.desk.publish(draft, target, request, lease)
    return _pushed(place, version, files, draft, began_ms)


def _is_small(files: Sequence[DiskFile]) -> bool:
    return sum(file.size for file in files) <= AT_ONCE_BYTES


def _check(request: PushRequest) -> Reference:
    """Everything that can be refused before a byte is read."""
    target = parse_reference(request.model)
    if not isinstance(target.selector, Newest):
        raise BadReference(f"{request.model!r} names a version; push to a model.", hint=f"Use {target.path!r}.")
    if request.label and request.bump:
        raise Invalid("Give a label or a bump, not both.")
    if request.label:
        Label.parse(request.label)
    if request.bump and request.bump not in BUMPS:
        raise BadValue(f"{request.bump!r} is not a bump.", hint=f"Use one of {', '.join(BUMPS)}.")
    if len(request.parents) > PARENTS_PER_VERSION:
        raise LimitExceeded(f"At most {PARENTS_PER_VERSION} parents.", limit="PARENTS_PER_VERSION")
    for relation in filter(None, (request.relation, *request.relations)):
        relation_named(relation)
    for name in request.aliases:
        AliasName(name)
    for key in request.tags:
        TagKey(key)
    checked_tags(request.tags)
    check_declared(request.declared)
    return target


def _refuse_own(place: Workplace, request: PushRequest, files: Sequence[DiskFile]) -> None:
    """A registry's own files change while anything is pushed. Raises Invalid."""
    root = place.scratch.parent.resolve() if place.scratch else None
    for path in request.paths if root else ():
        start = path.resolve()
        if root and not root.is_relative_to(start) and not start.is_relative_to(root):
            continue
        for file in files:
            inside = start / file.real_path.relative_to(path) if file.real_path.is_relative_to(path) else None
            if inside and place.owns(inside):
                hint = "Push the model's own folder, or leave the registry out with --exclude."
                raise Invalid(f"{file.real_path} is part of the registry itself.", hint=hint, path=file.path)


def _unchanged(
    place: Workplace, request: PushRequest, before: Before, files: Sequence[DiskFile], known: Mapping[str, Remembered]
) -> VersionRecord | None:
    """The newest version when every file is remembered and it holds exactly these; nothing is read then."""
    if len(known) != len(files):
        return None
    entries = [known[file.path][0] for file in files]
    return before.newest if _is_again(place, request, before, entries) else None


def _is_again(place: Workplace, request: PushRequest, before: Before, entries: Sequence[FileEntry]) -> bool:
    newest = before.newest
    says = request.declared.says_something or request.label or request.bump or request.parents
    if newest is None or newest.gone_ms or says or request.declared.kind not in (None, newest.kind):
        return False
    if newest.size_bytes != sum(entry.size for entry in entries):
        return False
    try:
        held = load_manifest(place, newest).files
    except Damaged:
        # What cannot be read cannot be compared; the new version will stand beside it.
        return False
    return len(held) == len(entries) and all(
        (a.path, a.sha256, a.executable) == (b.path, b.sha256, b.executable) for a, b in zip(held, entries, strict=True)
    )


def _write(
    place: Workplace,
    request: PushRequest,
    target: Reference,
    before: Before,
    files: Sequence[DiskFile],
    remembered: Mapping[str, Remembered],
    cache: StatCache,
    lease: Lease,
    progress: Progress,
) -> Draft | None:
    """Blocks in durable packs and the manifest that names them; None when the newest version is this already."""
    known = _in_force(lease, remembered)
    readings = read_files([file for file in files if file.path not in known])
    chosen = choose_base(
        place,
        _tensors(files, readings, known),
        before.parents,
        lambda structure, probes: place.desk.candidates(target, before.parents, structure, probes),
        {file.size for file, _ in readings},
    )
    with _writer(place, target, files, chosen, lease, progress) as writer:
        if _is_small(files):
            writer.foresee(readings, chosen.sketch)
        within = chosen.within if place.arrival(target.namespace) is Arrival.SMALL else None
        written = _written(writer, readings, within) if within else writer.write_files(readings)
        fresh = zip(written, readings, strict=True)
        cache.remember((file, entry, reading.facts) for entry, (file, reading) in fresh)
        entries, said = _joined(files, known, written, [reading.facts for _, reading in readings])
        del written, readings
        if _is_again(place, request, before, entries):
            return None
        manifest = _manifest(place, request, before, entries, said)
        written_bytes = _Measured(manifest.written())
        manifest_blocks = writer.write_parts(written_bytes, is_manifest=True)
        sketch = writer.write_blob(chosen.sketch)
        kept = writer.finish()
    found = _derivations(place, lease, manifest, kept, chosen.sources) if chosen.recipes else ()
    reused = frozenset(block for entry, _ in known.values() for block in _blocks(entry))
    return Draft(
        facts=manifest.facts,
        size_bytes=manifest.size_bytes,
        digest=written_bytes.digest,
        manifest_size=written_bytes.size,
        manifest_blocks=manifest_blocks,
        structure=chosen.structure,
        sketch=sketch[0] if sketch else b"",
        kept=kept,
        shared=kept.shared | reused,
        parents=before.parents,
        suggestion=_suggestion(place, request, target, before, manifest),
        probes=tuple(probes_in(chosen.sketch)),
        derivations=found,
    )


def _written(writer: BlockWriter, readings: Sequence[tuple[DiskFile, Reading]], within: Within) -> list[FileEntry]:
    """The entries, in the order of the files. Copies of others among them are written behind these, as functions."""
    first = [(file, reading) for file, reading in readings if file.path not in within.copies]
    last = [(file, reading) for file, reading in readings if file.path in within.copies]
    entries = writer.write_files(first)
    with closing(OwnBlocks({file.path: file for file, _ in first}, entries)) as own:
        if first and last:
            writer.lean_on(own, within.recipes(entries, own))
        entries += writer.write_files(last)
    by_path = {entry.path: entry for entry in entries}
    return [by_path[file.path] for file, _ in readings]


def _writer(
    place: Workplace, target: Reference, files: Sequence[DiskFile], chosen: Chosen, lease: Lease, progress: Progress
) -> BlockWriter:
    """Writes blocks as the namespace wants them to arrive: as small as they get, or as fast as the disk."""
    arrival = place.arrival(target.namespace)
    return BlockWriter(
        place.objects,
        lease.index,
        lease.new_pack_name,
        threads=place.threads,
        bases=chosen.bases if arrival is Arrival.SMALL else None,
        recipes=chosen.recipes if arrival is Arrival.SMALL else None,
        derives=chosen.within is not None,
        known=chosen.known,
        as_is=arrival is Arrival.RAW,
        progress=_kept_alive(lease, progress),
        pack_bytes=place.pack_bytes(sum(file.size for file in files)),
        checks=place.checks,
        cache=place.cache.of_its_own() if place.cache else None,
    )


def _derivations(
    place: Workplace, lease: Lease, manifest: Manifest, kept: Kept, sources: Sequence[VersionRecord]
) -> tuple[Derivation, ...]:
    """What was found that the version was computed from, counted from its blocks."""
    fresh = {row.id: row for row in kept.rows}
    named = {block for entry in manifest.files for block in _blocks(entry)}
    rows = {**lease.index.find(tuple(named - fresh.keys())), **fresh}
    return derivations(manifest, rows, _still_there(place, sources))


def _still_there(place: Workplace, sources: Iterable[VersionRecord]) -> Iterator[tuple[VersionRecord, Manifest]]:
    """With their manifests. One that was deleted and swept meanwhile proves nothing, and is no reason to fail."""
    for source in sources:
        try:
            manifest = load_manifest(place, source)
        except Damaged:
            continue
        yield source, manifest


class _Measured:
    """Bytes on their way into the store; their SHA-256 and number once they are through."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts
        self._sha = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            self._sha.update(part)
            self.size += len(part)
            yield part

    @property
    def digest(self) -> str:
        return self._sha.hexdigest()


def _kept_alive(lease: Lease, progress: Progress) -> Progress:
    """A push of known blocks begins no pack, so the lease is also renewed as the files are read."""

    def advance(length: int) -> None:
        lease.keep_alive()
        progress(length)

    return advance


def _tensors(
    files: Sequence[DiskFile], readings: Sequence[tuple[DiskFile, Reading]], known: Mapping[str, Remembered]
) -> list[FileTensors]:
    """The files with typed tensors in them: as hinted, or as remembered."""
    found = []
    fresh = iter(readings)
    for file in files:
        if file.path in known:
            spans = known[file.path][0].tensors
            typed = tuple(Hint(s.offset, s.length, s.name, s.dtype, s.shape) for s in spans if s.dtype)
        else:
            typed = tuple(hint for hint in next(fresh)[1].hints if hint.dtype)
        if typed:
            found.append(FileTensors(file, typed))
    return found


def _joined(
    files: Sequence[DiskFile], known: Mapping[str, Remembered], written: Sequence[FileEntry], said: Sequence[FileFacts]
) -> tuple[list[FileEntry], list[FileFacts]]:
    """The entries of all files and what each says of itself: those that were remembered and those written now."""
    fresh = zip(written, said, strict=True)
    whole = [known[file.path] if file.path in known else next(fresh) for file in files]
    return [entry for entry, _ in whole], [facts for _, facts in whole]


def _in_force(lease: Lease, remembered: Mapping[str, Remembered]) -> dict[str, Remembered]:
    """The remembered files all of whose blocks are still in the store."""
    kept: dict[str, Remembered] = {}
    for some in batched(remembered.items(), FILES_ASKED_ABOUT):
        found = lease.index.find(tuple({block for _, (entry, _) in some for block in _blocks(entry)}))
        kept |= {path: known for path, known in some if all(block in found for block in _blocks(known[0]))}
    return kept


def _blocks(entry: FileEntry) -> Iterator[BlockId]:
    for span in entry.spans:
        yield from span.blocks


def _manifest(
    place: Workplace, request: PushRequest, before: Before, entries: Sequence[FileEntry], said: Sequence[FileFacts]
) -> Manifest:
    declared = request.declared
    facts = Facts(
        author=place.author,
        created_ms=place.clock(),
        message=declared.message,
        datasets=declared.datasets,
        metrics=declared.metrics,
        params=declared.params,
        base_model=declared.base_model,
        code=request.code,
        environment=request.environment,
        hardware=request.hardware,
        training=declared.details.training,
        statistics=declared.details.statistics,
        search=declared.details.search,
        fairness=declared.details.fairness,
        resources=declared.details.resources,
    )
    facts = facts_of(facts, entries, said, declared.kind, request.said)
    # A version that a file says counts before the one its author says.
    said_by_files = {name: version for name, version in facts.frameworks.items() if version}
    facts = replace(facts, frameworks={**facts.frameworks, **declared.details.frameworks, **said_by_files})
    manifest = Manifest(tuple(entries), replace(facts, parents=_parents(request, before, facts)))
    check_manifest(manifest)
    return manifest


def _parents(request: PushRequest, before: Before, facts: Facts) -> tuple[Parent, ...]:
    usual = request.relation or (Relation.ADAPTER_OF if facts.adapter else Relation.DERIVED_FROM)
    said = request.relations or ("",) * len(request.parents)
    return tuple(
        Parent(version.reference.partition("@")[0], version.number, version.digest, str(relation or usual))
        for version, relation in zip(before.parents, said, strict=True)
    )


def _suggestion(
    place: Workplace, request: PushRequest, target: Reference, before: Before, manifest: Manifest
) -> Suggestion | None:
    if request.bump != "auto":
        return None
    own = [parent for parent in before.parents if (parent.namespace, parent.model) == (target.namespace, target.model)]
    return suggestion(place, own[0] if own else before.newest, manifest)


def _pushed(
    place: Workplace,
    version: VersionRecord,
    files: Sequence[DiskFile],
    draft: Draft | None,
    began_ms: int,
) -> Pushed:
    return Pushed(
        version=version,
        created=draft is not None,
        files=len(files),
        logical_bytes=sum(file.size for file in files),
        new_raw_bytes=draft.kept.new_raw_bytes if draft else 0,
        stored_bytes=draft.kept.stored_bytes if draft else 0,
        seconds=(place.clock() - began_ms) / 1000,
        label_reason=draft.suggestion.reasons if draft and draft.suggestion else (),
    )
