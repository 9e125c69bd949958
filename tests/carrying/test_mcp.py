"""Taking in MCP servers: what is not theirs to take is refused, and what leads to nothing waits."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import budwood
from budwood.client.carrying.ours import Ours
from budwood.client.registry import Registry
from budwood.domain.carrying.mcp import CarriedMcpEndpoint, CarriedMcpServer, CarriedMcpVersion
from budwood.domain.limits import MCP_ALIASES, MCP_ENDPOINTS, MCP_TAGS
from budwood.errors import BadValue, BudwoodError, LimitExceeded, NameTaken, RecordNotFound
from budwood.verbs.mcp import servers

NAME = "com.example/weather"
WAYS = tuple(
    CarriedMcpEndpoint(f"ae-{at}", f"https://{at}.example", "sse", version, alias)
    for at, (version, alias) in enumerate((("1.0.0", ""), ("", "stable"), ("", "latest"), ("9.0.0", "")))
)
SERVER = CarriedMcpServer(NAME, created_by="bob", created_ms=5, aliases={"stable": "1.0.0"}, endpoints=WAYS)
VERSION = CarriedMcpVersion(NAME, "1.0.0", json.dumps({"name": NAME, "version": "1.0.0"}), "deprecated", created_ms=6)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with budwood.connect(tmp_path / "registry", author="mara") as opened:
        yield opened


def taking(registry: Registry, namespace: str = "default") -> Any:
    return Ours(registry._place, namespace, "http://old:5000").mcp


def test_what_leads_to_a_version_waits_for_it_and_each_change_is_one_entry(registry: Registry) -> None:
    ours = taking(registry)
    ours.take_server(SERVER)
    assert [(each.aliases, each.endpoints) for each in ours.servers()] == [({}, ())]
    ours.take_version(VERSION)
    ours.take_server(SERVER)
    (there,) = ours.servers()
    assert (there.aliases, there.endpoints, there.created_by) == ({"stable": "1.0.0"}, WAYS[:3], "bob")
    assert list(ours.versions(NAME)) == [VERSION]
    told = [each.action for each in registry.ledger() if each.action.startswith("mcp-")]
    assert told == ["mcp-server.imported", "mcp-version.imported", "mcp-server.imported"]


def test_a_version_changes_in_all_but_its_definition(registry: Registry) -> None:
    ours = taking(registry)
    ours.take_server(SERVER)
    ours.take_version(VERSION)
    ours.take_version(replace(VERSION, status="active", tags={"a": "b"}))
    assert list(ours.versions(NAME)) == [replace(VERSION, status="active", tags={"a": "b"})]
    other = json.dumps({"name": NAME, "version": "1.0.0", "title": "another"})
    with pytest.raises(NameTaken, match="another definition"):
        ours.take_version(replace(VERSION, definition=other))


def test_a_server_that_was_made_here_is_left(registry: Registry) -> None:
    servers.create_server(registry.house, "default", NAME, "made here", None)
    with pytest.raises(NameTaken, match="was not imported"):
        taking(registry).take_server(SERVER)


def test_an_endpoint_of_another_namespace_is_not_taken(registry: Registry) -> None:
    registry.house.catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=1))
    for namespace in ("default", "risk"):
        ours = taking(registry, namespace)
        ours.take_server(replace(SERVER, endpoints=()))
        ours.take_version(VERSION)
    taking(registry).take_server(SERVER)
    with pytest.raises(NameTaken, match="ae-0 is another server's"):
        taking(registry, "risk").take_server(SERVER)
    assert [each.endpoints for each in taking(registry, "risk").servers()] == [()]


def test_a_server_never_gets_more_than_it_may_have_however_often_it_comes(registry: Registry) -> None:
    ours = taking(registry)
    ours.take_server(SERVER)
    ours.take_version(VERSION)
    ways = tuple(CarriedMcpEndpoint(f"x-{at}", "https://x.example", "sse", "1.0.0") for at in range(MCP_ENDPOINTS))
    ours.take_server(replace(SERVER, endpoints=ways))
    for more in (
        replace(SERVER, endpoints=WAYS[:1]),
        replace(SERVER, endpoints=(), aliases={f"a{at}": "1.0.0" for at in range(MCP_ALIASES)}),
        replace(SERVER, endpoints=(), tags={f"k{at}": "v" for at in range(MCP_TAGS)}),
    ):
        with pytest.raises(LimitExceeded):
            ours.take_server(more)
    assert [(len(each.endpoints), len(each.aliases)) for each in ours.servers()] == [(MCP_ENDPOINTS, 1)]


def test_a_version_of_no_server_is_not_taken(registry: Registry) -> None:
    with pytest.raises(RecordNotFound, match="not found"):
        taking(registry).take_version(VERSION)


INSIDE = json.dumps([{"src": "https://127.0.0.1/icon.png"}])


@pytest.mark.parametrize(
    ("sent", "raised"),
    [
        (replace(SERVER, name="weather"), BadValue),
        (replace(SERVER, icons=INSIDE), BadValue),
        (replace(SERVER, icons='[{"sizes": []}]'), BadValue),
        (replace(SERVER, icons='{"src": 5}'), BadValue),
        (replace(SERVER, icons="[" * 5_000), BadValue),
        (replace(SERVER, aliases={"latest": "1.0.0"}), BadValue),
        (replace(SERVER, tags={f"k{at}": "v" for at in range(MCP_TAGS + 1)}), LimitExceeded),
        (replace(SERVER, endpoints=WAYS * MCP_ENDPOINTS), LimitExceeded),
        (replace(SERVER, endpoints=(replace(WAYS[0], transport="stdio"),)), BadValue),
        (replace(SERVER, endpoints=(replace(WAYS[0], alias="stable"),)), BadValue),
        (replace(SERVER, endpoints=(replace(WAYS[0], url=" "),)), BadValue),
        (replace(SERVER, created_by="a\0b"), BadValue),
        (replace(VERSION, status="deleted"), BadValue),
        (replace(VERSION, version="1.0.1"), BadValue),
        (replace(VERSION, version="v1"), BadValue),
        (replace(VERSION, definition="[]"), BadValue),
        (replace(VERSION, definition="{"), BadValue),
        (replace(VERSION, tools=f'[{{"name": "t", "icons": {INSIDE}}}]'), BadValue),
        (replace(VERSION, tools="5"), BadValue),
        (replace(VERSION, options="[]"), BadValue),
    ],
)
def test_what_is_none_is_refused(sent: Any, raised: type[BudwoodError], registry: Registry) -> None:
    ours = taking(registry)
    if isinstance(sent, CarriedMcpServer):
        with pytest.raises(raised):
            ours.take_server(sent)
        assert list(ours.servers()) == []
    else:
        ours.take_server(SERVER)
        with pytest.raises(raised):
            ours.take_version(sent)
        assert list(ours.versions(NAME)) == []
