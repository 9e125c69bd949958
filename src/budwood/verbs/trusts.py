"""Trusts: whose jobs may come without a token. A namespace trusts one subject of one issuer, exactly, with one role.

Whoever manages the namespace gives a trust, and none that may do more than they may: what leaks must not grow. A
trust that is removed ends what was admitted by it, from that moment on. How jobs come in is in ``workloads.py``.
"""

from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain.access import ROLE_PERMISSIONS, Caller, Permission, check_roles
from budwood.domain.asks_people import AddTrust
from budwood.domain.limits import KEY_CHARS, TRUST_CLAIMS, TRUST_TEXT_CHARS, TRUSTS_PER_NAMESPACE
from budwood.domain.people import Grant, Trust
from budwood.domain.targets import Target
from budwood.errors import BadValue, Forbidden, LimitExceeded, NameTaken, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.namespaces import namespace_named
from budwood.verbs.people import afresh

SPOKEN_FOR: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
"""Claims that a trust names by words of their own, or that differ each time."""


def add_trust(house: House, by: Caller, namespace: str, wish: AddTrust) -> Trust:
    """Raises BadName, BadValue, NamespaceNotFound, Forbidden, LimitExceeded, NameTaken."""
    role, now = check_roles((wish.role,))[0], house.clock()
    check_wish(wish)
    claims = tuple(sorted(wish.claims.items()))

    def work(transaction: Transaction) -> Trust:
        record = namespace_named(transaction, namespace)
        held = _managing(transaction, by, record.name).permissions(record.name)
        if not ROLE_PERMISSIONS[role] <= held:
            raise Forbidden(f"{by.name} may do less in {record.name} than a {role}, and trusts nobody with more.")
        trust = Trust(0, record.name, wish.issuer, wish.audience, wish.subject, role, claims, now, house.author)
        before = transaction.trusts(namespace=record.name)
        if len(before) >= TRUSTS_PER_NAMESPACE:
            message = f"A namespace trusts at most {TRUSTS_PER_NAMESPACE} subjects."
            raise LimitExceeded(message, limit="TRUSTS_PER_NAMESPACE")
        if (same := next((each for each in before if _meant(each) == _meant(trust)), None)) is not None:
            raise NameTaken(f"There is such a trust already: {same.id}.", hint="'budwood trust list' shows it.")
        added = transaction.add_trust(trust)
        transaction.add_ledger(now, house.author, "trust.added", str(added.id), _said(added), record.name)
        return added

    return house.catalog.write(work)


def list_trusts(house: House, namespace: str) -> tuple[Trust, ...]:
    """Raises BadName, NamespaceNotFound."""
    with house.catalog.read() as view:
        return tuple(view.trusts(namespace=namespace_named(view, namespace).name))


def remove_trust(house: House, by: Caller, namespace: str, trust_id: str) -> Trust:
    """Whoever was admitted by it may do nothing by it any more. Raises BadName, NotFound, Forbidden."""
    now = house.clock()

    def work(transaction: Transaction) -> Trust:
        record = namespace_named(transaction, namespace)
        _managing(transaction, by, record.name)
        trusts = transaction.trusts(namespace=record.name)
        trust = next((each for each in trusts if str(each.id) == trust_id), None)
        if trust is None:
            hint = f"'budwood trust list {record.name}' shows them."
            raise RecordNotFound(f"{record.name} has no such trust.", hint=hint)
        transaction.remove_trust(trust.id)
        _take_back(transaction, trust)
        transaction.add_ledger(now, house.author, "trust.removed", str(trust.id), _said(trust), record.name)
        return trust

    return house.catalog.write(work)


def check_wish(wish: AddTrust) -> None:
    """Raises BadValue, LimitExceeded."""
    target = Target.parse(wish.issuer)
    if "?" in wish.issuer or target.host not in wish.issuer:
        raise BadValue("An issuer is an address without a question mark, in lower case, as its tokens say it.")
    for word, text in (("audience", wish.audience), ("subject", wish.subject)):
        _check_text(word, text)
    if "*" in wish.subject:
        hint = "Trust each subject by itself, or say more with claims: --claim repository=org/name."
        raise BadValue("A subject is matched exactly; '*' stands for nothing else.", hint=hint)
    if len(wish.claims) > TRUST_CLAIMS:
        raise LimitExceeded(f"A trust asks for at most {TRUST_CLAIMS} claims.", limit="TRUST_CLAIMS")
    for name, value in wish.claims.items():
        if name in SPOKEN_FOR or not 1 <= len(name) <= KEY_CHARS or not name.isprintable():
            raise BadValue(f"A trust cannot ask for the claim {name[:200]!r}.")
        _check_text(f"claim {name}", value)


def _managing(view: View, by: Caller, namespace: str) -> Caller:
    """The caller, if they manage the namespace now. Raises Forbidden."""
    caller = afresh(view, by)
    if Permission.MANAGE not in caller.permissions(namespace):
        raise Forbidden(f"{by.name} may not manage {namespace}.")
    return caller


def _take_back(transaction: Transaction, trust: Trust) -> None:
    """The role goes with the last trust that gives it."""
    workload = transaction.principal_by_subject(trust.issuer, trust.subject)
    left = transaction.trusts(issuer=trust.issuer, subject=trust.subject)
    if workload is not None and not any((each.namespace, each.role) == (trust.namespace, trust.role) for each in left):
        transaction.remove_grant(Grant(trust.namespace, workload.name, trust.role))


def _check_text(word: str, text: str) -> None:
    if not text or not text.isprintable():
        raise BadValue(f"The {word} of a trust cannot be empty, and has printable characters only.")
    if len(text) > TRUST_TEXT_CHARS:
        raise LimitExceeded(f"The {word} of a trust is too long.", limit="TRUST_TEXT_CHARS")


def _meant(trust: Trust) -> tuple[str, ...]:
    return (trust.issuer, trust.audience, trust.subject, str(trust.role), repr(trust.claims))


def _said(trust: Trust) -> dict[str, object]:
    return {
        "issuer": trust.issuer,
        "audience": trust.audience,
        "subject": trust.subject,
        "role": str(trust.role),
        "claims": dict(trust.claims),
    }
