"""What is asked of a filled server, each act a handful of readings.

``peak`` first finds how much a server answers when clients never wait, then how long answers take at 70 % of that.
"""

import base64
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.catalog import PER_MODEL
from benchmarks.server.homes import ADMIN, MEMBER, Home, Server, budwood_server, token, watched
from benchmarks.server.load import Plan, Talk, ask, ceiling
from benchmarks.server.readings import OURS, Reading

CLIENTS, SHARE = 32, 0.7
WRITERS = 16
PAGE_ROWS, FAR_PAGE, SEARCHES_EACH = 50, 50, 100
SEARCHES: Mapping[str, str] = {
    "by tag": "tags.team = team-7",
    "by metric": "metrics.auc >= 0.999",
    "by stage": "stage = production",
    "newest": "",
    "text in name": "name like '%-000012%'",
}


@dataclass(frozen=True, slots=True)
class Read:
    """Makes the readings of one tool at one home."""

    tool: str
    home: str

    def of(self, what: str, value: float) -> Reading:
        return Reading(self.tool, self.home, what, round(value, 4))

    def fault(self, what: str, fault: str) -> Reading:
        return Reading(self.tool, self.home, what, fault=fault)


def get(path: str, secret: str = "") -> str:
    """A raw GET."""
    known = f"Authorization: Bearer {secret}\r\n" if secret else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{known}\r\n"


def post(path: str, body: object, secret: str = "", key: str = "") -> str:
    """A raw POST of JSON."""
    content = json.dumps(body, separators=(",", ":"))
    known = f"Authorization: Bearer {secret}\r\n" if secret else ""
    keyed = f"Idempotency-Key: {key}\r\n" if key else ""
    head = f"Content-Type: application/json\r\nContent-Length: {len(content.encode())}\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{known}{keyed}{head}\r\n{content}"


# Resolving an alias


