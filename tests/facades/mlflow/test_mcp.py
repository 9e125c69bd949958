"""The registry of MCP servers, by MLflow's own client: registered, described, pointed at, reached, searched, deleted;
and by hand what its client would not send. Answers and refusals were compared with those of MLflow's own server."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from budwood.domain.limits import MCP_DEFINITION_BYTES, MCP_ENDPOINTS, MCP_TOOLS_BYTES
from budwood.domain.retention import Hold, Scope
from budwood.errors import StillInUse
from budwood.verbs.namespaces import remove_namespace
from tests.facades.mlflow.conftest import Home

ROOT = "/api/3.0/mlflow/mcp-servers"
NAME = "com.example/weather"
ONE = f"{ROOT}/{quote(NAME, safe='')}"
ICON = {"src": "https://8.8.8.8/icon.png"}


@pytest.fixture(autouse=True)
def _discovers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client would ask remote servers for their tools by itself."""
    monkeypatch.setenv("MLFLOW_ENABLE_MCP_TOOL_DISCOVERY", "false")


def definition(version: str = "1.0.0", **said: Any) -> dict[str, Any]:
    return {"name": NAME, "version": version, **said}


def register(client: Any, version: str = "1.0.0", status: str = "draft", **said: Any) -> Any:
    from mlflow.entities.mcp_server import MCPStatus

    return client.create_mcp_server_version(definition(version, **said), status=MCPStatus(status))


@pytest.fixture
def weather(client: Any) -> Any:
    """With a version that is active, and a newer one that is not."""
    register(client, "1.0.0", "active", description="tells the weather", icons=[{**ICON, "theme": "dark"}])
    register(client, "2.0.0")
    return client.get_mcp_server(NAME)


def test_a_version_is_kept_as_it_was_said(client: Any) -> None:
    from mlflow.entities.mcp_server import MCPStatus, MCPTool
    from mlflow.entities.mcp_server_version import ConnectOptionSettings

    said = definition(
        title=None,
        packages=[{"registryType": "npm", "identifier": "x; rm -rf /", "transport": {"type": "stdio"}, "odd": [None]}],
        remotes=[{"type": "sse", "url": "file:///etc/passwd", "headers": [{"name": "X"}]}],
        _meta={"a": {"b": None}},
    )
    tools = [MCPTool("forecast", input_schema={"type": "object"}, icons=[{**ICON, "mimeType": " Image/PNG "}])]
    options = {"npm": ConnectOptionSettings(hidden=True)}
    made = client.create_mcp_server_version(
        said, source="git://x", status=MCPStatus.ACTIVE, tools=tools, connect_options=options
    )
    there = client.get_mcp_server_version(NAME, "1.0.0")
    assert there == made
    assert (there.server_json, there.source, there.status) == (said, "git://x", MCPStatus.ACTIVE)
    assert (there.tools[0].name, there.tools[0].icons) == ("forecast", [{**ICON, "mimeType": "image/png"}])
    assert there.connect_options["npm"].hidden
    assert there.created_by == there.last_updated_by == "mara"
    assert there.creation_timestamp == there.last_updated_timestamp > 0


def test_a_server_shows_its_newest_active_version(client: Any, weather: Any) -> None:
    assert (weather.latest_version, weather.status, weather.description) == ("1.0.0", "active", "tells the weather")
    assert weather.icons == [{**ICON, "theme": "dark", "source": "version"}]
    assert client.get_latest_mcp_server_version(NAME).version == "1.0.0"
    client.update_mcp_server(NAME, display_name="Weather", description="", icons=[{**ICON, "theme": "light"}])
    client.update_mcp_server_version(NAME, "1.0.0", status=_status("deprecated"))
    after = client.get_mcp_server(NAME)
    assert (after.latest_version, after.status) == ("2.0.0", "draft")
    assert (after.display_name, after.description) == ("Weather", "")
    assert after.icons == [{**ICON, "theme": "light", "source": "server"}]
    client.update_mcp_server(NAME, description=None)
    assert client.update_mcp_server(NAME, icons=[]).icons == []


