"""import: take an exported bundle into this registry, every byte verified before any record names it.

Versions keep their digest, label, tags and facts; they get this registry's next numbers. A version that is here
already is skipped. Aliases and stages do not travel: what serves is decided where it serves.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from blake3 import blake3

from budwood.catalog.api import View
from budwood.domain.facts import Facts
from budwood.domain.label import Label
from budwood.domain.limits import DERIVED_SOURCES, MANIFEST_BYTES, NAME_CHARS, PARENTS_PER_VERSION
from budwood.domain.manifest import BlockId, Manifest, read_manifest
from budwood.domain.names import ModelName, Namespace
from budwood.domain.paths import check_paths, safe_path
from budwood.domain.records import VersionRecord, model_path
from budwood.domain.reference import Reference
from budwood.domain.results import Imported
from budwood.errors import BadBundle, BlockDamaged, BundleDamaged, LabelTaken, LeaseLost, SourceNotFound
from budwood.store.api import BlockRow, Progress, bases_in, depth_on
from budwood.store.bundle import BundledBlock, BundledParent, BundledVersion, BundleReader
from budwood.store.checksum import crc32
from budwood.store.encodings import decode_block, encode_block
from budwood.store.encodings.derived import gather, read_function
from budwood.store.encodings.registry import DERIVED
from budwood.store.packs import NewBlock, PackSet
from budwood.store.read import placed_in_file
from budwood.store.turning import Turning
from budwood.store.write import Kept
from budwood.verbs.describe import check_facts
from budwood.verbs.draft import Draft
from budwood.verbs.house import House
from budwood.verbs.judge import check_edge, judge_birth
from budwood.verbs.lease import Held, leased
from budwood.verbs.publish import publish
from budwood.verbs.push import PUBLISH_TRIES
from budwood.verbs.tag import checked_tags


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What publish asks of a push; a bundle has no bump and moves no aliases."""

    label: str
    bump: str = ""
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


def import_bundle(house: House, path: Path, *, progress: Progress = lambda _: None) -> Imported:
    """Everything that can be refused is refused before the first version is taken in.

    Raises SourceNotFound, BadBundle, BundleDamaged, LabelTaken, BadName, BadValue, StandardUnmet, EdgeRefused,
    LeaseLost, StorageFull, StorageFailed.
    """
    with _opened(path) as file, BundleReader(file) as bundle:
        bundle.check_sums()
        with house.catalog.read() as view:
            held = [(version, _here(view, version)) for version in bundle.contents.versions]
            wanted = [version for version, here in held if here is None]
            _check_free(view, wanted)
        skipped = tuple(here for _, here in held if here is not None)
        decoder = Decoder(bundle)
        for version in wanted:
            facts = _check_version(decoder, version)
            with house.catalog.read() as view:
                _check_allowed(view, version, facts, wanted)
        return _take_in(house, decoder, wanted, skipped, progress)


def _opened(path: Path) -> IO[bytes]:
    try:
        if path.exists() and not path.is_file():
            raise BadBundle(f"{path} is not a plain file.", path=str(path))
        return path.open("rb")
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be opened: {error.strerror}.", path=str(path)) from error


# What is refused


def _here(view: View, version: BundledVersion) -> VersionRecord | None:
    """The version when this registry's model of that name has it already."""
    target = _target(version)
    found = view.versions_by_digest(target.namespace, target.model, version.digest)
    return found[0] if found else None


def _target(version: BundledVersion) -> Reference:
    if not re.fullmatch("[0-9a-f]{64}", version.digest):
        raise BadBundle("A version in the bundle has an impossible digest.")
    return Reference(Namespace(version.namespace), ModelName(version.model))


def _check_free(view: View, versions: Sequence[BundledVersion]) -> None:
    """That no version comes twice, and no label is taken. Raises BadBundle, LabelTaken, BadLabel."""
    if len({(v.namespace, v.model, v.digest) for v in versions}) < len(versions):
        raise BadBundle("The bundle holds a version twice.")
    labels = set()
    for version in versions:
        if not version.label:
            continue
        label = str(Label.parse(version.label)).partition("+")[0]
        holder = view.version_by_label(version.namespace, version.model, version.label)
        if holder is not None or (version.namespace, version.model, label) in labels:
            path = model_path(version.namespace, version.model)
            raise LabelTaken(f"The label {version.label} already names another version of {path}.", label=version.label)
        gone = view.removed_label(version.namespace, version.model, version.label)
        if gone is not None and gone.digest != version.digest:
            raise gone.refusal(model_path(version.namespace, version.model), version.label)
        labels.add((version.namespace, version.model, label))


