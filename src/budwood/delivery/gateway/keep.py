"""``python -m budwood.delivery.gateway.keep FOLDER ENVOY STANDBY``: stands beside a gateway; keeps what it took.

It hears from the control plane what the gateway took, and writes it to ``last.json``. Where the gateway was started
alone, or its token was renewed, it has a new process take over. It sends what the gateway writes, and carries no
request; when it ends, the gateway does not notice. The file holds clients' keys: only its owner reads it.

``STANDBY`` is the process that starts this one again when it is killed. When that one is killed, this one starts
another.
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
"""A token that was refused is not tried again for so long."""
_TAKEN_S: Final = 10.0
"""How long another keeper may need to take over."""
_REST: Final = 10
"""After a write there is a pause of so many times its length: of many endpoints the file is large."""


@dataclass(slots=True)
class _Post:
    """What one keeper keeps. ``refused`` is the boot file that was refused last, and is not tried again ``until``."""

    folder: Path
    envoy: Path
    standby: int
    live: dict[str, Any] = field(repr=False)
    refused: dict[str, Any] | None = field(default=None, repr=False)
    until: float = 0.0

    def is_kept(self) -> bool:
        """Whether by this one, and not by another that took over."""
        with suppress(OSError, ValueError):
            return int((self.folder / "keeper.pid").read_text()) == self.standby
        return False

    def is_ours(self) -> bool:
        """Whether it is kept by this one, and runs."""
        return self.is_kept() and process.running(self.folder) is not None

    def hand_over_if_due(self) -> None:
        """To another keeper: when the standby was killed, or the token was renewed. Raises GatewayDown, OSError."""
        if os.getppid() != self.standby:
            process.keep(self.folder, (self.folder / "live.json").read_bytes(), self.envoy)
            self._await_other()
        elif (new := renewing.renewed(self.folder, self.live)) and not self._was_refused(new):
            if renewing.take(self.folder, new, self.envoy):
                self._await_other()
            else:
                self.refused, self.until = new, time.monotonic() + _REFUSED_S

    def _was_refused(self, new: dict[str, Any]) -> bool:
        return new == self.refused and time.monotonic() < self.until

    def _await_other(self) -> None:
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
            post.hand_over_if_due()
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
    node = post.live["node"]["id"]
    for kind in KINDS:
        asks.put(_request(kind, node))
    ask: Any = channel.stream_stream(
        METHOD,
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=kind_of(RESPONSE).FromString,
    )
    call = ask(iter(asks.get, None), metadata=home.metadata)
    threading.Thread(target=_hear, args=(call, heard), daemon=True).start()
    taken = _Taken(post.folder)
    while post.is_ours():
        post.hand_over_if_due()
        with suppress(queue.Empty):
            response = heard.get(timeout=_AGAIN_S)
            if response is None:
                return
            kind = response.type_url.removeprefix(TYPE)
            taken.add(kind, [each.value for each in response.resources])
            asks.put(_request(kind, node, response))
        if heard.empty():
            taken.write_if_due()
    call.cancel()


class _Taken:
    """What the gateway has by now, on its way into ``last.json``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bodies: dict[str, list[bytes]] = {}
        self._tables: dict[str, bytes] = {}
        self._is_new, self._rests_until = False, 0.0

    def add(self, kind: str, bodies: list[bytes]) -> None:
        if kind == ROUTES:  # Of these only what changed is sent; what no scope leads to is left out again.
            self._tables.update((kind_of(ROUTES).FromString(body).name, body) for body in bodies)
            bodies = list(self._tables.values())
        self._bodies[kind], self._is_new = bodies, True

    def write_if_due(self) -> None:
        began = time.monotonic()
        if not self._is_new or len(self._bodies) < len(KINDS) or began <= self._rests_until:
            return
        live = (self._folder / "live.json").read_bytes()
        process.write(self._folder / "last.json", alone(live, self._bodies))
        wrote = time.monotonic()
        self._is_new, self._rests_until = False, wrote + _REST * (wrote - began)


def _hear(call: Iterator[Any], heard: "queue.Queue[Any]") -> None:
    with suppress(grpc.RpcError):
        for response in call:
            heard.put(response)
    heard.put(None)


def _request(kind: str, node: str, response: Any = None) -> Any:
    request: Any = kind_of(REQUEST)()
    request.node.id, request.type_url = node, TYPE + kind
    request.node.metadata.update({"reads": True})
    if response is not None:
        request.version_info, request.response_nonce = response.version_info, response.nonce
    return request


if __name__ == "__main__":
    main()
