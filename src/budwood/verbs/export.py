"""export: write versions, and every block they need, as one verifiable file."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from budwood.catalog.api import View
from budwood.domain.records import VersionRecord
from budwood.domain.results import Exported
from budwood.errors import BadValue, Invalid, StorageFailed, StorageFull
from budwood.store.api import Progress
from budwood.store.bundle import BundledParent, BundledVersion, ordered, write_bundle
from budwood.verbs.house import House
from budwood.verbs.manifests import check_bytes, load_manifest
from budwood.verbs.needed import named_blocks
from budwood.verbs.resolve import resolve


def export(house: House, references: Sequence[str], path: Path, *, progress: Progress = lambda _: None) -> Exported:
    """Nothing is at ``path`` until the bundle is complete.

    Raises NotFound, BytesGone, BadValue, Damaged, LimitExceeded, StorageFull, StorageFailed.
    """
    if not references:
        raise Invalid("Name at least one version to export.")
    with house.catalog.read() as view:
        found = {version.id: version for version in (resolve(view, reference) for reference in references)}
        versions = sorted(found.values(), key=lambda version: version.id)
        for version in versions:
            check_bytes(version)
        bundled = [_bundled(view, version) for version in versions]
    blocks = set().union(*(named_blocks(version, load_manifest(house, version)) for version in versions))
    reader = house.reader()
    rows = ordered(reader.rows(blocks).values())
    part = path.parent / f".{house.ids()}.part"
    try:
        with part.open("xb") as file:
            sha256 = write_bundle(file, reader.encoded, bundled, rows, house.clock())
            file.flush()
            os.fsync(file.fileno())
        size = part.stat().st_size
        part.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"There is no space left to write {path}.", path=str(path)) from error
        raise StorageFailed(f"{path} cannot be written: {error.strerror}.", path=str(path)) from error
    finally:
        part.unlink(missing_ok=True)
    progress(size)
    return Exported(str(path), len(versions), len(rows), size, sha256)


def _bundled(view: View, version: VersionRecord) -> BundledVersion:
    """Raises BadValue for a version that is all record: elsewhere it would have another."""
    if not version.manifest_blocks:
        raise BadValue(f"{version.reference} has no files here to put into a bundle.", version=version.reference)
    return BundledVersion(
        namespace=version.namespace,
        model=version.model,
        number=version.number,
        digest=version.digest,
        manifest_size=version.manifest_size,
        manifest_blocks=version.manifest_blocks,
        label=version.label,
        structure=version.structure,
        sketch=version.sketch,
        tags=tuple((tag.key, tag.value) for tag in view.tags(version.id)),
        parents=tuple(BundledParent(p.namespace, p.model, p.digest) for p in view.parents(version.id)),
    )
