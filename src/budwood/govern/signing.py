"""Elliptic curve keys: signing with one, and checking what one signed. The only file here that needs cryptography.

The curves and hashes are those of OpenSSF model signing: P-256 with SHA-256, P-384 with SHA-384, P-521 with SHA-512.
"""

import hashlib
from typing import TYPE_CHECKING, Any

from budwood.domain.signature import Bundle, pre_authenticated
from budwood.errors import BadValue, FrameworkMissing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

_CURVES = "secp256r1, secp384r1 or secp521r1"
_HINT = "openssl ecparam -name prime256v1 -genkey -noout -out key.pem; openssl ec -in key.pem -pubout -out pub.pem"


def sign(payload: bytes, private_pem: bytes, password: str = "") -> Bundle:
    """Raises BadValue, FrameworkMissing."""
    private = _private(private_pem, password)
    signature = private.sign(pre_authenticated(payload), _algorithm(private.public_key()))
    return Bundle(payload, signature, _name(private.public_key()))


def holds(bundle: Bundle, public_pem: str) -> bool:
    """Whether this key signed it. Raises BadValue for no key, FrameworkMissing."""
    public = _public(public_pem)
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(bundle.signature, bundle.message, _algorithm(public))
    except InvalidSignature:
        return False
    return bundle.key == _name(public)


def plain_key(public_pem: str) -> str:
    """The key in the one form it is kept in; its SHA-256 names it. Raises BadValue, FrameworkMissing."""
    return _pem(_public(public_pem)).decode()


def key_name(plain: str) -> str:
    """The name of a key in its one form."""
    return hashlib.sha256(plain.encode()).hexdigest()


def _private(pem: bytes, password: str) -> "EllipticCurvePrivateKey":
    ec, serialization = _library()
    try:
        key = serialization.load_pem_private_key(pem, password.encode() if password else None)
    except (ValueError, TypeError) as error:
        raise BadValue(f"That is no private key in PEM that can be opened: {error}", hint=_HINT) from error
    except Exception as error:
        raise BadValue("That is a private key of a kind that is not taken.", hint=_HINT) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadValue(f"That is no key on an elliptic curve ({_CURVES}).", hint=_HINT)
    private: EllipticCurvePrivateKey = key
    _algorithm(private.public_key())
    return private


def _public(pem: str) -> "EllipticCurvePublicKey":
    ec, serialization = _library()
    try:
        key = serialization.load_pem_public_key(pem.encode("utf-8", "replace"))
    except Exception as error:
        # The library has several errors for what it does not know; to whoever gave the file they say the same.
        raise BadValue("That is no public key in PEM.", hint=_HINT) from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadValue(f"That is no key on an elliptic curve ({_CURVES}).", hint=_HINT)
    public: EllipticCurvePublicKey = key
    _algorithm(public)
    return public


def _algorithm(public: "EllipticCurvePublicKey") -> Any:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    known: dict[str, hashes.HashAlgorithm] = {
        "secp256r1": hashes.SHA256(),
        "secp384r1": hashes.SHA384(),
        "secp521r1": hashes.SHA512(),
    }
    if public.curve.name not in known:
        raise BadValue(f"Keys on {public.curve.name} are not taken: {_CURVES}.", hint=_HINT)
    return ec.ECDSA(known[public.curve.name])


def _name(public: "EllipticCurvePublicKey") -> str:
    return hashlib.sha256(_pem(public)).hexdigest()


def _pem(public: "EllipticCurvePublicKey") -> bytes:
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form)


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        hint = "pip install 'budwood[signing]'"
        raise FrameworkMissing("Signatures need the library cryptography.", hint=hint) from error
    return ec, serialization
