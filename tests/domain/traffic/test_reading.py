"""An endpoint is understood whole, or refused by the name of the field."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.domain.traffic.endpoint import Arm, Backend, KeyAuth, Quota, Rate, Retry, Rule, Sticky
from budwood.domain.traffic.fields import Act, FieldKind, FieldRule, Kind, Schema, TensorKind
from budwood.domain.traffic.reading import read_endpoint, resolved
from budwood.errors import BadEndpoint, BadSplit

GOOD: dict[str, Any] = {
    "apiVersion": "budwood.dev/v1",
    "kind": "Endpoint",
    "metadata": {"name": "fraud"},
    "spec": {
        "model": "fraud-detector",
        "arms": {
            "stable": {"version": "@champion", "backends": ["http://10.0.0.1:8080"], "health": "/v2/health/ready"},
            "canary": {"version": "v7", "backends": ["https://canary.example", "https://10.0.0.3:8443"]},
        },
        "split": {"stable": 99.5, "canary": "0.5%"},
        "sticky": {"header": "X-User-Id"},
        "rules": [{"header": "x-group", "is": "internal", "to": "canary"}, {"header": "x-beta", "to": "canary"}],
        "auth": {"keys": {"header": "x-api-key"}},
        "rate": {"requests": 100, "per": "1m"},
        "tenantRates": {"acme": {"requests": 5_000, "per": "1m"}},
        "retries": {"times": 2},
        "timeout": "5s",
        "addResponseHeaders": {"cache-control": "no-store"},
    },
}


def changed(path: str, value: object) -> dict[str, Any]:
    document: Any = deepcopy(GOOD)
    *above, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place = document
    for part in above:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document  # type: ignore[no-any-return]


def test_an_endpoint_says_what_is_written() -> None:
    wanted = read_endpoint(GOOD, "default")
    assert [(arm.name, arm.version) for arm in wanted.arms] == [("stable", "champion"), ("canary", "v7")]
    assert wanted.split == {"stable": 9_950, "canary": 50}
    assert wanted.arms[1].backends == (Backend("canary.example", 443, True), Backend("10.0.0.3", 8443, True))
    arms = {name: Arm(name, number, "ab", ()) for number, name in enumerate(("stable", "canary"), 1)}
    endpoint = resolved(wanted, arms, "salt")
    assert endpoint.arms == tuple(arms.values())
    assert endpoint.sticky == Sticky("x-user-id", "salt")
    assert endpoint.baseline == "stable"
    assert endpoint.asks_at == "/v2/models/fraud-detector/infer"
    assert endpoint.rules == (Rule("x-group", "internal", "canary"), Rule("x-beta", "", "canary"))
    assert endpoint.keys == KeyAuth("x-api-key")
    assert (endpoint.rate, endpoint.tenant_rates) == (Rate(100, 60), {"acme": Rate(5_000, 60)})
    assert (endpoint.retry, endpoint.timeout_s) == (Retry(2), 5)


def test_rules_may_name_a_tenant_and_users_may_be_those_of_tokens() -> None:
    document = changed("spec/rules", [{"tenant": "acme", "to": "canary"}])
    tokens = {"issuer": "i", "jwks": '{"keys": []}', "userClaim": "sub"}
    more = {"auth": {"tokens": tokens}, "sticky": {"user": "token"}, "adapters": ["tone-fr"]}
    document["spec"].update(more)
    wanted = read_endpoint(document, "default")
    assert wanted.body.rules == (Rule("x-budwood-tenant", "acme", "canary"),)
    assert (wanted.sticky_header, wanted.body.adapters) == ("x-budwood-user", ("tone-fr",))
    del document["spec"]["auth"], document["spec"]["tenantRates"], document["spec"]["sticky"]
    with pytest.raises(BadEndpoint, match="names a tenant, and nobody says who they are"):
        read_endpoint(document, "default")


@pytest.mark.parametrize(
    ("path", "value", "field", "said"),
    [
        ("kind", "Endpoit", "kind", "Write kind: Endpoint."),
        ("metadata/name", "Fraud Detector", "metadata.name", "Lower-case"),
        ("spec/arms", {}, "spec.arms", "From 1 to 20"),
        ("spec/arms/stable/version", None, "spec.arms.stable.version", "Give version."),
        ("spec/arms/stable/backends", ["ftp://x"], "spec.arms.stable.backends[0]", "http://host:port"),
        ("spec/arms/stable/backends", ["http://u:p@x"], "spec.arms.stable.backends[0]", "without credentials"),
        ("spec/arms/stable/backends", ["http://x/path"], "spec.arms.stable.backends[0]", "spec.path"),
        ("spec/arms/stable/backends", ["http://x:99999"], "spec.arms.stable.backends[0]", "http://host:port"),
        ("spec/arms/stable/backends", ["http://x", "https://y"], "spec.arms.stable.backends", "Use one of them"),
        ("spec/arms/stable/backends", [], "spec.arms.stable.backends", "from 1 to"),
        ("spec/baseline", "blue", "spec.baseline", "stable, canary"),
        ("spec/split/stable", float("nan"), "spec.split.stable", "from 0 to 100"),
        ("spec/split/blue", 0, "spec.split.blue", "one of the arms"),
        ("spec/sticky/header", "x-budwood-user", "spec.sticky.header", "not x-budwood-"),
        ("spec/sticky/header", "x user", "spec.sticky.header", "x-user-id"),
        ("spec/rules/0/to", "blue", "spec.rules[0].to", "one of the arms"),
        ("spec/rules/0/header", "x-budwood-tenant", "spec.rules[0].header", "not x-budwood-"),
        ("spec/rules/0/is", "%REQ(x)%", "spec.rules[0].is", "without %"),
        ("spec/auth", {"keys": {"header": "a"}, "tokens": {}}, "spec.auth", "Choose one"),
        ("spec/auth", {"tokens": {"issuer": "i", "jwks": "http://x"}}, "spec.auth.tokens.jwks", "Paste"),
        ("spec/auth", None, "spec.tenantRates", "Add spec.auth"),
        ("spec/rules/0/tenant", "acme", "spec.rules[0]", "{tenant: acme, to: canary}"),
        ("spec/rules/0/header", None, "spec.rules[0]", "or a header"),
        ("spec/sticky", {"user": "token"}, "spec.sticky.user", "userClaim"),
        ("spec/sticky", {"user": "cookie"}, "spec.sticky.user", "token"),
        ("spec/adapters", ["tone fr"], "spec.adapters[0]", "Letters"),
        ("spec/rate/requests", 0, "spec.rate.requests", "from 1"),
        ("spec/rate/per", "2d", "spec.rate.per", "From 1s to 1d"),
        ("spec/retries/times", 50, "spec.retries.times", "from 0 to 5"),
        ("spec/timeout", "2d", "spec.timeout", "From 1s to 1h"),
        ("spec/path", "/a/../b", "spec.path", "A plain path"),
        ("spec/addResponseHeaders", {"a b": "c"}, "spec.addResponseHeaders.a b", "A header's name"),
        ("spec/addResponseHeaders", {"a": "%DOWNSTREAM_REMOTE_ADDRESS%"}, "spec.addResponseHeaders.a", "without %"),
        ("spec/splits", {}, "spec.splits", "Did you mean split?"),
    ],
)
def test_what_is_wrong_is_named_with_its_fix(path: str, value: object, field: str, said: str) -> None:
    with pytest.raises(BadEndpoint) as refused:
        read_endpoint(changed(path, value), "default")
    assert refused.value.facts["field"] == field
    assert said in f"{refused.value} {refused.value.hint}"


def test_bodies_are_mapped_and_checked_by_rules() -> None:
    document = changed("spec/requestFields", [{"move": "customer.id", "to": "user"}, {"default": "n", "value": [1.5]}])
    spec = document["spec"]
    spec["responseFields"] = [{"remove": "debug"}]
    spec["renameRequestHeaders"] = {"X-Old": "x-new"}
    spec["quota"] = {"tokens": 1_000, "per": "1d"}
    spec["schema"] = {"fields": {"amount": "number"}, "optional": {"a.b": "string|null"}}
    body = read_endpoint(document, "default").body
    assert body.request_fields == (
        FieldRule(Act.MOVE, ("customer", "id"), ("user",)),
        FieldRule(Act.DEFAULT, ("n",), value="[1.5]"),
    )
    assert body.response_fields == (FieldRule(Act.REMOVE, ("debug",)),)
    assert body.rename_request_headers == {"x-old": "x-new"}
    assert body.quota == Quota(1_000, 86_400)
    assert body.schema == Schema(
        (FieldKind(("amount",), (Kind.NUMBER,)), FieldKind(("a", "b"), (Kind.STRING, Kind.NULL), required=False))
    )
    spec["schema"] = {"tensors": {"x": {"datatype": "FP64", "shape": [-1, 4]}}}
    assert read_endpoint(document, "default").body.schema == Schema(tensors=(TensorKind("x", "FP64", (-1, 4)),))


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("requestFields", [{"move": "a"}], "spec.requestFields[0]"),
        ("requestFields", [{"move": "a.b", "to": "a.b.c"}], "spec.requestFields[0].to"),
        ("requestFields", [{"remove": "a..b"}], "spec.requestFields[0].remove"),
        ("requestFields", [{"remove": ".".join("abcdefghi")}], "spec.requestFields[0].remove"),
        ("requestFields", [{"default": "a", "value": float("nan")}], "spec.requestFields[0].value"),
        ("requestFields", [{"default": "a", "value": "x" * 5_000}], "spec.requestFields[0].value"),
        ("responseFields", [{"remove": "a"}] * 51, "spec.responseFields"),
        ("renameRequestHeaders", {"host": "x-host"}, "spec.renameRequestHeaders.host"),
        ("renameRequestHeaders", {"x-user-id": "x-user"}, "spec.renameRequestHeaders"),
        ("renameResponseHeaders", {"x-budwood-version": "x"}, "spec.renameResponseHeaders.x-budwood-version"),
        ("schema", {}, "spec.schema"),
        ("schema", {"fields": {"a": "float"}}, "spec.schema.fields.a"),
        ("schema", {"fields": {"a": "number"}, "optional": {"a": "number"}}, "spec.schema"),
        ("schema", {"tensors": {"x": {"datatype": "FP128", "shape": [1]}}}, "spec.schema.tensors.x.datatype"),
        ("schema", {"tensors": {"x": {"datatype": "FP64", "shape": [-2]}}}, "spec.schema.tensors.x.shape"),
        ("quota", {"tokens": 0, "per": "1d"}, "spec.quota.tokens"),
        ("quota", {"tokens": 5, "per": "1s"}, "spec.quota.per"),
    ],
)
def test_a_rule_that_cannot_be_obeyed_is_refused(name: str, value: object, field: str) -> None:
    with pytest.raises(BadEndpoint) as refused:
        read_endpoint(changed(f"spec/{name}", value), "default")
    assert refused.value.facts["field"] == field


def test_weights_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(BadSplit, match="add up to 10049"):
        read_endpoint(changed("spec/split/canary", 0.99), "default")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
PLACES = ("spec", "spec/arms", "spec/arms/stable", "spec/split", "spec/rules/0", "spec/auth", "spec/rate", "metadata")


@given(PLAIN, st.sampled_from(PLACES))
def test_whatever_stands_in_a_document_it_is_read_or_refused(value: object, path: str) -> None:
    try:
        read_endpoint(changed(path, value), "default")
        read_endpoint(value, "default")
    except (BadEndpoint, BadSplit):
        return