def _status(word: str) -> Any:
    from mlflow.entities.mcp_server import MCPStatus

    return MCPStatus(word)


def test_versions_are_ordered_by_precedence_and_searched(client: Any) -> None:
    for version in ("1.10.0", "1.9.0", "1.10.0-rc.2", "1.10.0-rc.10"):
        register(client, version)

    def found(**asked: Any) -> list[str]:
        return [each.version for each in client.search_mcp_server_versions(NAME, **asked)]

    ordered = ["1.9.0", "1.10.0-rc.2", "1.10.0-rc.10", "1.10.0"]
    assert found() == ["1.10.0", "1.9.0", "1.10.0-rc.2", "1.10.0-rc.10"]
    assert found(filter_string="version > '1.10.0-rc.2'") == ["1.10.0", "1.10.0-rc.10"]
    assert found(order_by=["version DESC"]) == ordered[::-1]
    page = client.search_mcp_server_versions(NAME, max_results=3, order_by=["version ASC"])
    rest = client.search_mcp_server_versions(NAME, max_results=3, order_by=["version ASC"], page_token=page.token)
    assert [each.version for each in [*page, *rest]] == ordered
    assert client.search_mcp_server_versions("com.example/nobody") == []


def test_aliases_point_at_versions(client: Any, weather: Any) -> None:
    client.set_mcp_server_alias(NAME, "next/best", "2.0.0")
    client.set_mcp_server_alias(NAME, "stable", "2.0.0")
    client.set_mcp_server_alias(NAME, "stable", "1.0.0")
    assert client.get_mcp_server(NAME).aliases == {"next/best": "2.0.0", "stable": "1.0.0"}
    found = client.get_mcp_server_version_by_alias(NAME, "next/best")
    assert (found.version, found.aliases) == ("2.0.0", ["next/best"])
    client.delete_mcp_server_alias(NAME, "next/best")
    refused(client.get_mcp_server_version_by_alias, "RESOURCE_DOES_NOT_EXIST", NAME, "next/best")
    refused(client.set_mcp_server_alias, "INVALID_PARAMETER_VALUE", NAME, "latest", "1.0.0")
    refused(client.set_mcp_server_alias, "RESOURCE_DOES_NOT_EXIST", NAME, "x", "9.0.0")


def refused(call: Any, code: str, *words: Any, **said: Any) -> str:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException) as caught:
        call(*words, **said)
    assert caught.value.error_code == code
    return str(caught.value)


def test_servers_and_versions_are_tagged(client: Any, weather: Any) -> None:
    client.set_mcp_server_tag(NAME, "team/of", "risk")
    client.set_mcp_server_tag(NAME, "team/of", "fraud")
    client.set_mcp_server_version_tag(NAME, "2.0.0", "tried", "yes")
    assert client.get_mcp_server(NAME).tags == {"team/of": "fraud"}
    assert client.get_mcp_server_version(NAME, "2.0.0").tags == {"tried": "yes"}
    client.delete_mcp_server_tag(NAME, "team/of")
    client.delete_mcp_server_version_tag(NAME, "2.0.0", "tried")
    refused(client.delete_mcp_server_tag, "RESOURCE_DOES_NOT_EXIST", NAME, "team/of")
    refused(client.delete_mcp_server_version_tag, "RESOURCE_DOES_NOT_EXIST", NAME, "2.0.0", "tried")


