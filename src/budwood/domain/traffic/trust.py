"""Whose word an arm's https backends are believed on.

A backend's certificate is checked unless the document says that it is not: against the authorities of the gateway's
machine, or those that the document names. They are kept as PEM, so that an endpoint needs no file.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from budwood.domain.document import Reader, said
from budwood.domain.limits import TRUSTED_BYTES
from budwood.errors import BadEndpoint

ROOTS: Final = "roots-of-the-gateways-machine"
"""What a gateway calls the authorities that its machine has. One that has none says so by this name."""
_READ: Final = Reader(BadEndpoint)
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_HINT: Final = f"Paste it as it lies in its file, from {_BEGIN} on."
_SEQUENCE: Final = 0x30
_LONG: Final = 0x80


@dataclass(frozen=True, slots=True)
class BackendTrust:
    """``ca`` are certificates in PEM; empty: the authorities that the gateway's machine has. Not ``is_checked``:
    whoever answers at the address is believed."""

    ca: str = ""
    is_checked: bool = True


def read_trust(value: object, at: str, *, is_https: bool) -> BackendTrust:
    """Of ``tls`` in an arm. Raises BadEndpoint."""
    given = _READ.fields(value, at, optional=("ca", "verify"))
    if not is_https:
        _READ.bad(at, "is about certificates, and the backends are http", "Write https://host:port, or leave it out.")
    is_checked = _READ.flag(given.get("verify", True), f"{at}.verify")
    if not is_checked and "ca" in given:
        _READ.bad(f"{at}.ca", "is of no use where nothing is checked", f"Leave {at}.verify out.")
    return BackendTrust(_authorities(given["ca"], f"{at}.ca") if "ca" in given else "", is_checked)


def _authorities(value: object, at: str) -> str:
    """The certificates alone, whatever stands around them."""
    if not isinstance(value, str):
        _READ.bad(at, f"is {said(value)} and not a text", _HINT)
    if len(value) > TRUSTED_BYTES:
        _READ.bad(at, f"is longer than {TRUSTED_BYTES} bytes", "Name the authority that signed, not all there are.")
    if "PRIVATE KEY-----" in value:
        _READ.bad(at, "holds a private key", "Give the certificate alone; think of that key as known to others.")
    made = tuple(_armoured(der) for der in _certificates(value, at))
    if not made:
        _READ.bad(at, "holds no certificate in PEM", _HINT)
    return "".join(made)


def _certificates(text: str, at: str) -> Iterator[bytes]:
    _, *blocks = text.split(_BEGIN)
    for number, block in enumerate(blocks, 1):
        body, end, _ = block.partition(_END)
        try:
            der = base64.b64decode("".join(body.split()), validate=True)
        except (binascii.Error, ValueError):
            der = b""
        if not end or not _is_one_value(der) or not _is_certificate(der):
            _READ.bad(at, f"holds a certificate (number {number}) that is none", _HINT)
        yield der


def _is_one_value(der: bytes) -> bool:
    """Whether it ends where its first value does: a reader of certificates does not look behind it."""
    if len(der) < 2 or der[0] != _SEQUENCE:
        return False
    if der[1] < _LONG:
        return len(der) == 2 + der[1]
    head = 2 + der[1] - _LONG
    return len(der) == head + int.from_bytes(der[2:head])


def _is_certificate(der: bytes) -> bool:
    # It takes some milliseconds to load, and most documents have none.
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=der)
    except (ssl.SSLError, ValueError):
        return False
    return context.cert_store_stats()["x509"] == 1


def _armoured(der: bytes) -> str:
    lines = base64.b64encode(der).decode()
    return "\n".join((_BEGIN, *(lines[at : at + 64] for at in range(0, len(lines), 64)), _END, ""))
