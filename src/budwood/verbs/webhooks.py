"""Webhooks: where the ledger entries of a namespace are sent. Who may manage it adds, changes and removes them.

A ledger entry and its deliveries are written in one transaction; a server sends them (server/sender.py). What is said
of a webhook in the ledger names its host only: the rest of an address may be a secret, and others read the ledger.
"""

from collections.abc import Sequence
from dataclasses import replace

from budwood.catalog.api import Transaction, View
from budwood.domain.asks_people import ChangeWebhook, MadeWebhook
from budwood.domain.limits import WEBHOOKS_PER_NAMESPACE
from budwood.domain.openlineage import EMITTED
from budwood.domain.people import Delivery, DeliveryState, Webhook, WebhookKind
from budwood.domain.targets import Target
from budwood.domain.webhooks import TESTED, check_address, check_patterns
from budwood.errors import BadValue, LimitExceeded, PreconditionFailed, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.namespaces import check_page, namespace_named


def add_webhook(
    house: House,
    namespace: str,
    url: str,
    actions: tuple[str, ...],
    secret: str,
    kind: WebhookKind = WebhookKind.LEDGER,
) -> MadeWebhook:
    """``secret`` is what its messages are signed with; for OpenLineage the receiver's key, or empty.

    Raises BadName, BadValue, NamespaceNotFound, LimitExceeded.
    """
    now, wanted = house.clock(), _wanted(actions, kind)
    check_address(url, house.networks)

    def work(transaction: Transaction) -> MadeWebhook:
        name = namespace_named(transaction, namespace).name
        if len(transaction.webhooks(name)) >= WEBHOOKS_PER_NAMESPACE:
            message = f"{name} has {WEBHOOKS_PER_NAMESPACE} webhooks; more are not added."
            raise LimitExceeded(message, hint="Remove one that nobody needs.", limit="WEBHOOKS_PER_NAMESPACE")
        wish = Webhook(0, name, url, wanted, created_ms=now, created_by=house.author, kind=kind)
        webhook = transaction.add_webhook(wish, secret.encode())
        _enter(transaction, house, now, "webhook.added", webhook)
        return MadeWebhook(webhook, secret if kind is WebhookKind.LEDGER else "")

    return house.catalog.write(work)


def list_webhooks(house: House, namespace: str) -> tuple[Webhook, ...]:
    """Raises BadName, NamespaceNotFound."""
    with house.catalog.read() as view:
        return tuple(view.webhooks(namespace_named(view, namespace).name))


def show_webhook(house: House, namespace: str, webhook: str) -> Webhook:
    """Raises BadName, NamespaceNotFound, RecordNotFound."""
    with house.catalog.read() as view:
        return _webhook_of(view, namespace, webhook)


def change_webhook(house: House, namespace: str, webhook: str, change: ChangeWebhook, *, expected: str = "") -> Webhook:
    """``expected`` is the mark of the record the caller saw ("" asks nothing). The secret stays.

    Raises BadName, BadValue, NamespaceNotFound, RecordNotFound, LimitExceeded, PreconditionFailed.
    """
    now = house.clock()
    if change.url is not None:
        check_address(change.url, house.networks)

    def work(transaction: Transaction) -> Webhook:
        before = _webhook_of(transaction, namespace, webhook)
        if expected and expected != webhook_mark(before):
            raise PreconditionFailed(f"The webhook {before.id} was changed meanwhile.")
        changed = transaction.change_webhook(
            replace(
                before,
                url=before.url if change.url is None else change.url,
                actions=before.actions if change.actions is None else _wanted(change.actions, before.kind),
                active=before.active if change.active is None else change.active,
            )
        )
        _enter(transaction, house, now, "webhook.changed", changed)
        return changed

    return house.catalog.write(work)


def remove_webhook(house: House, namespace: str, webhook: str) -> Webhook:
    """With what was still to be sent to it. Raises BadName, NamespaceNotFound, RecordNotFound."""
    now = house.clock()

    def work(transaction: Transaction) -> Webhook:
        found = _webhook_of(transaction, namespace, webhook)
        transaction.remove_webhook(found.id)
        _enter(transaction, house, now, "webhook.removed", found)
        return found

    return house.catalog.write(work)


