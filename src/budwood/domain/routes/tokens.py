"""Tokens: what programs and people show at the door. Everybody asks for their own; admins for anybody's."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks import IssuedToken
from budwood.domain.asks_people import ListTokens, MakeToken, Tokens
from budwood.domain.people import TokenRecord
from budwood.domain.routes.route import Route
from budwood.errors import Forbidden, LimitExceeded, PrincipalNotFound, RecordNotFound

LIST: Final = Route(
    name="tokens.list",
    method="GET",
    path="/v1/tokens",
    permission=Permission.KNOWN,
    summary="Your tokens, newest first, without their secrets; an admin may ask for somebody else's.",
    query=ListTokens,
    response=Tokens,
    errors=(Forbidden, PrincipalNotFound),
)
MAKE: Final = Route(
    name="tokens.make",
    method="POST",
    path="/v1/tokens",
    permission=Permission.KNOWN,
    summary="Make a token; its secret is in this answer and nowhere else.",
    request=MakeToken,
    response=IssuedToken,
    errors=(Forbidden, PrincipalNotFound, LimitExceeded),
)
REVOKE: Final = Route(
    name="tokens.revoke",
    method="DELETE",
    path="/v1/tokens/{token}",
    permission=Permission.KNOWN,
    summary="Revoke a token, from this moment on.",
    response=TokenRecord,
    errors=(Forbidden, RecordNotFound),
)

ROUTES: Final = (LIST, MAKE, REVOKE)
