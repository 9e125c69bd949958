"""Tokens: what programs and people show at the door."""

from collections.abc import Sequence

from budwood.client.place import Place
from budwood.domain import asks_people as asks
from budwood.domain.asks import IssuedToken
from budwood.domain.people import TokenRecord
from budwood.domain.routes import tokens


class Tokens:
    """``registry.admin.tokens``: your own, or anybody's if you are an admin."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def list(self, person: str = "") -> tuple[TokenRecord, ...]:
        """Newest first, without secrets. Raises PrincipalNotFound, Forbidden."""
        answer: asks.Tokens = self._place.ask(tokens.LIST, query=asks.ListTokens(person))
        return answer.tokens

    def make(self, name: str, *, person: str = "", scopes: Sequence[str] | None = None, good_s: int = 0) -> IssuedToken:
        """A token for yourself, or for ``person``. The secret is told this once.

        ``scopes`` (``push``, ``risk:read``) narrow what it may do; None: all its owner may. ``good_s`` is how long,
        0 as long as may be. Raises BadValue, PrincipalNotFound, Forbidden, LimitExceeded.
        """
        narrowed = None if scopes is None else tuple(scopes)
        wish = asks.MakeToken(name, person, narrowed, good_s)
        issued: IssuedToken = self._place.ask(tokens.MAKE, body=wish)
        if not issued.secret:
            # The answer was lost on its way and asked for again; the secret is kept nowhere, so it is lost too.
            self.revoke(issued.record.id)
            issued = self._place.ask(tokens.MAKE, body=wish)
        return issued

    def revoke(self, token_id: str) -> TokenRecord:
        """From this moment on. Raises RecordNotFound, Forbidden."""
        revoked: TokenRecord = self._place.ask(tokens.REVOKE, {"token": token_id})
        return revoked
