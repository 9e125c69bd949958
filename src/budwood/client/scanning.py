"""Scans a version where it is kept: only what decides is read, from the registry's own blocks or over the network."""

import io

from budwood.client.version import Version
from budwood.scan.guarded import Guard
from budwood.scan.report import FileReport, Report
from budwood.store.api import Progress


class Kept:
    """One file of a version as the source that readers take."""

    def __init__(self, file: io.BufferedReader, path: str, size: int) -> None:
        self._file = file
        self.path = path
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Raises BlockDamaged."""
        target = bytearray(max(0, min(length, self.size - offset)))
        self.read_into(offset, memoryview(target))
        return bytes(target)

    def read_into(self, offset: int, target: memoryview) -> None:
        """Raises BlockDamaged."""
        self._file.seek(offset)
        while target:
            count = self._file.readinto(target)
            assert count, "the manifest says how long the file is"
            target = target[count:]


def scan_version(version: Version, progress: Progress) -> Report:
    """Every file of a version. Raises BlockDamaged."""
    reports: list[FileReport] = []
    with Guard() as guard:
        for entry in version.manifest.files:
            kept = Kept(version.open(entry.path), entry.path, entry.size)
            reports.append(guard.scan(kept))
            progress(entry.size)
    return Report(tuple(reports))
