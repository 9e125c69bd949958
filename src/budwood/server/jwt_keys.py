"""The keys of issuers, and whether one of them signed a token.

Nothing here fetches anything, and nothing that a token says of its own keys is heeded (``jku``, ``x5u``, ``jwk``):
the keys are the issuer's, and each is good for its own kind of signature only. The library is imported when the first
such token comes: most servers see none.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from budwood.domain.limits import ISSUER_KEYS, PROOF_BYTES
from budwood.server.jwt import Jwt, refused

RSA_BITS_LEAST: Final = 2048
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_EC: Final = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}
_ED: Final = ("EdDSA", "Ed25519")
ALGORITHMS: Final = frozenset({*_RSA, *(word for words in _EC.values() for word in words), *_ED})
"""Asymmetric ones only: a server that took HS256 would take its issuer's public key for a shared secret."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of an issuer, and the signatures it is good for."""

    kid: str
    algorithms: frozenset[str]
    key: RSAKey | ECKey | OKPKey = field(repr=False)


def read_keys(listed: object) -> tuple[PublicKey, ...]:
    """Those of an issuer's JSON Web Key Set that can sign; what we do not know is passed over."""
    keys = listed.get("keys") if isinstance(listed, Mapping) else None
    if not isinstance(keys, list):
        return ()
    return tuple(key for each in keys[:ISSUER_KEYS] if (key := _public_key(each)) is not None)


def candidates(token: Jwt, keys: Sequence[PublicKey]) -> Sequence[PublicKey]:
    """The keys it may be signed with: those it names, or the only one when it names none. Raises Unauthenticated."""
    algorithm, kid = token.header.get("alg"), token.header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise refused("It is not signed in a way that is accepted here.")
    if "crit" in token.header or str(token.header.get("typ", "JWT")).upper() != "JWT":
        raise refused("It is not a token of the kind that is accepted here.")
    if kid is None:
        fitting = [key for key in keys if algorithm in key.algorithms]
        return fitting if len(fitting) == 1 else ()
    return [key for key in keys if key.kid == kid and algorithm in key.algorithms]


def is_signed(token: Jwt, keys: Sequence[PublicKey]) -> bool:
    """Whether one of these keys signed it."""
    registry = _Registry(algorithms=[token.header["alg"]], strict_check_header=False)
    for each in keys:
        try:
            jws.deserialize_compact(token.text, each.key, registry=registry)
        except (JoseError, ValueError, TypeError):
            continue
        return True
    return False


class _Registry(jws.JWSRegistry):
    max_header_length = PROOF_BYTES
    max_payload_length = PROOF_BYTES

    def get_alg(self, name: str) -> Any:
        """Without a warning for the older of two names for one algorithm."""
        assert self.allowed is not None
        if name not in self.allowed:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


def _public_key(said: object) -> PublicKey | None:
    if not isinstance(said, Mapping) or said.get("use", "sig") != "sig":
        return None
    operations, kid = said.get("key_ops", ["verify"]), said.get("kid", "")
    if not isinstance(operations, list) or "verify" not in operations or not isinstance(kid, str):
        return None
    parts = {name: said[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in said}
    try:
        algorithms, key = _imported(parts)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    named = said.get("alg")
    good_for = frozenset(algorithms) & {named} if named is not None else frozenset(algorithms)
    return PublicKey(kid, good_for, key) if good_for else None


def _imported(parts: Mapping[str, Any]) -> tuple[Sequence[str], RSAKey | ECKey | OKPKey]:
    """Raises JoseError, ValueError, TypeError, KeyError."""
    match parts["kty"]:
        case "RSA":
            if int.from_bytes(base64.urlsafe_b64decode(parts["n"] + "===")).bit_length() < RSA_BITS_LEAST:
                raise ValueError("a key that short can be broken")
            return _RSA, RSAKey.import_key(dict(parts))
        case "EC":
            return _EC[parts["crv"]], ECKey.import_key(dict(parts))
        case "OKP" if parts["crv"] == "Ed25519":
            return _ED, OKPKey.import_key(dict(parts))
        case _:
            raise ValueError("not a key that signs")
