"""A gateway lets in whom an endpoint knows, by key or token, and tells backends who they are."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace

import pytest

from budwood.domain.traffic.endpoint import TENANT_HEADER, Endpoint, KeyAuth, Routing, Rule, Sticky, TokenAuth
from budwood.domain.traffic.segments import first_table

from .conftest import Gateway

PREDICT = "/predict/fraud"
ALL = first_table({"stable": 10_000})
KEYS = KeyAuth("x-api-key", {"key-acme": "acme", "key-zeta": "zeta"})
SECRET = b"0123456789abcdef0123456789abcdef"


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


JWKS = json.dumps({"keys": [{"kty": "oct", "kid": "k1", "alg": "HS256", "k": b64(SECRET)}]})
TOKENS = TokenAuth("issuer", JWKS, "budwood", "org", "sub")


def token(secret: bytes = SECRET, **claims: object) -> str:
    said = {"iss": "issuer", "aud": "budwood", "exp": int(time.time()) + 600, "org": "acme", "sub": "mara", **claims}
    text = b64(b'{"alg": "HS256", "kid": "k1"}') + "." + b64(json.dumps(said).encode())
    return "Bearer " + text + "." + b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())


def test_a_client_is_known_by_its_key_and_the_key_goes_no_further(gateway: Gateway, endpoint: Endpoint) -> None:
    gateway.obey(Routing(replace(endpoint, keys=KEYS), 1, ALL))
    answer = gateway.ask(PREDICT, {"x-api-key": "key-acme", TENANT_HEADER: "zeta"})
    assert answer.status == 200
    assert answer.heard[TENANT_HEADER] == "acme"
    assert "x-api-key" not in answer.heard
    assert gateway.ask("/predict/fraud/v2", {"x-api-key": "key-zeta"}).heard[TENANT_HEADER] == "zeta"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": "wrong"},
        {"x-api-key": ""},
        {"x-api-key": "none"},
        {"x-budwood-open": "1"},
        {"x-key": "key-acme"},
    ],
)
@pytest.mark.parametrize("path", [PREDICT, "/predict/fraud/v2", "/v2/models/fraud/infer"])
def test_nobody_else_is_let_in_and_is_told_so_in_json(keyed: Gateway, path: str, headers: dict[str, str]) -> None:
    answer = keyed.ask(path, headers)
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/json"
    assert answer.said["error"]["code"] == 401


@pytest.fixture(scope="module")
def keyed(one_gateway: Gateway, one_endpoint: Endpoint) -> Gateway:
    one_gateway.obey(Routing(replace(one_endpoint, keys=KEYS), 1, ALL))
    return one_gateway


def test_an_endpoint_whose_clients_are_all_gone_is_open_to_nobody(gateway: Gateway, endpoint: Endpoint) -> None:
    gateway.obey(Routing(replace(endpoint, keys=KeyAuth("x-api-key")), 1, ALL))
    for headers in ({}, {"x-api-key": "none"}, {"x-api-key": "key-acme"}, {"x-budwood-open": "1"}):
        assert gateway.ask(PREDICT, headers).status in (401, 403)
    gateway.obey(Routing(replace(endpoint, keys=KEYS), 1, ALL))
    assert gateway.ask(PREDICT, {"x-api-key": "key-acme"}).status == 200


def test_a_key_opens_the_endpoint_it_was_drawn_for(gateway: Gateway, endpoint: Endpoint) -> None:
    other = replace(endpoint, name="texts", keys=KeyAuth("x-api-key", {"key-texts": "acme"}))
    gateway.obey(Routing(replace(endpoint, keys=KEYS), 1, ALL), Routing(other, 1, ALL))
    assert gateway.ask("/predict/texts", {"x-api-key": "key-texts"}).status == 200
    assert gateway.ask("/predict/texts", {"x-api-key": "key-acme"}).status == 401
    assert gateway.ask(PREDICT, {"x-api-key": "key-texts"}).status == 401


def test_a_tokens_tenant_and_user_are_told_to_the_backend(gateway: Gateway, endpoint: Endpoint) -> None:
    open_one = replace(endpoint, name="open")
    gateway.obey(Routing(replace(endpoint, tokens=TOKENS), 1, ALL), Routing(open_one, 1, ALL))
    spoofed = {TENANT_HEADER: "zeta", "x-budwood-user": "admin"}
    answer = gateway.ask(PREDICT, {"authorization": token(), **spoofed})
    assert answer.status == 200
    assert (answer.heard[TENANT_HEADER], answer.heard["x-budwood-user"]) == ("acme", "mara")
    heard = gateway.ask("/predict/open", spoofed).heard
    assert not {TENANT_HEADER, "x-budwood-user"} & heard.keys()


@pytest.mark.parametrize(
    "said",
    [
        "",
        "Bearer x",
        token(b"another secret of the same length"),
        token(iss="somebody"),
        token(aud="elsewhere"),
        token(exp=1_000),
        "Bearer " + b64(b'{"alg":"none"}') + "." + b64(b'{"iss":"issuer","aud":"budwood"}') + ".",
    ],
)
def test_a_token_that_is_none_opens_nothing(tokened: Gateway, said: str) -> None:
    answer = tokened.ask(PREDICT, {"authorization": said} if said else {})
    assert answer.status in (401, 403)
    assert answer.said["error"]["message"]


@pytest.fixture(scope="module")
def tokened(one_gateway: Gateway, one_endpoint: Endpoint) -> Gateway:
    one_gateway.obey(Routing(replace(one_endpoint, tokens=TOKENS), 2, ALL))
    return one_gateway


def test_rules_by_tenant_are_for_who_was_let_in(gateway: Gateway, endpoint: Endpoint) -> None:
    ruled = replace(endpoint, keys=KEYS, rules=(Rule(TENANT_HEADER, "acme", "canary"),))
    gateway.obey(Routing(ruled, 1, ALL))
    assert {gateway.ask(PREDICT, {"x-api-key": "key-acme"}).arm for _ in range(20)} == {"canary"}
    assert {gateway.ask(PREDICT, {"x-api-key": "key-zeta", TENANT_HEADER: "acme"}).arm for _ in range(20)} == {"stable"}
    assert gateway.ask(PREDICT, {TENANT_HEADER: "acme"}).status == 401
    gateway.obey(Routing(replace(ruled, keys=None, tokens=TOKENS), 2, ALL))
    assert gateway.ask(PREDICT, {"authorization": token()}).arm == "canary"
    assert gateway.ask(PREDICT, {"authorization": token(org="zeta")}).arm == "stable"


def test_a_tokens_user_keeps_their_arm(gateway: Gateway, endpoint: Endpoint) -> None:
    sticky = replace(endpoint, tokens=TOKENS, sticky=Sticky("x-budwood-user", "s"))
    table = first_table({"stable": 5_000, "canary": 5_000})
    gateway.obey(Routing(sticky, 1, table))
    for number in range(30):
        user = f"user-{number}"
        answer = gateway.ask(PREDICT, {"authorization": token(sub=user), "x-budwood-user": "somebody else"})
        assert answer.arm == table.arm_of("s", user)


def test_the_kill_switch_holds_for_whom_a_rule_names(gateway: Gateway, endpoint: Endpoint) -> None:
    ruled = replace(endpoint, keys=KEYS, rules=(Rule(TENANT_HEADER, "acme", "canary"),))
    gateway.obey(Routing(ruled, 1, ALL, killed=True))
    assert gateway.ask(PREDICT, {"x-api-key": "key-acme"}).arm == "stable"
    assert gateway.ask(PREDICT).status == 401
