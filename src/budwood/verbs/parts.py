"""A file that comes in parts, several at once: kept in scratch until it is complete, and no longer than hours.

A folder an upload, and all that is known of it lies there, so that any process on this machine takes any part. All
parts but the last are equally long, so each is written where it belongs in one file; the last one, whose place is
not known before, lies beside it. While they come, what came from the front goes into the store already
(``parts_ahead.py``), where one process takes them all; what is in scratch is what counts.
"""

import errno
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from budwood.domain import canon
from budwood.domain.artifacts import StoredFile, artifact_path
from budwood.domain.limits import ARTIFACT_BYTES, UPLOAD_IN_PARTS_S, UPLOAD_PARTS, UPLOADS_IN_PARTS
from budwood.errors import BadValue, LimitExceeded, RecordNotFound, StorageFailed, StorageFull
from budwood.verbs.artifacts import check_writable
from budwood.verbs.house import House
from budwood.verbs.keeping import WHOLE_FILES, keep_file, scratch_folder
from budwood.verbs.parts_ahead import FOLLOWED, Followed, Noted

_FOLDER: Final = "parts"
_ABOUT: Final = "about.json"
_WHOLE: Final = "whole"
_LAST: Final = "last"
_ID: Final = re.compile(r"[0-9a-f]{32,64}")
COPY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Upload:
    """A file coming in parts. ``upload`` is its secret name."""

    upload: str
    namespace: str
    path: str
    parts: int
    author: str
    began_ms: int


@dataclass(frozen=True, slots=True)
class Part:
    """Where to write one part, and what to say when it is there."""

    folder: Path
    number: int
    file: Path
    offset: int


def begin(house: House, namespace: str, path: str, parts: int, upload: str) -> Upload:
    """Raises BadValue, LimitExceeded, StorageFailed."""
    if not 1 <= parts <= UPLOAD_PARTS:
        raise BadValue(f"Invalid value {parts} for parameter 'num_parts' supplied: at least 1, at most {UPLOAD_PARTS}.")
    wanted = artifact_path(path)
    check_writable(wanted)
    room = scratch_folder(house, _FOLDER)
    now = house.clock()
    if _clear(room, now) >= UPLOADS_IN_PARTS:
        message = f"More than {UPLOADS_IN_PARTS} files are being sent in parts."
        raise LimitExceeded(message, hint="Try again when others are done.", limit="UPLOADS_IN_PARTS")
    new = Upload(upload, namespace, wanted, parts, house.author, now)
    folder = room / upload
    try:
        folder.mkdir(mode=0o700)
        (folder / _WHOLE).touch(mode=0o600)
        (folder / _ABOUT).write_bytes(canon.dumps(canon.pack(new)))
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error.strerror}.", path=str(folder)) from error
    FOLLOWED.add(upload, Followed(house, namespace, wanted, folder / _WHOLE, parts))
    return new


def clear_scratch(house: House) -> None:
    """Throw away what came and was never complete: its sender, or this server, is gone. Makes no folders."""
    if house.scratch is None:
        return
    now = house.clock()
    if (house.scratch / _FOLDER).is_dir():
        _clear(house.scratch / _FOLDER, now)
    if (house.scratch / WHOLE_FILES).is_dir():
        for left in (house.scratch / WHOLE_FILES).iterdir():
            with suppress(OSError):
                if _is_late(left, now):
                    left.unlink()


def place_of(house: House, namespace: str, upload: str, number: int, length: int) -> Part:
    """Where a part of that many bytes goes. Raises BadValue, RecordNotFound, LimitExceeded."""
    there = _found(house, namespace, upload)
    if not 1 <= number <= there.parts:
        raise BadValue(f"Invalid value {number} for parameter 'part_number' supplied: there are {there.parts} parts.")
    if length < 0 or length > ARTIFACT_BYTES // there.parts:
        raise LimitExceeded(f"A file has at most {ARTIFACT_BYTES} bytes.", limit="ARTIFACT_BYTES")
    folder = scratch_folder(house, _FOLDER) / upload
    if number == there.parts:
        return Part(folder, number, folder / _LAST, 0)
    return Part(folder, number, folder / _WHOLE, (number - 1) * length)


def write_at(descriptor: int, offset: int, pieces: Sequence[bytes]) -> None:
    """Write them one behind the other. Raises StorageFull, StorageFailed."""
    left = [memoryview(piece) for piece in pieces if piece]
    try:
        while left:
            count = os.pwritev(descriptor, left, offset)
            offset += count
            while left and count >= len(left[0]):
                count -= len(left.pop(0))
            if count:
                left[0] = left[0][count:]
    except OSError as error:
        kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageFailed
        raise kind(f"A file that came could not be written: {error.strerror}.") from error


