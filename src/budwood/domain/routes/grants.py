"""Who holds which role in a namespace. Its owners and admins ask."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_people import Grants
from budwood.domain.routes.route import Route
from budwood.errors import Forbidden, NotFound, PreconditionFailed, StillInUse

_ALL: Final = "/v1/namespaces/{namespace}/grants"
_PERSON: Final = _ALL + "/people/{person}/{role}"
_GROUP: Final = _ALL + "/groups/{group}/{role}"

LIST: Final = Route(
    name="grants.list",
    method="GET",
    path=_ALL,
    permission=Permission.MANAGE,
    summary="Who holds which role in a namespace; the ETag guards the next change.",
    response=Grants,
    errors=(NotFound,),
    edits=True,
)


def _change(name: str, method: str, path: str, summary: str) -> Route:
    return Route(
        name=name,
        method=method,
        path=path,
        permission=Permission.MANAGE,
        summary=summary,
        response=Grants,
        errors=(NotFound, Forbidden, StillInUse, PreconditionFailed),
        edits=True,
    )


GIVE: Final = _change("grants.give", "PUT", _PERSON, "Give somebody a role; never yourself.")
TAKE: Final = _change("grants.take", "DELETE", _PERSON, "Take a role from somebody.")
GIVE_GROUP: Final = _change("grants.give_group", "PUT", _GROUP, "Give a group a role; never one you are in.")
TAKE_GROUP: Final = _change("grants.take_group", "DELETE", _GROUP, "Take a role from a group.")

ROUTES: Final = (LIST, GIVE, TAKE, GIVE_GROUP, TAKE_GROUP)
