"""What is asked of one side: each act some readings, the same requests to both.

Every act is asked twice: by one client, for the time of an answer, and by eight, for how many there are a second.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.meter import CommandFailed, measure
from benchmarks.mlflow.fill import BEGAN_MS, BUILDS, build, model_name, run_id
from benchmarks.mlflow.sides import Side
from benchmarks.server.load import Plan, Seen, Talk, ask
from benchmarks.server.mlflow import ask_once, environment
from benchmarks.server.readings import Reading

CLIENTS = 8
SINGLE_LOGS, BATCHES, BATCH = 20_000, 400, 1_000
HISTORY = 3_000
ALIASES = 50
PAGE = 100
PATIENCE_S = 300.0
SLOW_S = 2.0
INSIDE = Path(__file__).parent / "inside"
NOT_OFFERED = "answers 404: not offered yet"


def asked(side: Side, what: str, alone: Sequence[Talk], together: Sequence[Talk], seconds: float) -> Iterator[Reading]:
    """By one client, then by eight; what is written must not be written twice, so each has its own talks."""
    ask(_plan(side, alone[:1], 1, min(seconds, 1.0)))
    one = ask(_plan(side, alone[1:] or alone, 1, seconds))
    if one.failed or not one.count:
        yield side.read.fault(what, why(one))
        return
    yield side.read.of(f"{what} p50 ms", one.p50_ms)
    cpu_s = side.server.cpu_s()
    eight = ask(_plan(side, together, CLIENTS, seconds))
    if eight.failed or not eight.count:
        yield side.read.fault(f"{what} /s", why(eight))
        return
    yield side.read.of(f"{what} /s", eight.rate)
    yield side.read.of(f"{what} p99 ms", eight.p99_ms)
    yield side.read.of(f"{what} server µs", (side.server.cpu_s() - cpu_s) / eight.count * 1e6)


def answer_time(side: Side, what: str, talks: Sequence[Talk], seconds: float) -> Iterator[Reading]:
    """By one client; where one answer takes long, three are enough."""
    first = ask(_plan(side, talks[:1], 1, PATIENCE_S, once=True))
    if first.failed or not first.count:
        yield side.read.fault(what, why(first))
        return
    slow = first.p50_ms > SLOW_S * 1e3
    plan = _plan(side, talks[1:3], 1, PATIENCE_S, once=True) if slow else _plan(side, talks, 1, seconds)
    seen = ask(plan)
    yield side.read.of(f"{what} p50 ms", seen.p50_ms) if seen.count else side.read.fault(what, why(seen))


def why(seen: Seen) -> str:
    """What went wrong, in a line."""
    if "ENDPOINT_NOT_FOUND" in seen.fault or (" 404 " in seen.fault[:20] and "error_code" not in seen.fault):
        return NOT_OFFERED
    head, _, body = seen.fault.partition("\r\n\r\n")
    return f"{head.splitlines()[0]}: {body[:200]}" if head else "nothing was answered"


# Tracking


def tracking(side: Side, seconds: float) -> Iterator[Reading]:
    """Runs begun, metrics logged, one by one and a thousand at once."""
    begun: list[Talk] = [side.post("/runs/create", {"experiment_id": "0", "start_time": BEGAN_MS + 10**9})]
    yield from asked(side, "create run", begun, begun, seconds)
    points = [_logged(side, number) for number in range(SINGLE_LOGS)]
    yield from asked(side, "log metric", points[: SINGLE_LOGS // 4], points[SINGLE_LOGS // 4 :], seconds)
    batches = [_batch(side, number) for number in range(BATCHES)]
    yield from asked(side, "log batch", batches[: BATCHES // 4], batches[BATCHES // 4 :], seconds)
    yield from history(side, seconds)


def history(side: Side, seconds: float) -> Iterator[Reading]:
    """One metric of 3,000 points, all of them."""
    for first in range(0, HISTORY, BATCH):
        points = [_point("history", step) for step in range(first, first + BATCH)]
        fault = ask_once(side.server, [side.post("/runs/log-batch", {"run_id": run_id(0), "metrics": points})])
        if fault:
            yield side.read.fault("history", fault[:200])
            return
    path = f"/metrics/get-history?run_id={run_id(0)}&metric_key=history"
    yield from answer_time(side, "history", [side.get(path)], seconds)


def _logged(side: Side, number: int) -> Talk:
    """Eight runs take turns, as eight clients would write to one each."""
    return side.post("/runs/log-metric", {"run_id": run_id(number % CLIENTS), **_point("single", number)})


def _batch(side: Side, number: int) -> Talk:
    points = [_point(f"batch-{at % 10}", number * BATCH + at) for at in range(BATCH)]
    return side.post("/runs/log-batch", {"run_id": run_id(number % CLIENTS), "metrics": points})


def _point(key: str, step: int) -> dict[str, object]:
    return {"key": key, "value": step % 977 / 977, "timestamp": BEGAN_MS + step, "step": step}


# Searching


def searches(side: Side, seconds: float) -> Iterator[Reading]:
    """Runs by one metric, in the order of another; the newest versions, those with a tag, that of a run."""
    talks = [_runs(side, f"metrics.auc > 0.{bound}", "metrics.loss ASC") for bound in (5, 6, 7, 8, 9)]
    yield from answer_time(side, "search runs", talks, seconds)
    yield from answer_time(side, "versions newest", [_versions(side, "")], seconds)
    tagged = [_versions(side, f"tags.build = '{build(number)}'") for number in range(min(BUILDS, 20))]
    yield from answer_time(side, "versions by tag", tagged, seconds)
    of_run = [_versions(side, f"run_id = '{run_id(number)}'") for number in range(100)]
    yield from answer_time(side, "versions by run", of_run, seconds)


def _runs(side: Side, text: str, order: str) -> Talk:
    body = {"experiment_ids": ["0"], "filter": text, "order_by": [order], "max_results": PAGE}
    return side.post("/runs/search", body)


def _versions(side: Side, text: str) -> Talk:
    query = urlencode({"max_results": str(PAGE)} | ({"filter": text} if text else {}))
    return side.get(f"/model-versions/search?{query}")


# The registry


def registry(side: Side, seconds: float) -> Iterator[Reading]:
    """Aliases resolved, versions registered with two tags."""
    names = [model_name(number) for number in range(ALIASES)]
    pointed = [name for name in names if not _point_at_first(side, name)]
    # A small filling has fewer models.
    if pointed:
        found = [side.get(f"/registered-models/alias?name={name}&alias=champion") for name in pointed]
        yield from asked(side, "alias", found, found, seconds)
    else:
        yield side.read.fault("alias", _point_at_first(side, names[0])[:200])
    tags = [{"key": "team", "value": "bench"}, {"key": "task", "value": "rank"}]
    body: dict[str, object] = {"name": model_name(0), "source": "s3://bench/model", "tags": tags}
    made: list[Talk] = [side.post("/model-versions/create", body)]
    yield from asked(side, "create version", made, made, seconds)


def _point_at_first(side: Side, name: str) -> str:
    """What went wrong."""
    body = {"name": name, "alias": "champion", "version": "1"}
    return ask_once(side.server, [side.post("/registered-models/alias", body)])


# Artifacts


def artifact(side: Side, file: Path, peers: Path) -> Iterator[Reading]:
    """One large file up, by MLflow's own client; the next is another, or a store that shares would have it already."""
    python = str(peers / "bin" / "python")
    words = {"MLFLOW_TRACKING_URI": side.uri} | ({"MLFLOW_TRACKING_TOKEN": side.secret} if side.secret else {})
    try:
        cost = measure([python, str(INSIDE / "upload.py"), str(file)], Path.cwd(), environment(peers) | words)
    except CommandFailed as failed:
        text = str(failed)
        yield side.read.fault("artifact up", NOT_OFFERED if "ENDPOINT_NOT_FOUND" in text else text[-200:])
        return
    took = next(float(line) for line in cost.output.splitlines() if line.replace(".", "", 1).isdigit())
    yield side.read.of("artifact up GB/s", file.stat().st_size / 1e9 / took)


def large_file(folder: Path, size: int) -> Path:
    """Chance, which nothing makes smaller, and which no store has seen."""
    path = folder / "artifact.bin"
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    return path


# All of them


ACTS: Mapping[str, Callable[[Side, float], Iterator[Reading]]] = {
    "tracking": tracking,
    "searches": searches,
    "registry": registry,
}


def _plan(side: Side, talks: Sequence[Talk], clients: int, seconds: float, *, once: bool = False) -> Plan:
    return Plan(side.server.host, side.server.port, talks, clients, seconds, once=once)
