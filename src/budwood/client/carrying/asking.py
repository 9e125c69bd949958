"""Asking a registry of ours in the words of a carrying, page by page."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from budwood.domain import asks_carrying as asks
from budwood.domain.routes.route import Route

Ask = Callable[[Route, object], Any]
"""One question of one namespace, and its answer. Raises what the registry raises."""
Paged = (
    asks.ReadSome
    | asks.ReadRuns
    | asks.ReadPoints
    | asks.ReadLogged
    | asks.ReadVersions
    | asks.ReadTraces
    | asks.ReadRecords
    | asks.ReadJudging
    | asks.ReadMcpVersions
)


def pages(ask: Ask, route: Route, asked: Paged) -> Iterator[Any]:
    """Every page of an answer; each says in its token where the next begins."""
    while True:
        page = ask(route, asked)
        yield page
        if not page.token:
            return
        asked = replace(asked, token=page.token)
