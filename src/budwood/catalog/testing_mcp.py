"""What the registry of MCP servers must do in every catalog."""

import json
from dataclasses import replace

import pytest

from budwood.catalog.api import Catalog
from budwood.catalog.mcp_api import McpSearch
from budwood.domain.limits import MCP_PAGE_BYTES
from budwood.domain.mcp.fields import ENDPOINTS, SERVERS, VERSIONS
from budwood.domain.mcp.records import McpEndpoint, McpServer, McpStatus, McpTransport, McpVersion
from budwood.domain.tracking.filters import Grammar, parse_filter, parse_orders
from budwood.errors import BadValue

LADDER = (
    "1.0.0-alpha.2",
    "1.0.0-alpha.10",
    "1.0.0-alpha.beta",
    "1.0.0-alpha-1",
    "1.0.0-beta",
    "1.0.0",
    "1.2.0",
    "1.10.0",
)
"""In the order of their precedence; it is no order of texts."""


def add_server(catalog: Catalog, name: str, namespace: str = "default", at_ms: int = 1, **said: str) -> McpServer:
    words = (said.get("display_name"), said.get("description"), said.get("icons"))
    new = McpServer(0, namespace, name, *words, "mara", "mara", at_ms, at_ms)
    return catalog.write(lambda transaction: transaction.add_mcp_server(new))


def add_version(
    catalog: Catalog,
    server: McpServer,
    version: str,
    status: McpStatus = McpStatus.DRAFT,
    *,
    at_ms: int = 1,
    size: int = 0,
    shows: bool = False,
) -> McpVersion:
    """``shows``: it becomes what its server shows."""
    definition = json.dumps({"name": server.name, "version": version, "x": "x" * size})
    said = (definition, status, None, None, "{}")
    new = McpVersion(0, server.id, server.name, version, *said, "mara", "mara", at_ms, at_ms)
    made = catalog.write(lambda transaction: transaction.add_mcp_version(new))
    if shows:
        catalog.write(lambda transaction: transaction.change_mcp_server(replace(server, newest=made.as_newest())))
    return made


def add_endpoint(
    catalog: Catalog, server: McpServer, number: int, version: McpVersion | None = None, alias: str | None = None
) -> McpEndpoint:
    transport = McpTransport.SSE if number % 2 else McpTransport.STREAMABLE_HTTP
    leads = (version.id if version else 0, version.version if version else None, alias)
    named = (f"ae-{server.namespace}-{number}", server.id, server.name, f"https://a.example/{number}", transport)
    new = McpEndpoint(*(0, *named, *leads, "mara", "mara", number, number))
    return catalog.write(lambda transaction: transaction.add_mcp_endpoint(server.namespace, new))


def asked(grammar: Grammar, text: str = "", *orders: str) -> McpSearch:
    return McpSearch(parse_filter(text, grammar), parse_orders(orders, grammar))


def servers(catalog: Catalog, text: str = "", *orders: str) -> list[str]:
    with catalog.read() as view:
        page = view.find_mcp_servers("default", asked(SERVERS, text, *orders))
    return [each.name.removeprefix("a.b/") for each in page.servers]


def versions(catalog: Catalog, server: McpServer, text: str = "", *orders: str) -> list[str]:
    with catalog.read() as view:
        page = view.find_mcp_versions(server.id, asked(VERSIONS, text, *orders))
    return [each.version for each in page.versions]


def endpoints(catalog: Catalog, search: McpSearch) -> list[str]:
    with catalog.read() as view:
        return [each.endpoint[-1] for each in view.find_mcp_endpoints("default", search).endpoints]


