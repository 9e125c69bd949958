"""Reading and writing manifests through the store: the one place where a record becomes its manifest."""

from budwood.domain.facts import Facts
from budwood.domain.manifest import Manifest, read_manifest
from budwood.domain.moment import moment_text
from budwood.domain.names import Kind
from budwood.domain.records import VersionRecord
from budwood.errors import BlockDamaged, BytesGone, ManifestDamaged, PackDamaged
from budwood.verbs.workplace import Reads


def load_manifest(place: Reads, version: VersionRecord) -> Manifest:
    """The verified manifest of a version. Raises ManifestDamaged, TooNew, StorageFailed."""
    if not version.manifest_blocks:
        return _checked_bare(version)
    try:
        written = place.reader().read_parts(version.manifest_blocks, version.manifest_size)
        return read_manifest(written, digest=version.digest)
    except (BlockDamaged, PackDamaged) as error:
        raise ManifestDamaged(
            f"The manifest of {version.reference} cannot be read: {error.message}", version=version.reference
        ) from error


def bare_manifest(kind: Kind, author: str, created_ms: int, message: str) -> Manifest:
    """Of a version that has no files: it follows from the record, and is kept nowhere else."""
    return Manifest((), Facts(kind=kind, author=author, created_ms=created_ms, message=message))


def check_bytes(version: VersionRecord) -> None:
    """Raises BytesGone for a version whose bytes were let go: whoever reads files asks first."""
    if version.gone_ms:
        day = moment_text(version.gone_ms)[:10]
        raise BytesGone(
            f"The bytes of {version.reference} were let go on {day}: {version.gone_reason}.",
            version=version.reference,
            gone_ms=version.gone_ms,
        )


def _checked_bare(version: VersionRecord) -> Manifest:
    manifest = bare_manifest(version.kind, version.author, version.created_ms, version.message)
    if manifest.digest != version.digest:
        raise ManifestDamaged(f"The record of {version.reference} is not what it was.", version=version.reference)
    return manifest
