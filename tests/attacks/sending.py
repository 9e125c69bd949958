"""A push by hand: what a client sends, byte by byte, so that any of it can be a lie."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from budwood.store import packs
from budwood.store.api import BlockRow
from budwood.store.backends.memory import MemoryObjects
from budwood.store.encodings import encode_block
from budwood.store.packs import NewBlock, PackSet, pack_key
from tests.attacks.siege import Siege
from tests.packs_by_hand import index_of
from tests.server.conftest import Reply

PUSHES = "/v1/namespaces/{namespace}/pushes"
BYTES = {"Content-Type": "application/octet-stream"}


@dataclass
class Push:
    """One that is under way."""

    siege: Siege
    id: str
    namespace: str
    by: str
    packs: int = 0

    def new_name(self) -> str:
        self.packs += 1
        return f"{self.id}-{self.packs:04d}"

    def ask(self, method: str, path: str, **more: Any) -> Reply:
        at = PUSHES.format(namespace=self.namespace) + f"/{self.id}{path}"
        return self.siege.ask(method, at, by=self.by, **more)

    def begin(self, name: str, size: int) -> str:
        """Where the pack is to be PUT."""
        reply = self.ask("POST", "/packs", json={"name": name, "size": size})
        assert reply.status == 200, reply
        return str(reply.value["address"])

    def put(self, address: str, content: bytes) -> Reply:
        return self.siege.ask("PUT", address, body=content, headers=BYTES)

    def send(self, content: bytes, name: str = "") -> tuple[Reply, float]:
        """What completing it was answered with, and how long that took."""
        name = name or self.new_name()
        taken = self.put(self.begin(name, len(content)), content)
        assert taken.status == 204, taken
        began = time.monotonic()
        reply = self.ask("POST", f"/packs/{name}/complete", json={"size": len(content)})
        return reply, time.monotonic() - began


@contextmanager
def pushing(siege: Siege, by: str = "writer", namespace: str = "ours") -> Iterator[Push]:
    opened = siege.ask("POST", PUSHES.format(namespace=namespace), by=by, json={"model": "encoder"})
    assert opened.status == 200, opened
    push = Push(siege, opened.value["id"], namespace, by)
    yield push
    assert push.ask("DELETE", "").status == 204


def pack_of(*contents: bytes) -> tuple[list[BlockRow], bytes]:
    """An honest pack of these blocks: its rows, and all its bytes."""
    store = MemoryObjects()
    with PackSet(store, iter(["sent"])) as written:
        for content in contents:
            encoded = encode_block(memoryview(content), dtype="")
            new = NewBlock(blake3(content).digest(), len(content), encoded.tag)
            written.add(new, encoded.parts, encoded.length)
        rows = list(written.finish())
    size = store.size(pack_key("sent"))
    assert size is not None
    return rows, store.read(pack_key("sent"), 0, size)


def rewritten(rows: Sequence[BlockRow], body: bytes, change: Callable[[bytes], bytes] = bytes) -> bytes:
    """A pack whose index says what the rows say, under a digest that fits; ``change`` may spoil its index first."""
    footer = change(index_of(rows))
    return body + footer + packs._trailer(len(body), len(rows), footer)


def body_of(rows: Sequence[BlockRow], whole: bytes) -> bytes:
    """Header and blocks, without the index."""
    return whole[: rows[-1].offset + rows[-1].length]