class McpSuite:
    """A subclass gives the fixture ``catalog``, with nothing in it."""

    def test_a_server_is_found_in_its_namespace_only(self, catalog: Catalog) -> None:
        catalog.write(lambda transaction: transaction.add_namespace("risk", at_ms=1))
        kept = add_server(catalog, "a.b/one", description="")
        other = add_server(catalog, "a.b/one", "risk")
        with catalog.read() as view:
            assert view.mcp_server("default", "a.b/one") == kept
            assert view.mcp_server("risk", "a.b/one") == other
            assert view.mcp_server("default", "a.b/two") is None
            assert (view.mcp_server_count("default"), view.mcp_server_count("nowhere")) == (1, 0)
        assert servers(catalog) == ["one"]

    def test_a_server_changes_in_what_may_change(self, catalog: Catalog) -> None:
        before = add_server(catalog, "a.b/one")
        version = add_version(catalog, before, "1.0.0", McpStatus.ACTIVE)
        after = replace(
            before,
            display_name="One",
            description=None,
            icons="[]",
            updated_by="juno",
            updated_ms=9,
            newest=version.as_newest(),
        )
        catalog.write(lambda transaction: transaction.change_mcp_server(after))
        for key in ("a", "b"):
            catalog.write(lambda transaction: transaction.put_mcp_tag(before.id, key, "1"))  # noqa: B023 used at once
        catalog.write(lambda transaction: transaction.put_mcp_tag(before.id, "a", "2"))
        assert catalog.write(lambda transaction: transaction.remove_mcp_tag(before.id, "b"))
        assert not catalog.write(lambda transaction: transaction.remove_mcp_tag(before.id, "b"))
        with catalog.read() as view:
            assert view.mcp_server("default", "a.b/one") == replace(after, tags={"a": "2"})

    def test_a_version_keeps_what_it_says_and_its_status_moves(self, catalog: Catalog) -> None:
        server = add_server(catalog, "a.b/one")
        before = add_version(catalog, server, "1.0.0")
        after = replace(
            before, status=McpStatus.DELETED, tools="[1]", options='{"a": 1}', updated_by="juno", updated_ms=7
        )
        catalog.write(lambda transaction: transaction.change_mcp_version(after))
        catalog.write(lambda transaction: transaction.put_mcp_version_tag(before.id, "k", "v"))
        catalog.write(lambda transaction: transaction.put_mcp_alias(server.id, "stable", before.id))
        with catalog.read() as view:
            assert view.mcp_version(server.id, "1.0.0") == replace(after, tags={"k": "v"}, aliases=("stable",))
            assert view.mcp_version(server.id, "1.0.1") is None
            (release,) = view.mcp_releases(server.id)
            assert (release.version, release.status, release.key[:3]) == ("1.0.0", McpStatus.DELETED, (1, 0, 0))
        assert versions(catalog, server) == []
        assert catalog.write(lambda transaction: transaction.remove_mcp_version_tag(before.id, "k"))
        assert not catalog.write(lambda transaction: transaction.remove_mcp_version_tag(before.id, "k"))

    def test_versions_are_ordered_by_precedence(self, catalog: Catalog) -> None:
        server = add_server(catalog, "a.b/one")
        for at_ms, version in enumerate(sorted(LADDER)):
            add_version(catalog, server, version, at_ms=at_ms)
        by_rank = [
            *("1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-alpha.beta", "1.0.0-alpha-1"),
            *("1.0.0-beta", "1.0.0", "1.2.0", "1.10.0"),
        ]
        assert versions(catalog, server, "", "version") == by_rank
        assert versions(catalog, server, "", "version DESC") == by_rank[::-1]
        assert versions(catalog, server) == sorted(LADDER)
        for at, version in enumerate(by_rank):
            assert versions(catalog, server, f"version < '{version}'", "version") == by_rank[:at]
            assert versions(catalog, server, f"version <= '{version}'", "version") == by_rank[: at + 1]
            assert versions(catalog, server, f"version > '{version}'", "version") == by_rank[at + 1 :]
            assert versions(catalog, server, f"version >= '{version}'", "version") == by_rank[at:]
        assert versions(catalog, server, "version = '1.0.0'") == ["1.0.0"]
        assert len(versions(catalog, server, "version != '1.0.0'")) == len(LADDER) - 1

    @pytest.mark.parametrize(
        ("text", "orders", "found"),
        [
            ("", (), ["four", "one", "three", "two"]),
            ("", ("created_at DESC",), ["four", "three", "two", "one"]),
            ("name LIKE 'a.b/t%'", ("name DESC",), ["two", "three"]),
            ("name IN ('a.b/one', 'a.b/two')", (), ["one", "two"]),
            ("name > 'a.b/one'", (), ["three", "two"]),
            ("display_name ILIKE 'SERVER%'", (), ["one", "two"]),
            # The others say none.
            ("display_name != 'server 1'", (), ["two"]),
            ("status = 'active'", (), ["one"]),
            ("status != 'active'", (), ["two"]),
            ("status NOT IN ('draft')", (), ["one"]),
            ("has_access_endpoints = 'true'", (), ["one"]),
            ("has_access_endpoints = 'FALSE'", (), ["four", "three", "two"]),
            ("tags.team = 'risk'", (), ["one", "three"]),
            ("tags.team != 'risk' AND created_at >= 2", (), ["two"]),
            ("tags.team LIKE 'r%' AND tags.`of it` = 'x'", (), ["three"]),
        ],
    )
    def test_servers_are_searched(self, text: str, orders: tuple[str, ...], found: list[str], catalog: Catalog) -> None:
        made = {name: add_server(catalog, f"a.b/{name}", at_ms=at) for at, name in enumerate(("one", "two"), 1)}
        for at, (name, status) in enumerate((("one", McpStatus.ACTIVE), ("two", McpStatus.DRAFT)), 1):
            version = add_version(
                catalog, replace(made[name], display_name=f"server {at}"), "1.0.0", status, shows=True
            )
            if name == "one":
                add_endpoint(catalog, made[name], 1, version)
        made |= {name: add_server(catalog, f"a.b/{name}", at_ms=at) for at, name in enumerate(("three", "four"), 3)}
        tags = (("one", "team", "risk"), ("two", "team", "fraud"), ("three", "team", "risk"), ("three", "of it", "x"))
        for name, key, value in tags:
            catalog.write(lambda transaction: transaction.put_mcp_tag(made[name].id, key, value))  # noqa: B023 at once
        assert servers(catalog, text, *orders) == found

    def test_an_endpoint_leads_to_what_it_says_as_long_as_that_is_there(self, catalog: Catalog) -> None:
        server = add_server(catalog, "a.b/one")
        first, second = add_version(catalog, server, "1.0.0"), add_version(catalog, server, "2.0.0", shows=True)
        catalog.write(lambda transaction: transaction.put_mcp_alias(server.id, "stable", first.id))
        direct = add_endpoint(catalog, server, 1, first)
        aliased = add_endpoint(catalog, server, 2, alias="stable")
        latest = add_endpoint(catalog, server, 3, alias="latest")
        add_endpoint(catalog, server, 4, alias="nobody")
        with catalog.read() as view:
            found = view.mcp_endpoints([server.id])[server.id]
            there = replace(first, aliases=("stable",))
            assert found == [
                replace(direct, resolved=there),
                replace(aliased, resolved=there),
                replace(latest, resolved=second),
            ]
            assert view.mcp_endpoint("default", direct.endpoint) == found[0]
            lost = view.mcp_endpoint("default", "ae-default-4")
            assert lost is not None
            assert lost.resolved is None
            assert view.mcp_endpoint("risk", direct.endpoint) is None
            assert view.mcp_endpoint_id_is_known(direct.endpoint)
            assert not view.mcp_endpoint_id_is_known("ae-default-5")
            assert view.mcp_endpoint_count(server.id) == 4
        gone = replace(first, status=McpStatus.DELETED)
        catalog.write(lambda transaction: transaction.change_mcp_version(gone))
        assert endpoints(catalog, McpSearch()) == ["3"]

    def test_endpoints_are_searched(self, catalog: Catalog) -> None:
        one, other = add_server(catalog, "a.b/one"), add_server(catalog, "a.b/other")
        first = add_version(catalog, one, "1.0.0", McpStatus.ACTIVE, shows=True)
        second = add_version(catalog, other, "1.0.0", shows=True)
        catalog.write(lambda transaction: transaction.put_mcp_alias(one.id, "stable", first.id))
        add_endpoint(catalog, one, 1, first)
        add_endpoint(catalog, one, 2, alias="stable")
        add_endpoint(catalog, one, 3, alias="latest")
        add_endpoint(catalog, other, 4, second)
        assert endpoints(catalog, McpSearch()) == ["1", "2", "3", "4"]
        assert endpoints(catalog, McpSearch(server_id=one.id)) == ["1", "2", "3"]
        assert endpoints(catalog, McpSearch(version="1.0.0")) == ["1", "4"]
        assert endpoints(catalog, McpSearch(alias="stable")) == ["2"]
        assert endpoints(catalog, McpSearch(alias="stable", version="1.0.0")) == []
        assert endpoints(catalog, asked(ENDPOINTS, "status = 'draft'")) == ["4"]
        assert endpoints(catalog, asked(ENDPOINTS, "transport_type = 'sse' AND server_name = 'a.b/one'")) == ["1", "3"]
        assert endpoints(catalog, asked(ENDPOINTS, "created_at > 1", "server_name DESC", "created_at DESC")) == [
            *("4", "3", "2"),
        ]

    def test_an_endpoint_changes_and_goes(self, catalog: Catalog) -> None:
        server = add_server(catalog, "a.b/one")
        version = add_version(catalog, server, "1.0.0", shows=True)
        before = add_endpoint(catalog, server, 1, version)
        after = replace(
            before,
            url="http://other.example",
            transport=McpTransport.STREAMABLE_HTTP,
            version_id=0,
            version=None,
            alias="latest",
            updated_by="juno",
            updated_ms=9,
        )
        catalog.write(lambda transaction: transaction.change_mcp_endpoint(after))
        with catalog.read() as view:
            assert view.mcp_endpoint("default", before.endpoint) == replace(after, resolved=version)
        for number, alias in ((2, "stable"), (3, "stable")):
            add_endpoint(catalog, server, number, alias=alias)
        add_endpoint(catalog, server, 4, version)
        assert catalog.write(lambda transaction: transaction.remove_mcp_endpoints_to(server.id, alias="stable")) == 2
        assert (
            catalog.write(lambda transaction: transaction.remove_mcp_endpoints_to(server.id, version_id=version.id))
            == 1
        )
        catalog.write(lambda transaction: transaction.remove_mcp_endpoint(before.id))
        assert endpoints(catalog, McpSearch()) == []

    def test_pages_go_on_where_they_ended(self, catalog: Catalog) -> None:
        for number in range(5):
            add_server(catalog, f"a.b/{number}", at_ms=1)
        search, token, found = asked(SERVERS, "", "created_at DESC"), "", list[str]()
        with catalog.read() as view:
            while True:
                page = view.find_mcp_servers("default", search, token=token, limit=2)
                found += [each.name for each in page.servers]
                token = page.token
                if not token:
                    break
            assert found == [f"a.b/{number}" for number in range(5)]
            first = view.find_mcp_servers("default", search, limit=1)
            with pytest.raises(BadValue):
                view.find_mcp_servers("default", McpSearch(), token=first.token)

    def test_a_page_ends_before_it_is_too_large_but_is_never_empty(self, catalog: Catalog) -> None:
        server = add_server(catalog, "a.b/one")
        size = MCP_PAGE_BYTES // 2
        made = [add_version(catalog, server, f"1.0.{number}", size=size, shows=True) for number in range(2)]
        for number in range(2):
            add_endpoint(catalog, server, number, made[number])
        with catalog.read() as view:
            page = view.find_mcp_versions(server.id, McpSearch())
            rest = view.find_mcp_versions(server.id, McpSearch(), token=page.token)
            assert ([each.id for each in page.versions], [each.id for each in rest.versions]) == (
                [made[0].id],
                [made[1].id],
            )
            assert (len(view.find_mcp_endpoints("default", McpSearch()).endpoints), rest.token) == (1, "")
        add_server(catalog, "a.b/two")
        with catalog.read() as view:
            both = view.find_mcp_servers("default", McpSearch())
            assert [each.name for each in both.servers] == ["a.b/one"]
            assert both.token

    def test_everything_goes_with_its_server(self, catalog: Catalog) -> None:
        server = add_server(catalog, "a.b/one")
        version = add_version(catalog, server, "1.0.0", shows=True)
        add_endpoint(catalog, server, 1, version)
        catalog.write(lambda transaction: transaction.put_mcp_alias(server.id, "stable", version.id))
        assert catalog.write(lambda transaction: transaction.remove_mcp_alias(server.id, "stable"))
        assert not catalog.write(lambda transaction: transaction.remove_mcp_alias(server.id, "stable"))
        catalog.write(lambda transaction: transaction.remove_mcp_server(server.id))
        again = add_server(catalog, "a.b/one")
        assert again.id > server.id
        with catalog.read() as view:
            assert view.mcp_releases(server.id) == view.mcp_releases(again.id) == []
            assert view.mcp_endpoint_count(server.id) == 0
