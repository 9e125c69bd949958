"""What a server counts, in the text format that Prometheus reads.

Every process counts for itself and says which one it is in a label, so counters never jump when another process
answers the scrape. Processes that share one port also share a folder: each leaves its page there, and whichever is
asked gives all pages that are fresh. Labels come from the route table, a fixed list of methods and five classes of
status, so what clients send cannot make series. Written by hand, because the library brings a registry that is
global and takes 10 µs a request where this takes 1.3 (design/accepted/0011-guard.md).
"""

import contextlib
import os
import resource
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from budwood.server.exchange import Exchange

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
SERIES: Final = 4_096
FRESH_S: Final = 120.0
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PAGE_BYTES: Final = 4 << 20
_UNKNOWN: Final = "none"

Gauges = Mapping[str, Callable[[], float]]


@dataclass(slots=True)
class _Tally:
    """What is kept of one route, method and class of status."""

    count: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    bytes_in: int = 0
    bytes_out: int = 0


class _Sample(msgspec.Struct, frozen=True, array_like=True):
    """One line of a page, before the label of the process is added."""

    name: str
    labels: list[tuple[str, str]]
    value: float


class Metrics:
    """Watches exchanges. ``gauges`` are asked when a page is made, by name without the ``budwood_`` before it.

    ``shared``: a folder of the processes that answer on one port; None for a process alone.
    """

    def __init__(self, process: str, gauges: Gauges, *, started: float, shared: Path | None = None) -> None:
        self._process = process
        self._gauges = gauges
        self._started = started
        self._shared = shared
        self._tallies: dict[tuple[str, str, str], _Tally] = {}

    def __call__(self, exchange: Exchange) -> None:
        method = exchange.method if exchange.method in METHODS else "other"
        key = (exchange.route or _UNKNOWN, method, f"{exchange.status // 100}xx" if exchange.status else "gone")
        tally = self._tallies.get(key)
        if tally is None:
            key = key if len(self._tallies) < SERIES else ("other", "other", key[2])
            tally = self._tallies.setdefault(key, _Tally())
        tally.count += 1
        tally.seconds += exchange.seconds
        tally.buckets[bisect_left(BUCKETS_S, exchange.seconds)] += 1
        tally.bytes_in += exchange.bytes_in
        tally.bytes_out += exchange.bytes_out

    def page(self, now: float) -> bytes:
        """The page of this process and of those it shares a folder with. ``now`` is seconds since 1970."""
        pages = {self._process: list(self._samples())}
        if self._shared is not None:
            self.leave(now)
            pages |= {name: samples for name, samples in self._others(now) if name != self._process}
        return _written(pages)

    def leave(self, now: float) -> None:
        """Leaves the page of this process for the others to give; to be called now and then. Never raises."""
        if self._shared is None:
            return
        target = self._shared / f"{self._process}.metrics"
        partial = target.with_suffix(".partial")
        with contextlib.suppress(OSError):
            partial.write_bytes(msgspec.json.encode(list(self._samples())))
            partial.replace(target)
            os.utime(target, (now, now))

    def _others(self, now: float) -> Iterator[tuple[str, list[_Sample]]]:
        assert self._shared is not None
        for path in sorted(self._shared.glob("*.metrics")):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                state = path.stat()
                if state.st_mtime >= now - FRESH_S and state.st_size <= _PAGE_BYTES:
                    yield path.stem, msgspec.json.decode(path.read_bytes(), type=list[_Sample])

    def _samples(self) -> Iterator[_Sample]:
        for (route, method, status), tally in sorted(self._tallies.items()):
            labels = [("route", route), ("method", method), ("status", status)]
            yield _Sample("budwood_http_requests_total", labels, tally.count)
            yield _Sample("budwood_http_request_bytes_total", labels, tally.bytes_in)
            yield _Sample("budwood_http_response_bytes_total", labels, tally.bytes_out)
        yield from self._latencies()
        for name, ask in sorted(self._gauges.items()):
            with contextlib.suppress(Exception):  # A gauge whose part is down is left out; the page is still given.
                yield _Sample(f"budwood_{name}", [], float(ask()))
        yield from _process_samples(self._started)

    def _latencies(self) -> Iterator[_Sample]:
        """One histogram a route: the methods and statuses of it together."""
        routes: dict[str, _Tally] = {}
        for (route, _, _), tally in self._tallies.items():
            total = routes.setdefault(route, _Tally())
            total.count += tally.count
            total.seconds += tally.seconds
            total.buckets = [a + b for a, b in zip(total.buckets, tally.buckets, strict=True)]
        for route, total in sorted(routes.items()):
            running = 0
            for bound, count in zip((*map(repr, BUCKETS_S), "+Inf"), total.buckets, strict=True):
                running += count
                yield _Sample("budwood_http_request_seconds_bucket", [("route", route), ("le", bound)], running)
            yield _Sample("budwood_http_request_seconds_sum", [("route", route)], total.seconds)
            yield _Sample("budwood_http_request_seconds_count", [("route", route)], total.count)


_HELP: Final[Mapping[str, tuple[str, str]]] = {
    "budwood_http_requests_total": ("counter", "Requests answered; status 'gone': the client left before."),
    "budwood_http_request_bytes_total": ("counter", "Bytes of request bodies."),
    "budwood_http_response_bytes_total": ("counter", "Bytes of answers, without their headers."),
    "budwood_http_request_seconds": ("histogram", "From the head of a request to the last byte of its answer."),
    "process_resident_memory_bytes": ("gauge", "Memory the process holds."),
    "process_cpu_seconds_total": ("counter", "Processor time the process used."),
    "process_start_time_seconds": ("gauge", "When the process began, in seconds since 1970."),
    "process_open_fds": ("gauge", "Files and connections the process holds open."),
}


def _written(pages: Mapping[str, Iterable[_Sample]]) -> bytes:
    """Pages as text: the lines of one metric stand together, whichever process they come from."""
    families: dict[str, list[str]] = {}
    for process, samples in pages.items():
        for sample in samples:
            labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in [*sample.labels, ("process", process)])
            family = families.setdefault(_family(sample.name), [])
            family.append(f"{sample.name}{{{labels}}} {_number(sample.value)}")
    lines: list[str] = []
    for name, family in families.items():
        kind, text = _HELP.get(name, ("gauge", name.removeprefix("budwood_").replace("_", " ").capitalize() + "."))
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *family]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _family(name: str) -> str:
    head, _, last = name.rpartition("_")
    return head if last in ("bucket", "sum", "count") and head in _HELP else name


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == value // 1 and abs(value) < 1e15 else repr(value)


def _process_samples(started: float) -> Iterator[_Sample]:
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
        yield _Sample("process_resident_memory_bytes", [], pages * resource.getpagesize())
    yield _Sample("process_cpu_seconds_total", [], round(time.process_time(), 3))
    yield _Sample("process_start_time_seconds", [], round(started, 3))
    with contextlib.suppress(OSError):
        yield _Sample("process_open_fds", [], sum(1 for _ in Path("/proc/self/fd").iterdir()))
