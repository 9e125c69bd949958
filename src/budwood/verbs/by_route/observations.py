"""Observations, disagreements and A/B reports, by route."""

from typing import Final

from budwood.domain.asks_observations import AbReport, DisagreementPage, TakenIn
from budwood.domain.asks_serving import Serving
from budwood.domain.routes import observations as routes
from budwood.errors import RecordNotFound
from budwood.verbs.ab_report import show_report
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.observations import observe
from budwood.verbs.served_then import serving
from budwood.verbs.shadows import list_disagreements


def _observe(asked: Asked) -> TakenIn:
    return observe(asked.whole, asked.holes["namespace"], asked.holes["endpoint"], asked.body.lines)


def _disagreements(asked: Asked) -> DisagreementPage:
    query, holes = asked.query, asked.holes
    found = list_disagreements(
        asked.whole, holes["namespace"], holes["endpoint"], _rollout(asked), after=query.after, limit=query.limit
    )
    return DisagreementPage(found, found[-1].number if found and len(found) == query.limit else 0)


def _report(asked: Asked) -> AbReport:
    holes = asked.holes
    return show_report(asked.whole, holes["namespace"], holes["endpoint"], _rollout(asked), asked.query.segment)


def _serving(asked: Asked) -> Serving:
    return serving(asked.house, asked.holes["namespace"], asked.holes["endpoint"], asked.query.at_ms)


def _rollout(asked: Asked) -> int:
    text = asked.holes["rollout"]
    if text != "newest" and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise RecordNotFound(f"There is no rollout {text[:80]!r}.", hint="Ask by number, or for the 'newest'.")
    return 0 if text == "newest" else int(text)


DEEDS: Final = {
    routes.OBSERVE.name: Deed(_observe),
    routes.DISAGREEMENTS.name: Deed(_disagreements),
    routes.REPORT.name: Deed(_report),
    routes.SERVING.name: Deed(_serving),
}
