"""``python -m benchmarks.gateway.proxies [--seconds N]``: a whole gateway against a bare Envoy and proxies in Python.

The gateway asks for a key of one of a thousand clients, keeps each tenant's rate, keeps users to their arms, numbers
requests and logs each; then the same with a tenth of the requests copied to a shadow, both answers captured. The bare
Envoy hands on. The generator is ``wrk`` (Debian's package) with 32 connections and a body of 1 KB; the backend is an
Envoy that answers by itself. Proxies have the last core, generator and backend the first. The control plane is stopped
while the gateway is measured, as counting its lines is not the gateway's work. Prints Markdown tables.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import budwood
from benchmarks.gateway.__main__ import at, free_port
from benchmarks.gateway.load import Load
from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import Place, boot, written
from budwood.delivery.xds.messages import TYPE
from budwood.domain.traffic.endpoint import Backend
from budwood.server.control import ControlPlane

PATH, CONNECTIONS, CLIENTS, RATE = "/predict/e0", 32, 1_000, 1_000.0
FIRST, LAST = {0}, {(os.cpu_count() or 1) - 1}
VALUES = ", ".join(["1.234567"] * 100)
BODY = f'{{"inputs": [{{"name": "x", "shape": [100], "datatype": "FP32", "data": [{VALUES}]}}]}}'
ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {{name: e0}}
spec:
  model: fraud
  arms:
    stable: {{version: v1, backends: ["{backend}"]}}
    canary: {{version: v2, backends: ["{backend}"]}}
  split: {{stable: 95, canary: 5}}
  sticky: {{header: x-user-id}}
  auth: {{keys: {{header: x-api-key}}}}
  rate: {{requests: 1000000, per: 1s}}
"""
SHADOW = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: shadowed}
spec:
  steps: [{shadow: 10%, samples: 1000000}, {canary: 5%}]
  compare: {type: json}
"""
ROUTE = {"match": {"prefix": "/"}, "route": {"cluster": "backend"}}
ANSWER = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": '{"outputs": [1]}'}}}


@dataclass(frozen=True)
class Rate:
    """Requests a second; milliseconds; microseconds of the proxy's processor for each; answers other than 2xx."""

    rps: float
    p50: float
    p99: float
    cpu: float
    refused: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not there: apt install wrk")
    os.sched_setaffinity(0, FIRST)
    with (
        tempfile.TemporaryDirectory(prefix="budwood-proxies-") as folder,
        envoy(Path(folder) / "backend", [ANSWER], None, FIRST) as (_, backend),
    ):
        rows = dict(measured(Path(folder), backend, asked.seconds))
        near = delay(backend, "")
    print("| what | requests/s | p50 | p99 | CPU of the proxy each |\n|---|---|---|---|---|")
    for name, (rate, _) in rows.items():
        refused = f", {rate.refused} refused" if rate.refused else ""
        print(f"| {name} | {rate.rps:,.0f}{refused} | {rate.p50:.2f} ms | {rate.p99:.2f} ms | {rate.cpu:.1f} µs |")
    print(f"\n| at {RATE:,.0f} requests a second | p50 more than the backend alone | p99 more |\n|---|---|---|")
    for name, (_, (p50, p99)) in rows.items():
        print(f"| {name} | {p50 - near[0]:.2f} ms | {p99 - near[1]:.2f} ms |")
    told(rows)


def told(rows: Mapping[str, tuple[Rate, tuple[float, float]]]) -> None:
    """The ratios that are goals."""
    bare, full, copied = rows["bare Envoy"][0], rows["gateway"][0], rows["gateway, a tenth shadowed"][0]
    print(
        f"\nThe gateway carries {full.rps / bare.rps:.0%} of the bare Envoy's rate at {full.cpu / bare.cpu:.2f} times"
    )
    print(f"its processor time, {copied.cpu / bare.cpu:.2f} times with a tenth shadowed;", end=" ")
    others = ((name, full.rps / rate.rps) for name, (rate, _) in rows.items() if name.startswith("Python"))
    print("; ".join(f"{ratio:.1f} times the rate of {name}" for name, ratio in others) + ".")


def measured(folder: Path, backend: int, seconds: int) -> Iterator[tuple[str, tuple[Rate, tuple[float, float]]]]:
    """By name: at full speed, and the delay at a fixed rate."""

    def both(pid: int, port: int, key: str = "") -> tuple[Rate, tuple[float, float]]:
        return run(pid, port, key, seconds), delay(port, key)

    with envoy(folder / "bare", [ROUTE], backend, LAST) as (pid, port):
        yield "bare Envoy", both(pid, port)
    for name, plan in (("gateway", ""), ("gateway, a tenth shadowed", SHADOW)):
        with gateway(folder / name[-3:], backend, plan) as (pid, port, key):
            yield name, both(pid, port, key)
    for name in ("aiohttp", "starlette"):
        with python_proxy(name, backend) as (pid, port):
            yield f"Python, {name}", both(pid, port)


