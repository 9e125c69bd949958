"""``python -m budwood.delivery.gateway.keep FOLDER ENVOY STANDBY``: stands beside a gateway; keeps what it took.

It hears from the control plane what the gateway took, and writes it to ``last.json``. Where the gateway was started
alone, or its token was renewed, it has a new process take over. It sends what the gateway writes, and carries no
request; when it ends, the gateway does not notice. The file holds clients' keys: only its owner reads it.

``STANDBY`` is the process that starts this one again when it is killed, as this one sees to it that there is one.
"""

import fcntl
import json
import os
import queue
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc

from budwood.delivery.gateway import process, renewing
from budwood.delivery.gateway.last_good import KINDS, ROUTES, alone
from budwood.delivery.gateway.way_home import WayHome
from budwood.delivery.logs.files import Bounds
from budwood.delivery.logs.sender import AGAIN_S, LOOKING_S, Sender
from budwood.delivery.xds.messages import REQUEST, RESPONSE, TYPE, kind_of
from budwood.errors import BudwoodError

METHOD: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
_STEP_S: Final = 0.1
_AGAIN_S: Final = 1.0
_REFUSED_S: Final = 30.0
_TAKEN_S: Final = 10.0
_REST: Final = 10
"""How many times as long as a writing took nothing is written after it: of many endpoints the file is large."""


@dataclass(slots=True)
class _Post:
    """Where this keeper stands. ``refused`` is what it tried last to go on with, and until when it does not again."""

    folder: Path
    envoy: Path
    standby: int
    live: dict[str, Any] = field(repr=False)
    refused: dict[str, Any] | None = field(default=None, repr=False)
    until: float = 0.0

    def is_kept(self) -> bool:
        """By this one, and not by another that took over."""
        with suppress(OSError, ValueError):
            return int((self.folder / "keeper.pid").read_text()) == self.standby
        return False

    def is_ours(self) -> bool:
        """And there is a gateway to keep."""
        return self.is_kept() and process.running(self.folder) is not None

    def look(self) -> None:
        """Whether we are alone, and whether the token was renewed. Another keeper then takes over. Raises GatewayDown,
        OSError."""
        if os.getppid() != self.standby:
            process.keep(self.folder, (self.folder / "live.json").read_bytes(), self.envoy)
            self._hand_over()
        elif new := renewing.renewed(self.folder, self.live):
            if new == self.refused and time.monotonic() < self.until:
                return
            if renewing.take(self.folder, new, self.envoy):
                self._hand_over()
            else:
                self.refused, self.until = new, time.monotonic() + _REFUSED_S

    def _hand_over(self) -> None:
        until = time.monotonic() + _TAKEN_S
        while self.is_kept() and time.monotonic() < until:
            time.sleep(_STEP_S)


def main() -> None:
    """Until the gateway is stopped, or another keeper took over."""
    folder = Path(sys.argv[1])
    live: dict[str, Any] = json.loads((folder / "live.json").read_bytes())
    post = _Post(folder, Path(sys.argv[2]), int(sys.argv[3]), live)
    sends = live["node"].get("metadata", {}).get("sends", False)
    sending = threading.Thread(target=_send, args=(post,), name="sending") if sends else None
    if sending is not None:
        sending.start()
    while post.is_ours():
        try:
            post.look()
            _follow(post)
        except (grpc.RpcError, BudwoodError, OSError):
            time.sleep(_AGAIN_S)
    if sending is not None:
        sending.join()


def _send(post: _Post) -> None:
    """Until the gateway is stopped and what it wrote was sent, or nobody takes it."""
    folder, name = post.folder, post.live["node"]["id"]
    bounds = Bounds(**json.loads((folder / "bounds.json").read_bytes())) if (folder / "bounds.json").exists() else None
    with (folder / "sending.lock").open("w") as lock:
        while post.is_ours():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_STEP_S)  # The one before us is about to end.
                continue
            _send_all(post, Sender(folder, name, partial(secrets.token_hex, 8), bounds), WayHome.of(post.live))
            return


def _send_all(post: _Post, sender: Sender, home: WayHome) -> None:
    channel: grpc.Channel | None = None
    while True:
        ours, runs = post.is_kept(), process.running(post.folder) is not None
        try:
            channel = channel or home.channel()
            more = sender.turn(channel, home.metadata)
        except (grpc.RpcError, BudwoodError, OSError) as error:
            if not (ours and runs):
                break
            sender.waits(_words(error))
            time.sleep(AGAIN_S)
            continue
        if not ours or not (more or runs):
            break
        if not more:
            time.sleep(LOOKING_S)
    if channel is not None:
        channel.close()


def _words(error: Exception) -> str:
    if isinstance(error, grpc.Call):
        return f"{error.code().name.lower()}: {error.details()}"
    return str(error)


def _follow(post: _Post) -> None:
    home = WayHome.of(post.live)
    # A gateway that serves what it has is not replaced by one that would be told nothing.
    home.check(post.live["node"]["id"])
    if (post.folder / "alone").exists():
        process.replace(post.folder, (post.folder / "live.json").read_bytes(), post.envoy)
        (post.folder / "alone").unlink()
    with home.channel() as channel:
        _keep(post, channel, home)
    if post.is_ours():
        time.sleep(_STEP_S)


def _keep(post: _Post, channel: grpc.Channel, home: WayHome) -> None:
    asks: queue.Queue[Any] = queue.Queue()
    heard: queue.Queue[Any] = queue.Queue()
    node = {"id": post.live["node"]["id"], "reads": True}
    for kind in KINDS:
        asks.put(_request(kind, node))
    ask: Any = channel.stream_stream(
        METHOD,
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=kind_of(RESPONSE).FromString,
    )
    call = ask(iter(asks.get, None), metadata=home.metadata)
    threading.Thread(target=_hear, args=(call, heard), daemon=True).start()
    bodies: dict[str, list[bytes]] = {}
    tables: dict[str, bytes] = {}
    is_new, rested = False, 0.0
    while post.is_ours():
        post.look()
        with suppress(queue.Empty):
            response = heard.get(timeout=_AGAIN_S)
            if response is None:
                return
            kind = response.type_url.removeprefix(TYPE)
            bodies[kind] = [each.value for each in response.resources]
            if kind == ROUTES:  # Of these only what changed is sent; what no scope leads to is left out again.
                tables.update((kind_of(ROUTES).FromString(body).name, body) for body in bodies[kind])
                bodies[kind] = list(tables.values())
            asks.put(_request(kind, node, response))
            is_new = True
        if is_new and heard.empty() and len(bodies) == len(KINDS) and time.monotonic() > rested:
            began = time.monotonic()
            process.write(post.folder / "last.json", alone((post.folder / "live.json").read_bytes(), bodies))
            is_new, rested = False, time.monotonic() + _REST * (time.monotonic() - began)
    call.cancel()


def _hear(call: Iterator[Any], heard: "queue.Queue[Any]") -> None:
    with suppress(grpc.RpcError):
        for response in call:
            heard.put(response)
    heard.put(None)


def _request(kind: str, node: dict[str, Any], response: Any = None) -> Any:
    request: Any = kind_of(REQUEST)()
    request.node.id, request.type_url = node["id"], TYPE + kind
    request.node.metadata.update({"reads": True})
    if response is not None:
        request.version_info, request.response_nonce = response.version_info, response.nonce
    return request


if __name__ == "__main__":
    main()
