"""Webhooks: made, found, changed, removed, and tried."""

import time
from typing import Final
from urllib.parse import urlsplit

from budwood.domain.access import Permission
from budwood.domain.canon import Json
from budwood.domain.limits import LISTED_MODELS_PAGE
from budwood.domain.people import DeliveryState
from budwood.errors import BadValue
from budwood.facades.face import Asked, Endpoint, Pace
from budwood.facades.mlflow.values import Values, filled, inner, missing, needed, objects, text, whole, wrong
from budwood.verbs.listings import hooks


def create(asked: Asked) -> Json:
    values = asked.values
    needed(values, "name")
    needed(values, "url")
    if not values.get("events"):
        raise missing("events")
    return {"webhook": _shown(hooks.create(asked.whole, asked.namespace, _wish(values)))}


def find(asked: Asked) -> Json:
    """A page of them, by their numbers; a token is the number of the last one."""
    token = text(asked.values, "page_token")
    if token and not (token.isascii() and token.isdigit() and len(token) <= 18):
        raise wrong("page_token", token)
    limit = whole(asked.values, "max_results", 100)
    if not 1 <= limit <= LISTED_MODELS_PAGE:
        raise BadValue(f"max_results must be between 1 and {LISTED_MODELS_PAGE}, but got {limit}.")
    there = sorted(hooks.find(asked.whole, asked.namespace), key=lambda each: each.webhook.id)
    left = [each for each in there if each.webhook.id > int(token or 0)]
    page = left[:limit]
    more = str(page[-1].webhook.id) if len(left) > limit else ""
    return filled(webhooks=[_shown(each) for each in page], next_page_token=more)


def get(asked: Asked) -> Json:
    return {"webhook": _shown(hooks.get(asked.whole, asked.namespace, _id(asked)))}


def update(asked: Asked) -> Json:
    return {"webhook": _shown(hooks.change(asked.whole, asked.namespace, _id(asked), _wish(asked.values)))}


def delete(asked: Asked) -> Json:
    hooks.remove(asked.whole, asked.namespace, _id(asked))
    return None


def test(asked: Asked) -> Json:
    event = inner(asked.values, "event")
    named = _event(event) if event else ""
    tried = hooks.try_out(asked.whole, asked.namespace, _id(asked), named, sleep=time.sleep)
    was_sent = tried.state is DeliveryState.DELIVERED
    error = "" if tried.status else tried.error
    return {"result": {"success": was_sent, **filled(response_status=tried.status or None, error_message=error)}}


def _id(asked: Asked) -> str:
    return needed(asked.values, "webhook_id")


def _wish(values: Values) -> hooks.HookWish:
    status = text(values, "status")
    if status not in ("", "ACTIVE", "DISABLED"):
        raise wrong("status", status)
    events = tuple(_event(each) for each in objects(values, "events"))
    return hooks.HookWish(
        title=text(values, "name") or None,
        url=_address(text(values, "url")),
        events=events or None,
        description=text(values, "description") if values.get("description") is not None else None,
        secret=text(values, "secret") if values.get("secret") is not None else None,
        active=status == "ACTIVE" if status else None,
    )


def _address(url: str) -> str | None:
    """In MLflow's words what is none; what is none of ours is told later. Raises BadValue."""
    if not url:
        return None
    if not url.strip():
        raise BadValue(f"Webhook URL cannot be empty or just whitespace: {url[:100]!r}")
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise BadValue(f"Invalid webhook URL {url[:300]!r}: {error}") from error
    if scheme not in ("http", "https"):
        raise BadValue(f"Invalid webhook URL scheme: {scheme[:20]!r}. Allowed schemes are: http, https.")
    return url


def _event(values: Values) -> str:
    return f"{needed(values, 'entity').lower()}.{needed(values, 'action').lower()}"


def _shown(hook: hooks.Hook) -> Json:
    webhook, listing = hook.webhook, hook.listing
    pairs = [each.upper().partition(".") for each in listing.events.split()]
    return {
        "webhook_id": str(webhook.id),
        "name": listing.title,
        "url": webhook.url,
        "events": [{"entity": entity, "action": action} for entity, _, action in pairs],
        "status": "ACTIVE" if webhook.active else "DISABLED",
        "creation_timestamp": webhook.created_ms,
        "last_updated_timestamp": listing.updated_ms,
        **filled(description=listing.description),
    }


_ALL: Final = "/api/2.0/mlflow/webhooks"
_ONE: Final = _ALL + "/{webhook_id}"
ENDPOINTS: Final = (
    Endpoint("mlflow.webhooks.create", "POST", _ALL, Permission.MANAGE, create),
    Endpoint("mlflow.webhooks.list", "GET", _ALL, Permission.MANAGE, find),
    Endpoint("mlflow.webhooks.get", "GET", _ONE, Permission.MANAGE, get),
    Endpoint("mlflow.webhooks.update", "PATCH", _ONE, Permission.MANAGE, update),
    Endpoint("mlflow.webhooks.delete", "DELETE", _ONE, Permission.MANAGE, delete),
    Endpoint("mlflow.webhooks.test", "POST", _ONE + "/test", Permission.MANAGE, test, Pace.LONG),
)