def test_a_server_is_reached_by_version_and_by_alias(client: Any, weather: Any) -> None:
    from mlflow.entities.mcp_server import MCPRemoteTransportType

    direct = client.create_mcp_access_endpoint(NAME, "https://a.example/mcp", server_version="2.0.0")
    latest = client.create_mcp_access_endpoint(
        NAME, "http://169.254.169.254/", transport_type=MCPRemoteTransportType.SSE, server_alias="latest"
    )
    assert direct.id.startswith("ae-")
    assert (direct.server_version, direct.server_alias, direct.resolved_version.version) == ("2.0.0", None, "2.0.0")
    assert (latest.resolved_version.version, latest.transport_type) == ("1.0.0", MCPRemoteTransportType.SSE)
    assert {each.id for each in client.get_mcp_server(NAME).access_endpoints} == {direct.id, latest.id}
    register(client, "1.5.0", "active")
    assert client.get_mcp_access_endpoint(NAME, latest.id).resolved_version.version == "1.5.0"
    moved = client.update_mcp_access_endpoint(NAME, direct.id, server_alias="latest", url="https://b.example")
    assert (moved.server_version, moved.server_alias, moved.url) == (None, "latest", "https://b.example")
    found = client.search_mcp_access_endpoints(filter_string="transport_type = 'sse'")
    assert [each.id for each in found] == [latest.id]
    client.delete_mcp_access_endpoint(NAME, latest.id)
    refused(client.get_mcp_access_endpoint, "RESOURCE_DOES_NOT_EXIST", NAME, latest.id)


def test_what_leads_to_a_deleted_version_goes_with_it(client: Any, weather: Any) -> None:
    client.set_mcp_server_alias(NAME, "next", "2.0.0")
    client.create_mcp_access_endpoint(NAME, "https://a.example", server_version="2.0.0")
    client.create_mcp_access_endpoint(NAME, "https://a.example", server_alias="next")
    client.create_mcp_access_endpoint(NAME, "https://a.example", server_alias="latest")
    client.delete_mcp_server_version(NAME, "2.0.0")
    after = client.get_mcp_server(NAME)
    assert (after.aliases, [each.server_alias for each in after.access_endpoints]) == ({}, ["latest"])
    refused(client.get_mcp_server_version, "RESOURCE_DOES_NOT_EXIST", NAME, "2.0.0")
    assert "already exists" in refused(register, "RESOURCE_ALREADY_EXISTS", client, "2.0.0")
    assert "Allowed transitions: ['deprecated', 'draft']" in refused(
        client.delete_mcp_server_version, "INVALID_PARAMETER_VALUE", NAME, "1.0.0"
    )
    client.update_mcp_server_version(NAME, "1.0.0", status=_status("draft"))
    client.delete_mcp_server_version(NAME, "1.0.0")
    gone = client.get_mcp_server(NAME)
    assert (gone.latest_version, gone.status, gone.access_endpoints) == (None, None, [])


def test_a_server_with_an_active_version_is_not_deleted(client: Any, weather: Any) -> None:
    assert "active version ('1.0.0')" in refused(client.delete_mcp_server, "INVALID_PARAMETER_VALUE", NAME)
    client.update_mcp_server_version(NAME, "1.0.0", status=_status("deprecated"))
    client.delete_mcp_server(NAME)
    refused(client.get_mcp_server, "RESOURCE_DOES_NOT_EXIST", NAME)
    assert client.search_mcp_servers() == []
    assert register(client, "2.0.0").version == "2.0.0"


def test_servers_are_searched(client: Any, weather: Any) -> None:
    for name in ("com.example/two", "org.other/three"):
        client.create_mcp_server(name)
    client.set_mcp_server_tag("com.example/two", "team", "risk")
    client.create_mcp_access_endpoint(NAME, "https://a.example", server_alias="latest")

    def names(**asked: Any) -> list[str]:
        return [each.name.partition("/")[2] for each in client.search_mcp_servers(**asked)]

    assert names() == ["two", "weather", "three"]
    assert names(filter_string="name LIKE 'com.%'", order_by=["name DESC"]) == ["weather", "two"]
    for filter_string in ("status = 'active'", "has_access_endpoints = 'true'"):
        assert names(filter_string=filter_string) == ["weather"]
    assert names(filter_string="tags.team = 'risk'") == ["two"]
    page = client.search_mcp_servers(max_results=2)
    rest = client.search_mcp_servers(max_results=2, page_token=page.token)
    assert ([each.name for each in rest], len(page)) == (["org.other/three"], 2)