def _check_allowed(view: View, version: BundledVersion, facts: Facts, wanted: Sequence[BundledVersion]) -> None:
    """What publishing asks again. A parent that is neither here nor in the bundle makes no edge.

    Raises StandardUnmet, EdgeRefused.
    """
    judge_birth(view, version.namespace, version.model, facts)
    coming = {(each.namespace, each.model, each.digest) for each in wanted}
    for parent in version.parents:
        if (parent.namespace, parent.model, parent.digest) in coming or _parent(view, parent):
            path = model_path(parent.namespace, parent.model)
            check_edge(view, version.namespace, parent.namespace, f"{path}@sha256:{parent.digest[:12]}")


def _check_version(decoder: "Decoder", version: BundledVersion) -> Facts:
    """Raises BundleDamaged, BadName, BadPath, BadValue, LimitExceeded."""
    manifest = decoder.manifest(version)
    check_paths([safe_path(entry.path) for entry in manifest.files])
    check_facts(manifest.facts)
    checked_tags(_tags(version))
    if len(version.structure) > NAME_CHARS or len(version.parents) > PARENTS_PER_VERSION:
        raise BadBundle("A version in the bundle says more of itself than is allowed.")
    for entry in manifest.files:
        for place in placed_in_file(entry):
            block = decoder.blocks.get(place.id)
            if block is None or block.raw_length != place.length:
                raise BundleDamaged(f"A block of {version.model}@v{version.number} is not in the bundle.")
    if version.sketch and version.sketch not in decoder.blocks:
        raise BundleDamaged(f"The sketch of {version.model}@v{version.number} is not in the bundle.")
    return manifest.facts


def _tags(version: BundledVersion) -> dict[str, str]:
    if any(len(tag) != 2 for tag in version.tags):
        raise BadBundle("A tag in the bundle is not a key and a value.")
    return {tag[0]: tag[1] for tag in version.tags}


# What is taken in


def _take_in(
    house: House,
    decoder: "Decoder",
    wanted: Sequence[BundledVersion],
    skipped: tuple[VersionRecord, ...],
    progress: Progress,
) -> Imported:
    """Again for what is left, when a sweep took a block that was shared; what is published stays.

    Or another tenant has a base under more differences than can be seen here. From the second time on, nothing leans on
    what came with the bundle. What is answered does not tell: of each block, how it was written first.
    """
    versions: list[VersionRecord] = []
    written: dict[BlockId, BlockRow] = {}
    last = PUBLISH_TRIES - 1
    for attempt in range(PUBLISH_TRIES):
        try:
            _take_rest(house, decoder, wanted, versions, written, progress, leans=attempt == 0)
            break
        except LeaseLost:
            if attempt == last:
                raise
    return Imported(tuple(versions), skipped, len(written), sum(row.length for row in written.values()))


def _take_rest(
    house: House,
    decoder: "Decoder",
    wanted: Sequence[BundledVersion],
    versions: list[VersionRecord],
    written: dict[BlockId, BlockRow],
    progress: Progress,
    *,
    leans: bool,
) -> None:
    """All blocks first, under one lease; then one transaction a version, oldest first, which names only the blocks
    that this version needs. A block that is written and not named yet is no sweep's, while the lease lives."""
    rest = wanted[len(versions) :]
    if not rest:
        return
    with leased(house, "import") as lease:
        manifests = frozenset(block for each in rest for block in each.manifest_blocks)
        kept = _copy(house, decoder, manifests, lease, progress, leans=leans)
        for row in kept.rows:
            written.setdefault(row.id, row)
        for left, version in zip(range(len(rest) - 1, -1, -1), rest, strict=True):
            draft = _draft(house, decoder, version, kept)
            wishes = _Wishes(version.label, tags=_tags(version))
            published = publish(house, draft, _target(version), wishes, lease, more_follow=left > 0)
            versions.append(published)


def _copy(
    house: House,
    decoder: "Decoder",
    manifests: frozenset[BlockId],
    lease: Held,
    progress: Progress,
    *,
    leans: bool,
) -> Kept:
    """Every block of the bundle that is not here, decoded and hashed, then kept as it was encoded.

    A base may lie here under more differences than where it came from; what would then be too deep is kept whole.
    ``leans``: on blocks of the bundle that are not here, too.
    """
    shared: set[BlockId] = set()
    depths: dict[BlockId, int] = {}
    with PackSet(house.objects, lease.new_pack_name, derives=_derives(decoder)) as packs:
        for block in decoder.blocks.values():
            lease.keep_alive()
            raw, written = decoder.decode(block)
            if (here := house.index.find([block.id]).get(block.id)) is not None:
                shared.add(block.id)
                depths[block.id] = here.depth
            else:
                bases = bases_in(block.base)
                depth = depth_on([depths[base] for base in bases], is_derived=block.encoding == DERIVED)
                is_manifest = block.id in manifests
                if depth is None or (not leans and not shared.issuperset(bases)):
                    encoded = encode_block(memoryview(raw), dtype="")
                    new = NewBlock(block.id, block.raw_length, encoded.tag, is_manifest=is_manifest)
                    packs.add(new, encoded.parts, encoded.length)
                    depth = 0
                else:
                    new = NewBlock(block.id, block.raw_length, block.encoding, block.base, depth, is_manifest)
                    packs.add(new, [written], block.length)
                depths[block.id] = depth
            progress(block.raw_length)
        rows = packs.finish()
    return Kept(rows, frozenset(shared), sum(row.raw_length for row in rows))


