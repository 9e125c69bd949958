"""Webhooks: where the ledger entries of a namespace are sent. Those who manage it ask."""

from typing import Final

from budwood.domain.access import Permission
from budwood.domain.asks_people import (
    AddWebhook,
    ChangeWebhook,
    DeliveryPage,
    ListDeliveries,
    MadeWebhook,
    Webhooks,
)
from budwood.domain.people import Delivery, Webhook
from budwood.domain.routes.route import Route
from budwood.errors import NotFound, PreconditionFailed

_ALL: Final = "/v1/namespaces/{namespace}/webhooks"
_ONE: Final = _ALL + "/{webhook}"
_DELIVERIES: Final = _ONE + "/deliveries"

LIST: Final = Route(
    name="webhooks.list",
    method="GET",
    path=_ALL,
    permission=Permission.MANAGE,
    summary="The webhooks of a namespace.",
    response=Webhooks,
    errors=(NotFound,),
)
ADD: Final = Route(
    name="webhooks.add",
    method="POST",
    path=_ALL,
    permission=Permission.MANAGE,
    summary="Send the ledger entries of a namespace to an address. The secret is shown this once.",
    request=AddWebhook,
    response=MadeWebhook,
    errors=(NotFound,),
)
SHOW: Final = Route(
    name="webhooks.show",
    method="GET",
    path=_ONE,
    permission=Permission.MANAGE,
    summary="A webhook; its ETag guards the next change.",
    response=Webhook,
    errors=(NotFound,),
    edits=True,
)
CHANGE: Final = Route(
    name="webhooks.change",
    method="PATCH",
    path=_ONE,
    permission=Permission.MANAGE,
    summary="Change where a webhook goes, what it is sent, and whether it is sent anything.",
    request=ChangeWebhook,
    response=Webhook,
    errors=(NotFound, PreconditionFailed),
    edits=True,
)
REMOVE: Final = Route(
    name="webhooks.remove",
    method="DELETE",
    path=_ONE,
    permission=Permission.MANAGE,
    summary="Remove a webhook, with what was still to be sent to it.",
    response=Webhook,
    errors=(NotFound,),
)
TEST: Final = Route(
    name="webhooks.test",
    method="POST",
    path=_ONE + "/test",
    permission=Permission.MANAGE,
    summary="Send a test, whatever the webhook asked for.",
    response=Delivery,
    errors=(NotFound,),
)
DELIVERIES: Final = Route(
    name="webhooks.deliveries",
    method="GET",
    path=_DELIVERIES,
    permission=Permission.MANAGE,
    summary="What was sent to a webhook and what came of it, newest first.",
    query=ListDeliveries,
    response=DeliveryPage,
    errors=(NotFound,),
)
REDELIVER: Final = Route(
    name="webhooks.redeliver",
    method="POST",
    path=_DELIVERIES + "/{delivery}/again",
    permission=Permission.MANAGE,
    summary="Send something again, as if it had never been tried.",
    response=Delivery,
    errors=(NotFound,),
)

ROUTES: Final = (LIST, ADD, SHOW, CHANGE, REMOVE, TEST, DELIVERIES, REDELIVER)
