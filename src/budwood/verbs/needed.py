"""Which blocks are needed, by versions, files of runs, files of evidence: the roots of sweep, verify and stats."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from budwood.domain.artifacts import StoredFile
from budwood.domain.limits import DEEPEST
from budwood.domain.manifest import BlockId, Manifest
from budwood.domain.policy.evidence import Evidence
from budwood.domain.records import VersionRecord
from budwood.errors import ManifestDamaged, PackDamaged
from budwood.store.api import BlockIndex, BlockRow, StoredObject
from budwood.store.packs import pack_name
from budwood.verbs.house import House
from budwood.verbs.manifests import load_manifest

PAGE: Final = 500
ROWS: Final = 10_000


def every_version(house: House, after_id: int = 0) -> Iterator[VersionRecord]:
    """All versions by id, in pages, each page a view of its own."""
    while True:
        with house.catalog.read() as view:
            page = view.all_versions(after_id=after_id, limit=PAGE)
        if not page:
            return
        yield from page
        after_id = page[-1].id


def every_manifest(house: House) -> Iterator[tuple[VersionRecord, Manifest]]:
    """All versions by id with their manifests. Raises ManifestDamaged, StorageFailed.

    A version that was deleted while the others were read, and perhaps swept, is left out.
    """
    for version in every_version(house):
        try:
            manifest = load_manifest(house, version)
        except ManifestDamaged:
            if is_there(house, version):
                raise
            continue
        yield version, manifest


def is_there(house: House, version: VersionRecord) -> bool:
    """Whether the version has not been deleted since its record was read."""
    with house.catalog.read() as view:
        return view.version_by_id(version.id) is not None


def named_blocks(version: VersionRecord, manifest: Manifest) -> set[BlockId]:
    """Every block a version names: its files', its manifest's and its sketch. Its manifest's alone once its bytes were
    let go: what it was stays known."""
    if version.gone_ms:
        return set(version.manifest_blocks)
    sketch = {version.sketch} if version.sketch else set()
    return {*manifest.block_ids(), *version.manifest_blocks, *sketch}


def every_file_of_evidence(house: House) -> Iterator[tuple[str, Evidence]]:
    """All evidence that came with files, by id, each with its namespace; what it is about may be gone."""
    after_id = 0
    while True:
        with house.catalog.read() as view:
            page = view.evidence_with_files(after_id=after_id, limit=PAGE)
        if not page:
            return
        yield from page
        after_id = page[-1][1].id


def attached_blocks(evidence: Evidence) -> set[BlockId]:
    """Every block of its files."""
    return {bytes.fromhex(block) for file in evidence.files for block in file.blocks}


def every_stored_file(house: House) -> Iterator[StoredFile]:
    """All files that are no version's yet, by id; one that was replaced while others were read comes anew."""
    after_id = 0
    while True:
        with house.catalog.read() as view:
            page = view.all_stored_files(after_id=after_id, limit=PAGE)
        if not page:
            return
        yield from page
        after_id = page[-1].id


def file_blocks(file: StoredFile) -> set[BlockId]:
    """Every block it is made of."""
    return {block for span in file.entry.spans for block in span.blocks}


def with_bases(index: BlockIndex, blocks: Iterable[BlockId]) -> Mapping[BlockId, BlockRow]:
    """The rows of the blocks that exist and of all they are differences from."""
    rows: dict[BlockId, BlockRow] = {}
    wanted: Sequence[BlockId] = tuple(set(blocks))
    for _ in range(DEEPEST + 1):
        if not wanted:
            break
        found = index.find(wanted)
        rows |= found
        wanted = tuple({base for row in found.values() for base in row.bases} - rows.keys())
    return rows


def rows_in_force(house: House, pack: str = "") -> Iterator[BlockRow]:
    """Every row in force, or those of one pack, by id; page by page."""
    after = b""
    while True:
        with house.catalog.read() as view:
            page = view.blocks(pack=pack, after=after, limit=ROWS)
        if not page:
            return
        yield from page
        after = page[-1].id


def listed_packs(house: House) -> dict[str, StoredObject]:
    """The packs that lie in the store, by name. What is no pack of ours is left alone."""
    packs = {}
    for info in house.objects.list("packs/"):
        with suppress(PackDamaged):
            packs[pack_name(info.key)] = info
    return packs
