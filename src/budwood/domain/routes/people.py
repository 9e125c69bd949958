"""People and service accounts, and groups of them. Only admins ask."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_people import (
    AddGroup,
    AddPerson,
    ChangePerson,
    GroupPage,
    ListByName,
    PeoplePage,
    SetMembers,
)
from budwood.domain.people import Group, Principal
from budwood.domain.routes.route import Route
from budwood.errors import NameTaken, PreconditionFailed, PrincipalNotFound, RecordNotFound, StillInUse

_PERSON: Final = "/v1/people/{person}"
_GROUP: Final = "/v1/groups/{group}"

LIST: Final = Route(
    name="people.list",
    method="GET",
    path="/v1/people",
    permission=Permission.ADMINISTER,
    summary="People, service accounts and workloads, by name.",
    query=ListByName,
    response=PeoplePage,
)
ADD: Final = Route(
    name="people.add",
    method="POST",
    path="/v1/people",
    permission=Permission.ADMINISTER,
    summary="Add a person or a service account; they may do nothing until a role is granted to them.",
    request=AddPerson,
    response=Principal,
    errors=(NameTaken, PrincipalNotFound),
)
SHOW: Final = Route(
    name="people.show",
    method="GET",
    path=_PERSON,
    permission=Permission.ADMINISTER,
    summary="One of them.",
    response=Principal,
    errors=(PrincipalNotFound,),
)
CHANGE: Final = Route(
    name="people.change",
    method="PATCH",
    path=_PERSON,
    permission=Permission.ADMINISTER,
    summary="Disable or enable somebody, make them an admin or no longer one, set their address, whom it answers to.",
    request=ChangePerson,
    response=Principal,
    errors=(PrincipalNotFound, NameTaken, StillInUse),
)

LIST_GROUPS: Final = Route(
    name="groups.list",
    method="GET",
    path="/v1/groups",
    permission=Permission.ADMINISTER,
    summary="Groups and their members, by name.",
    query=ListByName,
    response=GroupPage,
)
ADD_GROUP: Final = Route(
    name="groups.add",
    method="POST",
    path="/v1/groups",
    permission=Permission.ADMINISTER,
    summary="Make a group.",
    request=AddGroup,
    response=Group,
    errors=(NameTaken, PrincipalNotFound),
)
SHOW_GROUP: Final = Route(
    name="groups.show",
    method="GET",
    path=_GROUP,
    permission=Permission.ADMINISTER,
    summary="A group and its members; its ETag guards the next change.",
    response=Group,
    errors=(RecordNotFound,),
    edits=True,
)
SET_MEMBERS: Final = Route(
    name="groups.set_members",
    method="PUT",
    path=_GROUP + "/members",
    permission=Permission.ADMINISTER,
    summary="Say who is in a group: exactly these.",
    request=SetMembers,
    response=Group,
    errors=(RecordNotFound, PrincipalNotFound, PreconditionFailed),
    edits=True,
)
REMOVE_GROUP: Final = Route(
    name="groups.remove",
    method="DELETE",
    path=_GROUP,
    permission=Permission.ADMINISTER,
    summary="Remove a group, and with it what was granted to it.",
    response=Group,
    errors=(RecordNotFound,),
)

ROUTES: Final = (LIST, ADD, SHOW, CHANGE, LIST_GROUPS, ADD_GROUP, SHOW_GROUP, SET_MEMBERS, REMOVE_GROUP)
