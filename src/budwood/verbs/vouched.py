"""Whether evidence is signed: by a key the namespace trusts, over a statement that says what the evidence says.

It is checked when the evidence comes, and again at each decision, by the keys trusted then.
"""

from collections.abc import Iterable, Mapping

from budwood.catalog.api import View
from budwood.domain.canon import loads
from budwood.domain.policy.evidence import SCANNER, Evidence, EvidenceKind, claim_of, statement_of
from budwood.domain.signature import SigningKey, read_bundle
from budwood.errors import BadValue
from budwood.govern.signing import holds
from budwood.verbs.trusted import trusted_keys


def checked_key(view: View, namespace: str, evidence: Evidence) -> str:
    """The SHA-256 of the trusted key that signed it. Raises BadValue, LimitExceeded, FrameworkMissing."""
    bundle = read_bundle(evidence.body)
    _check_statement(bundle.payload, evidence)
    key = {each.key: each for each in trusted_keys(view, namespace)}.get(bundle.key)
    if key is None:
        hint = f"budwood key trust pub.pem --name NAME --namespace {namespace}"
        raise BadValue(f"{namespace} does not trust the key {bundle.key[:12]}.", hint=hint, key=bundle.key)
    if not holds(bundle, key.pem):
        raise BadValue(f"The signature is not by the key {key.name!r}.", hint="Sign what you send, unchanged.")
    return bundle.key


def vouched_for(view: View, namespace: str, evidence: Iterable[Evidence]) -> frozenset[str]:
    """The digests of those signed by a key trusted now; what the registry scanned itself needs no signature."""
    trusted = {each.key: each for each in trusted_keys(view, namespace)}
    return frozenset(each.digest for each in evidence if SCANNER in each.roles or _is_signed(each, trusted))


def _is_signed(evidence: Evidence, trusted: Mapping[str, SigningKey]) -> bool:
    if not evidence.body or evidence.kind is EvidenceKind.SIGNATURE:
        return False
    try:
        bundle = read_bundle(evidence.body)
        _check_statement(bundle.payload, evidence)
    except BadValue:
        return False
    key = trusted.get(bundle.key)
    return key is not None and holds(bundle, key.pem)


def _check_statement(payload: bytes, evidence: Evidence) -> None:
    """Raises BadValue unless it says exactly this; by which name it calls the model is its own affair."""
    hint = "Sign it with 'budwood evidence add --sign KEY.pem'."
    try:
        said = loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadValue("The signed statement is no JSON.", hint=hint) from error
    wanted = loads(statement_of(_name(said), evidence.subject, claim_of(evidence)))
    if said != wanted:
        raise BadValue("The signed statement says something else than the evidence.", hint=hint)


def _name(statement: object) -> str:
    subject = statement.get("subject") if isinstance(statement, dict) else None
    first = subject[0] if isinstance(subject, list) and subject else None
    name = first.get("name") if isinstance(first, dict) else None
    return name if isinstance(name, str) else ""
