"""Signed tokens of other issuers (JWT, RFC 7519): read, and judged claim by claim.

Until ``jwt_keys.is_signed`` says yes, what a token says is hearsay. There is one way to write a token; a base64 text
with stray bits is none.
"""

import base64
import binascii
import hmac
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from budwood.domain.limits import PROOF_BYTES, PROOF_S, SKEW_S, TRUST_TEXT_CHARS
from budwood.errors import Unauthenticated

_PART: Final = re.compile(r"[A-Za-z0-9_-]+")
_HINT: Final = "Ask the issuer for a new one."


@dataclass(frozen=True, slots=True)
class Jwt:
    """A token as it says it is. ``text`` is what was sent."""

    text: str = field(repr=False)
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises Unauthenticated."""
        parts = text.split(".") if len(text) <= PROOF_BYTES else []
        if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
            raise refused("It is not three parts of base64, or too long.")
        header, claims, _ = (_unpacked(part) for part in parts)
        return cls(text, _json_object(header), _json_object(claims))

    @property
    def issuer(self) -> str:
        """Raises Unauthenticated."""
        return self.word("iss")

    @property
    def subject(self) -> str:
        """Raises Unauthenticated."""
        return self.word("sub")

    @property
    def audiences(self) -> tuple[str, ...]:
        """Raises Unauthenticated."""
        said = self.claims.get("aud")
        found = said if isinstance(said, list) else [said]
        if not found or not all(isinstance(each, str) and each for each in found):
            raise refused("It does not say whom it is for.")
        return tuple(found)

    def word(self, claim: str) -> str:
        """A claim that must be there, and a text. Raises Unauthenticated."""
        found = self.claims.get(claim)
        if not isinstance(found, str) or not 1 <= len(found) <= TRUST_TEXT_CHARS or not found.isprintable():
            raise refused(f"Its claim {claim!r} is missing, or no text.")
        return found


def check_times(token: Jwt, now_s: float) -> None:
    """It is good now, and its issuer did not make it for longer than ``PROOF_S``. Raises Unauthenticated."""
    issued, expires = _moment(token, "iat"), _moment(token, "exp")
    if now_s >= expires + SKEW_S:
        raise refused("It has expired.")
    if issued > now_s + SKEW_S or ("nbf" in token.claims and _moment(token, "nbf") > now_s + SKEW_S):
        raise refused("It is not good yet.")
    if expires - issued > PROOF_S:
        raise refused(f"It is good for longer than {PROOF_S} seconds.")


def check_login(token: Jwt, client_id: str, nonce: str) -> None:
    """It was made for this client and this attempt to log in. Raises Unauthenticated."""
    audiences, party = token.audiences, token.claims.get("azp")
    if client_id not in audiences or (party is None and len(audiences) > 1):
        raise refused("It is for somebody else.")
    if party is not None and party != client_id:
        raise refused("It was made for another client.")
    said = token.claims.get("nonce")
    if not nonce or not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise refused("It belongs to another attempt to log in.")


def refused(why: str) -> Unauthenticated:
    """What is said of a token that is not accepted."""
    return Unauthenticated(f"The token of the identity provider is not accepted. {why}", hint=_HINT)


def _unpacked(part: str) -> bytes:
    """Raises Unauthenticated."""
    try:
        content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError) as error:
        raise refused("It is not base64.") from error
    if base64.urlsafe_b64encode(content).rstrip(b"=") != part.encode("ascii"):
        raise refused("It is not base64 as it is written.")
    return content


def _json_object(content: bytes) -> Mapping[str, Any]:
    """Raises Unauthenticated; also for a name that stands twice, for NaN and for halves of characters."""
    try:
        value = json.loads(content.decode(), object_pairs_hook=_once, parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise refused("It does not hold JSON.") from error
    if not isinstance(value, dict):
        raise refused("It does not hold claims.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON")


def _moment(token: Jwt, claim: str) -> float:
    """Seconds since the epoch. Raises Unauthenticated."""
    found = token.claims.get(claim)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise refused(f"Its claim {claim!r} is missing, or no time.")
    if not 0 <= found < 1e12:
        raise refused(f"Its claim {claim!r} is no time.")
    return float(found)
