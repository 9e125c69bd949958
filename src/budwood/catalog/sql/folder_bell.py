"""Telling the other processes on this machine at once that traffic was moved, where the catalog is a file.

Who listens has a port at the loopback address, and a file in the registry's folder that is named by it, holds a secret
word, and is locked for as long as they live. Ringing sends each its word. Nothing depends on it: who does not hear
looks by themselves, a little later.
"""

import fcntl
import hmac
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from budwood.catalog.sql.ledger_transaction import FRESH, Salts

_WORD_BYTES: Final = 64
"""The most a word may have."""
_HERE: Final = "127.0.0.1"


class FolderBell:
    """The bell of one registry."""

    def __init__(self, folder: Path, word: Salts = FRESH) -> None:
        self._folder = folder
        self._word = word

    def ring(self) -> None:
        """Tell all who listen. Whoever died meanwhile is struck off."""
        try:
            names = [path for path in self._folder.iterdir() if path.name.isdigit()]
        except OSError:
            return
        if not names:
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            for path in names:
                with suppress(OSError):
                    _tell(sending, path)

    def hear(self, heard: Callable[[], None]) -> Callable[[], None]:
        """``heard`` is called, in a thread of its own, whenever it rings; what is returned ends that."""
        try:
            listening = _Listening(self._folder, self._word(), heard)
        except OSError:
            return _nothing  # Where nothing can be written nothing is moved either.
        return listening.close


class _Listening:
    def __init__(self, folder: Path, word: bytes, heard: Callable[[], None]) -> None:
        self._heard = heard
        self._word = word
        self._ending = False
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((_HERE, 0))
            self._path = folder / str(self._socket.getsockname()[1])
            self._file = _locked(self._path, self._word)
        except BaseException:
            self._socket.close()
            raise
        self._thread = threading.Thread(target=self._listen, name="budwood-bell", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear nothing more."""
        self._ending = True
        self._path.unlink(missing_ok=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.sendto(self._word, self._socket.getsockname())
        self._thread.join()
        self._socket.close()
        os.close(self._file)

    def _listen(self) -> None:
        while not self._ending:
            said = self._socket.recv(_WORD_BYTES + 1)
            # Anybody on this machine may send to a port; who may read the folder knows the word.
            if hmac.compare_digest(said, self._word) and not self._ending:
                self._heard()


def _locked(path: Path, word: bytes) -> int:
    new = path.with_name(f"{path.name}.new")
    file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(file, word)
        new.replace(path)
    except BaseException:
        os.close(file)
        raise
    return file


def _tell(sending: socket.socket, path: Path) -> None:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            sending.sendto(file.read(_WORD_BYTES), (_HERE, int(path.name)))
            return
    path.unlink(missing_ok=True)


def _nothing() -> None:
    """There was nothing to end."""
