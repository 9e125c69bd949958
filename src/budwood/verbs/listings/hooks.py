"""Webhooks as MLflow's clients keep them: named, described, and told of its events in its form.

They are webhooks of the namespace like all others, sent by the same sender; the ledger entries that tell of an event
are what they wait for.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from budwood.catalog.api import Transaction, View
from budwood.domain import listing_checks as checks
from budwood.domain.limits import FETCH_S, WEBHOOKS_PER_NAMESPACE
from budwood.domain.listing import ListedWebhook
from budwood.domain.listing_events import TOLD_BY, actions_of
from budwood.domain.people import Delivery, DeliveryState, Webhook, WebhookKind
from budwood.domain.targets import Target
from budwood.domain.webhooks import TESTED, check_address
from budwood.errors import BadValue, LimitExceeded, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.webhooks import delivery_of

_NAME: Final = re.compile(r"(?=.{1,63}\Z)[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)
_LOOKING_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook with what it is called and which events it wants."""

    webhook: Webhook
    listing: ListedWebhook


@dataclass(frozen=True, slots=True)
class HookWish:
    """What a webhook should be. None leaves it as it is."""

    title: str | None = None
    url: str | None = None
    events: tuple[str, ...] | None = None
    description: str | None = None
    secret: str | None = None
    active: bool | None = None


def create(house: House, namespace: str, wish: HookWish) -> Hook:
    """Raises BadValue, LimitExceeded."""
    title, url, events = _title(wish.title or ""), wish.url or "", _events(wish.events or ())
    said = checks.description(wish.description or "")
    check_address(url, house.networks)
    now = house.clock()
    kind = WebhookKind.MLFLOW

    def work(transaction: Transaction) -> Hook:
        if len(transaction.webhooks(namespace)) >= WEBHOOKS_PER_NAMESPACE:
            message = f"{namespace} has {WEBHOOKS_PER_NAMESPACE} webhooks; more are not added."
            raise LimitExceeded(message, limit="WEBHOOKS_PER_NAMESPACE")
        is_active = wish.active is not False
        new = Webhook(0, namespace, url, actions_of(events), is_active, now, house.author, kind=kind)
        made = transaction.add_webhook(new, (wish.secret or "").encode())
        return _keep(house, transaction, "webhook.added", made, title, said, events)

    return house.catalog.write(work)


def get(house: House, namespace: str, id_: str) -> Hook:
    """Raises RecordNotFound."""
    with house.catalog.read() as view:
        return _hook(view, namespace, id_)


def find(house: House, namespace: str) -> tuple[Hook, ...]:
    """Those that were made in MLflow's way; there are few in a namespace."""
    with house.catalog.read() as view:
        listings = {each.webhook_id: each for each in view.webhook_listings(namespace)}
        return tuple(Hook(each, listings[each.id]) for each in view.webhooks(namespace) if each.id in listings)


def change(house: House, namespace: str, id_: str, wish: HookWish) -> Hook:
    """Raises BadValue, LimitExceeded, RecordNotFound."""
    if wish.url is not None:
        check_address(wish.url, house.networks)

    def work(transaction: Transaction) -> Hook:
        before = _hook(transaction, namespace, id_)
        events = before.listing.events.split() if wish.events is None else _events(wish.events)
        hook = before.webhook
        changed = transaction.change_webhook(
            replace(
                hook,
                url=hook.url if wish.url is None else wish.url,
                actions=actions_of(events),
                active=hook.active if wish.active is None else wish.active,
            )
        )
        if wish.secret is not None:
            transaction.change_webhook_secret(hook.id, wish.secret.encode())
        title = before.listing.title if wish.title is None else _title(wish.title)
        said = before.listing.description if wish.description is None else checks.description(wish.description)
        return _keep(house, transaction, "webhook.changed", changed, title, said, events)

    return house.catalog.write(work)


def remove(house: House, namespace: str, id_: str) -> None:
    """Raises RecordNotFound."""

    def work(transaction: Transaction) -> None:
        found = _hook(transaction, namespace, id_).webhook
        transaction.remove_webhook(found.id)
        _record(house, transaction, "webhook.removed", found, "")

    house.catalog.write(work)


def try_out(
    house: House, namespace: str, id_: str, event: str, *, within_s: float = 2 * FETCH_S, sleep: Callable[[float], None]
) -> Delivery:
    """Have an example of an event sent, whatever the webhook wants, and wait for what comes of the first try.

    Raises BadValue, RecordNotFound.
    """
    if event:
        _events([event])

    def work(transaction: Transaction) -> Delivery:
        hook = _hook(transaction, namespace, id_).webhook
        sequence = _record(house, transaction, TESTED, hook, event)
        newest = transaction.deliveries(hook.id, limit=1)
        if newest and newest[0].sequence == sequence:
            return newest[0]
        now = house.clock()
        return transaction.add_delivery(Delivery(0, hook.id, sequence, DeliveryState.WAITING, next_ms=now, at_ms=now))

    waiting = house.catalog.write(work)
    for _ in range(int(within_s / _LOOKING_S)):
        with house.catalog.read() as view:
            now_is = delivery_of(view, waiting.webhook_id, waiting.id)
        if now_is is None or now_is.attempts or now_is.state is not DeliveryState.WAITING:
            return now_is or waiting
        sleep(_LOOKING_S)
    return replace(waiting, error="No server has sent it yet.")


def _hook(view: View, namespace: str, id_: str) -> Hook:
    number = int(id_) if id_.isascii() and id_.isdigit() and len(id_) <= 18 else 0
    for each in view.webhook_listings(namespace):
        found = view.webhook(number) if each.webhook_id == number else None
        if found is not None:
            return Hook(found, each)
    raise RecordNotFound(f"Webhook with ID {id_[:40]} not found.", webhook=id_[:40])


def _keep(
    house: House,
    transaction: Transaction,
    action: str,
    webhook: Webhook,
    title: str,
    description: str,
    events: Sequence[str],
) -> Hook:
    now, text = house.clock(), " ".join(events)
    transaction.list_webhook(webhook.id, title, description, text, at_ms=now)
    _record(house, transaction, action, webhook, "")
    return Hook(webhook, ListedWebhook(webhook.id, title, description, text, now))


def _record(house: House, transaction: Transaction, action: str, webhook: Webhook, event: str) -> int:
    body: dict[str, object] = {
        "host": Target.parse(webhook.url).host,
        "actions": list(webhook.actions),
        "active": webhook.active,
        "kind": str(webhook.kind),
        **({"event": event} if event else {}),
    }
    return transaction.add_ledger(house.clock(), house.author, action, str(webhook.id), body, webhook.namespace)


def _title(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise BadValue(
            f"Webhook name '{text[:100]}' is invalid. It must start and end with a letter or digit, be less than 63 "
            "characters long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-)."
        )
    return text


def _events(events: Sequence[str]) -> tuple[str, ...]:
    if not events:
        raise BadValue("Webhook events must be a non-empty list of WebhookEvent objects.")
    if unknown := [each for each in events if each not in TOLD_BY]:
        entity, _, action = unknown[0].partition(".")
        raise BadValue(f"Invalid action '{action[:60]}' for entity '{entity[:60]}'.")
    return tuple(dict.fromkeys(events))
