"""Policies of a namespace, and the tier of a model: what is asked for before a guarded stage or alias moves."""

import re

from budwood.catalog.api import Transaction
from budwood.domain.limits import POLICIES_PER_NAMESPACE
from budwood.domain.policy.policy import Tier
from budwood.domain.policy.records import PolicyRecord, Tiered
from budwood.errors import BadPolicy, LimitExceeded, PreconditionFailed, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.namespaces import namespace_named
from budwood.verbs.policy_text import policy_from
from budwood.verbs.resolve import model_named

_NAME = re.compile(r"[a-z0-9-]{1,128}")


def put_policy(
    house: House,
    namespace: str,
    text: str,
    *,
    name: str = "",
    expected: str = "",
) -> PolicyRecord:
    """Put a policy in force, as a new edition; the same text again is the same edition.

    ``name``, when it is given, must be the document's own.
    Raises BadPolicy, LimitExceeded, NamespaceNotFound, PreconditionFailed.
    """
    policy, now = policy_from(text), house.clock()
    if name and name != policy.name:
        raise BadPolicy(f"metadata.name is {policy.name!r} and not {name[:80]!r}.", hint="Use one name.", field="name")
    for number, validation in enumerate(policy.validations):
        if problem := house.expressions.check(validation.expression):
            at = f"spec.validations[{number}].expression"
            raise BadPolicy(
                f"{at}: {problem}", hint="Correct the expression; docs/policies.md lists the variables.", field=at
            )

    def work(transaction: Transaction) -> PolicyRecord:
        room = namespace_named(transaction, namespace).name
        here = transaction.policies(room)
        before = next((each for each in here if each.name == policy.name), None)
        if expected and expected != (policy_mark(before) if before else "0"):
            raise PreconditionFailed(f"The policy {policy.name} was changed meanwhile.")
        if before is not None and before.text == text:
            return before
        if before is None and len(here) >= POLICIES_PER_NAMESPACE:
            raise LimitExceeded(
                f"A namespace has at most {POLICIES_PER_NAMESPACE} policies.", limit="POLICIES_PER_NAMESPACE"
            )
        put = transaction.add_policy(PolicyRecord(0, room, policy.name, 0, policy.digest, text, house.author, now))
        body = {"number": put.number, "digest": put.digest}
        transaction.add_ledger(now, house.author, "policy.put", policy.name, body, room)
        return put

    return house.catalog.write(work)


def list_policies(house: House, namespace: str) -> tuple[PolicyRecord, ...]:
    """Those in force, by name. Raises NamespaceNotFound."""
    with house.catalog.read() as view:
        return tuple(view.policies(namespace_named(view, namespace).name))


def show_policy(house: House, namespace: str, name: str) -> tuple[PolicyRecord, ...]:
    """Every edition, newest first. Raises NamespaceNotFound, RecordNotFound."""
    with house.catalog.read() as view:
        editions = view.policy_editions(namespace_named(view, namespace).name, name)
    if not _NAME.fullmatch(name) or not editions:
        raise RecordNotFound(
            f"There is no policy {name[:128]!r} in {namespace}.", hint="'budwood policy list' shows them."
        )
    return tuple(editions)


def remove_policy(house: House, namespace: str, name: str, *, expected: str = "") -> PolicyRecord:
    """It guards nothing any more; its editions stay. Raises NamespaceNotFound, RecordNotFound, PreconditionFailed."""
    now = house.clock()

    def work(transaction: Transaction) -> PolicyRecord:
        room = namespace_named(transaction, namespace).name
        found = next((each for each in transaction.policies(room) if each.name == name), None)
        if found is None:
            hint = "'budwood policy list' shows them."
            raise RecordNotFound(f"There is no policy {name[:128]!r} in force in {room}.", hint=hint)
        if expected and expected != policy_mark(found):
            raise PreconditionFailed(f"The policy {name} was changed meanwhile.")
        transaction.remove_policy(room, name, at_ms=now)
        transaction.add_ledger(now, house.author, "policy.removed", name, {"digest": found.digest}, room)
        return transaction.policy_editions(room, name)[0]

    return house.catalog.write(work)


def get_tier(house: House, model: str) -> Tiered:
    """Raises ModelNotFound."""
    with house.catalog.read() as view:
        return view.tier(model_named(view, model).id)


def set_tier(house: House, model: str, tier: Tier) -> Tiered:
    """Raises ModelNotFound."""
    wanted = Tiered(tier, house.author, house.clock())

    def work(transaction: Transaction) -> Tiered:
        record = model_named(transaction, model)
        before = transaction.tier(record.id)
        transaction.set_tier(record.id, wanted)
        body = {"from": str(before.tier), "to": str(tier)}
        transaction.add_ledger(wanted.at_ms, house.author, "model.tier-set", record.path, body, record.namespace)
        return wanted

    return house.catalog.write(work)


def policy_mark(record: PolicyRecord) -> str:
    """Another one for each edition."""
    return f"{record.id}-{record.number}"
