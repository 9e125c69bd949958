"""People who log in with an OpenID Connect provider, a real one and one that lies."""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from budwood.domain.limits import LOGIN_S
from budwood.errors import BadValue
from budwood.server.oidc import check_return
from tests.servers.issuers import Provider, SmallIssuer

CLIENT = "budwood-client"
SECRET = "not-shared"
LOOPBACK = "http://127.0.0.1:43210/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
WHOAMI = "/v1/whoami"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def server(start: Open, make_team: Callable[[], Path], provider: Provider) -> Iterator[Any]:
    """One whose people log in at the real provider."""
    with pytest.MonkeyPatch.context() as patch:
        configure(patch, provider.url, BUDWOOD_OIDC_ADMIT="acme.example, acme.org")
        yield start(make_team())


@pytest.fixture
def deceived(start: Open, make_team: Callable[[], Path], issuer: SmallIssuer) -> Iterator[Any]:
    """One whose people log in at the issuer that says what it is told to."""
    with pytest.MonkeyPatch.context() as patch:
        configure(patch, issuer.url, BUDWOOD_OIDC_ADMIT="acme.example")
        yield start(make_team())


def configure(patch: pytest.MonkeyPatch, issuer: str, **more: str) -> None:
    for name, value in {
        "BUDWOOD_ALLOW_NETWORKS": "127.0.0.0/8",
        "BUDWOOD_OIDC_ISSUER": issuer,
        "BUDWOOD_OIDC_CLIENT_ID": CLIENT,
        "BUDWOOD_OIDC_CLIENT_SECRET": SECRET,
        **more,
    }.items():
        patch.setenv(name, value)


