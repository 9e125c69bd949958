"""Bytes over HTTP: where blocks lie, and the server's own door for those that no object store signs for.

The door asks for no token: an address is signed, names one thing and runs out (server/blob_door.py).
"""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.limits import PARCEL_BYTES
from budwood.domain.routes.route import Body, Route
from budwood.domain.transfers import FindBlocks, FoundBlocks
from budwood.errors import NotFound

FIND: Final = Route(
    name="blobs.find",
    method="POST",
    path="/v1/blocks/find",
    permission=Permission.KNOWN,
    summary="Where blocks can be read that lie in a namespace the caller may read.",
    request=FindBlocks,
    response=FoundBlocks,
    reads=True,
)
PUT: Final = Route(
    name="blobs.put",
    method="PUT",
    path="/v1/blobs/packs/{pack}",
    permission=Permission.ANYONE,
    summary="Send one pack to the address that was given for it.",
    takes=Body.BYTES,
    body_bytes=PARCEL_BYTES,
    gives=Body.NOTHING,
    status=204,
    errors=(NotFound,),
)
GET: Final = Route(
    name="blobs.get",
    method="GET",
    path="/v1/blobs/packs/{pack}",
    permission=Permission.ANYONE,
    summary="Read a pack, or one range of it, at the address that was given for it.",
    gives=Body.BYTES,
    errors=(NotFound,),
)
GET_BLOCK: Final = Route(
    name="blobs.get-block",
    method="GET",
    path="/v1/blobs/blocks/{block}",
    permission=Permission.ANYONE,
    summary="Read one block as its file has it, at the address that was given for it.",
    gives=Body.BYTES,
    errors=(NotFound,),
)

ROUTES: Final = (FIND, PUT, GET, GET_BLOCK)
