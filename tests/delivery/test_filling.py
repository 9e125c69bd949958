"""Messages are filled as protobuf's own reading of JSON fills them."""

from typing import Any

import pytest

pytest.importorskip("grpc")

from google.protobuf import json_format

from budwood.delivery.gateway.config import Place, clusters, listener, runtime
from budwood.delivery.gateway.routes import table
from budwood.delivery.shadow.listener import shadow_cluster, shadow_listener
from budwood.delivery.xds.messages import encoded, kind_of
from budwood.delivery.xds.snapshot import CLUSTER, LISTENER, ROUTES, RUNTIME
from budwood.domain.traffic.endpoint import Arm, Backend, Endpoint, KeyAuth, Retry, Routing, Rule, Shadow, Sticky
from budwood.domain.traffic.segments import first_table

PLACE = Place("127.0.0.1", 8080, "/var/log/access.log")
ENDPOINT = Endpoint(
    *("default", "fraud", "fraud-detector", "stable"),
    (
        Arm("stable", 1, "aa" * 32, (Backend("10.0.0.1", 80), Backend("model.example", 443, tls=True)), ("1.0.0",)),
        Arm("canary", 2, "bb" * 32, (Backend("10.0.0.2", 80),), (), "/healthz"),
    ),
    sticky=Sticky("x-user-id", "salt"),
    rules=(Rule("x-team", "ours", "canary"),),
    keys=KeyAuth("x-api-key", {"secret": "acme"}),
    retry=Retry(2),
    add_response_headers={"x-by": "us"},
)
ROUTING = Routing(ENDPOINT, 7, first_table({"stable": 9_000, "canary": 1_000}), True, Shadow("canary", 500))


def every() -> list[tuple[str, dict[str, Any]]]:
    routings = {ROUTING.key: ROUTING}
    return [
        (ROUTES, table(ROUTING)),
        (RUNTIME, runtime(routings)),
        *((CLUSTER, each) for each in clusters(routings)),
        (CLUSTER, shadow_cluster(PLACE.log)),
        (LISTENER, listener(PLACE)),
        (LISTENER, shadow_listener(PLACE.log)),
    ]


@pytest.mark.parametrize(("kind", "plain"), every())
def test_what_gateways_are_told_is_read_as_protobuf_reads_it(kind: str, plain: dict[str, Any]) -> None:
    from budwood.delivery.xds.messages import _pool

    wanted = json_format.ParseDict(plain, kind_of(kind)(), descriptor_pool=_pool())
    made = kind_of(kind).FromString(encoded(kind, plain))
    assert json_format.MessageToDict(made, descriptor_pool=_pool()) == json_format.MessageToDict(
        wanted, descriptor_pool=_pool()
    )


@pytest.mark.parametrize(
    "plain",
    [
        {"nam": "a"},
        {"name": 3},
        {"name": ["a"]},
        {"virtual_hosts": [{"domain": "*"}]},
        {"virtual_hosts": 3},
        {"virtual_hosts": [{"routes": [{"match": {"path": "/"}, "route": {"timeout": "soon"}}]}]},
        {"virtual_hosts": [{"require_tls": "SOMETIMES"}]},
        {"typed_per_filter_config": {"a": {"@type": "type.googleapis.com/no.such.Message"}}},
        {"typed_per_filter_config": {"a": {"value": 1}}},
    ],
)
def test_what_does_not_fit_is_refused(plain: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"envoy\.config|RouteConfiguration"):
        encoded(ROUTES, plain)
