"""``python -m budwood.delivery.gateway.keep FOLDER ENVOY``: stands beside a gateway; keeps what it took.

It hears from the control plane what the gateway took, and writes it to ``last.json``. Where the gateway was started
alone, it waits for the control plane and has a new process take over. It sends what the gateway writes, and carries no
request; when it ends, the gateway does not notice. The file holds clients' keys: only its owner reads it.
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
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc

from budwood.delivery.gateway import process
from budwood.delivery.gateway.last_good import KINDS, ROUTES, alone
from budwood.delivery.gateway.way_home import WayHome
from budwood.delivery.logs.files import Bounds
from budwood.delivery.logs.sender import AGAIN_S, LOOKING_S, Sender
from budwood.delivery.xds.messages import REQUEST, RESPONSE, TYPE, kind_of
from budwood.errors import BudwoodError

METHOD: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
_STEP_S: Final = 0.1
_AGAIN_S: Final = 1.0
_REST: Final = 10
"""How many times as long as a writing took nothing is written after it: of many endpoints the file is large."""


def main() -> None:
    """Until the gateway is stopped, or another keeper took over."""
    folder, envoy = Path(sys.argv[1]), Path(sys.argv[2])
    live: dict[str, Any] = json.loads((folder / "live.json").read_bytes())
    sends = live["node"].get("metadata", {}).get("sends", False)
    sending = threading.Thread(target=_send, args=(folder, live), name="sending") if sends else None
    if sending is not None:
        sending.start()
    while _is_ours(folder):
        try:
            _follow(folder, envoy, live)
        except (grpc.RpcError, BudwoodError, OSError):
            time.sleep(_AGAIN_S)
    if sending is not None:
        sending.join()


def _send(folder: Path, live: dict[str, Any]) -> None:
    """Until the gateway is stopped and what it wrote was sent, or nobody takes it."""
    bounds = Bounds(**json.loads((folder / "bounds.json").read_bytes())) if (folder / "bounds.json").exists() else None
    with (folder / "sending.lock").open("w") as lock:
        while _is_ours(folder):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_STEP_S)  # The one before us is about to end.
                continue
            _send_all(
                folder, Sender(folder, live["node"]["id"], partial(secrets.token_hex, 8), bounds), WayHome.of(live)
            )
            return


def _send_all(folder: Path, sender: Sender, home: WayHome) -> None:
    channel: grpc.Channel | None = None
    while True:
        ours, runs = _is_keeper(folder), process.running(folder) is not None
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


def _follow(folder: Path, envoy: Path, live: dict[str, Any]) -> None:
    home = WayHome.of(live)
    # A gateway that serves what it has is not replaced by one that would be told nothing.
    home.check(live["node"]["id"])
    if (folder / "alone").exists():
        process.replace(folder, (folder / "live.json").read_bytes(), envoy)
        (folder / "alone").unlink()
    with home.channel() as channel:
        _keep(folder, live, channel, home)
    if _is_ours(folder):
        time.sleep(_STEP_S)


def _keep(folder: Path, live: dict[str, Any], channel: grpc.Channel, home: WayHome) -> None:
    asks: queue.Queue[Any] = queue.Queue()
    heard: queue.Queue[Any] = queue.Queue()
    node = {"id": live["node"]["id"], "reads": True}
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
    while _is_ours(folder):
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
            _write(folder / "last.json", alone((folder / "live.json").read_bytes(), bodies))
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


def _is_ours(folder: Path) -> bool:
    return _is_keeper(folder) and process.running(folder) is not None


def _is_keeper(folder: Path) -> bool:
    with suppress(OSError, ValueError):
        return int((folder / "keeper.pid").read_text()) == os.getpid()
    return False


def _write(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)


if __name__ == "__main__":
    main()
