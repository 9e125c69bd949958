"""Room kept on the registry's disk for what frees room: a file that takes it, and can be given up.

A catalog writes before anything is freed: to the log of its database first. On a disk that is full to the last byte
nothing could ever be deleted or swept again.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from budwood.domain.limits import BALLAST_BYTES, BALLAST_BYTES_LEAST

BALLAST_FILE: Final = "ballast"


class FolderBallast:
    """A file beside the catalog, as large as that, from ``BALLAST_BYTES_LEAST`` to ``BALLAST_BYTES``.

    It is never an error that there is none: a small disk has none.
    """

    def __init__(self, catalog: Path) -> None:
        self._catalog = catalog
        self._path = catalog.parent / BALLAST_FILE
        self._given_up = False

    def keep(self) -> None:
        """Make it, or let it grow, where twice its size is free. Takes no time to speak of."""
        with suppress(OSError):
            size = self._wanted()
            if self._size() < size and self._free() >= 2 * size:
                self._take(size)
                self._given_up = False

    def take_back(self) -> None:
        """After it was given up. Nobody else is to get what was lent: with little room, it takes what there is, and
        leaves an eighth for what is still to be written."""
        if not self._given_up:
            return
        self.keep()
        with suppress(OSError):
            if self._given_up:
                self._take(min(self._free(), self._wanted()) * 7 // 8)

    def give_up(self) -> bool:
        """Whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        self._given_up = True
        return True

    def give_up_when_full(self) -> None:
        """Give it up if so little room is left that writing a few pages may fail."""
        with suppress(OSError):
            if self._free() < self._wanted() // 4:
                self.give_up()

    def _wanted(self) -> int:
        return min(max(self._catalog.stat().st_size, BALLAST_BYTES_LEAST), BALLAST_BYTES)

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _free(self) -> int:
        return shutil.disk_usage(self._path.parent).free

    def _take(self, size: int) -> None:
        if not hasattr(os, "posix_fallocate"):
            return  # Writing it all would cost more than it is worth.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
