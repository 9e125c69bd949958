"""Signatures of a version, and the public keys that a namespace trusts.

Signatures are kept as evidence, so a review given before one came does not count after it. Whether one is good is
decided anew each time it is asked, by the keys trusted then: taking a key away takes every signature with it.
"""

from collections.abc import Sequence
from dataclasses import replace

from budwood.catalog.api import Transaction, View
from budwood.domain.access import Caller
from budwood.domain.canon import dumps, pack
from budwood.domain.entries import FileEntry
from budwood.domain.limits import KEY_CHARS, KEYS_TRUSTED, PEM_BYTES, SIGNATURES_PER_VERSION
from budwood.domain.policy.evidence import Evidence, EvidenceKind
from budwood.domain.signature import SigningKey, check_statement, read_bundle
from budwood.errors import BadValue, LimitExceeded, RecordNotFound
from budwood.govern.signing import holds, key_name, plain_key
from budwood.verbs.house import House
from budwood.verbs.identity import person_of
from budwood.verbs.kept_evidence import evidence_digest
from budwood.verbs.manifests import load_manifest
from budwood.verbs.resolve import resolve
from budwood.verbs.trusted import place_of_keys, trusted_keys


def add_signature(house: House, by: Caller, reference: str, text: str) -> Evidence:
    """Keep a bundle that names exactly the version's files; who trusts its key decides what it is worth.

    Raises BadValue, LimitExceeded, NotFound.
    """
    bundle = read_bundle(text)
    with house.catalog.read() as view:
        version = resolve(view, reference)
    check_statement(bundle.payload, load_manifest(house, version).files)
    exact, now = f"{version.namespace}/{version.model}@v{version.number}", house.clock()

    def work(transaction: Transaction) -> Evidence:
        version = resolve(transaction, exact)
        known = signatures_of(transaction, version.namespace, version.digest)
        for each in known:
            if each.body == text:
                return each
        if len(known) >= SIGNATURES_PER_VERSION:
            raise LimitExceeded(f"{exact} has {len(known)} signatures.", limit="SIGNATURES_PER_VERSION")
        person, roles = person_of(transaction, house, by, version.namespace)
        names = tuple(sorted(map(str, roles)))
        kind, summary = EvidenceKind.SIGNATURE, f"Signed with the key {bundle.key}."
        said = Evidence(0, version.digest, kind, house.author, person, names, now, summary=summary, body=text)
        added = transaction.add_evidence(version.namespace, replace(said, digest=evidence_digest(said)))
        body = {"evidence": added.digest, "key": bundle.key}
        transaction.add_ledger(now, house.author, "version.signed", version.reference, body, version.namespace)
        return added

    return house.catalog.write(work)


def list_signatures(house: House, reference: str) -> tuple[Evidence, ...]:
    """With their bundles, oldest first. Raises BadReference, NotFound."""
    with house.catalog.read() as view:
        version = resolve(view, reference)
        return signatures_of(view, version.namespace, version.digest)


def signatures_of(view: View, namespace: str, digest: str) -> tuple[Evidence, ...]:
    """Those that the namespace keeps of a manifest."""
    return tuple(each for each in view.evidence(namespace, digest) if each.kind is EvidenceKind.SIGNATURE)


def is_signed(view: View, namespace: str, digest: str, files: Sequence[FileEntry]) -> bool:
    """Whether a key that is trusted now signed exactly these files. Raises FrameworkMissing."""
    trusted = {each.key: each for each in trusted_keys(view, namespace)}
    return any(
        (key := trusted.get(bundle.key)) is not None and holds(bundle, key.pem) and _names(bundle.payload, files)
        for bundle in (read_bundle(each.body) for each in (signatures_of(view, namespace, digest) if trusted else ()))
    )


def _names(payload: bytes, files: Sequence[FileEntry]) -> bool:
    try:
        check_statement(payload, files)
    except BadValue:
        return False
    return True


# Whom a namespace trusts


def trust_key(house: House, namespace: str, name: str, pem: str) -> SigningKey:
    """From now on its signatures count. Again under another name: it is called that.

    Raises BadValue, LimitExceeded, NamespaceNotFound, FrameworkMissing.
    """
    if not 1 <= len(name) <= KEY_CHARS or not name.isprintable():
        raise BadValue(f"{name[:80]!r} is no name of a key.", hint="Say whose it is: ci, or mara@example.com.")
    if len(pem) > PEM_BYTES:
        raise LimitExceeded(f"A key has at most {PEM_BYTES} bytes.", limit="PEM_BYTES")
    plain = plain_key(pem)
    added = SigningKey(key_name(plain), name, plain, house.author, house.clock())

    def work(transaction: Transaction) -> SigningKey:
        before = trusted_keys(transaction, namespace)
        others = tuple(each for each in before if each.key != added.key)
        if len(others) >= KEYS_TRUSTED:
            raise LimitExceeded(f"A namespace trusts at most {KEYS_TRUSTED} keys.", limit="KEYS_TRUSTED")
        _keep(transaction, house, namespace, (*others, added), "key.trusted", added)
        return added

    return house.catalog.write(work)


def list_keys(house: House, namespace: str) -> tuple[SigningKey, ...]:
    """Those it trusts, by when. Raises NamespaceNotFound."""
    with house.catalog.read() as view:
        return trusted_keys(view, namespace)


def remove_key(house: House, namespace: str, key: str) -> SigningKey:
    """Its signatures count no more. ``key`` is its name, or begins its SHA-256. Raises RecordNotFound, BadValue."""

    def work(transaction: Transaction) -> SigningKey:
        before = trusted_keys(transaction, namespace)
        found = [each for each in before if each.name == key or (len(key) >= 8 and each.key.startswith(key))]
        if not found:
            hint = "'budwood key list' shows them."
            raise RecordNotFound(f"{namespace} trusts no key {key[:80]!r}.", hint=hint)
        if len(found) > 1:
            raise BadValue(f"{key[:80]!r} names {len(found)} keys.", hint="Give the digits that begin its SHA-256.")
        left = tuple(each for each in before if each is not found[0])
        _keep(transaction, house, namespace, left, "key.removed", found[0])
        return found[0]

    return house.catalog.write(work)


def _keep(
    transaction: Transaction,
    house: House,
    namespace: str,
    keys: tuple[SigningKey, ...],
    action: str,
    changed: SigningKey,
) -> None:
    transaction.set_meta(place_of_keys(transaction, namespace), dumps(pack(keys)).decode())
    body = {"key": changed.key, "name": changed.name}
    transaction.add_ledger(house.clock(), house.author, action, changed.key, body, namespace)