def list_deliveries(
    house: House, namespace: str, webhook: str, *, before: int = 0, limit: int = 100
) -> tuple[Delivery, ...]:
    """Newest first. Raises BadName, NamespaceNotFound, RecordNotFound, LimitExceeded."""
    check_page(limit)
    with house.catalog.read() as view:
        found = _webhook_of(view, namespace, webhook)
        return tuple(view.deliveries(found.id, before=before, limit=limit))


def redeliver(house: House, namespace: str, webhook: str, delivery: str) -> Delivery:
    """It waits again, as if it had never been tried. Raises BadName, NamespaceNotFound, RecordNotFound."""
    now = house.clock()

    def work(transaction: Transaction) -> Delivery:
        hook = _webhook_of(transaction, namespace, webhook)
        found = delivery_of(transaction, hook.id, _number(delivery))
        if found is None:
            hint = "'budwood webhook deliveries' shows those that are kept."
            raise RecordNotFound("The webhook has no such delivery.", hint=hint)
        again = replace(found, state=DeliveryState.WAITING, attempts=0, next_ms=now, status=0, error="")
        transaction.change_delivery(again)
        body = {"delivery": found.id, "of": found.sequence}
        transaction.add_ledger(now, house.author, "webhook.redelivered", str(hook.id), body, hook.namespace)
        return again

    return house.catalog.write(work)


def send_test(house: House, namespace: str, webhook: str) -> Delivery:
    """Write an entry that only says it is a test, and send it there whatever the webhook asked for.

    Raises BadName, NamespaceNotFound, RecordNotFound.
    """
    now = house.clock()

    def work(transaction: Transaction) -> Delivery:
        hook = _webhook_of(transaction, namespace, webhook)
        sequence = _enter(transaction, house, now, TESTED, hook)
        newest = transaction.deliveries(hook.id, limit=1)
        if newest and newest[0].sequence == sequence:
            return newest[0]
        wish = Delivery(0, hook.id, sequence, DeliveryState.WAITING, next_ms=now, at_ms=now)
        return transaction.add_delivery(wish)

    return house.catalog.write(work)


def webhook_mark(webhook: Webhook) -> str:
    """Another one whenever it is changed."""
    return f"{webhook.id}-{webhook.edit}"


def delivery_of(view: View, webhook_id: int, delivery_id: int) -> Delivery | None:
    """One delivery of a webhook."""
    found = view.deliveries(webhook_id, before=delivery_id + 1, limit=1)
    return found[0] if found and found[0].id == delivery_id else None


def _wanted(actions: Sequence[str], kind: WebhookKind) -> tuple[str, ...]:
    """Raises BadValue, LimitExceeded."""
    if kind is WebhookKind.LEDGER:
        return check_patterns(actions)
    if unknown := sorted(set(actions) - set(EMITTED)):
        hint = f"Actions that are lineage: {', '.join(EMITTED)}."
        raise BadValue(f"{unknown[0][:80]!r} is not told as an OpenLineage event.", hint=hint)
    return tuple(sorted(set(actions or EMITTED)))


def _webhook_of(view: View, namespace: str, text: str) -> Webhook:
    name = namespace_named(view, namespace).name
    found = view.webhook(_number(text))
    if found is None or found.namespace != name:
        hint = f"'budwood webhook list {name}' shows them."
        raise RecordNotFound(f"{name} has no such webhook.", hint=hint)
    return found


def _number(text: str) -> int:
    """The id that an address names; 0, which nothing has, for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def _enter(transaction: Transaction, house: House, now_ms: int, action: str, webhook: Webhook) -> int:
    body = {
        "host": Target.parse(webhook.url).host,
        "actions": list(webhook.actions),
        "active": webhook.active,
        "kind": str(webhook.kind),
    }
    return transaction.add_ledger(now_ms, house.author, action, str(webhook.id), body, webhook.namespace)
