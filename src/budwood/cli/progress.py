"""A bar for work that takes long: bytes, rate and time left, on standard error, where a person watches.

In a pipe or with --json there is none. The bar goes away when the work is done; the answer says what was done.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from budwood.cli.words import size_text

Advance = Callable[[int], None]


@contextlib.contextmanager
def bar(title: str, total_bytes: int | Callable[[], int] | None, *, json: bool) -> Iterator[Advance]:
    """Gives what a verb calls with bytes done. The total may be costly to know: it is asked for only when shown."""
    if json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    total = total_bytes() if callable(total_bytes) else total_bytes
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=total)
        yield lambda size: shown.advance(task, size)


def bytes_below(paths: Sequence[Path]) -> int:
    """The bytes of files and folders, as they are now; what cannot be looked at counts nothing."""
    return sum(_size(path) for path in paths)


def _size(path: Path) -> int:
    try:
        if not path.is_dir():
            return path.stat().st_size
        return sum((Path(folder) / name).lstat().st_size for folder, _, names in os.walk(path) for name in names)
    except OSError:
        return 0


@contextlib.contextmanager
def counting(title: str, *, json: bool) -> Iterator[Callable[[str, int], None]]:
    """For work whose end nobody knows. Gives what a walk calls with a kind and a count of what is done."""
    if json or not sys.stderr.isatty():
        yield lambda _, __: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    done: dict[str, int] = {}
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=None)

        def tell(kind: str, count: int) -> None:
            done[kind] = done.get(kind, 0) + count
            said = ", ".join(
                f"{size_text(number)} read" if kind == "bytes" else f"{number:,} {kind}"
                for kind, number in done.items()
            )
            shown.update(task, description=f"{title}: {said}")

        yield tell
