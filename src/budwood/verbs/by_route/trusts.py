"""Trusts, by route. That the caller may manage the namespace was asked before, and is asked again in the write."""

from typing import Final

from budwood.domain import asks_people as asks
from budwood.domain.people import Trust
from budwood.domain.routes import trusts
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.trusts import add_trust, list_trusts, remove_trust


def _list(asked: Asked) -> tuple[Trust, ...]:
    return list_trusts(asked.whole, asked.holes["namespace"])


def _add(asked: Asked) -> Trust:
    return add_trust(asked.whole, asked.by, asked.holes["namespace"], asked.body)


def _remove(asked: Asked) -> Trust:
    return remove_trust(asked.whole, asked.by, asked.holes["namespace"], asked.holes["trust"])


DEEDS: Final = {
    trusts.LIST.name: Deed(_list, asks.Trusts),
    trusts.ADD.name: Deed(_add),
    trusts.REMOVE.name: Deed(_remove),
}
