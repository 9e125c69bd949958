"""Namespaces: the rooms of the registry, what they may hold, and what they hold."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_people import AddNamespace, ChangeQuota, ListByName, NamespacePage
from budwood.domain.people import NamespaceRecord, NamespaceUsage
from budwood.domain.routes.route import Route
from budwood.errors import NamespaceNotFound, NameTaken, PreconditionFailed, StillInUse

_ONE: Final = "/v1/namespaces/{namespace}"

LIST: Final = Route(
    name="namespaces.list",
    method="GET",
    path="/v1/namespaces",
    permission=Permission.KNOWN,
    summary="The namespaces you may read, by name.",
    query=ListByName,
    response=NamespacePage,
)
ADD: Final = Route(
    name="namespaces.add",
    method="POST",
    path="/v1/namespaces",
    permission=Permission.ADMINISTER,
    summary="Make a namespace.",
    request=AddNamespace,
    response=NamespaceRecord,
    errors=(NameTaken,),
)
SHOW: Final = Route(
    name="namespaces.show",
    method="GET",
    path=_ONE,
    permission=Permission.READ,
    summary="A namespace and its quota; its ETag guards the next change.",
    response=NamespaceRecord,
    errors=(NamespaceNotFound,),
    edits=True,
)
SET_QUOTA: Final = Route(
    name="namespaces.set_quota",
    method="PATCH",
    path=_ONE + "/quota",
    permission=Permission.ADMINISTER,
    summary="Say how much a namespace may hold, and how often it may be asked.",
    request=ChangeQuota,
    response=NamespaceRecord,
    errors=(NamespaceNotFound, PreconditionFailed),
    edits=True,
)
REMOVE: Final = Route(
    name="namespaces.remove",
    method="DELETE",
    path=_ONE,
    permission=Permission.ADMINISTER,
    summary="Remove a namespace that has no models left.",
    response=NamespaceRecord,
    errors=(NamespaceNotFound, StillInUse),
)
USAGE: Final = Route(
    name="namespaces.usage",
    method="GET",
    path=_ONE + "/usage",
    permission=Permission.READ,
    summary="What a namespace holds now, and what it may.",
    response=NamespaceUsage,
    errors=(NamespaceNotFound,),
)

ROUTES: Final = (LIST, ADD, SHOW, SET_QUOTA, REMOVE, USAGE)
