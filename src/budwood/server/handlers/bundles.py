"""Exports and imports: bundles that stream through a file of the server's own.

An export is complete, and so either right or refused, before its first byte is sent. An import needs the right to
push in every namespace the bundle names; what lies elsewhere does not exist for it.
"""

import asyncio
import base64
import errno
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from budwood.catalog.scoped import ScopedCatalog
from budwood.domain.access import Permission
from budwood.domain.routes import registry
from budwood.errors import Forbidden, Invalid, StorageFailed, StorageFull
from budwood.server.ask import Ask, RawCall
from budwood.verbs.export import export
from budwood.verbs.house import House
from budwood.verbs.import_bundle import import_bundle
from budwood.verbs.wire import encode

PIECE_BYTES: Final = 1 << 20
KEPT_FREE_BYTES: Final = 256 << 20


async def send_bundle(ask: Ask, request: Request) -> Response:
    """Raises what the verb raises."""
    path = _place(ask)
    try:
        exported = await _long(ask, lambda: export(ask.house, ask.query.references, path))
    except BaseException:
        _forget(path)
        raise
    headers = {
        "content-length": str(exported.size),
        "content-disposition": 'attachment; filename="export.budwood"',
        "repr-digest": f"sha-256=:{_base64(exported.sha256)}:",
    }
    if request.method == "HEAD":
        _forget(path)
        return Response(None, 200, headers, "application/octet-stream")
    forget = BackgroundTask(_forget, path)
    return StreamingResponse(_pieces(path), 200, headers, "application/octet-stream", forget)


async def take_bundle(ask: Ask, request: Request) -> Response:
    """Raises what the verb raises."""
    path, house = _place(ask), _pushable(ask)
    _check_room(request, path)
    try:
        await _receive(request, path)
        imported = await _long(ask, lambda: import_bundle(house, path))
    finally:
        _forget(path)
    return Response(encode(imported), media_type="application/json")


def _check_room(request: Request, path: Path) -> None:
    """Before the first byte is taken. Raises Invalid, StorageFull."""
    declared = request.headers.get("content-length")
    if declared is None:
        raise Invalid("A bundle is sent with its length.", hint="Send a Content-Length.")
    if int(declared) > shutil.disk_usage(path.parent).free - KEPT_FREE_BYTES:
        raise StorageFull("There is no room for this bundle while it is looked at.", size=int(declared))


def _pushable(ask: Ask) -> House:
    """The registry as far as the caller may push. Raises Forbidden when that is nowhere."""
    if ask.reach is None and Permission.PUSH in ask.caller.permissions(""):
        return ask.whole
    names = ask.caller.roles if ask.reach is not None else {scope.namespace for scope in ask.caller.scopes or ()}
    reach = frozenset(name for name in names if Permission.PUSH in ask.caller.permissions(name))
    if not reach:
        raise Forbidden(f"{ask.caller.name} may push nowhere.")
    return replace(ask.whole, catalog=ScopedCatalog(ask.whole.catalog, reach))


async def _receive(request: Request, path: Path) -> None:
    """Write the body to a file, a piece at a time. Raises Invalid for an empty one, StorageFailed."""
    parts: list[bytes] = []
    held = total = 0
    file = await run_in_threadpool(path.open, "xb")
    try:
        async for part in request.stream():
            parts.append(part)
            held += len(part)
            if held >= PIECE_BYTES:
                await run_in_threadpool(file.writelines, parts)
                parts, held, total = [], 0, total + held
        await run_in_threadpool(file.writelines, parts)
        if not total + held:
            raise Invalid("There is no bundle in the request.", hint="Send the file as the body.")
    except OSError as error:
        kind = StorageFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageFailed
        raise kind("The bundle cannot be kept while it is looked at.") from error
    finally:
        await run_in_threadpool(file.close)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await run_in_threadpool(path.open, "rb") as file:
        _forget(path)  # The open file keeps its bytes, whatever becomes of the request.
        while piece := await run_in_threadpool(file.read, PIECE_BYTES):
            yield piece


async def _long(ask: Ask, work: Callable[[], Any]) -> Any:
    return await asyncio.wrap_future(ask.service.threads.long(work))


def _place(ask: Ask) -> Path:
    return ask.service.folder / f"{ask.whole.ids()}.bundle"


def _forget(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode("ascii")


HANDLERS: Final = {
    registry.EXPORT.name: RawCall(send_bundle),
    registry.IMPORT.name: RawCall(take_bundle),
}
