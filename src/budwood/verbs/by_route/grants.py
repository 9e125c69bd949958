"""Grants, by route. That the caller may manage the namespace was asked before, and is asked again in the write."""

from collections.abc import Callable
from typing import Any, Final

from budwood.domain import asks_people as asks
from budwood.domain.people import Grant
from budwood.domain.routes import grants
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.grants import grant, grants_mark, list_grants, ungrant


def _list(asked: Asked) -> tuple[Grant, ...]:
    return list_grants(asked.whole, asked.holes["namespace"])


def _change(verb: Callable[..., tuple[Grant, ...]], whose: str) -> Callable[[Asked], tuple[Grant, ...]]:
    def run(asked: Asked) -> tuple[Grant, ...]:
        namespace, role = asked.holes["namespace"], asked.holes["role"]
        to_group, to = whose == "group", asked.holes[whose]
        return verb(asked.whole, asked.by, namespace, to, role, to_group=to_group, expected=asked.expected)

    return run


def _mark(answer: Any) -> str:
    return grants_mark(answer.grants)


DEEDS: Final = {
    grants.LIST.name: Deed(_list, asks.Grants, _mark),
    grants.GIVE.name: Deed(_change(grant, "person"), asks.Grants, _mark),
    grants.TAKE.name: Deed(_change(ungrant, "person"), asks.Grants, _mark),
    grants.GIVE_GROUP.name: Deed(_change(grant, "group"), asks.Grants, _mark),
    grants.TAKE_GROUP.name: Deed(_change(ungrant, "group"), asks.Grants, _mark),
}
