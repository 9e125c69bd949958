"""A registry served over a real socket by this process: the far home of the journeys that tests/verbs walks."""

import hashlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

import budwood
from budwood.catalog.api import Transaction
from budwood.client.registry import Registry
from budwood.domain.people import PrincipalKind, TokenRecord
from budwood.server.app import make_app, make_service
from budwood.server.protocol import server_settings
from budwood.server.run import address_of, listen
from budwood.wiring import Served

TOKEN = "bw_" + "t" * 43
STARTING_S = 10.0


@contextmanager
def far(served: Served, name: str = "mara") -> Iterator[Registry]:
    """The registry as an admin of this name reaches it over HTTP."""
    with serving(served, name) as address, budwood.connect(address, token=TOKEN) as registry:
        yield registry


@contextmanager
def serving(served: Served, name: str) -> Iterator[str]:
    """The address of a server that runs until the block ends."""
    served.house.catalog.write(lambda transaction: _welcome(transaction, name))
    service = make_service(served)
    log: list[bytes] = []
    app = make_app(service, log.append, process=str(os.getpid()), started=time.time())
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, lifespan="off", loop="asyncio", **server_settings(app.limits))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + STARTING_S
        while not server.started and time.monotonic() < until:
            time.sleep(0.005)
        yield address_of(listener)
    finally:
        server.should_exit = True
        thread.join(STARTING_S)
        service.threads.close()
        served.house.close()
        # Shown with a test that failed.
        sys.stderr.write(b"".join(log).decode())


def _welcome(transaction: Transaction, name: str) -> None:
    someone = transaction.add_principal(name, PrincipalKind.PERSON, at_ms=1, is_admin=True)
    for namespace in ("team", "risk"):
        transaction.add_namespace(namespace, at_ms=1)
    token = TokenRecord("t", someone.id, name, "test", 1)
    transaction.add_token(token, hashlib.sha256(TOKEN.encode()).digest())