def attempt(server: Any, provider: Provider, subject: str, nonce: str = "nonce", to: str = LOOPBACK) -> dict[str, str]:
    """The browser's part: what it comes back with."""
    offer = server.ask("GET", "/v1/login").value
    asked = {
        "response_type": "code",
        "client_id": offer["client_id"],
        "redirect_uri": to,
        "scope": offer["scope"],
        "state": "state",
        "nonce": nonce,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return provider.let_in(f"{offer['authorize_url']}?{urlencode(asked)}", subject)


def finish(server: Any, code: str, **changes: str) -> Any:
    asked = {"code": code, "verifier": VERIFIER, "nonce": "nonce", "redirect_uri": LOOPBACK, **changes}
    return server.ask("POST", "/v1/login", json=asked)


def log_in(server: Any, provider: Provider, subject: str, nonce: str = "") -> Any:
    nonce = nonce or f"nonce of {subject} {time.monotonic_ns()}"
    return finish(server, attempt(server, provider, subject, nonce)["code"], nonce=nonce)


def code(reply: Any) -> str:
    return str(reply.problem["code"])


def test_a_server_says_where_people_log_in(server: Any, provider: Provider) -> None:
    assert server.ask("GET", "/v1/login").value == {
        "issuer": provider.url,
        "client_id": CLIENT,
        "authorize_url": f"{provider.url}/oauth2/authorize",
        "scope": "openid email",
    }


def test_a_server_without_a_provider_offers_nothing(
    start: Open, make_team: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUDWOOD_OIDC_ISSUER", raising=False)
    plain = start(make_team())
    assert set(plain.ask("GET", "/v1/login").value.values()) == {""}
    assert finish(plain, "code").status == 404


def test_somebody_of_an_admitted_domain_gets_an_account_and_a_token(server: Any, provider: Provider) -> None:
    provider.user("u-1", email="Mara.Lind@acme.example", email_verified=True)
    first = log_in(server, provider, "u-1")
    assert first.status == 200, first
    record, secret = first.value["record"], first.value["secret"]
    assert (record["principal"], record["scopes"]) == ("mara.lind@acme.example", None)
    assert 0 < record["expires_ms"] - time.time() * 1000 <= LOGIN_S * 1000
    who = server.ask("GET", WHOAMI, token=secret).value
    assert (who["kind"], who["is_admin"], who["permissions"]) == ("person", False, {})
    provider.user("u-1", email="mara@elsewhere.example", email_verified=False)
    assert log_in(server, provider, "u-1").value["record"]["principal_id"] == record["principal_id"]


def test_the_account_an_admin_made_is_tied_once_and_for_ever(server: Any, provider: Provider) -> None:
    made = {"name": "jo", "email": "jo@partner.example"}
    assert server.ask("POST", "/v1/people", by="admin", json=made).status == 200
    provider.user("jo-1", email="Jo@partner.example", email_verified=True)
    assert log_in(server, provider, "jo-1").value["record"]["principal"] == "jo"
    provider.user("jo-2", email="jo@partner.example", email_verified=True)
    other = log_in(server, provider, "jo-2")
    assert (other.status, code(other)) == (403, "forbidden"), "the address has an owner already"
    assert log_in(server, provider, "jo-1").status == 200
    assert server.ask("PATCH", "/v1/people/jo", by="admin", json={"disabled": True}).status == 200
    assert log_in(server, provider, "jo-1").status == 403


STRANGERS: list[dict[str, Any]] = [
    {"email_verified": False},
    {"email_verified": "true"},
    {"email_verified": 1},
    {"email_verified": None},
    {"email": None},
    {"email": ["eve@acme.example"]},
    {"email": "eve@elsewhere.example"},
    {"email": "eve@sub.acme.example"},
    {"email": "eve@acme.example.evil.example"},
    {"email": "eve@evil.example@acme.example"},
    {"email": "@acme.example"},
    {"email": "acme.example"},
    {"email": "eve@evil.example\n@acme.example"},
    {"email": "\N{KELVIN SIGN}im@acme.example"},
    {"email": "eve@acme.example "},
    {"email": "eve/../x@acme.example"},
    {"email": "e" * 300 + "@acme.example"},
]


def test_nobody_else_is_let_in(deceived: Any, issuer: SmallIssuer) -> None:
    made = {"name": "kim", "email": "kim@acme.example"}
    assert deceived.ask("POST", "/v1/people", by="admin", json=made).status == 200
    for claims in STRANGERS:
        issuer.id_token = issuer.sign(login(issuer, **{"email": "eve@acme.example", **claims}))
        reply = finish(deceived, "code")
        assert (reply.status, code(reply)) == (403, "forbidden"), claims


def login(issuer: SmallIssuer, **changes: Any) -> dict[str, Any]:
    who = {"aud": CLIENT, "sub": "u", "nonce": "nonce", "email": "u@acme.example", "email_verified": True}
    return issuer.claims(**{**who, **changes})


BAD: dict[str, dict[str, Any]] = {
    "another attempt": {"nonce": "other"},
    "no attempt": {"nonce": None},
    "an attempt that is a list": {"nonce": ["nonce"]},
    "another client": {"aud": "other"},
    "another client, and not ours first": {"aud": [CLIENT, "other"]},
    "made for another": {"aud": [CLIENT, "other"], "azp": "other"},
    "one audience, made for another": {"azp": "other"},
    "another issuer": {"iss": "https://accounts.example"},
    "expired": {"iat": 1_700_000_000, "exp": 1_700_000_300},
    "nobody": {"sub": None},
    "an empty name": {"sub": ""},
}


def test_a_token_that_says_otherwise_logs_nobody_in(deceived: Any, issuer: SmallIssuer) -> None:
    for name, changes in BAD.items():
        issuer.id_token = issuer.sign(login(issuer, **changes))
        reply = finish(deceived, "code")
        assert (reply.status, code(reply)) == (401, "unauthenticated"), name
    for hostile in ("", "x", issuer.sign(login(issuer))[:-8] + "AAAAAAAA"):
        issuer.id_token = hostile
        assert finish(deceived, "code").status == 401
    issuer.id_token = issuer.sign(login(issuer))
    assert finish(deceived, "code", nonce="").status == 401
    assert finish(deceived, "code").status == 200
    several = login(issuer, aud=["other", CLIENT], azp=CLIENT)
    issuer.id_token = issuer.sign(several)
    assert finish(deceived, "code").status == 200


def test_the_code_is_exchanged_with_its_verifier_and_the_servers_own_secret(deceived: Any, issuer: SmallIssuer) -> None:
    issuer.challenge, issuer.id_token = CHALLENGE, issuer.sign(login(issuer))
    assert finish(deceived, "the code").status == 200
    assert issuer.forms[-1] == {
        "grant_type": "authorization_code",
        "code": "the code",
        "redirect_uri": LOOPBACK,
        "code_verifier": VERIFIER,
        "client_id": CLIENT,
    }
    stolen = finish(deceived, "the code", verifier="w" * 64)
    assert (stolen.status, "invalid_grant" in stolen.problem["message"]) == (401, True)
    assert b"<b>" not in stolen.body
    log = "".join(deceived.log)
    assert SECRET not in log + str(deceived.said)
    assert VERIFIER not in log


def test_a_code_is_good_once(server: Any, provider: Provider) -> None:
    provider.user("u-2", email="two@acme.example", email_verified=True)
    came = attempt(server, provider, "u-2", "once")
    assert finish(server, came["code"], nonce="once").status == 200
    assert finish(server, came["code"], nonce="once").status == 401
    assert finish(server, "made up").status == 401


def test_a_code_of_another_attempt_is_refused(server: Any, provider: Provider) -> None:
    """Somebody who makes you paste their code would have you work in their account."""
    provider.user("u-3", email="three@acme.example", email_verified=True)
    came = attempt(server, provider, "u-3", "theirs")
    assert finish(server, came["code"], nonce="mine").status == 401


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1.evil.example:80/callback",
        "http://127.0.0.1@evil.example/login/code",
        "http://localhost:43210/callback",
        "https://evil.example/login/code",
        "https://models.example.com/login/code?x",
        "https://models.example.com/login/code#x",
        "https://models.example.com/elsewhere",
        "https://models.example.com.evil.example/login/code",
        "https://user@models.example.com/login/code",
        "javascript:alert(1)//login/code",
        "http://127.0.0.1/callback",
        "http://[::1/login/code",
        "",
    ],
)
def test_a_login_returns_to_the_caller_or_to_our_own_page_only(uri: str) -> None:
    for good in (LOOPBACK, "https://models.example.com/login/code", "https://models.example.com/registry/login/code"):
        check_return(good, "models.example.com")
    with pytest.raises(BadValue):
        check_return(uri, "models.example.com")


