"""People and groups, by route."""

from typing import Final

from budwood.domain.asks_people import GroupPage, PeoplePage
from budwood.domain.people import Group, Principal
from budwood.domain.routes import people
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.groups import add_group, group_mark, list_groups, remove_group, set_members, show_group
from budwood.verbs.people import add_person, change_person, list_people, show_person


def _list(asked: Asked) -> PeoplePage:
    limit = asked.query.limit
    found = list_people(asked.whole, after=asked.query.after, limit=limit)
    return PeoplePage(found, found[-1].name if len(found) == limit else "")


def _add(asked: Asked) -> Principal:
    return add_person(
        asked.whole, asked.body.name, kind=asked.body.kind, email=asked.body.email, owner=asked.body.owner
    )


def _show(asked: Asked) -> Principal:
    return show_person(asked.whole, asked.holes["person"])


def _change(asked: Asked) -> Principal:
    return change_person(asked.whole, asked.holes["person"], asked.body)


def _list_groups(asked: Asked) -> GroupPage:
    limit = asked.query.limit
    found = list_groups(asked.whole, after=asked.query.after, limit=limit)
    return GroupPage(found, found[-1].name if len(found) == limit else "")


def _add_group(asked: Asked) -> Group:
    return add_group(asked.whole, asked.body.name, asked.body.members)


def _show_group(asked: Asked) -> Group:
    return show_group(asked.whole, asked.holes["group"])


def _set_members(asked: Asked) -> Group:
    return set_members(asked.whole, asked.holes["group"], asked.body.members, expected=asked.expected)


def _remove_group(asked: Asked) -> Group:
    return remove_group(asked.whole, asked.holes["group"])


DEEDS: Final = {
    people.LIST.name: Deed(_list),
    people.ADD.name: Deed(_add),
    people.SHOW.name: Deed(_show),
    people.CHANGE.name: Deed(_change),
    people.LIST_GROUPS.name: Deed(_list_groups),
    people.ADD_GROUP.name: Deed(_add_group),
    people.SHOW_GROUP.name: Deed(_show_group, mark=group_mark),
    people.SET_MEMBERS.name: Deed(_set_members, mark=group_mark),
    people.REMOVE_GROUP.name: Deed(_remove_group),
}
