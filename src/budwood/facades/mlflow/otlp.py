"""Spans as OpenTelemetry's exporters send them: Protocol Buffers or JSON, plain or packed.

It is the one door where a body may be packed. It is unpacked piece by piece and never further than
``OTLP_EXPANDED_BYTES``, and what is large takes its turn. An experiment is named in a header, as the body has no place
for it; a run may be.
"""

import asyncio
import zlib
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from budwood.domain.access import Permission
from budwood.domain.limits import MIB, OTLP_AT_ONCE, OTLP_BYTES, OTLP_EXPANDED_BYTES
from budwood.domain.traces.otlp import read_json, read_protobuf
from budwood.domain.traces.records import Span
from budwood.errors import BadValue, LimitExceeded, Malformed
from budwood.facades.face import Asked, Endpoint, Incoming, Reply
from budwood.facades.mlflow.protocol import refuse
from budwood.verbs.traces.spans import log_spans

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
ENCODINGS: Final = ("gzip", "deflate")
_SMALL_BYTES: Final = MIB
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def ingest(asked: Asked, incoming: Incoming) -> Reply:
    experiment = incoming.header("x-mlflow-experiment-id")
    if not experiment:
        return _unprocessable("Missing value for required header 'x-mlflow-experiment-id'.")
    media_type = incoming.header("content-type").partition(";")[0].strip().lower()
    if media_type not in (PROTOBUF, JSON):
        raise Malformed(f"Invalid Content-Type: {media_type[:100]}. Expected: {PROTOBUF} or {JSON}")
    body = b"".join([piece async for piece in incoming.pieces()])
    encoding = incoming.header("content-encoding").lower()
    run = incoming.header("x-mlflow-run-id")
    if encoding in ("", "identity") and len(body) <= _SMALL_BYTES:
        return await asyncio.to_thread(_ingest, asked, body, media_type, encoding, (experiment, run))
    async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(OTLP_AT_ONCE)):
        return await asyncio.to_thread(_ingest, asked, body, media_type, encoding, (experiment, run))


def _ingest(asked: Asked, body: bytes, media_type: str, encoding: str, home: tuple[str, str]) -> Reply:
    content = unpacked(body, encoding)
    try:
        spans = _read(content, media_type)
    except LimitExceeded:
        raise
    except BadValue as error:
        return _unprocessable(error.message)
    if spans:
        log_spans(asked.whole, asked.namespace, home[0], spans, home[1])
    return Reply(b"", PROTOBUF)


def unpacked(body: bytes, encoding: str) -> bytes:
    """Raises Malformed for what is not packed so, LimitExceeded for what expands too far."""
    if encoding in ("", "identity"):
        return body
    if encoding == "gzip":
        return _inflated(body, 16 + zlib.MAX_WBITS, encoding)
    try:
        return _inflated(body, zlib.MAX_WBITS, encoding)
    except Malformed:  # Many send it without the two bytes of a head.
        return _inflated(body, -zlib.MAX_WBITS, encoding)


def _inflated(body: bytes, window: int, encoding: str) -> bytes:
    found = bytearray()
    while body:
        reader = zlib.decompressobj(window)
        try:
            found += reader.decompress(body, OTLP_EXPANDED_BYTES + 1 - len(found))
        except zlib.error as error:
            raise Malformed(f"Failed to decompress {encoding} payload") from error
        if len(found) > OTLP_EXPANDED_BYTES:
            message = f"The payload is more than {OTLP_EXPANDED_BYTES} bytes when unpacked."
            raise LimitExceeded(message, limit="OTLP_EXPANDED_BYTES")
        if not reader.eof:
            raise Malformed(f"Failed to decompress {encoding} payload")
        body = reader.unused_data if encoding == "gzip" else b""
    return bytes(found)


def _read(content: bytes, media_type: str) -> list[Span]:
    if media_type == PROTOBUF:
        return read_protobuf(content)
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed("Invalid OpenTelemetry format") from error
    return read_json(value)


def _unprocessable(message: str) -> Reply:
    """As MLflow's own server answers, and exporters do not send again."""
    worded = refuse(BadValue(message))
    return Reply(worded.content, worded.media_type, 422)


ENDPOINTS: Final = (
    Endpoint(
        "mlflow.traces.ingest",
        "POST",
        "/v1/traces",
        Permission.PUSH,
        stream=ingest,
        body_bytes=OTLP_BYTES,
        encodings=ENCODINGS,
    ),
)
