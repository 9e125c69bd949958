"""Which gateways come in, and what each may be told: the control port's side of tokens and namespaces.

A gateway that shows a token may serve the namespaces in which its account holds ``serve``, and is told of no others. A
door without TLS is open to whoever reaches it, and so only ever stands at the loopback address. The first account that
uses a name has it: a gateway's name is what its logs are counted under, and what others are told about it.
"""

import threading
from dataclasses import dataclass, field
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.access import Permission
from budwood.domain.limits import GATEWAYS, KEY_CHARS
from budwood.errors import BadName, Forbidden, LimitExceeded, Unauthenticated
from budwood.server.callers import caller_of, known_by
from budwood.verbs.gateways import claimed
from budwood.verbs.house import House

_STRANGER: Final = "This control plane lets nobody in without a token, and a valid one."


@dataclass(frozen=True, slots=True)
class Pass:
    """What a gateway came in with. ``namespaces`` it may serve; None is all there are."""

    account: str = ""
    namespaces: frozenset[str] | None = None
    secret: str = field(default="", repr=False)


class Door:
    """Safe from any thread. ``is_open``: a gateway needs no token."""

    def __init__(self, house: House, *, is_open: bool) -> None:
        self._house = house
        self._is_open = is_open
        self._passes: dict[str, Pass] = {}
        self._lock = threading.Lock()

    def admit(self, name: str, secret: str) -> Pass:
        """Let a gateway in, or whoever has not said its name yet (""). Raises Unauthenticated, Forbidden, BadName."""
        if not secret and not self._is_open:
            raise Unauthenticated(_STRANGER)
        if not secret and not name:
            return Pass()
        with self._house.catalog.read() as view:
            found = self._pass(view, secret)
            known = view.gateway(name) if name else None
        if not name:
            return found
        if len(name) > KEY_CHARS or not name.isascii() or not name.isprintable():
            raise BadName(f"A gateway's name is at most {KEY_CHARS} characters of ASCII.")
        if known is None or claimed(known, name, found.account) is not known:
            self._house.catalog.write(lambda transaction: _claim(transaction, name, found.account))
        with self._lock:
            self._passes[name] = found
        return found

    def namespaces(self, name: str) -> frozenset[str] | None:
        """Those that a gateway which came in may serve; None is all there are."""
        held = self._passes.get(name)
        return held.namespaces if held else frozenset()

    def has_let_in(self, name: str) -> bool:
        """Whether it may be told anything at all. Who may not keeps what it has."""
        return name in self._passes

    def is_bare(self, name: str) -> bool:
        """Whether it came in without a token, and so stands on this machine."""
        held = self._passes.get(name)
        return held is not None and not held.secret

    def look_again(self) -> frozenset[str]:
        """What may have changed of accounts and tokens. The tokens that are no good any more."""
        shown = {each.secret for each in list(self._passes.values())} - {""}
        if not shown:
            return frozenset()
        now: dict[str, Pass] = {}
        with self._house.catalog.read() as view:
            for secret in shown:
                try:
                    now[secret] = self._pass(view, secret, comes=False)
                except Unauthenticated:
                    continue
        with self._lock:  # It may come in anew meanwhile, with another token.
            for name, had in list(self._passes.items()):
                if had.secret in now:
                    self._passes[name] = now[had.secret]
                elif had.secret in shown:
                    del self._passes[name]
        return frozenset(shown - now.keys())

    def _pass(self, view: View, secret: str, *, comes: bool = True) -> Pass:
        """Raises Unauthenticated; Forbidden for one who comes and may serve nothing."""
        if not secret:
            return Pass()
        known = known_by(view, secret, self._house.clock())
        if known is None:
            raise Unauthenticated(_STRANGER)
        caller = caller_of(known, "", self._house.catalog)
        serves = frozenset(each for each in known.roles if Permission.SERVE in caller.permissions(each))
        if comes and not serves:
            raise Forbidden(f"{caller.name} may serve no namespace: it takes the role 'gateway' in one.")
        return Pass(caller.name, serves, secret)


def _claim(transaction: Transaction, name: str, account: str) -> None:
    """Raises Forbidden when it is somebody else's."""
    known = transaction.gateway(name)
    if known is None and len(transaction.gateways()) >= GATEWAYS:
        raise LimitExceeded(f"A registry has at most {GATEWAYS} gateways.", limit="GATEWAYS")
    claim = claimed(known, name, account)
    if claim is None:
        raise Forbidden(f"There is a gateway {name!r} of another account; 'budwood gateway forget' frees the name.")
    if claim is not known:
        transaction.put_gateway(claim)
