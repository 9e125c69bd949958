"""Scans a version from where one is: only what decides is read, from the registry's own blocks or over the network."""

from budwood.client.version import Version
from budwood.scan.report import Report
from budwood.store.api import Progress
from budwood.verbs.scans import scan_manifest
from budwood.verbs.workplace import Reads


def scan_version(place: Reads, version: Version, progress: Progress) -> Report:
    """Every file of a version. Raises BlockDamaged."""
    return scan_manifest(place, version.manifest, progress)
