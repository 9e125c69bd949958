"""MLflow's events of the registry, the entries of our ledger they are told by, and how its messages are signed."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from budwood.domain.canon import Json
from budwood.domain.people import Delivery

TOLD_BY: Final[Mapping[str, str]] = {
    "registered_model.created": "model.registered",
    "prompt.created": "model.registered",
    "prompt_tag.set": "model.tagged",
    "prompt_tag.deleted": "model.tagged",
    **{f"{what}.created": "version.pushed" for what in ("model_version", "prompt_version")},
    **{
        f"{what}.{act}": "version.tagged"
        for what in ("model_version_tag", "prompt_version_tag")
        for act in ("set", "deleted")
    },
    **{f"{what}.created": "alias.set" for what in ("model_version_alias", "prompt_alias")},
    **{f"{what}.deleted": "alias.removed" for what in ("model_version_alias", "prompt_alias")},
    # Nothing here has a budget: it is never told.
    "budget_policy.exceeded": "budget.exceeded",
}
"""Each event by the action of an entry; which of several an entry is, its model and its body say."""


@dataclass(frozen=True, slots=True)
class Event:
    """``name`` is a key of ``TOLD_BY``."""

    name: str
    data: Mapping[str, Json]


def actions_of(events: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({TOLD_BY[each] for each in events}))


def example_of(event: str) -> Event:
    """What a test sends."""
    entity, _, act = event.partition(".")
    of_prompt = entity.startswith("prompt")
    data: dict[str, Json] = {"name": "example_prompt" if of_prompt else "example_model"}
    if entity not in ("registered_model", "prompt", "prompt_tag", "budget_policy") and event != "prompt_alias.deleted":
        data["version"] = "1"
    if event == "model_version_alias.deleted":
        del data["version"]
    if entity.endswith("_tag"):
        data |= {"key": "example_key", **({"value": "example_value"} if act == "set" else {})}
    elif entity.endswith("_alias"):
        data["alias"] = "example_alias"
    else:
        said = entity.replace("_", " ")
        data |= {"tags": {"example_key": "example_value"}, "description": f"An example {said}"}
    if entity == "model_version":
        data |= {"source": "models:/123", "run_id": "abcd1234abcd5678"}
    if entity == "prompt_version":
        data["template"] = "Hello {{name}}!"
    return Event(event, data)


def headers(delivery: Delivery, secret: bytes, body: bytes, now_s: int) -> Mapping[str, str]:
    """What goes with a message. ``DELIVERY.SECONDS.BODY`` is signed with the webhook's secret, where it has one."""
    said = {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": str(delivery.id),
        "X-MLflow-Timestamp": str(now_s),
    }
    if secret:
        signed = hmac.new(secret, f"{delivery.id}.{now_s}.".encode() + body, hashlib.sha256).digest()
        said["X-MLflow-Signature"] = "v1," + base64.b64encode(signed).decode()
    return said
