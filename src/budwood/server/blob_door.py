"""The server's own door for bytes, for stores that sign no addresses: one pack in, ranges of packs and blocks out.

An address is a path and a query that says how large, until when and for whom, under an HMAC-SHA256 of all that with
a key from the catalog. Whoever has the address may use it, and nothing else: another method, path or size is another
address. A key can be replaced at any time; what was signed before stays good until it runs out.

Bytes never pass through the event loop's thread in anything but whole pieces of ``PIECE_BYTES``.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from budwood.catalog.api import Transaction
from budwood.catalog.people_api import SigningKey
from budwood.domain.limits import ADDRESS_S, KIB, MIB, SLOW_BODY_S
from budwood.domain.manifest import BlockId
from budwood.domain.routes import blobs
from budwood.errors import BadParcel, Invalid, NotFound
from budwood.store.api import ObjectWriter
from budwood.store.packs import pack_key
from budwood.verbs.house import House
from budwood.verbs.locate import raw_block

PIECE_BYTES: Final = 1 * MIB
SLOWEST_RATE: Final = 16 * KIB
KEYS_FRESH_MS: Final = 60_000
_RANGE: Final = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})?")
_BLOCK: Final = re.compile(r"[0-9a-f]{64}")
_NOTHING: Final = "There is nothing at this address, or it has run out."


@dataclass(frozen=True, slots=True)
class _Signed:
    """What an address says; ``size`` is empty where nothing is sent."""

    method: str
    path: str
    size: str
    expires: str
    namespace: str
    key: str

    def signature(self, secret: bytes) -> str:
        words = (self.method, self.path, self.size, self.expires, self.namespace, self.key)
        return hmac.new(secret, "\n".join(words).encode(), hashlib.sha256).hexdigest()


class Keys:
    """The signing keys of a registry, read again now and then: another process may have replaced them."""

    def __init__(self, house: House, new_secret: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._house = house
        self._new_secret = new_secret
        self._lock = threading.Lock()
        self._keys: dict[str, SigningKey] = {}
        self._read_ms = 0

    def newest(self) -> SigningKey:
        """The key to sign with; made at the first need."""
        with self._lock:
            self._refresh()
            for key in self._keys.values():
                if not key.retired_ms:
                    return key
            self._house.catalog.write(self._make)
            self._refresh(now=True)
            return next(key for key in self._keys.values() if not key.retired_ms)

    def secret(self, key_id: str) -> bytes | None:
        """The secret of a key that signs, or did until not long ago."""
        with self._lock:
            self._refresh()
            if key_id not in self._keys:
                self._refresh(now=True)
            key = self._keys.get(key_id)
        if key is None or (key.retired_ms and key.retired_ms + ADDRESS_S * 1000 < self._house.clock()):
            return None
        return key.secret

    def replace(self) -> None:
        """Sign with a new key from now on."""

        def work(transaction: Transaction) -> None:
            now = self._house.clock()
            for key in transaction.signing_keys():
                if not key.retired_ms:
                    transaction.retire_signing_key(key.id, at_ms=now)
            transaction.add_signing_key(self._new_key())
            transaction.add_ledger(now, self._house.author, "signing-key.replaced", "registry", {})

        self._house.catalog.write(work)
        with self._lock:
            self._refresh(now=True)

    def _make(self, transaction: Transaction) -> None:
        if not any(not key.retired_ms for key in transaction.signing_keys()):
            transaction.add_signing_key(self._new_key())

    def _new_key(self) -> SigningKey:
        return SigningKey(self._house.ids()[:16], self._new_secret(32), self._house.clock())

    def _refresh(self, *, now: bool = False) -> None:
        clock = self._house.clock()
        if now or clock - self._read_ms > KEYS_FRESH_MS or not self._keys:
            with self._house.catalog.read() as view:
                self._keys = {key.id: key for key in view.signing_keys()}
            self._read_ms = clock


@dataclass(frozen=True, slots=True)
class Addresses:
    """``verbs.locate.Door`` for the requests of one namespace; empty for those of none."""

    keys: Keys
    namespace: str = ""

    def to_pack(self, pack: str, expires_ms: int) -> str:
        """See ``Door.to_pack``."""
        return self._sign("GET", blobs.GET.path.format(pack=pack), "", expires_ms)

    def to_block(self, block: BlockId, expires_ms: int) -> str:
        """See ``Door.to_block``."""
        return self._sign("GET", blobs.GET_BLOCK.path.format(block=block.hex()), "", expires_ms)

    def for_pack(self, pack: str, size: int, expires_ms: int) -> str:
        """See ``Door.for_pack``."""
        return self._sign("PUT", blobs.PUT.path.format(pack=pack), str(size), expires_ms)

    def _sign(self, method: str, path: str, size: str, expires_ms: int) -> str:
        key = self.keys.newest()
        signed = _Signed(method, path, size, str(expires_ms), self.namespace, key.id)
        said = {"size": size, "expires": str(expires_ms), "namespace": self.namespace, "key": key.id}
        query = {word: value for word, value in said.items() if value}
        return f"{path}?{urlencode(query | {'signature': signed.signature(key.secret)})}"


class BlobDoor:
    """Honours addresses. ``house`` is that of the whole registry."""

    def __init__(self, house: House, keys: Keys) -> None:
        self._house = house
        self._keys = keys

    async def put(self, request: Request) -> Response:
        """Take one pack. Raises NotFound, BadParcel, StorageFull, StorageFailed; then nothing is left of it."""
        signed = await run_in_threadpool(self._honoured, request)
        size = int(signed.size)
        if request.headers.get("content-length") != signed.size:
            raise BadParcel(f"Exactly {size} bytes can be sent here.", size=size)
        key = pack_key(request.path_params["pack"])
        if await run_in_threadpool(self._house.objects.size, key) == size:
            # Sent before, and the answer was lost; whether it is what it should be is seen when it is completed.
            async for _ in request.stream():
                pass
            return Response(status_code=204)
        writer = await run_in_threadpool(self._house.objects.create, key)
        try:
            async with asyncio.timeout(SLOW_BODY_S + size / SLOWEST_RATE):
                await self._take(request, writer, size)
            await run_in_threadpool(writer.publish)
        except (TimeoutError, ClientDisconnect) as error:
            raise BadParcel("The pack was not sent to its end.", size=size) from error
        finally:
            await run_in_threadpool(writer.__exit__, None, None, None)
        return Response(status_code=204)

    async def get(self, request: Request) -> Response:
        """A pack, or one range of it. Raises NotFound, Invalid."""
        await run_in_threadpool(self._honoured, request)
        key = pack_key(request.path_params["pack"])
        size = await run_in_threadpool(self._house.objects.size, key)
        if size is None:
            raise NotFound(_NOTHING)
        wanted = request.headers.get("range")
        if wanted is None:
            return _Bytes(self._house, key, 0, size, size, status=200)
        found = _RANGE.fullmatch(wanted.strip())
        start = int(found[1]) if found else size
        stop = min(int(found[2]) + 1 if found and found[2] else size, size)
        if start >= stop:
            raise Invalid("One range inside the pack can be asked for.", hint="Range: bytes=FIRST-LAST", size=size)
        return _Bytes(self._house, key, start, stop, size, status=206)

    async def get_block(self, request: Request) -> Response:
        """One block as its file has it. Raises NotFound, Damaged."""
        await run_in_threadpool(self._honoured, request)
        block = request.path_params["block"]
        if not _BLOCK.fullmatch(block):
            raise NotFound(_NOTHING)
        content = await run_in_threadpool(raw_block, self._house, bytes.fromhex(block))
        return Response(content, media_type="application/octet-stream")

    def _honoured(self, request: Request) -> _Signed:
        """What the address says. Raises NotFound for one that was not given out, or ran out."""
        said = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
        path = request.scope["path"]
        words = [said.get(word, "") for word in ("size", "expires", "namespace", "key")]
        signed = _Signed("GET" if request.method == "HEAD" else request.method, path, *words)
        secret = self._keys.secret(signed.key)
        if secret is None or not hmac.compare_digest(
            signed.signature(secret).encode(), said.get("signature", "").encode("utf-8", "replace")
        ):
            raise NotFound(_NOTHING)
        if int(signed.expires) < self._house.clock():
            raise NotFound(_NOTHING, hint="Ask for another address.")
        return signed

    async def _take(self, request: Request, writer: ObjectWriter, size: int) -> None:
        parts: list[bytes] = []
        held = total = 0
        async for part in request.stream():
            parts.append(part)
            held, total = held + len(part), total + len(part)
            if total > size:
                break
            if held >= PIECE_BYTES:
                await run_in_threadpool(writer.append, parts)
                parts, held = [], 0
        if total != size:
            raise BadParcel(f"{total} bytes came instead of {size}.", size=size)
        await run_in_threadpool(writer.append, parts)


class _Bytes(Response):
    """A range of an object, read one piece ahead of what is being sent."""

    def __init__(self, house: House, key: str, start: int, stop: int, size: int, *, status: int) -> None:
        headers = {"content-length": str(stop - start), "accept-ranges": "bytes"}
        if status == 206:
            headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
        super().__init__(None, status, headers, "application/octet-stream")
        self._house, self._key, self._start, self._stop = house, key, start, stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        coming = self._read(self._start)
        try:
            for at in range(self._start, self._stop, PIECE_BYTES):
                piece = await coming
                following = at + PIECE_BYTES
                if following < self._stop:
                    coming = self._read(following)
                if at == self._start:
                    # Until here what goes wrong can be answered.
                    await send(start)
                await send({"type": "http.response.body", "body": piece, "more_body": following < self._stop})
        finally:
            coming.cancel()

    def _read(self, at: int) -> "asyncio.Future[bytes]":
        length = min(PIECE_BYTES, self._stop - at)
        return asyncio.ensure_future(run_in_threadpool(self._house.objects.read, self._key, at, length))