def alias_talks(versions: int, count: int = 5_000) -> list[Talk]:
    """The champion of one model after another, in no order, as a member of all rooms asks."""
    chance = random.Random(11)
    models = [chance.randrange(versions // PER_MODEL) for _ in range(count)]
    address = "/v1/models/team-{room}/model-{model:06d}/versions/champion"
    return [[get(address.format(room=model % 20, model=model), token(MEMBER))] for model in models]


def peak(read: Read, what: str, server: Server, talks: Sequence[Talk], seconds: float) -> Iterator[Reading]:
    """Requests a second, processor microseconds each, and the time of an answer at 70 % of the peak."""
    plan = Plan(server.host, server.port, talks, CLIENTS, seconds)
    ask(Plan(server.host, server.port, talks, CLIENTS, min(seconds, 2.0)))
    cpu_s = server.cpu_s()
    rush = ask(plan)
    spent_s = server.cpu_s() - cpu_s
    if rush.failed or not rush.count:
        yield read.fault(what, rush.fault or "nothing was answered")
        return
    yield read.of(f"{what} /s, own generator", rush.rate)
    yield read.of(f"{what} server µs", spent_s / rush.count * 1e6)
    yield read.of(f"{what} generator µs", rush.cpu_s / rush.count * 1e6)
    wrk = by_wrk(server, [talk[0] for talk in talks], seconds)
    rate = max(rush.rate, wrk or 0.0)
    if wrk:
        yield read.of(f"{what} /s, wrk", wrk)
    yield read.of(f"{what} /s", rate)
    paced = ask(Plan(server.host, server.port, talks, CLIENTS * 2, seconds, rate=rate * SHARE))
    yield read.of(f"{what} p50 ms", paced.p50_ms)
    yield read.of(f"{what} p99 ms", paced.p99_ms)


def generator(read: Read, talks: Sequence[Talk], answer_bytes: int, rate: float, seconds: float) -> Iterator[Reading]:
    """What the generator can do by itself, at most and at the pace of the run."""
    most = ceiling(Plan("", 0, talks, CLIENTS, seconds), answer_bytes)
    yield read.of("generator /s", most.rate)
    if rate:
        paced = ceiling(Plan("", 0, talks, CLIENTS * 2, seconds, rate=rate * SHARE), answer_bytes)
        yield read.of("generator p99 ms", paced.p99_ms)


def by_wrk(server: Server, requests: Sequence[str], seconds: float) -> float | None:
    """Requests a second as wrk counts them; None where it is not installed."""
    if shutil.which("wrk") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "ask.lua"
        script.write_text(lua(requests), "utf-8")
        words = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{max(1, round(seconds))}s", "-s", str(script), server.address]
        done = subprocess.run(words, capture_output=True, text=True)
    return parse_wrk(done.stdout)


def lua(requests: Sequence[str]) -> str:
    """wrk's script: the requests as they are, one after the other."""
    listed = ",\n".join(json.dumps(request) for request in requests)
    turn = "request = function()\n  at = at % #asked + 1\n  return asked[at]\nend\n"
    return f"local asked = {{\n{listed}\n}}\nlocal at = 0\n{turn}"


def parse_wrk(printed: str) -> float | None:
    """None also when some of the answers were errors."""
    found = re.search(r"^Requests/sec:\s+([0-9.]+)", printed, re.M)
    wrong = re.search(r"Non-2xx|Socket errors: (?!connect 0, read 0, write 0, timeout 0)", printed)
    return float(found[1]) if found and not wrong else None


# Searching


def searches(read: Read, server: Server) -> Iterator[Reading]:
    """The searches a user types, on page 1 and as many pages on, by an admin and by a member of all rooms."""
    for name, filter_ in SEARCHES.items():
        for who in (ADMIN, MEMBER):
            cursor, pages = "", 1
            first = [get(search_path(filter_, ""), token(who))]
            yield from spread(read, f"search {name}, {who}, page 1", server, first)
            while pages < FAR_PAGE and (following := next_cursor(server, filter_, cursor, who)):
                cursor, pages = following, pages + 1
            if cursor:
                there = [get(search_path(filter_, cursor), token(who))]
                yield from spread(read, f"search {name}, {who}, page {FAR_PAGE}", server, there)


def spread(read: Read, what: str, server: Server, talk: Talk) -> Iterator[Reading]:
    """One client asks the same again and again."""
    seen = ask(Plan(server.host, server.port, [talk] * SEARCHES_EACH, connections=1, seconds=60, once=True))
    if seen.failed:
        yield read.fault(what, seen.fault)
        return
    yield read.of(f"{what} p50 ms", seen.p50_ms)
    yield read.of(f"{what} p99 ms", seen.p99_ms)


def search_path(filter_: str, cursor: str) -> str:
    words = {"q": filter_, "cursor": cursor, "limit": str(PAGE_ROWS)}
    return "/v1/search?" + urlencode({key: value for key, value in words.items() if value})


def next_cursor(server: Server, filter_: str, cursor: str, who: str) -> str:
    """Empty on the last page."""
    return str(asked(server, search_path(filter_, cursor), who)["cursor"])


def asked(server: Server, path: str, who: str) -> dict[str, object]:
    """One answer, decoded."""
    request = urllib.request.Request(server.address + path, headers={"Authorization": f"Bearer {token(who)}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, object] = json.load(answer)
    return found


# Registering


def register(read: Read, server: Server, folder: Path, count: int) -> Iterator[Reading]:
    """Versions whose bytes are there already, each one request and one durable transaction, by 16 clients.

    What is timed is the registry's part of a push: the record, two tags and the ledger's entry.
    """
    talks = registrations(server, folder, count)
    cpu_s = server.cpu_s()
    seen = ask(Plan(server.host, server.port, talks, WRITERS, seconds=120, once=True))
    spent_s = server.cpu_s() - cpu_s
    if seen.failed or seen.count < count:
        yield read.fault("register", seen.fault or f"only {seen.count} of {count} were registered")
        return
    yield read.of("register /s", seen.rate)
    yield read.of("register p50 ms", seen.p50_ms)
    yield read.of("register p99 ms", seen.p99_ms)
    yield read.of("register server µs", spent_s / seen.count * 1e6)


def registrations(server: Server, folder: Path, count: int) -> list[Talk]:
    """A small model is pushed for real; the talks make as many versions of other models with the same files."""
    import budwood

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run = f"r{time.time_ns() // 1_000_000:x}"
    (folder / "config.json").write_text(json.dumps({"run": run}), "utf-8")
    with budwood.connect(server.address, token=token(MEMBER)) as registry:
        version = registry.push(folder, f"team-1/{run}").version
    body = {
        "digest": version.digest,
        "manifest_size": version.manifest_size,
        "manifest_blocks": [in_base64(block) for block in version.manifest_blocks],
        "structure": version.structure,
        "sketch": in_base64(version.sketch),
        "tags": {"team": "bench", "task": "rank"},
    }
    pushes = "/v1/namespaces/team-1/pushes"
    secret = token(MEMBER)
    return [
        [post(f"{pushes}/at-once", body | {"model": f"{run}-{number}"}, secret, f"{run}-{number}")]
        for number in range(count)
    ]


def in_base64(content: bytes) -> str:
    """As bytes travel in JSON."""
    return base64.b64encode(content).decode()


# Small things


def start(read: Read, home: Home, log: Path, times: int) -> Iterator[Reading]:
    """From the command to the first answer."""
    for _ in range(times):
        with budwood_server(home, log) as server:
            yield read.of("start s", server.started_s)


def importing(read: Read, times: int) -> Iterator[Reading]:
    """What ``import budwood`` takes in a fresh process."""
    program = "import time; began = time.perf_counter(); import budwood; print(time.perf_counter() - began)"
    for _ in range(times):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        yield read.of("import s", float(done.stdout))


def remembered(read: Read, what: str, server: Server, act: Callable[[], Iterator[Reading]]) -> Iterator[Reading]:
    """The readings of an act, and the most anonymous memory the server took meanwhile."""
    with watched(server) as watch:
        yield from act()
    yield read.of(f"memory MB, {what}", watch.anonymous_bytes / 1e6)


def ours(home: Home) -> Read:
    return Read(OURS, home.name)
