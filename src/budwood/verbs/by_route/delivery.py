"""Endpoints, rollouts and answered requests, by route."""

from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from budwood.domain.asks_delivery import (
    Answered,
    EndpointClients,
    EndpointList,
    EndpointShown,
    EndpointUsage,
    MadeClient,
    RolloutPage,
    RolloutShown,
)
from budwood.domain.routes import delivery as routes
from budwood.domain.traffic.endpoint import Backend
from budwood.errors import BadValue, RecordNotFound
from budwood.verbs import endpoint_clients, endpoints, rollouts, token_quotas
from budwood.verbs.by_route.asked import Asked, Deed
from budwood.verbs.which import which


def _list(asked: Asked) -> tuple[EndpointShown, ...]:
    return endpoints.list_endpoints(asked.whole, asked.holes["namespace"])


def _put(asked: Asked) -> EndpointShown:
    namespace, name = _endpoint(asked)
    return endpoints.put_endpoint(asked.whole, namespace, asked.body.text, name=name, expected=asked.expected)


def _show(asked: Asked) -> EndpointShown:
    return endpoints.show_endpoint(asked.whole, *_endpoint(asked), at_ms=asked.query.at_ms)


def _remove(asked: Asked) -> EndpointShown:
    return endpoints.remove_endpoint(asked.whole, *_endpoint(asked))


def _split(asked: Asked) -> EndpointShown:
    namespace, name = _endpoint(asked)
    body = asked.body
    return endpoints.set_split(asked.whole, namespace, name, body.split, body.reason, expected=asked.expected)


def _back(asked: Asked) -> EndpointShown:
    return endpoints.send_back(asked.whole, *_endpoint(asked), asked.body.reason)


def _usage(asked: Asked) -> EndpointUsage:
    return token_quotas.endpoint_usage(asked.whole, *_endpoint(asked), at_ms=asked.query.at_ms)


def _clients(asked: Asked) -> EndpointClients:
    return endpoint_clients.list_clients(asked.whole, *_endpoint(asked))


def _add_client(asked: Asked) -> MadeClient:
    return endpoint_clients.add_client(asked.whole, *_endpoint(asked), asked.body.name, asked.secret())


def _remove_client(asked: Asked) -> EndpointClients:
    return endpoint_clients.remove_client(asked.whole, *_endpoint(asked), asked.holes["client"])


def _kept(answer: MadeClient) -> MadeClient:
    return replace(answer, key="")


def _start(asked: Asked) -> RolloutShown:
    backends = tuple(_backend(each) for each in asked.body.backends)
    return rollouts.start(asked.whole, *_endpoint(asked), asked.body, backends)


def _rollouts(asked: Asked) -> RolloutPage:
    query = asked.query
    found = rollouts.list_rollouts(asked.whole, *_endpoint(asked), before=query.before, limit=query.limit)
    return RolloutPage(found, found[-1].id if len(found) == query.limit else 0)


def _rollout(asked: Asked) -> RolloutShown:
    text = asked.holes["rollout"]
    if text != "newest" and not (text.isascii() and text.isdigit() and len(text) < 19):
        raise RecordNotFound(f"There is no rollout {text[:80]!r}.", hint="Ask by number, or for the 'newest'.")
    return rollouts.show(asked.whole, *_endpoint(asked), 0 if text == "newest" else int(text))


def _steer(asked: Asked) -> RolloutShown:
    return rollouts.steer(asked.whole, *_endpoint(asked), asked.body.act, asked.body.reason)


def _which(asked: Asked) -> Answered:
    return which(asked.house, asked.holes["namespace"], asked.holes["request"])


def _endpoint(asked: Asked) -> tuple[str, str]:
    return asked.holes["namespace"], asked.holes["endpoint"]


def _backend(text: str) -> Backend:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = not (parts.username or parts.query or parts.fragment) and parts.path in ("", "/")
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise BadValue(f"{text[:80]!r} is no backend.", hint="Write http://host:port.")
    return Backend(parts.hostname, port or (443 if parts.scheme == "https" else 80), parts.scheme == "https")


def _mark(shown: EndpointShown) -> str:
    return str(shown.generation)


DEEDS: Final = {
    routes.LIST.name: Deed(_list, EndpointList),
    routes.PUT.name: Deed(_put, mark=_mark),
    routes.SHOW.name: Deed(_show, mark=_mark),
    routes.REMOVE.name: Deed(_remove),
    routes.SPLIT.name: Deed(_split, mark=_mark),
    routes.BACK.name: Deed(_back),
    routes.USAGE.name: Deed(_usage),
    routes.CLIENTS.name: Deed(_clients),
    routes.ADD_CLIENT.name: Deed(_add_client, kept=_kept),
    routes.REMOVE_CLIENT.name: Deed(_remove_client),
    routes.START.name: Deed(_start),
    routes.ROLLOUTS.name: Deed(_rollouts),
    routes.ROLLOUT.name: Deed(_rollout),
    routes.STEER.name: Deed(_steer),
    routes.WHICH.name: Deed(_which),
}
