"""Artifacts: the files of runs and logged models, which MLflow's clients read and write through the server.

A body is never held in memory: it goes to scratch while it comes and from there into the store, and what is read is
sent block by block. Files are given as attachments that no browser runs, whatever they claim to be.
"""

import asyncio
import mimetypes
import os
import posixpath
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote

from budwood.domain.access import Permission
from budwood.domain.artifacts import Listed, artifact_path
from budwood.domain.canon import Json
from budwood.domain.entries import FileEntry
from budwood.domain.limits import ARTIFACT_BYTES, MIB, QUERY_TERMS
from budwood.errors import BadValue, LimitExceeded
from budwood.facades.face import Asked, Endpoint, Incoming, Outgoing, Pace, Reply
from budwood.facades.mlflow.protocol import answer
from budwood.facades.mlflow.shapes import located, run_of
from budwood.facades.mlflow.values import filled, missing, needed, objects, text, whole
from budwood.verbs import artifacts, parts
from budwood.verbs.artifacts import WORKSPACES
from budwood.verbs.keeping import Ahead, begin_whole, keep_file, spooled
from budwood.verbs.tracking import runs

GROUP_BYTES: Final = 4 * MIB
GROUP_PIECES: Final = 512
"""No system writes more than 1024 at once."""
SMALL_BYTES: Final = 10 * MIB
AHEAD_BYTES: Final = 16 * MIB
"""Smaller files are there before it would help to write them to the store while they come."""
_PLAIN: Final = frozenset(
    {".txt", ".log", ".py", ".js", ".yaml", ".yml", ".xml", ".md", ".rst", ".ini", ".cfg", ".toml", ".sh", ".sql"}
)
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PLAIN_NAMES: Final = frozenset({"mlmodel", "mlproject"})


def named_in(holes: Mapping[str, str], query: bytes) -> str:
    """The namespace that a path of artifacts begins with: these are asked for without the header of a workspace."""
    path = holes.get("path") or holes.get("folder")
    if path is None and b"workspaces" in query:
        try:
            pairs = parse_qsl(query.decode("ascii"), errors="strict", max_num_fields=QUERY_TERMS)
        except ValueError:
            return ""
        path = dict(pairs).get("path", "")
    if not path or not path.startswith(WORKSPACES):
        return ""
    return path.removeprefix(WORKSPACES).partition("/")[0]


# Reading


async def download(asked: Asked, incoming: Incoming) -> Outgoing:
    return await _sent(asked, _path(asked, "path"), incoming)


def address_to_download(asked: Asked) -> Json:
    """For clients that fetch ranges side by side: the same address, with the token that asked."""
    path = _path(asked, "path")
    entry = artifacts.find_entry(asked.house, asked.namespace, path)
    base = asked.address.removesuffix(f"/ns/{asked.namespace}")
    headers: dict[str, Json] = {"Authorization": f"Bearer {asked.token}"} if asked.token else {}
    url = f"{base}/ns/{quote(asked.namespace)}{_ARTIFACTS}/{quote(path)}"
    return {"url": url, "headers": headers, "file_size": entry.size}


async def run_file(asked: Asked, incoming: Incoming) -> Outgoing:
    folder = await asyncio.to_thread(_root_of_run, asked)
    return await _sent(asked, _joined(folder, needed(asked.values, "path")))


async def version_file(asked: Asked, incoming: Incoming) -> Outgoing:
    values = asked.values
    name, number = needed(values, "name"), needed(values, "version")
    if "/" in name or not number.isdecimal():
        raise BadValue(f"Invalid version: {name[:100]} {number[:20]}")
    return await _sent(asked, _joined(f"{artifacts.VERSIONS}{name}/{number}", needed(values, "path")))


def list_all(asked: Asked) -> Json:
    folder = _without_workspace(asked, text(asked.values, "path"))
    found = artifacts.list_files(asked.house, asked.namespace, folder)
    return filled(files=[_shown(each, posixpath.basename(each.path)) for each in found])