def run(pid: int, port: int, key: str, seconds: int) -> Rate:
    """As fast as it goes. Raises CalledProcessError."""
    script = Path(tempfile.mkdtemp()) / "ask.lua"
    script.write_text(
        f"wrk.method, wrk.body = 'POST', '{BODY}'\n"
        f"wrk.headers = {{['content-type'] = 'application/json', ['x-api-key'] = '{key}'}}\n"
        "local n = 0\n"
        "function request() n = n + 1; wrk.headers['x-user-id'] = 'u' .. n % 10000; return wrk.format() end\n"
    )
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", "--latency", "-s", str(script), f"http://127.0.0.1:{port}{PATH}"]
    subprocess.run([*command, "-d1s"], check=True, capture_output=True)
    before = used(pid)
    done = subprocess.run([*command, f"-d{seconds}s"], check=True, capture_output=True, text=True).stdout
    cpu = used(pid) - before
    shutil.rmtree(script.parent)
    count = int(found(r"(\d+) requests in", done))
    refused = int(found(r"Non-2xx or 3xx responses: (\d+)", done) or 0)
    return Rate(count / seconds, ms(done, "50%"), ms(done, "99%"), cpu / count * 1e6, refused)


def delay(port: int, key: str) -> tuple[float, float]:
    """The median and the 99th percentile at a fixed rate, in milliseconds."""
    import asyncio

    load = Load("127.0.0.1", port, key)
    asyncio.run(load.run(RATE, 5))
    times = sorted((done - sent) * 1e3 for sent, done, _, _ in load.rows)
    return at(times, 0.5), at(times, 0.99)


@contextmanager
def gateway(folder: Path, backend: int, plan: str) -> Iterator[tuple[int, int, str]]:
    """A whole one, its control plane gone: its process, its port and a client's key."""
    folder.mkdir()
    with budwood.connect(folder / "registry", author="mara") as registry:
        for number in (1, 2, 3):
            (folder / "config.json").write_text(f'{{"layers": {number}}}')
            registry.push(folder / "config.json", "fraud")
        registry.endpoints.put(ENDPOINT.format(backend=f"http://127.0.0.1:{backend}"))
        keys = [registry.endpoints.add_client("e0", f"c{number}").key for number in range(CLIENTS)]
        if plan:
            registry.rollouts.start("e0", "fraud@v3", plan, backends=[f"http://127.0.0.1:{backend}"])
        control = ControlPlane(registry.house)
        control.start()
        place = Place("127.0.0.1", free_port(), str(folder / "access.log"))
        told = written(boot("edge", place, Backend("127.0.0.1", control.port), str(folder / "admin.sock")))
        pid = process.start(folder, told, process.program(), workers=1).pid
        try:
            wanted = registry.endpoints.show("e0").generation
            until(lambda: control.generation("default.e0") >= wanted)
            control.close()
            pin(pid, LAST)
            yield pid, place.port, keys[CLIENTS // 2]
        finally:
            process.stop(folder)


@contextmanager
def envoy(folder: Path, routes: list[Any], backend: int | None, cores: set[int]) -> Iterator[tuple[int, int]]:
    """One with a table of routes and nothing else: its process and its port."""
    folder.mkdir()
    port = free_port()
    (folder / "boot.json").write_bytes(written(_plain(port, routes, backend)))
    command = [str(process.program()), "-c", str(folder / "boot.json"), "--concurrency", "1", "--disable-hot-restart"]
    with running([*command, "-l", "error"], port, cores) as pid:
        yield pid, port


@contextmanager
def python_proxy(kind: str, backend: int) -> Iterator[tuple[int, int]]:
    """Its process and its port."""
    port = free_port()
    address = f"http://127.0.0.1:{backend}"
    with running(
        [sys.executable, "-m", "benchmarks.gateway.python_proxies", kind, str(port), address], port, LAST
    ) as pid:
        yield pid, port


@contextmanager
def running(command: list[str], port: int, cores: set[int]) -> Iterator[int]:
    """A program on some cores, from when it listens."""
    import socket

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    started = subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    try:
        until(listens)
        yield started.pid
    finally:
        started.terminate()
        started.wait()


def _plain(port: int, routes: list[Any], backend: int | None) -> dict[str, Any]:
    network = "envoy.filters.network.http_connection_manager"
    kind = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = TYPE + "envoy.extensions.filters.http.router.v3.Router"
    manager = {
        "@type": TYPE + kind,
        "stat_prefix": "bare",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": router}}],
    }
    listener = {"address": _at(port), "filter_chains": [{"filters": [{"name": network, "typed_config": manager}]}]}
    hosts = [{"endpoint": {"address": _at(backend)}}] if backend else []
    cluster = {"cluster_name": "backend", "endpoints": [{"lb_endpoints": hosts}]}
    return {
        "static_resources": {
            "listeners": [listener],
            "clusters": [{"name": "backend", "type": "STATIC", "load_assignment": cluster}] if backend else [],
        }
    }


def _at(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def pin(pid: int, cores: set[int]) -> None:
    """All threads of a process."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


def used(pid: int) -> float:
    """Seconds of processor time that a process used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until(holds: Callable[[], bool], wait_s: float = 60) -> None:
    """Raises SystemExit when it does not in time."""
    end = time.monotonic() + wait_s
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("it did not start in time")
        time.sleep(0.02)


def found(pattern: str, text: str) -> str:
    """The first group of the first match; empty without one."""
    match = re.search(pattern, text)
    return match[1] if match else ""


def ms(text: str, quantile: str) -> float:
    """A line of wrk's latencies."""
    number, unit = re.search(rf"{quantile}\s+([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


if __name__ == "__main__":
    main()
