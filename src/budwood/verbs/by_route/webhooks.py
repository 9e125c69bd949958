"""Webhooks, by route. That the caller may manage the namespace was asked before."""

from dataclasses import replace
from typing import Final

from budwood.domain import asks_people as asks
from budwood.domain.people import Delivery, Webhook, WebhookKind
from budwood.domain.routes import webhooks
from budwood.domain.webhooks import SECRET_PREFIX, check_key
from budwood.verbs import webhooks as verbs
from budwood.verbs.by_route.asked import Asked, Deed


def _list(asked: Asked) -> tuple[Webhook, ...]:
    return verbs.list_webhooks(asked.whole, asked.holes["namespace"])


def _add(asked: Asked) -> asks.MadeWebhook:
    wish, namespace = asked.body, asked.holes["namespace"]
    if wish.kind is WebhookKind.OPENLINEAGE:
        return verbs.add_webhook(asked.whole, namespace, wish.url, wish.actions, check_key(wish.key), wish.kind)
    return verbs.add_webhook(asked.whole, namespace, wish.url, wish.actions, SECRET_PREFIX + asked.secret())


def _show(asked: Asked) -> Webhook:
    return verbs.show_webhook(asked.whole, asked.holes["namespace"], asked.holes["webhook"])


def _change(asked: Asked) -> Webhook:
    namespace, webhook = asked.holes["namespace"], asked.holes["webhook"]
    return verbs.change_webhook(asked.whole, namespace, webhook, asked.body, expected=asked.expected)


def _remove(asked: Asked) -> Webhook:
    return verbs.remove_webhook(asked.whole, asked.holes["namespace"], asked.holes["webhook"])


def _test(asked: Asked) -> Delivery:
    return verbs.send_test(asked.whole, asked.holes["namespace"], asked.holes["webhook"])


def _deliveries(asked: Asked) -> asks.DeliveryPage:
    namespace, webhook, query = asked.holes["namespace"], asked.holes["webhook"], asked.query
    found = verbs.list_deliveries(asked.whole, namespace, webhook, before=query.before, limit=query.limit)
    return asks.DeliveryPage(found, found[-1].id if len(found) == query.limit else 0)


def _redeliver(asked: Asked) -> Delivery:
    namespace, webhook, delivery = (asked.holes[each] for each in ("namespace", "webhook", "delivery"))
    return verbs.redeliver(asked.whole, namespace, webhook, delivery)


def _kept(answer: asks.MadeWebhook) -> asks.MadeWebhook:
    return replace(answer, secret="")


DEEDS: Final = {
    webhooks.LIST.name: Deed(_list, asks.Webhooks),
    webhooks.ADD.name: Deed(_add, kept=_kept),
    webhooks.SHOW.name: Deed(_show, mark=verbs.webhook_mark),
    webhooks.CHANGE.name: Deed(_change, mark=verbs.webhook_mark),
    webhooks.REMOVE.name: Deed(_remove),
    webhooks.TEST.name: Deed(_test),
    webhooks.DELIVERIES.name: Deed(_deliveries),
    webhooks.REDELIVER.name: Deed(_redeliver),
}
