"""Signatures of a version in the form of OpenSSF model signing: a Sigstore bundle around an in-toto statement.

The statement lists every file with its SHA-256, which the manifest holds already: no weights are read to sign or to
check. Keys are elliptic curves (P-256, P-384, P-521), the same as the ``model_signing`` tool takes. A statement is
about files only: it counts for a version whose files are exactly those it names.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from budwood.domain.canon import Json, dumps, loads
from budwood.domain.entries import FileEntry
from budwood.domain.limits import SIGNATURE_BYTES
from budwood.errors import BadValue, LimitExceeded

BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"
_HINT: Final = "Sign with 'budwood sign', or with 'model_signing sign key' and whole files in SHA-256."


@dataclass(frozen=True, slots=True)
class Bundle:
    """``payload`` is the statement as it was signed, ``key`` the SHA-256 of the public key in PEM."""

    payload: bytes
    signature: bytes
    key: str

    @property
    def message(self) -> bytes:
        """What was signed: the pre-authentication encoding of DSSE."""
        return pre_authenticated(self.payload)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key that a namespace trusts. ``key`` is the SHA-256 of ``pem``, and names it."""

    key: str
    name: str
    pem: str
    author: str
    added_ms: int


def statement_of(model: str, files: Sequence[FileEntry]) -> bytes:
    """What is signed of a version."""
    # In the order of the tool, which sorts by the parts of a path.
    entries = sorted(files, key=lambda entry: entry.path.split("/"))
    resources: list[Json] = [{"name": each.path, "algorithm": "sha256", "digest": each.sha256} for each in entries]
    root = hashlib.sha256(b"".join(bytes.fromhex(each.sha256) for each in entries)).hexdigest()
    return dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": model, "digest": {"sha256": root}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
                "resources": resources,
            },
        }
    )


def pre_authenticated(payload: bytes) -> bytes:
    """https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md"""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def bundle_text(bundle: Bundle) -> str:
    """As it is kept and given to others."""
    envelope: Json = {
        "payload": base64.b64encode(bundle.payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": base64.b64encode(bundle.signature).decode(), "keyid": ""}],
    }
    material: Json = {"publicKey": {"hint": bundle.key}, "tlogEntries": []}
    document: Json = {"mediaType": BUNDLE_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope}
    return dumps(document).decode()


def read_bundle(text: str) -> Bundle:
    """Raises BadValue, LimitExceeded. Nothing is verified by this."""
    try:
        length = len(text.encode())
    except UnicodeEncodeError as error:
        raise BadValue("The signature is no text.", hint=_HINT) from error
    if length > SIGNATURE_BYTES:
        raise LimitExceeded(f"A signature has at most {SIGNATURE_BYTES} bytes.", limit="SIGNATURE_BYTES")
    document = _parsed(text, "The signature")
    if document.get("mediaType") != BUNDLE_TYPE:
        raise BadValue(f"The signature is no bundle of the type {BUNDLE_TYPE}.", hint=_HINT)
    envelope = _within(document, "dsseEnvelope")
    signatures = envelope.get("signatures")
    if envelope.get("payloadType") != PAYLOAD_TYPE or not isinstance(signatures, list) or len(signatures) != 1:
        raise BadValue("The signature does not hold one signed in-toto statement.", hint=_HINT)
    material = _within(document, "verificationMaterial")
    key = _within(material, "publicKey").get("hint")
    if not isinstance(key, str) or not re.fullmatch(r"[0-9a-f]{64}", key):
        raise BadValue("The signature does not say by which key it is.", hint=_HINT)
    first = signatures[0]
    return Bundle(
        _decoded(envelope.get("payload")), _decoded(first.get("sig") if isinstance(first, dict) else None), key
    )


def check_statement(payload: bytes, files: Sequence[FileEntry]) -> None:
    """That it names exactly these files, with what they hold. Raises BadValue."""
    said = _parsed(payload.decode("utf-8", "replace"), "The statement")
    if said.get("_type") != STATEMENT_TYPE or said.get("predicateType") != PREDICATE_TYPE:
        raise BadValue("The statement is not about the files of a model.", hint=_HINT)
    predicate = _within(said, "predicate")
    if _within(predicate, "serialization").get("method") != "files":
        raise BadValue("The statement is about parts of files.", hint=_HINT)
    named = _named(predicate.get("resources"))
    there = {entry.path: entry.sha256 for entry in files}
    stray = sorted(path for path in named.keys() | there.keys() if named.get(path) != there.get(path))
    if stray:
        more = f" and {len(stray) - 1} more" if len(stray) > 1 else ""
        # Half a character cannot be sent on.
        first = stray[0][:200].encode("utf-8", "backslashreplace").decode()
        raise BadValue(f"It is the signature of other files: {first!r} differs{more}.", path=first)


def _named(resources: Any) -> Mapping[str, str]:
    named: dict[str, str] = {}
    for each in resources if isinstance(resources, list) else ():
        name, digest = (each.get("name"), each.get("digest")) if isinstance(each, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(digest, str) or each.get("algorithm") != "sha256":
            raise BadValue("The statement names a file by no SHA-256.", hint=_HINT)
        if name in named:
            raise BadValue(f"The statement names {name[:200]!r} twice.", hint=_HINT)
        named[name] = digest
    return named


def _parsed(text: str, what: str) -> dict[str, Any]:
    try:
        found = loads(text)
    except (ValueError, RecursionError) as error:
        raise BadValue(f"{what} is no JSON: {error}", hint=_HINT) from error
    if not isinstance(found, dict):
        raise BadValue(f"{what} is no JSON object.", hint=_HINT)
    return found


def _within(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    if not isinstance(found, dict):
        raise BadValue(f"The signature has no {name}.", hint=_HINT)
    return found


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError) as error:
        raise BadValue("The signature is not in base64.", hint=_HINT) from error