def _derives(decoder: "Decoder") -> bool:
    return any(len(bases_in(block.base)) > 1 for block in decoder.blocks.values())


def _draft(house: House, decoder: "Decoder", version: BundledVersion, kept: Kept) -> Draft:
    """The version with those of the kept blocks that it needs."""
    manifest = decoder.manifest(version)
    needed = {*manifest.block_ids(), *version.manifest_blocks, *([version.sketch] if version.sketch else [])}
    rows = {row.id: row for row in kept.rows}
    leaning = needed
    while leaning := {base for block in leaning if block in rows for base in rows[block].bases} - needed:
        needed |= leaning
    with house.catalog.read() as view:
        parents = [found for parent in version.parents if (found := _parent(view, parent))]
    return Draft(
        facts=manifest.facts,
        size_bytes=manifest.size_bytes,
        digest=version.digest,
        manifest_size=version.manifest_size,
        manifest_blocks=version.manifest_blocks,
        structure=version.structure,
        sketch=version.sketch,
        kept=Kept(tuple(row for row in kept.rows if row.id in needed), kept.shared & needed, kept.new_raw_bytes),
        shared=kept.shared & needed,
        parents=tuple(parents),
    )


def _parent(view: View, parent: BundledParent) -> VersionRecord | None:
    """The parent when this registry has it; the manifest names it in any case."""
    return next(iter(view.versions_by_digest(parent.namespace, parent.model, parent.digest)), None)


class Decoder:
    """Decodes a bundle's blocks within the bundle alone: what it leans on must be in it."""

    def __init__(self, bundle: BundleReader) -> None:
        self._bundle = bundle
        self.blocks = {block.id: block for block in bundle.blocks}
        self._held: dict[BlockId, bytearray] = {}
        self._turning = Turning()

    def decode(self, block: BundledBlock) -> tuple[bytearray, bytes]:
        """The raw and the encoded bytes. Raises BundleDamaged unless they give the block."""
        encoded = self._bundle.encoded(block)
        if crc32(encoded) != block.check:
            raise BundleDamaged("A block of the bundle does not match its checksum.", block=block.id.hex()[:16])
        raw = self._raw(block, encoded)
        if blake3(raw).digest() != block.id:
            raise BundleDamaged("A block of the bundle does not match its digest.", block=block.id.hex()[:16])
        return raw, encoded

    def manifest(self, version: BundledVersion) -> Manifest:
        """The manifest, checked as if it came from a stranger: it does. Raises BundleDamaged, ManifestDamaged."""
        blocks = [self.blocks.get(block) for block in version.manifest_blocks]
        size = sum(block.raw_length for block in blocks if block)
        if None in blocks or size != version.manifest_size or size > MANIFEST_BYTES:
            raise BundleDamaged("The bundle lacks a manifest.", version=f"{version.model}@v{version.number}")
        parts = [bytes(self._raw(block, self._bundle.encoded(block))) for block in blocks if block]
        return read_manifest(b"".join(parts), digest=version.digest)

    def _raw(self, block: BundledBlock, encoded: bytes) -> bytearray:
        raw = bytearray(block.raw_length)
        try:
            base = self._base(block, memoryview(encoded))
            decode_block(block.encoding, memoryview(encoded), base=base, target=memoryview(raw))
        except BlockDamaged as error:
            raise BundleDamaged(f"A block of the bundle: {error.message}", block=block.id.hex()[:16]) from error
        return raw

    def _base(self, block: BundledBlock, encoded: memoryview) -> memoryview | None:
        """The reader has checked that every base lies in the bundle, nearer to the ground. Raises BlockDamaged."""
        bases = bases_in(block.base)
        if block.encoding == DERIVED:
            function = read_function(encoded)
            if function.is_tall:
                return self._turning.numbers(function, bases, block.raw_length, self._made)
            return gather(encoded, bases, self._source, lambda length: np.empty(length, np.uint8))
        return memoryview(self._source(bases[0])) if bases else None

    def _source(self, base: BlockId) -> bytearray:
        """Kept for a while: the blocks of a matrix that was turned over are each made of all its sources."""
        held = self._held
        if base not in held:
            raw = self._made(base)
            while len(held) >= DERIVED_SOURCES:
                del held[next(iter(held))]
            held[base] = raw
        return held[base]

    def _made(self, base: BlockId) -> bytearray:
        block = self.blocks[base]
        return self._raw(block, self._bundle.encoded(block))
