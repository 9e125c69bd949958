"""Signing and checking where the keys are: a private key never leaves, and a server's word is not needed."""

from collections.abc import Sequence

from budwood.domain.entries import FileEntry
from budwood.domain.policy.evidence import Evidence, EvidenceKind
from budwood.domain.signature import bundle_text, check_statement, read_bundle, statement_of
from budwood.errors import BadValue
from budwood.govern.signing import holds, plain_key, sign


def sign_files(model: str, files: Sequence[FileEntry], key: str | bytes, password: str = "") -> str:
    """The bundle. Raises BadValue, FrameworkMissing."""
    pem = key.encode() if isinstance(key, str) else key
    return bundle_text(sign(statement_of(model, files), pem, password))


def signatures_by(key: str, given: Sequence[Evidence], files: Sequence[FileEntry]) -> tuple[Evidence, ...]:
    """Those that this public key made over exactly these files. Raises BadValue for no key, FrameworkMissing."""
    plain = plain_key(key)
    return tuple(each for each in given if _is_good(each.body, plain, files))


def told(bundle: str, digest: str) -> Evidence:
    """A bundle that nobody keeps, as if it were kept. Raises BadValue."""
    return Evidence(0, digest, EvidenceKind.SIGNATURE, "", "", (), 0, summary=read_bundle(bundle).key, body=bundle)


def _is_good(text: str, plain: str, files: Sequence[FileEntry]) -> bool:
    try:
        bundle = read_bundle(text)
        check_statement(bundle.payload, files)
    except BadValue:
        return False
    return holds(bundle, plain)
