"""A gateway that is started alone does what it did last, and hears the control plane again when that is back."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import Place, boot, written
from budwood.delivery.xds.service import Control, serve
from budwood.delivery.xds.snapshot import snapshot
from budwood.domain.traffic.endpoint import Backend, Endpoint, KeyAuth, Routing
from budwood.domain.traffic.segments import first_table
from budwood.errors import GatewayDown

from .conftest import NODE, Client, Loop, eventually, free_port
from .test_auth import TOKENS, token

KEYED = {"x-api-key": "key-acme"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    process.stop(tmp_path)


def test_everything_is_killed_and_the_gateway_starts_alone(folder: Path, loop: Loop, endpoint: Endpoint) -> None:
    port = free_port()
    place = Place("127.0.0.1", free_port(), str(folder / "access.log"))
    live = written(boot(NODE, place, Backend("127.0.0.1", port), str(folder / "admin.sock")))
    keyed = replace(endpoint, keys=KeyAuth("x-api-key", {"key-acme": "acme"}))
    asks_tokens = replace(endpoint, name="tokened", tokens=TOKENS)
    table = first_table({"canary": 10_000})
    routings = {each.key: each for each in (Routing(keyed, 5, table), Routing(asks_tokens, 1, table, killed=True))}

    control = Control()
    server, _ = loop.run(serve(control, "127.0.0.1", port))
    loop.run(control.publish(NODE, snapshot(place, routings)))
    process.start(folder, live, process.program(), workers=1)
    process.keep(folder, live, process.program())
    eventually((folder / "last.json").exists)
    assert (folder / "last.json").stat().st_mode & 0o077 == 0
    loop.run(server.stop(None))
    process.stop(folder)

    process.start_alone(folder, process.program(), workers=1)
    process.keep(folder, live, process.program())
    client = Client(place)
    answer = client.ask("/predict/fraud", KEYED)
    assert (answer.arm, answer.headers["x-budwood-generation"]) == ("canary", "5")
    assert client.ask("/predict/fraud").status == 401
    assert client.ask("/predict/tokened", {"authorization": token()}).arm == "stable"
    assert client.ask("/predict/tokened").status == 401
    assert client.ask("/v1/completions", KEYED, b'{"model": "fraud"}').arm == "canary"

    control = Control()
    server, _ = loop.run(serve(control, "127.0.0.1", port))
    again = {each.key: replace(each, generation=9) for each in routings.values()}
    loop.run(control.publish(NODE, snapshot(place, again)))

    def heard() -> bool:
        asked = Client(place)
        said = asked.ask("/predict/fraud", KEYED)
        asked.close()
        assert said.status == 200
        return said.headers["x-budwood-generation"] == "9"

    eventually(heard, 25)
    # The one that took over answers a moment before its keeper has written that it does.
    eventually(lambda: json.loads((folder / "state.json").read_bytes())["epoch"] == 1)
    client.close()
    loop.run(server.stop(None))


def test_a_gateway_that_never_took_anything_says_so(folder: Path) -> None:
    with pytest.raises(GatewayDown, match="never took anything"):
        process.start_alone(folder, process.program())
