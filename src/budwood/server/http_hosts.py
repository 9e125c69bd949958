"""The names a server answers to. A browser tricked into asking it by another name (DNS rebinding) gets 421.

Addresses in figures are always taken: no name was resolved, so none can have been forged.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?)\.?)(?::[0-9]{1,5})?")
_REMEMBERED: Final = 256


class Hosts:
    """``names`` are host names, or ``*.example.com`` for every name below it; localhost is always one."""

    __slots__ = ("_known", "_names", "_suffixes")

    def __init__(self, names: Iterable[str] = ()) -> None:
        lower = {name.lower().rstrip(".") for name in names} | {"localhost"}
        self._suffixes = tuple(name[1:] for name in lower if name.startswith("*."))
        self._names = frozenset(name for name in lower if not name.startswith("*."))
        self._known: set[bytes] = set()

    def answers_to(self, host: bytes) -> bool:
        """Whether a Host header names this server; a port in it is not looked at."""
        if host in self._known:
            return True
        if not self._decide(host.decode("latin-1").lower()):
            return False
        if len(self._known) < _REMEMBERED:
            self._known.add(host)
        return True

    def _decide(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        literal, name = match.groups()
        if name in self._names or (name and name.endswith(self._suffixes)):
            return True
        try:
            ipaddress.ip_address(literal or name)
        except ValueError:
            return False
        return True
