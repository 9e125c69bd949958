"""Which jobs a namespace trusts without a token of ours. Whoever manages the namespace asks."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_people import AddTrust, Trusts
from budwood.domain.people import Trust
from budwood.domain.routes.route import Route
from budwood.errors import Forbidden, LimitExceeded, NameTaken, NotFound

_ALL: Final = "/v1/namespaces/{namespace}/trusts"

LIST: Final = Route(
    name="trusts.list",
    method="GET",
    path=_ALL,
    permission=Permission.MANAGE,
    summary="Whose tokens a namespace trusts, and for which role.",
    response=Trusts,
    errors=(NotFound,),
)
ADD: Final = Route(
    name="trusts.add",
    method="POST",
    path=_ALL,
    permission=Permission.MANAGE,
    summary="Trust one subject of one issuer with a role, and none with more than you may yourself.",
    request=AddTrust,
    response=Trust,
    errors=(NotFound, Forbidden, LimitExceeded, NameTaken),
)
REMOVE: Final = Route(
    name="trusts.remove",
    method="DELETE",
    path=_ALL + "/{trust}",
    permission=Permission.MANAGE,
    summary="Trust it no more; what was admitted by it may do nothing from then on.",
    response=Trust,
    errors=(NotFound, Forbidden),
)

ROUTES: Final = (LIST, ADD, REMOVE)