def list_run(asked: Asked) -> Json:
    root = _root_of_run(asked)
    return listed(asked, root, text(asked.values, "path"))


def listed(asked: Asked, root: str, folder: str) -> dict[str, Json]:
    """What lies in a folder below a root, by paths from the root."""
    where = _joined(root, folder) if folder else root
    found = artifacts.list_files(asked.house, asked.namespace, where)
    shown = [_shown(each, each.path[len(root) + 1 :]) for each in found]
    return {"root_uri": located(asked, f"{artifacts.LOCATION}{root}"), **filled(files=shown)}


async def send_below(asked: Asked, root: str, path: str) -> Outgoing:
    """A file below a root."""
    return await _sent(asked, _joined(root, path))


# Writing


async def upload(asked: Asked, incoming: Incoming) -> Reply:
    await _kept(asked, incoming, _path(asked, "path"), ARTIFACT_BYTES)
    return answer({})


async def upload_small(asked: Asked, incoming: Incoming) -> Reply:
    if not text(asked.values, "run_uuid"):
        raise BadValue("Request must specify run_uuid.")
    if not text(asked.values, "path"):
        raise BadValue("Request must specify path.")
    artifact_path(needed(asked.values, "path"))
    if not incoming.length:
        raise BadValue("Request must specify data.")
    root = await asyncio.to_thread(_root_of_run, asked)
    await _kept(asked, incoming, _joined(root, needed(asked.values, "path")), SMALL_BYTES)
    return answer({})


def remove(asked: Asked) -> Json:
    artifacts.remove_files(asked.whole, asked.namespace, _path(asked, "path"))
    return {}


def begin_parts(asked: Asked) -> Json:
    """The addresses are at this server and want the same token: a part is let in as a whole file is."""
    values = asked.values
    number = whole(values, "num_parts", 1)
    begun = parts.begin(asked.whole, asked.namespace, _target(asked), number, asked.house.ids().replace("-", ""))
    base = asked.address.removesuffix(f"/ns/{asked.namespace}")
    address = f"{base}/ns/{quote(asked.namespace)}{_PARTS}part/{begun.upload}"
    headers: dict[str, Json] = {"Authorization": f"Bearer {asked.token}"} if asked.token else {}
    credentials: list[Json] = [
        {"url": f"{address}/{each}", "part_number": each, "headers": headers} for each in range(1, number + 1)
    ]
    return {"upload_id": begun.upload, "credentials": credentials}


async def upload_part(asked: Asked, incoming: Incoming) -> Reply:
    values = asked.values
    length = incoming.length
    if length is None:
        raise missing("Content-Length")
    place = await asyncio.to_thread(
        parts.place_of, asked.whole, asked.namespace, needed(values, "upload"), whole(values, "number"), length
    )
    descriptor = await asyncio.to_thread(parts.open_part, place)
    at = 0
    try:
        async for group in _grouped(incoming, length):
            await asyncio.to_thread(parts.write_at, descriptor, place.offset + at, group)
            at += sum(map(len, group))
    finally:
        os.close(descriptor)
    if at != length:
        raise BadValue(f"{at} bytes came instead of {length}.")
    mark = f"{length:x}-{asked.whole.ids().replace('-', '')}"
    await asyncio.to_thread(parts.note, place, length, mark)
    return Reply(b"", "text/plain", headers=(("etag", f'"{mark}"'),))


def end_parts(asked: Asked) -> Json:
    told = [(whole(each, "part_number"), text(each, "etag")) for each in objects(asked.values, "parts")]
    parts.complete(asked.whole, asked.namespace, _target(asked), needed(asked.values, "upload_id"), told)
    return {}


def abort_parts(asked: Asked) -> Json:
    parts.abort(asked.whole, asked.namespace, needed(asked.values, "upload_id"))
    return {}


# Paths


def _path(asked: Asked, field: str) -> str:
    return artifact_path(_without_workspace(asked, needed(asked.values, field)))


