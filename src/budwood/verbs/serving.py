"""What serving a version does to an endpoint's document: an arm whose backend is where the version answers now."""

import json
from collections.abc import Mapping
from typing import Any, Final

from budwood.domain.asks_delivery import EndpointShown
from budwood.domain.limits import ENDPOINT_BYTES
from budwood.domain.traffic.endpoint import Arm
from budwood.domain.traffic.reading import API_VERSION, KIND
from budwood.domain.traffic.trust import BackendTrust
from budwood.errors import BadEndpoint
from budwood.verbs.yaml_text import document_from

_RETRIES: Final = {"times": 1}


def with_arms(shown: EndpointShown | None, endpoint: str, model: str, backends: Mapping[int, str]) -> str:
    """The document of an endpoint, with each version's backend (a URL by its number) in an arm.

    Where there is no such endpoint yet the first version is its baseline. Where an arm has the version its backends are
    replaced; else one named v7 is added, which gets no traffic yet. Raises BadEndpoint.
    """
    document = _empty(endpoint, model) if shown is None else _known(shown)
    spec = document["spec"]
    if shown is not None and shown.body.model != model:
        hint = "Name another endpoint."
        raise BadEndpoint(f"{endpoint} serves {shown.body.model}, not {model}.", hint=hint, field="spec.model")
    names = {arm.number: arm.name for arm in shown.body.arms} if shown else {}
    arms: dict[str, Any] = dict(spec["arms"])
    for number, url in backends.items():
        name = names.get(number, f"v{number}")
        # An alias may mean another version by now, and this server is of this one.
        arms[name] = {**arms.get(name, {}), "version": f"v{number}", "backends": [url]}
        if url.startswith("http:"):
            arms[name].pop("tls", None)
    return json.dumps({**document, "spec": {**spec, "arms": arms}}, indent=2)


def with_authorities(text: str, files: Mapping[str, str]) -> str:
    """A document in which arms name their own authorities (PEM by arm) in ``tls.ca``. Raises BadEndpoint."""
    document: Any = document_from(text, BadEndpoint, most=ENDPOINT_BYTES, limit="ENDPOINT_BYTES")
    for arm, pem in files.items():
        try:
            given = document["spec"]["arms"][arm]
            given["tls"] = {**given.get("tls", {}), "ca": pem}
        except (KeyError, TypeError, AttributeError) as error:
            raise BadEndpoint(f"The document has no arm {arm[:80]!r}.", hint="Name one of spec.arms.") from error
    return json.dumps(document, indent=2)


def _empty(endpoint: str, model: str) -> dict[str, Any]:
    # A process that was idle may end just as a request reaches it: then the gateway sends it again.
    spec = {"model": model, "arms": {}, "retries": dict(_RETRIES)}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": endpoint}, "spec": spec}


def _known(shown: EndpointShown) -> dict[str, Any]:
    """As it was written, with the arms and the baseline that rollouts gave it since."""
    document: Any = document_from(shown.text, BadEndpoint, most=ENDPOINT_BYTES, limit="ENDPOINT_BYTES")
    spec = document["spec"]
    arms = {arm.name: _written(arm) for arm in shown.body.arms} | dict(spec["arms"])
    return {**document, "spec": {**spec, "arms": arms, "baseline": shown.body.baseline}}


def _written(arm: Arm) -> dict[str, Any]:
    urls = [f"{'https' if each.tls else 'http'}://{_host(each.host)}:{each.port}" for each in arm.backends]
    health = {"health": arm.health} if arm.health else {}
    return {"version": f"v{arm.number}", "backends": urls, **health, **_trust(arm.trust)}


def _trust(trust: BackendTrust) -> dict[str, Any]:
    if not trust.is_checked:
        return {"tls": {"verify": False}}
    return {"tls": {"ca": trust.ca}} if trust.ca else {}


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
