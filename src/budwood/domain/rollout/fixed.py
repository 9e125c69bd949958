"""Fixed limits, window by window, as other tools check them. Weaker than the tests; for those who want them.

A window counts when it is over and the candidate answered at least ``WINDOW_LEAST`` requests in it; one with fewer says
nothing, neither good nor bad.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from budwood.domain.rollout.plan import FIXED, Guardrail, Plan, Watched
from budwood.domain.rollout.tally import BINS, Request, Tally, Window, bin_of, edge_us, place_of

WINDOW_LEAST: Final = 20


def held_to_limits(tally: Tally, plan: Plan, requests: Iterable[Request]) -> Tally:
    """The tally with these requests, in the order they were answered, in the windows of the plan's fixed limits."""
    rails = [rail for rail in plan.guardrails if rail.watched in FIXED]
    if not rails:
        return tally
    asked = [request for request in requests if request.is_candidate and request.latency_us >= 0]
    windows = {rail.name: _filled(rail, tally.windows.get(rail.name, Window()), asked) for rail in rails}
    return replace(tally, windows=windows)


def _filled(rail: Guardrail, window: Window, requests: list[Request]) -> Window:
    length_ms = rail.window_s * 1_000
    bins, counted, failed = list(window.bins), window.requests, window.failed
    since_ms, failures = window.since_ms, window.failures
    for request in requests:
        if not since_ms:
            since_ms = request.at_ms
        if request.at_ms >= since_ms + length_ms:
            failures += _is_above(rail, counted, failed, bins)
            since_ms += (request.at_ms - since_ms) // length_ms * length_ms
            bins, counted, failed = [0] * BINS, 0, 0
        bins[bin_of(request.latency_us)] += 1
        counted += 1
        failed += request.failed
    return Window(since_ms, counted, failed, tuple(bins), failures)


def _is_above(rail: Guardrail, counted: int, failed: int, bins: list[int]) -> bool:
    """The limit of a rate is a share, that of a latency milliseconds."""
    if counted < WINDOW_LEAST:
        return False
    if rail.watched is Watched.ERROR_RATE:
        return failed / counted > rail.limit
    return edge_us(place_of(bins, rail.quantile)) > rail.limit * 1_000