def test_the_code_can_be_copied_from_our_page(server: Any, provider: Provider) -> None:
    page = server.url + "/login/code"
    provider.user("u-4", email="four@acme.example", email_verified=True)
    came = attempt(server, provider, "u-4", "four", to=page)
    where = urlsplit(came["to"])
    shown = server.ask("GET", f"{where.path}?{where.query}")
    assert f"<code>{came['code']}#state</code>" in shown.body.decode()
    assert shown.headers["content-type"].startswith("text/html")
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert shown.headers["cache-control"] == "no-store"
    assert b"<script" not in shown.body
    assert finish(server, came["code"], nonce="four", redirect_uri=page).status == 200


def test_what_stands_in_the_address_of_the_page_stays_text(server: Any) -> None:
    for said in ({"code": '<script>alert("1")</script>', "state": "'><img>"}, {"error": "<script>", "x": "<b>"}, {}):
        page = server.ask("GET", f"/login/code?{urlencode(said)}").body.decode()
        assert "<script" not in page
        assert "<img" not in page
        assert "<b>" not in page
    many = "&".join(f"a{number}=1" for number in range(50))
    assert server.ask("GET", f"/login/code?{many}").status == 200


def test_guessing_codes_is_slowed_before_the_provider_is_asked(deceived: Any, issuer: SmallIssuer) -> None:
    issuer.id_token = "x"
    said = [finish(deceived, "guess").status for _ in range(130)]
    assert said.count(429) >= 20
    assert len(issuer.forms) <= 110


def test_a_provider_that_fails_is_said_to(deceived: Any, issuer: SmallIssuer) -> None:
    issuer.status = 500
    for _ in range(3):
        reply = deceived.ask("GET", "/v1/login")
        assert (reply.status, code(reply)) == (503, "target_unreachable")
    assert len(issuer.asked) == 1


def test_who_was_let_in_stands_in_the_ledger(deceived: Any, issuer: SmallIssuer) -> None:
    issuer.id_token = issuer.sign(login(issuer))
    finish(deceived, "code")
    entries = deceived.ask("GET", "/v1/ledger?limit=1000", by="admin").value["entries"]
    mine = [entry for entry in entries if entry["actor"] == "u@acme.example"]
    assert [entry["action"] for entry in mine] == ["person.added", "person.logged-in"]
    assert issuer.url in json.dumps(mine)
