"""What an entry of the ledger means as an event of MLflow's, for a webhook that wants such."""

import json
from collections.abc import Collection
from datetime import UTC, datetime

from budwood.catalog.api import View
from budwood.domain.canon import Json
from budwood.domain.listing import PROMPT_MARK, ListedModel
from budwood.domain.listing_checks import alias_of
from budwood.domain.listing_events import Event, example_of
from budwood.domain.names import Kind
from budwood.domain.people import Webhook
from budwood.domain.records import LedgerEntry
from budwood.domain.reference import parse_reference
from budwood.domain.webhooks import TESTED
from budwood.errors import NotFound
from budwood.verbs.resolve import resolve

_MARKS = frozenset({PROMPT_MARK, "mlflow.prompt.text", "_mlflow_prompt_type"})


def listed_message(view: View, webhook: Webhook, entry: LedgerEntry) -> bytes | None:
    """The body of a message; None where the entry is none of the events the webhook wants, or what it speaks of is
    gone."""
    listings = [each for each in view.webhook_listings(webhook.namespace) if each.webhook_id == webhook.id]
    wanted = frozenset(listings[0].events.split()) if listings else frozenset[str]()
    event = _event(view, entry, wanted)
    if event is None:
        return None
    entity, _, action = event.name.partition(".")
    at = datetime.fromtimestamp(entry.at_ms / 1000, UTC).isoformat()
    said = {"entity": entity, "action": action, "timestamp": at, "data": dict(event.data)}
    return json.dumps(said).encode()


def _event(view: View, entry: LedgerEntry, wanted: Collection[str]) -> Event | None:
    if entry.action == TESTED:
        asked = str(entry.body.get("event") or "") or min(wanted, default="registered_model.created")
        return example_of(asked)
    try:
        named = parse_reference(entry.subject)
        model = view.model(named.namespace, named.model)
    except NotFound:
        return None
    listed = view.model_listed(model.id) if model else None
    if listed is None:
        return None
    try:
        event = _of(view, entry, listed)
    except NotFound:
        return None
    return event if event is not None and event.name in wanted else None


def _of(view: View, entry: LedgerEntry, model: ListedModel) -> Event | None:
    """Raises NotFound for what is gone."""
    is_prompt = model.kind is Kind.PROMPT
    body = entry.body
    match entry.action:
        case "model.registered":
            tags = dict(view.model_tags([model.id]).get(model.id, {}))
            data: dict[str, Json] = {
                "name": model.title,
                "tags": _plain(tags),
                "description": model.description or None,
            }
            return Event("prompt.created" if is_prompt else "registered_model.created", data)
        case "model.tagged":
            return _tagged("prompt_tag" if is_prompt else "registered_model_tag", {"name": model.title}, entry)
        case "version.tagged":
            which: dict[str, Json] = {"name": model.title, "version": str(resolve(view, entry.subject).number)}
            return _tagged("prompt_version_tag" if is_prompt else "model_version_tag", which, entry)
        case "alias.set":
            alias = alias_of(str(body.get("alias")))
            data = {"name": model.title, "alias": alias, "version": str(body.get("version"))}
            return Event("prompt_alias.created" if is_prompt else "model_version_alias.created", data)
        case "alias.removed":
            data = {"name": model.title, "alias": alias_of(str(body.get("alias")))}
            return Event("prompt_alias.deleted" if is_prompt else "model_version_alias.deleted", data)
        case "version.pushed":
            return _pushed(view, entry, model)
    return None


def _pushed(view: View, entry: LedgerEntry, model: ListedModel) -> Event | None:
    version = view.version_listed(resolve(view, entry.subject).id)
    if version is None:
        return None
    tags = dict(view.version_texts([version.id]).get(version.id, {}))
    text = tags.get("mlflow.prompt.text")
    data: dict[str, Json] = {"name": model.title, "version": str(version.number)}
    said: dict[str, Json] = {"tags": _plain(tags), "description": version.description or None}
    if model.kind is Kind.PROMPT:
        return Event("prompt_version.created", {**data, "template": text, **said})
    origin = version.origin
    source = origin.source or f"models:/{model.title}/{version.number}"
    return Event("model_version.created", {**data, "source": source, "run_id": origin.run or None, **said})


def _tagged(entity: str, which: dict[str, Json], entry: LedgerEntry) -> Event | None:
    """The first tag of an entry; MLflow's clients change one at a time."""
    put, removed = entry.body.get("put"), entry.body.get("removed")
    if isinstance(put, dict) and put:
        key = next(iter(put))
        return Event(f"{entity}.set", {**which, "key": key, "value": put[key]})
    if isinstance(removed, list | tuple) and removed:
        return Event(f"{entity}.deleted", {**which, "key": removed[0]})
    return None


def _plain(tags: dict[str, str]) -> dict[str, Json]:
    return {key: value for key, value in tags.items() if key not in _MARKS}
