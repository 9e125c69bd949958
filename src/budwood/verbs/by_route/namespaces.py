"""Namespaces, by route."""

from typing import Final

from budwood.domain.asks_people import NamespacePage
from budwood.domain.people import NamespaceRecord, NamespaceUsage
from budwood.domain.routes import namespaces
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.namespaces import (
    add_namespace,
    list_namespaces,
    namespace_mark,
    remove_namespace,
    set_quota,
    show_namespace,
    usage,
)


def _list(asked: Asked) -> NamespacePage:
    limit = asked.query.limit
    found = list_namespaces(asked.house, after=asked.query.after, limit=limit)
    return NamespacePage(found, found[-1].name if len(found) == limit else "")


def _add(asked: Asked) -> NamespaceRecord:
    return add_namespace(asked.whole, asked.body.name, asked.body.quota)


def _show(asked: Asked) -> NamespaceRecord:
    return show_namespace(asked.house, asked.holes["namespace"])


def _set_quota(asked: Asked) -> NamespaceRecord:
    return set_quota(asked.whole, asked.holes["namespace"], asked.body, expected=asked.expected)


def _remove(asked: Asked) -> NamespaceRecord:
    return remove_namespace(asked.whole, asked.holes["namespace"])


def _usage(asked: Asked) -> NamespaceUsage:
    return usage(asked.house, asked.holes["namespace"])


DEEDS: Final = {
    namespaces.LIST.name: Deed(_list),
    namespaces.ADD.name: Deed(_add),
    namespaces.SHOW.name: Deed(_show, mark=namespace_mark),
    namespaces.SET_QUOTA.name: Deed(_set_quota, mark=namespace_mark),
    namespaces.REMOVE.name: Deed(_remove),
    namespaces.USAGE.name: Deed(_usage),
}
