"""What a server says of itself: OpenAPI, the page to read, and docs/api.md, all from the one table."""

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from budwood.domain.routes import ROUTES
from budwood.domain.routes.route import SAFE_METHODS, Body, Route
from budwood.errors import BudwoodError
from budwood.server.openapi import document
from budwood.server.pages import markdown
from tests.server.write_api_page import PAGE


def test_the_description_is_openapi(team: Any) -> None:
    reply = team.ask("GET", "/openapi.json")
    assert reply.headers["content-type"] == "application/json"
    OpenAPIV31SpecValidator(reply.value).validate()
    assert reply.value["openapi"].startswith("3.1")


def test_every_route_is_described_with_its_types_and_permission() -> None:
    described = document(ROUTES, "0")
    for route in ROUTES:
        operation = described["paths"][route.path][route.method.lower()]
        assert operation["operationId"] == route.name
        assert str(route.permission) in operation["description"]
        assert str(route.status) in operation["responses"]
        for kind in (route.request, route.response):
            assert kind is None or kind.__name__ in described["components"]["schemas"]


def test_the_page_to_read_names_every_route_and_fetches_nothing_from_elsewhere(team: Any) -> None:
    reply = team.ask("GET", "/docs")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    page = reply.body.decode()
    assert [route.name for route in ROUTES if f'id="{route.name}"' not in page] == []
    assert set(re.findall(r'(?:src|href)="([^"#]+)"', page)) == {"/docs/style.css", "/openapi.json"}
    assert "<script" not in page
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert team.ask("GET", "/docs/style.css").headers["content-type"] == "text/css; charset=utf-8"


def test_the_document_on_the_api_is_current() -> None:
    assert PAGE.read_text("utf-8") == markdown(ROUTES), "run: python -m tests.server.write_api_page"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_line_of_the_table_is_whole(route: Route) -> None:
    assert route.path.startswith(
        ("/v1/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/login/", "/api/v1/lineage")
    )
    assert route.summary.endswith(".")
    assert not (route.request and route.method in SAFE_METHODS)
    # OpenLineage's body is another standard's: what is ours stands in the address.
    assert not (route.request and route.query) or route.name == "lineage.tell"
    assert (route.response is not None) == (route.gives is Body.JSON)
    assert all(issubclass(error, BudwoodError) for error in route.errors)


def test_figures_are_in_the_format_of_prometheus(team: Any) -> None:
    team.ask("GET", "/v1/whoami", by="reader")
    reply = team.ask("GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = reply.body.decode()
    assert re.search(r'^budwood_http_requests_total\{route="whoami",method="GET",status="2xx",.*\} \d+$', text, re.M)
    assert "ours" not in text
    assert "reader" not in text


def test_health_and_readiness(team: Any) -> None:
    assert team.ask("GET", "/healthz").value["status"] == "ok"
    assert team.ask("GET", "/readyz").value["parts"] == {"catalog": "ok", "store": "ok", "process": "ok"}
