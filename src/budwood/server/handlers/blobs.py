"""Where blocks lie, and the door for bytes that no object store signs for."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from budwood.domain.routes import blobs
from budwood.domain.transfers import FoundBlocks
from budwood.server.ask import Ask, Call, RawCall
from budwood.server.blob_door import Addresses, BlobDoor
from budwood.verbs.locate import locate


def find(ask: Ask) -> FoundBlocks:
    return locate(ask.whole, ask.body.ids, ask.reach, Addresses(ask.service.keys))


async def put(ask: Ask, request: Request) -> Response:
    return await BlobDoor(ask.whole, ask.service.keys).put(request)


async def get(ask: Ask, request: Request) -> Response:
    return await BlobDoor(ask.whole, ask.service.keys).get(request)


async def get_block(ask: Ask, request: Request) -> Response:
    return await BlobDoor(ask.whole, ask.service.keys).get_block(request)


HANDLERS: Final[dict[str, Call | RawCall]] = {
    blobs.FIND.name: Call(find),
    blobs.PUT.name: RawCall(put),
    blobs.GET.name: RawCall(get),
    blobs.GET_BLOCK.name: RawCall(get_block),
}
