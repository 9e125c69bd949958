"""Webhooks: where the ledger entries of a namespace are sent."""

from collections.abc import Sequence

from budwood.client.place import Place
from budwood.domain import asks_people as asks
from budwood.domain.people import Delivery, Webhook, WebhookKind
from budwood.domain.routes import webhooks
from budwood.domain.webhooks import parse_kind


class Webhooks:
    """``registry.admin.webhooks``. A server sends them; a registry in a folder only keeps what is to be sent."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def list(self, namespace: str) -> tuple[Webhook, ...]:
        """Raises NamespaceNotFound, Forbidden."""
        answer: asks.Webhooks = self._place.ask(webhooks.LIST, {"namespace": namespace})
        return answer.webhooks

    def add(
        self, namespace: str, url: str, actions: Sequence[str] = (), *, kind: str = "ledger", key: str = ""
    ) -> asks.MadeWebhook:
        """``actions`` are such as ``version.pushed`` or ``alias.*``; none: all. The secret is told this once.
        ``kind`` openlineage sends events of that standard, with the receiver's ``key`` where it asks for one.

        Raises NamespaceNotFound, BadValue, Forbidden, LimitExceeded.
        """
        wish = asks.AddWebhook(url, tuple(actions), parse_kind(kind), key)
        made: asks.MadeWebhook = self._place.ask(webhooks.ADD, {"namespace": namespace}, body=wish)
        if not made.secret and wish.kind is WebhookKind.LEDGER:
            # The answer was lost on its way and asked for again; nobody ever saw the secret, so make another.
            self.remove(namespace, made.webhook.id)
            made = self._place.ask(webhooks.ADD, {"namespace": namespace}, body=wish)
        return made

    def get(self, namespace: str, webhook: int) -> Webhook:
        """Raises NamespaceNotFound, RecordNotFound, Forbidden."""
        found: Webhook = self._place.ask(webhooks.SHOW, _holes(namespace, webhook))
        return found

    def change(
        self,
        namespace: str,
        webhook: int,
        *,
        url: str | None = None,
        actions: Sequence[str] | None = None,
        active: bool | None = None,
    ) -> Webhook:
        """What is None stays; so does the secret. Raises NamespaceNotFound, RecordNotFound, BadValue, Forbidden."""
        wish = asks.ChangeWebhook(url, None if actions is None else tuple(actions), active)
        changed: Webhook = self._place.ask(webhooks.CHANGE, _holes(namespace, webhook), body=wish)
        return changed

    def remove(self, namespace: str, webhook: int) -> Webhook:
        """With what was still to be sent to it. Raises NamespaceNotFound, RecordNotFound, Forbidden."""
        removed: Webhook = self._place.ask(webhooks.REMOVE, _holes(namespace, webhook))
        return removed

    def test(self, namespace: str, webhook: int) -> Delivery:
        """Send a test. Raises NamespaceNotFound, RecordNotFound, Forbidden."""
        delivery: Delivery = self._place.ask(webhooks.TEST, _holes(namespace, webhook))
        return delivery

    def deliveries(self, namespace: str, webhook: int, *, before: int = 0, limit: int = 100) -> asks.DeliveryPage:
        """Newest first, those below ``before``. Raises NamespaceNotFound, RecordNotFound, Forbidden, LimitExceeded."""
        query = asks.ListDeliveries(before, limit)
        page: asks.DeliveryPage = self._place.ask(webhooks.DELIVERIES, _holes(namespace, webhook), query=query)
        return page

    def redeliver(self, namespace: str, webhook: int, delivery: int) -> Delivery:
        """Send one again. Raises NamespaceNotFound, RecordNotFound, Forbidden."""
        holes = {**_holes(namespace, webhook), "delivery": str(delivery)}
        again: Delivery = self._place.ask(webhooks.REDELIVER, holes)
        return again


def _holes(namespace: str, webhook: int) -> dict[str, str]:
    return {"namespace": namespace, "webhook": str(webhook)}
