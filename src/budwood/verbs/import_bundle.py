"""import: take an exported bundle into this registry, every byte verified before any record names it.

Versions keep their digest, label, tags and facts; they get this registry's next numbers. A version that is here
already is skipped. Aliases and stages do not travel: what serves is decided where it serves.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from budwood.catalog.api import View
from budwood.domain.label import Label
from budwood.domain.manifest import BlockId, Manifest, read_manifest
from budwood.domain.names import ModelName, Namespace
from budwood.domain.paths import check_paths, safe_path
from budwood.domain.records import VersionRecord
from budwood.domain.reference import Reference
from budwood.domain.results import Imported
from budwood.errors import BadBundle, BlockDamaged, BundleDamaged, SourceNotFound
from budwood.store.api import Progress
from budwood.store.bundle import BundledBlock, BundledParent, BundledVersion, BundleReader
from budwood.store.encodings import decode_block
from budwood.store.packs import NewBlock, PackSet
from budwood.store.write import Kept
from budwood.verbs.house import House
from budwood.verbs.lease import Held, leased
from budwood.verbs.publish import Draft, publish


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What publish asks of a push; a bundle has no bump and moves no aliases."""

    label: str
    bump: str = ""
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


def import_bundle(house: House, path: Path, *, progress: Progress = lambda _: None) -> Imported:
    """Raises SourceNotFound, BadBundle, BundleDamaged, LabelTaken, LeaseLost, StorageFull, StorageFailed."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be opened: {error.strerror}.", path=str(path)) from error
    with file, BundleReader(file) as bundle:
        bundle.check_sums()
        with house.catalog.read() as view:
            held = [(version, _here(view, version)) for version in bundle.contents.versions]
        skipped = tuple(here for _, here in held if here is not None)
        wanted = [version for version, here in held if here is None]
        if not wanted:
            return Imported((), skipped, 0, 0)
        return _take_in(house, bundle, wanted, skipped, progress)


def _take_in(
    house: House,
    bundle: BundleReader,
    wanted: Sequence[BundledVersion],
    skipped: tuple[VersionRecord, ...],
    progress: Progress,
) -> Imported:
    """One transaction a version, oldest first. The first carries the blocks; the rest find them in force."""
    versions: list[VersionRecord] = []
    kept = Kept((), frozenset(), 0)
    for number, version in enumerate(wanted):
        with leased(house, "import") as lease:
            if number == 0:
                kept = _copy(house, bundle, lease, progress)
            draft = _draft(house, bundle, version, kept if number == 0 else None)
            wishes = _Wishes(version.label, tags=dict(_pairs(version)))
            versions.append(publish(house, draft, _target(version), wishes, lease))
    return Imported(tuple(versions), skipped, len(kept.rows), kept.stored_bytes)


def _copy(house: House, bundle: BundleReader, lease: Held, progress: Progress) -> Kept:
    """Every block of the bundle that is not here, decoded and hashed, then kept as it was encoded."""
    shared: set[BlockId] = set()
    with PackSet(house.objects, lease.new_pack_name) as packs:
        decoder = _Decoder(bundle)
        for block in bundle.blocks:
            raw, encoded = decoder.decode(block)
            if house.index.find([block.id]):
                shared.add(block.id)
            else:
                new = NewBlock(block.id, block.raw_length, block.encoding, block.base, block.depth)
                packs.add(new, [encoded], block.length)
            progress(raw)
        rows = packs.finish()
    return Kept(rows, frozenset(shared), sum(row.raw_length for row in rows))


class _Decoder:
    """Decodes a bundle's blocks within the bundle alone: what it leans on must be in it."""

    def __init__(self, bundle: BundleReader) -> None:
        self._bundle = bundle
        self._by_id = {block.id: block for block in bundle.blocks}

    def decode(self, block: BundledBlock) -> tuple[int, bytes]:
        """The raw length and the encoded bytes. Raises BundleDamaged unless they give the block."""
        encoded = self._bundle.encoded(block)
        if zlib.crc32(encoded) != block.check:
            raise BundleDamaged("A block of the bundle does not match its checksum.", block=block.id.hex()[:16])
        if blake3(self._raw(block, encoded)).digest() != block.id:
            raise BundleDamaged("A block of the bundle does not match its digest.", block=block.id.hex()[:16])
        return block.raw_length, encoded

    def raw(self, block: BundledBlock) -> bytearray:
        """The decoded bytes, unhashed. Raises BundleDamaged."""
        return self._raw(block, self._bundle.encoded(block))

    def _raw(self, block: BundledBlock, encoded: bytes) -> bytearray:
        base = None
        if block.base:
            # The reader has checked that every base lies in the bundle, one level nearer to the ground.
            under = self._by_id[block.base]
            base = memoryview(self.raw(under))
        raw = bytearray(block.raw_length)
        try:
            decode_block(block.encoding, memoryview(encoded), base=base, target=memoryview(raw))
        except BlockDamaged as error:
            raise BundleDamaged(f"A block of the bundle: {error.message}", block=block.id.hex()[:16]) from error
        return raw


def _draft(house: House, bundle: BundleReader, version: BundledVersion, kept: Kept | None) -> Draft:
    """``kept`` None when the version before brought the blocks: then all it needs must be in force."""
    manifest = _manifest(bundle, version)
    needed = {*manifest.block_ids(), *version.manifest_blocks, *([version.sketch] if version.sketch else [])}
    if missing := needed - {block.id for block in bundle.blocks}:
        raise BundleDamaged(f"{len(missing)} block(s) of {version.model}@v{version.number} are not in the bundle.")
    with house.catalog.read() as view:
        parents = [found for parent in version.parents if (found := _parent(view, parent))]
    return Draft(
        manifest=manifest,
        manifest_blocks=version.manifest_blocks,
        structure=version.structure,
        sketch=version.sketch,
        kept=kept or Kept((), frozenset(), 0),
        shared=kept.shared if kept else frozenset(needed),
        parents=tuple(parents),
    )


def _parent(view: View, parent: BundledParent) -> VersionRecord | None:
    """The parent when this registry has it; the manifest names it in any case."""
    return next(iter(view.versions_by_digest(parent.namespace, parent.model, parent.digest)), None)


def _manifest(bundle: BundleReader, version: BundledVersion) -> Manifest:
    """The version's manifest from the bundle's blocks, checked as if it came from a stranger: it does."""
    decoder, by_id = _Decoder(bundle), {block.id: block for block in bundle.blocks}
    if not set(version.manifest_blocks) <= by_id.keys():
        raise BundleDamaged("The bundle lacks a manifest.", version=f"{version.model}@v{version.number}")
    parts = [bytes(decoder.raw(by_id[block])) for block in version.manifest_blocks]
    manifest = read_manifest(b"".join(parts)[: version.manifest_size], digest=version.digest)
    check_paths([safe_path(entry.path) for entry in manifest.files])
    _target(version)
    return manifest


def _here(view: View, version: BundledVersion) -> VersionRecord | None:
    """The version when this registry's model of that name has it already."""
    target = _target(version)
    found = view.versions_by_digest(target.namespace, target.model, version.digest)
    return found[0] if found else None


def _target(version: BundledVersion) -> Reference:
    if version.label:
        Label.parse(version.label)
    return Reference(Namespace(version.namespace), ModelName(version.model))


def _pairs(version: BundledVersion) -> list[tuple[str, str]]:
    if any(len(tag) != 2 for tag in version.tags):
        raise BadBundle("A tag in the bundle is not a key and a value.")
    return [(tag[0], tag[1]) for tag in version.tags]