def test_the_fluent_door_registers_a_server_with_where_it_is_reached(home: Home) -> None:
    import mlflow

    said = definition(remotes=[{"type": "streamable-http", "url": "https://a.example/mcp"}])
    made = mlflow.genai.register_mcp_server(said, status="active", create_access_endpoints_from_remotes=True)
    assert made.version == "1.0.0"
    (endpoint,) = mlflow.genai.search_mcp_access_endpoints(server_name=NAME)
    assert (endpoint.url, endpoint.server_version) == ("https://a.example/mcp", "1.0.0")


def test_a_name_may_be_written_as_two_segments_too(home: Home, weather: Any) -> None:
    apart = f"{ROOT}/{NAME}"
    assert home.ask("GET", apart) == home.ask("GET", ONE)
    assert home.ask("GET", f"{apart}/versions/1.0.0") == home.ask("GET", f"{ONE}/versions/1.0.0")
    assert home.ask("POST", f"{apart}/tags", {"key": "a/b", "value": "c"})["status"] == 200
    assert home.ask("DELETE", f"{apart}/tags/a/b")["status"] == 200
    assert home.ask("PATCH", f"/ajax-api{apart.removeprefix('/api')}", {"description": "x"})["description"] == "x"


def test_what_happened_is_in_the_ledger_without_addresses(home: Home, client: Any, weather: Any) -> None:
    client.create_mcp_access_endpoint(NAME, "https://u:s3cret@a.example", server_alias="latest")
    client.set_mcp_server_alias(NAME, "stable", "1.0.0")
    client.delete_mcp_server_version(NAME, "2.0.0")
    with home.house.catalog.read() as view:
        told = view.ledger(subject=f"mcp-server:{home.namespace}/{NAME}")
    assert [each.action for each in told] == [
        *("mcp-server.created", "mcp-version.created", "mcp-version.created"),
        *("mcp-endpoint.created", "mcp-alias.set", "mcp-version.deleted"),
    ]
    assert "s3cret" not in repr(told)
    assert str(told[1].body["digest"]).startswith("sha256:")


def test_nothing_is_deleted_under_a_hold(home: Home, client: Any, weather: Any) -> None:
    endpoint = client.create_mcp_access_endpoint(NAME, "https://a.example", server_version="2.0.0")
    client.set_mcp_server_alias(NAME, "next", "2.0.0")
    client.create_mcp_access_endpoint(NAME, "https://a.example", server_alias="next")
    client.update_mcp_server_version(NAME, "1.0.0", status=_status("draft"))
    placed = Hold(0, home.namespace, Scope.NAMESPACE, home.namespace, "an inquiry", "LEG-1", "noor", 1)
    home.house.catalog.write(lambda transaction: transaction.add_hold(placed))
    for call, words in (
        (client.delete_mcp_server, (NAME,)),
        (client.delete_mcp_server_version, (NAME, "2.0.0")),
        (client.delete_mcp_access_endpoint, (NAME, endpoint.id)),
        (client.delete_mcp_server_alias, (NAME, "next")),
    ):
        assert "legal hold" in refused(call, "PERMISSION_DENIED", *words)
    said: Any = {"status": _status("deleted")}
    refused(client.update_mcp_server_version, "PERMISSION_DENIED", NAME, "2.0.0", **said)
    after = client.get_mcp_server(NAME)
    assert (len(after.access_endpoints), after.aliases) == (2, {"next": "2.0.0"})


def test_a_namespace_with_servers_is_not_removed_and_leaves_nothing(home: Home, client: Any, weather: Any) -> None:
    with pytest.raises(StillInUse, match="still holds MCP servers"):
        remove_namespace(home.house, home.namespace)
    client.update_mcp_server_version(NAME, "1.0.0", status=_status("draft"))
    client.delete_mcp_server(NAME)
    remove_namespace(home.house, home.namespace)
    assert home.ask("GET", ONE)["status"] == 404


