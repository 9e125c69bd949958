"""Telling the other processes on this machine at once that traffic was moved, where the catalog is a file.

Who listens has a port at the loopback address, and a file in the registry's folder that is named by it, holds a secret
word, and is locked for as long as they live. Ringing sends each its word, and whose traffic it was; those in the same
process are called first. Nothing depends on it: who does not hear looks by themselves, a little later.
"""

import fcntl
import hmac
import os
import socket
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from budwood.catalog.sql.ledger_transaction import FRESH, Salts

_WORD_BYTES: Final = 64
"""The most a word may have."""
_SAID_BYTES: Final = 4_096
"""What one message may have: a word, and the ids of endpoints behind it."""
_HERE: Final = "127.0.0.1"
_NAMED: Final = 100
"""So many endpoints are named; of more it is said that more may have changed."""
Heard = Callable[[Collection[int]], None]
"""Given the ids of endpoints whose traffic was moved; none where more may have changed."""


class FolderBell:
    """The bell of one registry."""

    def __init__(self, folder: Path, word: Salts = FRESH) -> None:
        self._folder = folder
        self._word = word
        self._here: list[_Listening] = []

    def ring(self, endpoints: Collection[int] = ()) -> None:
        """Tell all who listen. Whoever died meanwhile is struck off."""
        here = [each for each in self._here if each.process == os.getpid()]
        for each in here:
            each.heard(endpoints)
        told = {each.path for each in here}
        try:
            names = [path for path in self._folder.iterdir() if path.name.isdigit() and path not in told]
        except OSError:
            return
        if not names:
            return
        said = " ".join(map(str, endpoints if len(endpoints) <= _NAMED else ())).encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            for path in names:
                with suppress(OSError):
                    _tell(sending, path, said)

    def hear(self, heard: Heard) -> Callable[[], None]:
        """``heard`` is called whenever it rings: by who rings, or in a thread of its own where that is another process.
        What is returned ends that."""
        try:
            listening = _Listening(self._folder, self._word(), heard)
        except OSError:
            return _nothing  # Where nothing can be written nothing is moved either.
        self._here.append(listening)

        def stop() -> None:
            self._here.remove(listening)
            listening.close()

        return stop


class _Listening:
    def __init__(self, folder: Path, word: bytes, heard: Heard) -> None:
        self.heard = heard
        self.process = os.getpid()
        self._word = word
        self._ending = False
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((_HERE, 0))
            self.path = folder / str(self._socket.getsockname()[1])
            self._file = _locked(self.path, self._word)
        except BaseException:
            self._socket.close()
            raise
        self._thread = threading.Thread(target=self._listen, name="budwood-bell", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear nothing more."""
        self._ending = True
        self.path.unlink(missing_ok=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
            sending.sendto(self._word, self._socket.getsockname())
        self._thread.join()
        self._socket.close()
        os.close(self._file)

    def _listen(self) -> None:
        while not self._ending:
            said = self._socket.recv(_SAID_BYTES)
            word, rest = said[: len(self._word)], said[len(self._word) :]
            # Anybody on this machine may send to a port; who may read the folder knows the word.
            if hmac.compare_digest(word, self._word) and not self._ending:
                self.heard(tuple(int(each) for each in rest.split() if each.isdigit()))


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


def _tell(sending: socket.socket, path: Path, said: bytes) -> None:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            sending.sendto(file.read(_WORD_BYTES) + said, (_HERE, int(path.name)))
            return
    path.unlink(missing_ok=True)


def _nothing() -> None:
    """There was nothing to end."""
