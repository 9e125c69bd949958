"""Clients of an endpoint: who may ask it, each by a key of their own.

A key is drawn by whoever calls, told once, and kept where only the control plane reads it: it is in no routing, no
answer, no ledger entry and no log. The client's name goes with each request to the backend, as its tenant.
"""

import re
from typing import Final

from budwood.catalog.api import Transaction
from budwood.domain.asks_delivery import EndpointClients, MadeClient
from budwood.domain.limits import ENDPOINT_CLIENTS
from budwood.domain.traffic.records import ClientRecord
from budwood.errors import BadName, BadValue, LimitExceeded, NameTaken, RecordNotFound
from budwood.verbs.house import House
from budwood.verbs.routing import endpoint_named, in_force

KEY_PREFIX: Final = "bwk_"
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")


def add_client(house: House, namespace: str, endpoint: str, name: str, secret: str) -> MadeClient:
    """Draw a key for a new client. Raises RecordNotFound, BadName, BadValue, NameTaken, LimitExceeded."""
    if not _NAME.fullmatch(name):
        raise BadName(f"{name[:80]!r} is no client's name.", hint="Lower-case letters, digits, dots and dashes.")
    key, now = KEY_PREFIX + secret, house.clock()

    def work(transaction: Transaction) -> MadeClient:
        found = endpoint_named(transaction, namespace, endpoint)
        if in_force(transaction, found).body.keys is None:
            raise BadValue(f"{endpoint} asks nobody for a key.", hint="Give it spec.auth.keys.header first.")
        known = transaction.clients(found.id)
        if any(each.name == name for each in known):
            raise NameTaken(f"{endpoint} has a client {name}.", hint="Remove it first, to give it another key.")
        if len(known) >= ENDPOINT_CLIENTS:
            raise LimitExceeded(f"An endpoint has at most {ENDPOINT_CLIENTS} clients.", limit="ENDPOINT_CLIENTS")
        client = ClientRecord(found.id, name, house.author, now)
        transaction.add_client(client, key)
        transaction.add_ledger(now, house.author, "endpoint.client-added", endpoint, {"client": name}, namespace)
        return MadeClient(client, key)

    return house.catalog.write(work)


def list_clients(house: House, namespace: str, endpoint: str) -> EndpointClients:
    """By name, without their keys. Raises RecordNotFound."""
    with house.catalog.read() as view:
        return EndpointClients(tuple(view.clients(endpoint_named(view, namespace, endpoint).id)))


def remove_client(house: House, namespace: str, endpoint: str, name: str) -> EndpointClients:
    """Its key opens nothing from when the gateways heard of it; who is left. Raises RecordNotFound."""
    now = house.clock()

    def work(transaction: Transaction) -> EndpointClients:
        found = endpoint_named(transaction, namespace, endpoint)
        if not transaction.remove_client(found.id, name):
            raise RecordNotFound(
                f"{endpoint} has no client {name[:80]!r}.", hint=f"See: budwood endpoint client list {endpoint}"
            )
        transaction.add_ledger(now, house.author, "endpoint.client-removed", endpoint, {"client": name}, namespace)
        return EndpointClients(tuple(transaction.clients(found.id)))

    return house.catalog.write(work)
