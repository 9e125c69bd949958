"""Where a server may send a webhook: the shape of an address, and which network addresses are public.

A name is resolved by whoever delivers, once for each delivery; every address it resolves to is judged here, and the
connection goes to the judged address, so a name cannot point elsewhere between the judging and the sending.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from budwood.domain.limits import TARGET_CHARS
from budwood.errors import BadValue

HOST_CHARS: Final = 253
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
BLOCKED_PORTS: Final = frozenset(
    {7, 9, 19, 21, 22, 23, 25, 53, 69, 110, 111, 119, 135, 139, 143, 161, 389, 445, 465, 514, 587, 636, 993, 995}
    | {1433, 1521, 2049, 2375, 2376, 2379, 3306, 3389, 5432, 5672, 5900, 6379, 6443, 9200, 9300, 10250, 11211, 27017}
)
"""Ports where something listens that understands a line of a POST as a command, or that nobody meant to open."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_URL: Final = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(/[!-~]*|\?[!-~]*)?")
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER_LIKE: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")
_NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_NEVER_TEXT: Final = """
0.0.0.0/8 100.64.0.0/10 192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 240.0.0.0/4
::/96 100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16 fec0::/10
"""
_NEVER: Final = tuple(ipaddress.ip_network(text) for text in _NEVER_TEXT.split())
_HINT: Final = "A webhook goes to https://HOST[:PORT]/PATH, without user name, password or fragment."


@dataclass(frozen=True, slots=True)
class Target:
    """An address a webhook may be sent to, as far as its text tells. ``host`` is lower case, without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises BadValue. The message never repeats the address, which may hold a secret."""
        match = _URL.fullmatch(url) if len(url) <= TARGET_CHARS else None
        if match is None or "#" in url or "\\" in url:
            raise BadValue("This is no address a webhook can be sent to.", hint=_HINT)
        scheme, host, digits, path = match.groups()
        port = int(digits) if digits else DEFAULT_PORTS[scheme]
        if not 1 <= port <= 65_535 or port in BLOCKED_PORTS:
            raise BadValue(f"A webhook is not sent to port {port}.", hint=_HINT)
        path = path or "/"
        return cls(scheme, _host(host.lower()), port, path if path.startswith("/") else "/" + path)

    @property
    def literal(self) -> Address | None:
        """The address, when the host is one and need not be resolved."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None


def why_not_public(address: Address, allowed: Sequence[Network] = ()) -> str:
    """The word for why nothing is sent there; "" when it may be. ``allowed`` are networks an admin opened."""
    inner = embedded(address)
    if any(address in network for network in allowed) or any(inner in network for network in allowed):
        return ""
    return _word(address) if inner is address else _word(inner) or "translated"


def embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for (mapped, 6to4, Teredo, NAT64), or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _host(host: str) -> str:
    """The host as a name or a plain address; addresses in hexadecimal, octal or one number are not."""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError as error:
            raise BadValue("The address in brackets is not an IPv6 address.", hint=_HINT) from error
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > HOST_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadValue("The host of the address is not a host name.", hint=_HINT)
    if _NUMBER_LIKE.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise BadValue("The host of the address is not a plain IPv4 address.", hint=_HINT) from error
    return host


def _word(address: Address) -> str:
    words = {
        "unspecified": address.is_unspecified,
        "loopback": address.is_loopback,
        "link-local": address.is_link_local,
        "multicast": address.is_multicast,
        "scoped": bool(getattr(address, "scope_id", None)),
        "private": address.is_private,
        "reserved": address.is_reserved or any(address in network for network in _NEVER),
        "not global": not address.is_global,
    }
    return next((word for word, holds in words.items() if holds), "")
