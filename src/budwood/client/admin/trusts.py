"""Trusts: jobs that come with a token of their own issuer, and need none of ours."""

from collections.abc import Mapping
from types import MappingProxyType

from budwood.client.place import Place
from budwood.domain import asks_people as asks
from budwood.domain.people import Trust
from budwood.domain.routes import trusts
from budwood.errors import BadValue


class Trusts:
    """``registry.admin.trusts``. Subject and claims must match exactly."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def list(self, namespace: str) -> tuple[Trust, ...]:
        """Raises NamespaceNotFound, Forbidden."""
        answer: asks.Trusts = self._place.ask(trusts.LIST, {"namespace": namespace})
        return answer.trusts

    def add(
        self,
        namespace: str,
        *,
        issuer: str,
        subject: str,
        role: str,
        audience: str = "",
        claims: Mapping[str, str] = MappingProxyType({}),
    ) -> Trust:
        """Tokens of ``issuer`` for ``audience`` (by default this server's address) about ``subject`` get ``role``.

        Raises NamespaceNotFound, BadValue, Forbidden, LimitExceeded, NameTaken.
        """
        if not audience and "://" not in self._place.name:
            raise BadValue("For which audience? This registry is a folder.", hint="Give the server's address.")
        wish = asks.AddTrust(issuer, audience or self._place.name, subject, role, dict(claims))
        added: Trust = self._place.ask(trusts.ADD, {"namespace": namespace}, body=wish)
        return added

    def remove(self, namespace: str, trust_id: int) -> Trust:
        """What was admitted by it may do nothing from then on. Raises NotFound, Forbidden."""
        removed: Trust = self._place.ask(trusts.REMOVE, {"namespace": namespace, "trust": str(trust_id)})
        return removed
