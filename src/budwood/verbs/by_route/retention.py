"""Retention and holds, by route."""

from typing import Final

from budwood.domain import asks_retention as asks
from budwood.domain.retention import ClassSaid, DueNow, Hold, Keeping, LetGo
from budwood.domain.routes import retention as routes
from budwood.errors import RecordNotFound
from budwood.verbs import holds
from budwood.verbs import retention as verbs
from budwood.verbs.by_route.asked import Asked, Deed


def _rules(asked: Asked) -> asks.RetentionShown:
    return verbs.show_rules(asked.whole, asked.holes["namespace"])


def _put(asked: Asked) -> asks.RetentionShown:
    said: asks.PutRules = asked.body
    namespace = asked.holes["namespace"]
    return verbs.put_rules(asked.whole, asked.by, namespace, said.text, said.reason, expected=asked.expected)


def _set_model(asked: Asked) -> ClassSaid:
    return verbs.set_class(asked.house, asked.by, asked.model, asked.body.name, asked.body.reason)


def _set_version(asked: Asked) -> ClassSaid:
    exact = asked.holes["selector"]
    return verbs.set_class(asked.house, asked.by, f"{asked.model}@{exact}", asked.body.name, asked.body.reason)


def _show(asked: Asked) -> Keeping:
    return verbs.keeping(asked.house, asked.reference)


def _due(asked: Asked) -> DueNow:
    return verbs.due(asked.whole, asked.holes["namespace"], asked.query or asks.ReadDue())


def _apply(asked: Asked) -> LetGo:
    return verbs.apply_retention(asked.whole, asked.by, asked.holes["namespace"], asked.body.versions)


def _list_holds(asked: Asked) -> asks.HoldPage:
    return holds.list_holds(asked.whole, asked.holes["namespace"], asked.query or asks.ListHolds())


def _place(asked: Asked) -> Hold:
    return holds.place_hold(asked.whole, asked.by, asked.holes["namespace"], asked.body)


def _show_hold(asked: Asked) -> Hold:
    return holds.show_hold(asked.whole, asked.holes["namespace"], _number(asked))


def _lift(asked: Asked) -> Hold:
    return holds.lift_hold(asked.whole, asked.by, asked.holes["namespace"], _number(asked), asked.body.reason)


def _number(asked: Asked) -> int:
    text = asked.holes["hold"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise RecordNotFound(f"There is no hold {text[:80]!r}.", hint="'budwood hold list' shows them.")
    return int(text)


def _mark(shown: asks.RetentionShown) -> str:
    return verbs.rules_mark(shown.rules)


DEEDS: Final = {
    routes.RULES.name: Deed(_rules),
    routes.PUT_RULES.name: Deed(_put, mark=_mark),
    routes.SET_MODEL.name: Deed(_set_model),
    routes.SET_VERSION.name: Deed(_set_version),
    routes.SHOW.name: Deed(_show),
    routes.DUE.name: Deed(_due, long=True),
    routes.APPLY.name: Deed(_apply),
    routes.LIST_HOLDS.name: Deed(_list_holds),
    routes.PLACE_HOLD.name: Deed(_place),
    routes.SHOW_HOLD.name: Deed(_show_hold),
    routes.LIFT_HOLD.name: Deed(_lift),
}