def test_another_namespace_s_server_is_not_there(home: Home, client: Any, weather: Any) -> None:
    endpoint = client.create_mcp_access_endpoint(NAME, "https://a.example", server_version="2.0.0")
    elsewhere = Home(home.address, home.house, "default")
    for path in ("", "/versions/1.0.0", f"/endpoints/{endpoint.id}", "/aliases/latest"):
        assert elsewhere.ask("GET", ONE + path)["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert elsewhere.ask("GET", f"{ROOT}/endpoints")["mcp_access_endpoints"] == []
    assert elsewhere.ask("DELETE", f"{ONE}/endpoints/{endpoint.id}")["status"] == 404


@pytest.mark.parametrize(
    "address",
    [
        *("http://8.8.8.8/a", "https://127.0.0.1/x", "https://127.1/", "https://0x7f.1/", "https://2130706433/"),
        *("https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://169.254.169.254/x", "https://user:secret@8.8.8.8/"),
        *("", " ", "https://", "/relative", "javascript:alert(1)", "data:image/png;base64,AAAA", "https://localhost/x"),
        *("https://[xx]/", "https://8.8.8.8:99999/", "file:///etc/passwd", "https://8.8.8.8/\0", "x" * 3_000),
    ],
)
def test_an_icon_is_somewhere_public_and_told_without_a_password(address: str, home: Home) -> None:
    told = home.ask("POST", ROOT, {"name": NAME, "icons": [{"src": address}]})
    assert (told["status"], told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "secret" not in told["message"]
    said = {"server_json": definition(icons=[{"src": address}])}
    assert home.ask("POST", f"{ONE}/versions", said)["error_code"] == "INVALID_PARAMETER_VALUE"
    assert home.ask("GET", ONE)["status"] == 404


def deep(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"a": value}
    return value


LARGE = "x" * MCP_DEFINITION_BYTES


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("", {}, "Invalid request: name: Field required"),
        ("", {"name": 5, "description": 6}, "name: Input should be a valid string; description: Input should be"),
        ("", {"name": "weather"}, "Invalid MCP server name"),
        ("", {"name": "a.b/versions"}, "Invalid MCP server name"),
        ("", {"name": "../etc/passwd"}, "Invalid MCP server name"),
        ("", {"name": "aa/" + "b" * 300}, "256"),
        ("", {"name": "aa/bb", "description": "a\0b"}, "not text"),
        ("", {"name": "aa/bb", "description": "x" * 40_000}, "32768"),
        ("", {"name": "aa/bb", "icons": [ICON] * 101}, "icons: List should have at most 100 items"),
        ("", {"name": "aa/bb", "icons": [{**ICON, "source": "version"}]}, "response-only"),
        ("", {"name": "aa/bb", "icons": [{**ICON, "mimeType": "text/html"}]}, "image/*"),
        ("", {"name": "aa/bb", "icons": [{**ICON, "x": "y" * 70_000}]}, "65536"),
        ("/1/versions", {}, "server_json: Field required"),
        ("/1/versions", {"server_json": {"server": 5}}, "server_json.server: Input should be a valid dictionary"),
        ("/1/versions", {"server_json": definition("v1")}, "Invalid semantic version for server_json.version: 'v1'"),
        ("/1/versions", {"server_json": definition("1.0.99999999999")}, "patch must be <= 2147483647"),
        ("/1/versions", {"server_json": {"name": "aa/bb", "version": "1.0.0"}}, "does not match path parameter"),
        ("/1/versions", {"server_json": definition(), "status": "deprecated"}, "must be 'draft' or 'active'"),
        ("/1/versions", {"server_json": definition(), "status": "odd"}, "Invalid status: 'odd'"),
        ("/1/versions", {"server_json": definition(packages=[{}])}, "packages.0.registryType: Field required"),
        ("/1/versions", {"server_json": definition(x=deep(300))}, "nested deeper"),
        ("/1/versions", {"server_json": definition(x=LARGE)}, "131072"),
        ("/1/versions", {"server_json": definition(), "tools": [{"name": "t"}] * 1_001}, "at most 1000 items"),
        ("/1/versions", {"server_json": definition(), "tools": [{"name": "x" * MCP_TOOLS_BYTES}]}, "524288"),
        ("/1/versions", {"server_json": definition(), "connect_options": {"a": {"hidden": "odd"}}}, "valid boolean"),
        ("/1/tags", {"key": "", "value": "x"}, "key"),
        ("/1/tags", {"key": "k" * 251, "value": "x"}, "250"),
        ("/1/tags", {"key": "k", "value": "x" * 5_001}, "5000"),
        ("/1/aliases", {"alias": "", "version": "1.0.0"}, "alias"),
        ("/1/aliases", {"alias": "a" * 257, "version": "1.0.0"}, "256"),
        ("/1/endpoints", {"url": "https://a.example"}, "Exactly one of server_version or server_alias"),
        ("/1/endpoints", {"url": " ", "server_version": "1.0.0"}, "cannot be empty"),
        ("/1/endpoints", {"url": "x" * 2_049, "server_version": "1.0.0"}, "2048"),
        ("/1/endpoints", {"url": "x", "server_version": "1.0.0", "transport_type": "stdio"}, "Invalid transport_type"),
    ],
)
def test_requests_that_are_none_are_refused(path: str, body: Any, says: str, home: Home) -> None:
    told = home.ask("POST", path.replace("/1", ONE, 1) if path else ROOT, body)
    assert (told["status"], told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert says in told["message"]
    assert home.ask("GET", ROOT)["mcp_servers"] == []


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", {"filter_string": "status = 'active' OR status = 'draft'"}),
        ("", {"filter_string": "description = 'x'"}),
        ("", {"filter_string": "has_access_endpoints = 'maybe'"}),
        ("", {"filter_string": "has_access_endpoints != 'true'"}),
        ("", {"filter_string": "tags.team IS NULL"}),
        ("", {"filter_string": "created_at > 'x'"}),
        ("", {"order_by": "status"}),
        ("", {"max_results": 0}),
        ("", {"max_results": "abc"}),
        ("", {"max_results": 1_001}),
        ("", {"max_results": 10**30}),
        ("", {"page_token": "eyJvZmZzZXQiOiAtNX0="}),
        ("/1/versions", {"filter_string": "version > 'abc'"}),
        ("/1/versions", {"filter_string": "version LIKE '1%'"}),
        ("/1/versions", {"filter_string": "version IN ('1.0.0')"}),
        ("/1/versions", {"order_by": "name"}),
        ("/endpoints", {"filter_string": "url = 'x'"}),
        ("/endpoints", {"max_results": 50_001}),
    ],
)
def test_searches_that_are_none_are_refused(path: str, asked: Any, home: Home, weather: Any) -> None:
    told = home.ask("GET", path.replace("/1", ONE, 1) if path.startswith("/1") else ROOT + path, fields=asked)
    assert (told["status"], told["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_server_is_reached_in_so_many_ways_and_no_more(home: Home, weather: Any) -> None:
    body = {"url": "https://a.example", "server_version": "1.0.0"}
    told = [home.ask("POST", f"{ONE}/endpoints", body)["status"] for _ in range(MCP_ENDPOINTS + 1)]
    assert told == [200] * MCP_ENDPOINTS + [400]


def test_a_field_is_said_by_being_there(home: Home, weather: Any) -> None:
    told = home.ask("PATCH", f"{ONE}/versions/1.0.0", {"status": None})
    assert told["message"] == "status cannot be null; omit the field to leave it unchanged"
    home.ask("PATCH", f"{ONE}/versions/1.0.0", {"tools": [{"name": "t", "odd": 1}]})
    assert home.ask("PATCH", f"{ONE}/versions/1.0.0", {})["tools"][0]["name"] == "t"
    assert home.ask("PATCH", f"{ONE}/versions/1.0.0", {"tools": None})["tools"] == []
    assert "read-only" in home.ask("PATCH", ONE, {"latest_version": "2.0.0"})["message"]
    assert json.dumps(home.ask("GET", ONE)).count("odd") == 0