def _without_workspace(asked: Asked, path: str) -> str:
    return path.removeprefix(f"{WORKSPACES}{asked.namespace}/")


def _joined(root: str, path: str) -> str:
    """A path below a root. Raises BadValue for one that is not."""
    below = artifact_path(path)
    return f"{root}/{below}" if root else below


def _target(asked: Asked) -> str:
    """Where a file that comes in parts goes: into the folder of the address, under the last of its local names."""
    name = posixpath.basename(needed(asked.values, "path").replace("\\", "/"))
    return _joined(_path(asked, "folder"), name)


def _root_of_run(asked: Asked) -> str:
    found = runs.get_run(asked.house, asked.namespace, run_of(asked.values))
    return artifacts.root_of(found.run.location, asked.namespace)


# Bytes


async def _kept(asked: Asked, incoming: Incoming, path: str, most: int) -> None:
    """Write a body to scratch while it comes, and keep it. Raises BadValue, LimitExceeded, Unavailable."""
    length = incoming.length
    if length is not None and length > most:
        raise LimitExceeded(f"Artifact size is too large. Max size is {most} bytes.", limit="ARTIFACT_BYTES")
    with spooled(asked.whole) as scratch:
        ahead = None
        if length is not None and length >= AHEAD_BYTES:
            ahead = await asyncio.to_thread(begin_whole, asked.whole, asked.namespace, path, scratch, length)
        try:
            came = await _take(incoming, scratch, most, ahead)
            if length not in (None, came):
                raise BadValue("The file was not sent to its end.")
        except BaseException:
            if ahead is not None:
                ahead.abandon("it was not sent to its end")
            raise
        await asyncio.to_thread(keep_file, asked.whole, asked.namespace, path, scratch, ahead)


async def _take(incoming: Incoming, scratch: Path, most: int, ahead: Ahead | None) -> int:
    at = 0
    descriptor = os.open(scratch, os.O_WRONLY)
    try:
        async for group in _grouped(incoming, most):
            await asyncio.to_thread(parts.write_at, descriptor, at, group)
            at += sum(map(len, group))
            if ahead is not None:
                ahead.advance(at)
    finally:
        os.close(descriptor)
    if ahead is not None:
        ahead.end(at)
    return at


async def _grouped(incoming: Incoming, most: int) -> AsyncIterator[list[bytes]]:
    """What comes, some of it at a time. Raises LimitExceeded when it is more than that."""
    held: list[bytes] = []
    size = total = 0
    async for piece in incoming.pieces():
        held.append(piece)
        size, total = size + len(piece), total + len(piece)
        if total > most:
            raise LimitExceeded(f"More than {most} bytes came.", limit="ARTIFACT_BYTES")
        if size >= GROUP_BYTES or len(held) >= GROUP_PIECES:
            yield held
            held, size = [], 0
    if held:
        yield held


async def _sent(asked: Asked, path: str, incoming: Incoming | None = None) -> Outgoing:
    """All of it, or the range that the request asks for; several ranges at once are not offered."""
    entry = await asyncio.to_thread(artifacts.find_entry, asked.house, asked.namespace, path)
    name, mark = posixpath.basename(path), f'"{entry.sha256}"'
    wanted = None
    if incoming is not None and incoming.header("if-range") in ("", mark):
        wanted = _range(incoming.header("range"), entry.size)
    if wanted is not None and wanted.start >= wanted.stop:
        return Outgoing(_nothing(), 416, (("content-range", f"bytes */{entry.size}"), ("content-length", "0")))
    headers = (
        ("content-type", _media_type(name)),
        ("content-length", str(entry.size if wanted is None else len(wanted))),
        ("etag", mark),
        ("accept-ranges", "bytes"),
        ("content-disposition", _attached(name)),
        ("content-security-policy", "default-src 'none'; sandbox"),
    )
    if wanted is None:
        return Outgoing(_pieces(asked, entry, range(entry.size)), headers=headers)
    told = ("content-range", f"bytes {wanted.start}-{wanted.stop - 1}/{entry.size}")
    return Outgoing(_pieces(asked, entry, wanted), 206, (*headers, told))


