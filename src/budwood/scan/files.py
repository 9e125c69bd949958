"""Scans what lies on disk: a file, or every file of a folder."""

from collections.abc import Sequence
from pathlib import Path

from budwood.scan.guarded import Guard
from budwood.scan.report import FileReport, Report
from budwood.store.api import Progress
from budwood.store.gather import gather


def scan_files(*paths: str | Path, exclude: Sequence[str] = (), progress: Progress | None = None) -> Report:
    """What may be said of files and folders before anything loads them. Nothing in them is run.

    Raises SourceNotFound, UnsafeEntry for links and devices, FileChanged, StorageFailed.
    """
    reports: list[FileReport] = []
    with Guard() as guard:
        for file in gather([Path(path) for path in paths], exclude):
            with file.open() as source:
                reports.append(guard.scan(source))
            if progress is not None:
                progress(file.size)
    return Report(tuple(reports))
