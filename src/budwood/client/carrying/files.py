"""Bringing the files of one root: each read once, its SHA-256 taken on the way, and compared with what is kept here."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from budwood.client.carrying.counts import Counts
from budwood.client.carrying.journal import Journal
from budwood.client.carrying.ours import Ours
from budwood.client.carrying.reader import Reader, Root
from budwood.domain.carrying.compare import Told
from budwood.domain.carrying.records import CarriedFile
from budwood.errors import BudwoodError, FileChanged, Unavailable


@dataclass(frozen=True, slots=True)
class Files:
    """``scratch`` is a folder for one file at a time."""

    reader: Reader
    ours: Ours
    journal: Journal
    counts: Counts
    scratch: Path

    def bring(self, root: Root, target: str) -> Sequence[CarriedFile]:
        """What lies there now of what the root holds, verified. What cannot be brought is told. Raises Unavailable."""
        try:
            wanted = self.reader.files(root)
        except Unavailable:
            raise
        except BudwoodError as error:
            self.counts.differs("files", root.location or root.id, error.message)
            return ()
        if not wanted:
            return ()
        self.counts.found("files", len(wanted))
        here = {each.path: each for each in self.ours.files_at(target)}
        known = {each.path: self._bring_one(root, target, each, here.get(each.path)) for each in wanted}
        after = {each.path: each for each in self.ours.files_at(target)}
        return [after[path] for path, sha256 in known.items() if self._is_same(root, path, sha256, after.get(path))]

    def _bring_one(self, root: Root, target: str, file: CarriedFile, here: CarriedFile | None) -> str:
        """Its SHA-256; empty when it could not be brought."""
        where = f"{root.kind}:{root.id}:{root.location}"
        sha256 = file.sha256 or self.journal.known(where, file.path, file.size)
        if sha256 and here is not None and here.sha256 == sha256:
            self.counts.kept("files")
            return sha256
        try:
            with tempfile.NamedTemporaryFile(dir=self.scratch) as spool:
                place = Path(spool.name)
                sha256 = self._fetch(root, file, place)
                if here is not None and here.sha256 == sha256:
                    self.counts.kept("files")
                else:
                    self.ours.put_file(f"{target}/{file.path}", place)
                    self.counts.brought("files")
        except Unavailable:
            raise
        except BudwoodError as error:
            self.counts.differs("files", f"{root.location}/{file.path}", error.message)
            return ""
        self.journal.note(where, file.path, file.size, sha256)
        return sha256

    def _fetch(self, root: Root, file: CarriedFile, place: Path) -> str:
        """Raises FileChanged for one that has not the size that was told."""
        digest = hashlib.sha256()
        came = 0
        with self.reader.open(root, file.path) as pieces, place.open("wb") as written:
            for piece in pieces:
                came += len(piece)
                if came > file.size:
                    break
                digest.update(piece)
                written.write(piece)
                self.counts.came(len(piece))
        if came != file.size:
            raise FileChanged(f"{file.path[:200]!r} has not the {file.size} bytes that its source tells.")
        return digest.hexdigest()

    def _is_same(self, root: Root, path: str, sha256: str, after: CarriedFile | None) -> bool:
        if not sha256:
            return False
        name = f"{root.kind} {root.id} {path}"
        here: Told | None = {"sha256": after.sha256} if after else None
        there: Told = {"sha256": sha256}
        return self.counts.compare("files", name, there, here)