def _range(header: str, size: int) -> range | None:
    """What it asks for, empty where there is no such thing; None for what is no single range."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.group() == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1) if last else size)


async def _nothing() -> AsyncIterator[bytes]:
    none: tuple[bytes, ...] = ()
    for each in none:
        yield each


async def _pieces(asked: Asked, entry: FileEntry, wanted: range) -> AsyncIterator[bytes]:
    """Block by block, the next one only when this one is sent."""
    # What a version shares may lie in other namespaces' packs.
    coming: Iterator[bytes] = artifacts.read_pieces(asked.whole, entry, wanted.start, wanted.stop)
    while (piece := await asyncio.to_thread(next, coming, None)) is not None:
        yield piece


def _media_type(name: str) -> str:
    if posixpath.splitext(name)[1].lower() in _PLAIN or name.lower() in _PLAIN_NAMES:
        return "text/plain"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _attached(name: str) -> str:
    """As a token where it is one; with its true name behind where that is no plain text."""
    kept = "".join(each if each.isascii() and each.isprintable() and each not in '"\\<>' else "_" for each in name)
    plain = kept if _TOKEN.fullmatch(kept) else f'"{kept}"'
    return f"attachment; filename={plain}" + ("" if kept == name else f"; filename*=UTF-8''{quote(name)}")


def _shown(each: Listed, path: str) -> Json:
    if each.size is None:
        return {"path": path, "is_dir": True}
    return {"path": path, "is_dir": False, "file_size": each.size}


_ARTIFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts"
_PARTS: Final = "/api/2.0/mlflow-artifacts/mpu/"
_UPLOAD: Final = "/api/2.0/mlflow/upload-artifact"
_READ, _PUSH = Permission.READ, Permission.PUSH
ENDPOINTS: Final = (
    Endpoint("mlflow.artifacts.list-all", "GET", _ARTIFACTS, _READ, list_all),
    Endpoint(
        "mlflow.artifacts.address",
        "GET",
        "/api/2.0/mlflow-artifacts/presigned/{path*}",
        _READ,
        address_to_download,
    ),
    Endpoint("mlflow.artifacts.download", "GET", _ARTIFACTS + "/{path*}", _READ, stream=download),
    Endpoint(
        "mlflow.artifacts.upload", "PUT", _ARTIFACTS + "/{path*}", _PUSH, stream=upload, body_bytes=ARTIFACT_BYTES
    ),
    Endpoint("mlflow.artifacts.remove", "DELETE", _ARTIFACTS + "/{path*}", _PUSH, remove),
    Endpoint("mlflow.artifacts.begin-parts", "POST", _PARTS + "create/{folder*}", _PUSH, begin_parts),
    Endpoint(
        "mlflow.artifacts.upload-part",
        "PUT",
        _PARTS + "part/{upload}/{number}",
        _PUSH,
        stream=upload_part,
        body_bytes=ARTIFACT_BYTES,
    ),
    Endpoint("mlflow.artifacts.end-parts", "POST", _PARTS + "complete/{folder*}", _PUSH, end_parts, Pace.LONG),
    Endpoint("mlflow.artifacts.abort-parts", "POST", _PARTS + "abort/{folder*}", _PUSH, abort_parts),
    Endpoint("mlflow.artifacts.list", "GET", "/api/2.0/mlflow/artifacts/list", _READ, list_run),
    Endpoint("mlflow.artifacts.run-file", "GET", "/get-artifact", _READ, stream=run_file),
    Endpoint("mlflow.artifacts.version-file", "GET", "/model-versions/get-artifact", _READ, stream=version_file),
    Endpoint(
        "mlflow.artifacts.upload-small", "POST", _UPLOAD, _PUSH, stream=upload_small, body_bytes=SMALL_BYTES + MIB
    ),
)
