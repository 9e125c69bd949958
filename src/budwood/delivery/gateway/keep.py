"""``python -m budwood.delivery.gateway.keep FOLDER ENVOY``: stands beside a gateway and keeps what it took.

It hears from the control plane what the gateway hears, waits until the gateway has it, and writes it to
``last.json``. Where the gateway was started alone, it waits for the control plane and has a new process take over. It
carries no request; when it ends, the gateway does not notice. The file holds clients' keys: only its owner reads it.
"""

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import grpc

from budwood.delivery.gateway import process
from budwood.delivery.gateway.admin import asked
from budwood.delivery.gateway.last_good import CLUSTER, KINDS, LISTENER, ROUTES, alone
from budwood.delivery.xds.messages import REQUEST, RESPONSE, TYPE, kind_of
from budwood.errors import GatewayDown

METHOD: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
_STEP_S: Final = 0.1
_AGAIN_S: Final = 1.0
_TAKES_S: Final = 10.0
_UNBOUNDED: Final = (("grpc.max_receive_message_length", -1),)


def main() -> None:
    """Until the gateway is stopped, or another keeper took over."""
    folder, envoy = Path(sys.argv[1]), Path(sys.argv[2])
    live: dict[str, Any] = json.loads((folder / "live.json").read_bytes())
    while _is_ours(folder):
        try:
            _follow(folder, envoy, live)
        except (grpc.RpcError, grpc.FutureTimeoutError, GatewayDown):
            time.sleep(_AGAIN_S)


def _follow(folder: Path, envoy: Path, live: dict[str, Any]) -> None:
    with grpc.insecure_channel(_control(live), options=_UNBOUNDED) as channel:
        grpc.channel_ready_future(channel).result(timeout=_AGAIN_S)
        if (folder / "alone").exists():
            process.replace(folder, (folder / "live.json").read_bytes(), envoy)
            (folder / "alone").unlink()
        _keep(folder, live, channel)


def _keep(folder: Path, live: dict[str, Any], channel: Any) -> None:
    asks: queue.Queue[Any] = queue.Queue()
    heard: queue.Queue[Any] = queue.Queue()
    node = {"id": live["node"]["id"], "reads": True}
    for kind in KINDS:
        asks.put(_request(kind, node))
    call = channel.stream_stream(
        METHOD,
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=kind_of(RESPONSE).FromString,
    )(iter(asks.get, None))
    threading.Thread(target=_hear, args=(call, heard), daemon=True).start()
    bodies: dict[str, list[bytes]] = {}
    versions: dict[str, str] = {}
    while _is_ours(folder):
        with suppress(queue.Empty):
            response = heard.get(timeout=_AGAIN_S)
            if response is None:
                return
            kind = response.type_url.removeprefix(TYPE)
            bodies[kind], versions[kind] = [each.value for each in response.resources], response.version_info
            asks.put(_request(kind, node, response))
            if heard.empty() and len(bodies) == len(KINDS) and _has(folder, versions):
                _write(folder / "last.json", alone((folder / "live.json").read_bytes(), bodies))
    call.cancel()


def _hear(call: Iterator[Any], heard: "queue.Queue[Any]") -> None:
    with suppress(grpc.RpcError):
        for response in call:
            heard.put(response)
    heard.put(None)


def _has(folder: Path, versions: dict[str, str]) -> bool:
    """Whether the gateway takes it in time; what it refuses is not kept."""
    wanted = {versions[kind] for kind in (CLUSTER, LISTENER, ROUTES)}
    until = time.monotonic() + _TAKES_S
    while time.monotonic() < until:
        said = asked(folder / "admin.sock", "/stats?filter=(cds|lds|budwood.routes).version_text").decode()
        if wanted <= {line.partition(": ")[2].strip('"') for line in said.splitlines()}:
            return True
        time.sleep(_STEP_S)
    return False


def _request(kind: str, node: dict[str, Any], response: Any = None) -> Any:
    request: Any = kind_of(REQUEST)()
    request.node.id, request.type_url = node["id"], TYPE + kind
    request.node.metadata.update({"reads": True})
    if response is not None:
        request.version_info, request.response_nonce = response.version_info, response.nonce
    return request


def _control(live: dict[str, Any]) -> str:
    (cluster,) = (each for each in live["static_resources"]["clusters"] if each["name"] == "budwood.control")
    where = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
    return f"{where['address']}:{where['port_value']}"


def _is_ours(folder: Path) -> bool:
    with suppress(OSError, ValueError):
        return int((folder / "keeper.pid").read_text()) == os.getpid() and process.running(folder) is not None
    return False


def _write(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)


if __name__ == "__main__":
    main()
