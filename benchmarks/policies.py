"""Expressions of policies: ``python -m benchmarks.policies``.

Evaluates what a policy would ask of a version, one call at a time, then cuts one that would take minutes, and measures
how long a thread beside it ever had to wait, next to how long it waits beside a thread that sleeps.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from budwood.domain.canon import Json
from budwood.domain.facts import Code, Facts
from budwood.domain.policy.case import Case
from budwood.domain.policy.evidence import Evidence, EvidenceKind
from budwood.domain.policy.variables import About, variables_of
from budwood.govern.expressions import Expressions

ASKED = (
    "facts.metrics.accuracy >= 0.9",
    "facts.code != null && !facts.code.dirty && facts.parameters < 500000000",
    "evidence.exists(e, e.kind == 'fairness' && e.metrics.m3 - e.metrics.m4 < 0.05 && e.samples >= 1000)",
    "version.age_days <= 30.0 && 'safetensors' in facts.formats",
)
BOMB = "facts.metrics.all(a, facts.metrics.all(b, a != b || a == b))"
CALLS = 5_000
BOMBS = 20


def variables(now_ms: int = 1_790_000_000_000) -> Mapping[str, Json]:
    """A version with fifty metrics and twenty pieces of evidence with fifteen metrics each."""
    facts = Facts(
        author="mara",
        created_ms=now_ms - 86_400_000,
        metrics={"accuracy": 0.93} | {f"m{number}": number / 50 for number in range(50)},
        formats=("safetensors",),
        parameters=110_000_000,
        code=Code("0" * 40),
    )
    metrics = {f"m{number}": 0.5 for number in range(15)}
    evidence = tuple(
        Evidence(
            n, "ab" * 32, EvidenceKind.FAIRNESS, "ines", "ines", ("evaluator",), now_ms, metrics=metrics, samples=5_000
        )
        for n in range(20)
    )
    case = Case(now_ms, now_ms, "", facts, frozenset({"mara"}), evidence=evidence)
    return variables_of(case, About("v3", 3, "staging", "mara", 440_000_000, "stage:production"))


def timed(work: Callable[[], object], count: int) -> list[float]:
    """Milliseconds, sorted."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1e3)
    return sorted(times)


def longest_wait_ms(work: Callable[[], object]) -> float:
    """How late a thread that wakes every millisecond ever was while the work was done."""
    over, longest = threading.Event(), 0.0

    def tick() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not over.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last - 0.001), now

    thread = threading.Thread(target=tick)
    thread.start()
    work()
    over.set()
    thread.join()
    return longest * 1e3


def used_s() -> float:
    """Processor time of this process and of those it started and that live."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    stats = (Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split() for child in children)
    ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats)
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure and print."""
    seen = variables()
    many: Mapping[str, Json] = {"facts": {"metrics": {f"m{number}": 1.0 for number in range(10_000)}}}
    print(f"load average {os.getloadavg()[0]:.1f}")
    with Expressions() as expressions:
        print(
            f"first answer, with starting the process: {timed(lambda: expressions.evaluate(ASKED, seen), 1)[0]:.0f} ms"
        )
        for expression in ASKED:
            assert expressions.evaluate([expression], seen)[expression].value is True
        one = timed(lambda: expressions.evaluate(ASKED[:1], seen), CALLS)
        print(f"one expression, p50 and p99: {median(one):.2f}, {one[CALLS * 99 // 100]:.2f} ms")
        began = used_s()
        four = timed(lambda: expressions.evaluate(ASKED, seen), CALLS)
        used_ms = (used_s() - began) / CALLS * 1e3
        print(f"a policy of four, p50 and p99: {median(four):.2f}, {four[CALLS * 99 // 100]:.2f} ms")
        print(f"processor time of it, both processes together, mean: {used_ms:.2f} ms")
        bombs: list[float] = []
        waited = longest_wait_ms(lambda: bombs.extend(cut(expressions, many) for _ in range(BOMBS)))
        print(f"a bomb is cut after, p50 and longest: {median(bombs):.0f}, {max(bombs):.0f} ms")
        idle = longest_wait_ms(lambda: time.sleep(sum(bombs) / 1e3))
        print(f"longest wait of another thread meanwhile: {waited:.1f} ms; beside a sleeping one: {idle:.1f} ms")
    return 0


def cut(expressions: Expressions, many: Mapping[str, Json]) -> float:
    """Milliseconds; the process that was started anew is not waited for here."""
    took = timed(lambda: expressions.evaluate([BOMB], many), 1)[0]
    expressions.evaluate(["true"], {})
    return took


if __name__ == "__main__":
    sys.exit(main())
