"""Sending the files of one root to a server, and fetching each once to see that it came as it went."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from budwood.client.carrying.counts import Counts
from budwood.client.carrying.journal import Journal
from budwood.client.carrying.ours import Ours
from budwood.client.carrying.reader import Root
from budwood.client.carrying.stock_writer import StockWriter
from budwood.domain.carrying.records import CarriedFile
from budwood.errors import BudwoodError, Unavailable


@dataclass(frozen=True, slots=True)
class SendingFiles:
    """``scratch`` is a folder for one file at a time."""

    ours: Ours
    there: StockWriter
    journal: Journal
    counts: Counts
    scratch: Path

    def send(self, root: Root, target: Root, above: str = "") -> None:
        """Below ``above`` in the target. What cannot be sent is told. Raises Unavailable."""
        wanted = self.ours.files(root)
        if not wanted:
            return
        self.counts.found("files", len(wanted))
        try:
            there = {each.path: each for each in self.there.reader.files(target)}
        except Unavailable:
            raise
        except BudwoodError as error:
            self.counts.differs("files", target.location, error.message, len(wanted))
            return
        for each in wanted:
            name = f"{target.location}/{above}{each.path}"
            try:
                self._send_one(root, target, above, each, there.get(f"{above}{each.path}"))
            except Unavailable:
                raise
            except BudwoodError as error:
                self.counts.differs("files", name, error.message)

    def _send_one(self, root: Root, target: Root, above: str, file: CarriedFile, there: CarriedFile | None) -> None:
        where = f"{target.kind}:{target.id}:{target.location}"
        path = f"{above}{file.path}"
        if there is not None and there.size == file.size:
            known = self.journal.known(where, path, file.size) or self._fetched(target, path)
            if known == file.sha256:
                self.counts.kept("files")
                self._note(where, path, file)
                return
        with tempfile.NamedTemporaryFile(dir=self.scratch) as spool:
            place = Path(spool.name)
            _write(self.ours.open(root, file.path), place)
            self.there.put_file(target.location, path, place)
        self.counts.came(file.size)
        came = self._fetched(target, path)
        if self.counts.compare("files", f"{where} {path}", {"sha256": file.sha256}, {"sha256": came}):
            self.counts.brought("files")
            self.journal.note(where, path, file.size, file.sha256)

    def _note(self, where: str, path: str, file: CarriedFile) -> None:
        self.counts.same("files", f"{where} {path}", {"sha256": file.sha256})
        self.journal.note(where, path, file.size, file.sha256)

    def _fetched(self, target: Root, path: str) -> str:
        digest = hashlib.sha256()
        with self.there.reader.open(replace(target), path) as pieces:
            for piece in pieces:
                digest.update(piece)
        return digest.hexdigest()


def _write(opened: AbstractContextManager[Iterator[bytes]], place: Path) -> None:
    with opened as pieces, place.open("wb") as file:
        file.writelines(pieces)