def note(part: Part, length: int, mark: str) -> None:
    """A part is there whole; ``mark`` is told from those of other parts, and of the same part sent again.

    Raises StorageFailed.
    """
    try:
        (part.folder / f"part-{part.number}").write_bytes(canon.dumps({"length": length, "mark": mark}))
    except OSError as error:
        raise StorageFailed(f"The part {part.number} cannot be noted: {error.strerror}.") from error
    if (followed := FOLLOWED.find(part.folder.name)) is not None:
        followed.came(part.number, length, mark)


def complete(house: House, namespace: str, path: str, upload: str, told: Sequence[tuple[int, str]]) -> StoredFile:
    """Put it together and keep it. ``told`` are the number and the mark of each part, as they were answered.

    Raises BadValue, RecordNotFound, QuotaExceeded, StorageFull, StorageFailed.
    """
    there = _found(house, namespace, upload)
    if there.path != artifact_path(path):
        raise RecordNotFound(f"No such upload: {upload[:64]!r}")
    folder = scratch_folder(house, _FOLDER) / upload
    noted = _noted(folder, there.parts, dict(told))
    stride = noted[0].length
    if there.parts > 1 and any(part.length != stride for part in noted[:-1]):
        raise BadValue("All parts but the last must be equally long.")
    _join(folder, stride * (there.parts - 1))
    followed = FOLLOWED.take(upload)
    ahead = followed.ended(noted) if followed is not None else None
    kept = keep_file(house, namespace, there.path, folder / _WHOLE, ahead)
    shutil.rmtree(folder, ignore_errors=True)
    return kept


def abort(house: House, namespace: str, upload: str) -> None:
    """Throw its parts away; no error when they are gone already."""
    with suppress(RecordNotFound):
        _found(house, namespace, upload)
        FOLLOWED.drop(upload)
        shutil.rmtree(scratch_folder(house, _FOLDER) / upload, ignore_errors=True)


def _found(house: House, namespace: str, upload: str) -> Upload:
    """Raises RecordNotFound, also for one of another namespace or one that took too long."""
    missing = RecordNotFound(f"No such upload: {upload[:64]!r}")
    if not _ID.fullmatch(upload):
        raise missing
    try:
        written = (scratch_folder(house, _FOLDER) / upload / _ABOUT).read_bytes()
        there = canon.unpack(Upload, canon.loads(written))
    except (OSError, ValueError) as error:
        raise missing from error
    if there.namespace != namespace or house.clock() - there.began_ms > UPLOAD_IN_PARTS_S * 1000:
        raise missing
    return there


def _noted(folder: Path, parts: int, told: Mapping[int, str]) -> list[Noted]:
    """What was noted of each part, in order. Raises BadValue for one that never came, or is another than was told."""
    noted = []
    for number in range(1, parts + 1):
        try:
            said = canon.loads((folder / f"part-{number}").read_bytes())
        except (OSError, ValueError) as error:
            raise BadValue(f"Part {number} of {parts} was not uploaded.") from error
        assert isinstance(said, Mapping)
        if told.get(number, "").strip('"') not in ("", said["mark"]):
            raise BadValue(f"Part {number} is not the one that was uploaded.")
        noted.append(Noted(int(str(said["length"])), str(said["mark"])))
    return noted


def _join(folder: Path, offset: int) -> None:
    """Put the last part behind the others. Raises StorageFailed."""
    try:
        with (folder / _WHOLE).open("r+b") as whole, (folder / _LAST).open("rb") as last:
            whole.truncate(offset)
            whole.seek(offset)
            shutil.copyfileobj(last, whole, COPY_BYTES)
    except OSError as error:
        raise StorageFailed(f"The parts cannot be put together: {error.strerror}.") from error


def _clear(room: Path, now_ms: int) -> int:
    """Throw away what took too long; how many are left."""
    left = 0
    for folder in list(room.iterdir()):
        with suppress(OSError):
            if _is_late(folder, now_ms):
                FOLLOWED.drop(folder.name)
                shutil.rmtree(folder, ignore_errors=True)
            else:
                left += 1
    return left


def _is_late(path: Path, now_ms: int) -> bool:
    return now_ms - path.stat().st_mtime * 1000 > UPLOAD_IN_PARTS_S * 1000


def open_part(part: Part) -> int:
    """A descriptor to write it with, by ``write_at``. Raises StorageFailed."""
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(part.file, flags, 0o600)
    except OSError as error:
        raise StorageFailed(f"The part {part.number} cannot be written: {error.strerror}.") from error
