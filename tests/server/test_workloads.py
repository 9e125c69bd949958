"""Jobs that come with a token of their own issuer: who gets a token for it, for what, and everybody who does not."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from joserfc.jwk import RSAKey

from budwood.domain.limits import ISSUERS_AT_ONCE, KEYS_KEPT_S, PROOF_S, SKEW_S, WORKLOAD_S
from budwood.errors import BudwoodError, Unauthenticated
from budwood.server.jwt import Jwt, check_times
from budwood.server.jwt_keys import candidates, is_signed, read_keys
from budwood.server.oidc import AGAIN_MS, Issuers
from budwood.server.outgoing import Answer
from tests.servers.issuers import SmallIssuer, other_keys

AUDIENCE = "budwood"
SUBJECT = "repo:acme/encoder"
TAGS = "/v1/models/ours/encoder/versions/v1/tags"
LOG = "/v1/models/ours/encoder/log"
CHANGE = {"put": {"built": "yes"}}


@pytest.fixture(scope="module")
def server(start: Callable[..., Any], make_team: Callable[[], Path]) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDWOOD_ALLOW_NETWORKS", "127.0.0.0/8")
        yield start(make_team())


def trust(server: Any, small: SmallIssuer, by: str = "owner", namespace: str = "ours", **wish: Any) -> Any:
    asked = {"issuer": small.url, "audience": AUDIENCE, "subject": SUBJECT, "role": "writer", **wish}
    return server.ask("POST", f"/v1/namespaces/{namespace}/trusts", by=by, json=asked)


def prove(server: Any, token: str) -> Any:
    return server.ask("POST", "/v1/workloads/token", json={"token": token})


def code(reply: Any) -> str:
    return str(reply.problem["code"])


def test_a_trusted_job_gets_a_short_token_for_what_its_trust_says(server: Any, issuer: SmallIssuer) -> None:
    assert trust(server, issuer).status == 200
    issued = prove(server, issuer.sign())
    assert issued.status == 200, issued
    record, secret = issued.value["record"], issued.value["secret"]
    assert record["scopes"] == ["ours:push", "ours:read"]
    assert 0 < record["expires_ms"] - time.time() * 1000 <= WORKLOAD_S * 1000
    who = server.ask("GET", "/v1/whoami", token=secret).value
    assert (who["kind"], who["permissions"]) == ("workload", {"ours": ["push", "read"]})
    assert who["name"].startswith("repo-acme-encoder-")
    assert server.ask("PATCH", TAGS, token=secret, json=CHANGE).status == 200
    assert server.ask("GET", "/v1/models/theirs/secret/log", token=secret).status == 404
    assert server.ask("POST", "/v1/tokens", token=secret, json={"name": "more"}).status == 403
    ledger = server.ask("GET", "/v1/ledger?limit=1000", by="admin").value["entries"]
    actions = [(entry["action"], entry["actor"]) for entry in ledger]
    assert ("workload.added", who["name"]) in actions
    assert ("workload.admitted", who["name"]) in actions


def test_a_proof_may_be_shown_again_while_it_is_good(server: Any, issuer: SmallIssuer) -> None:
    trust(server, issuer)
    token = issuer.sign()
    first, second = prove(server, token), prove(server, token)
    assert first.value["record"]["principal"] == second.value["record"]["principal"]
    assert first.value["secret"] != second.value["secret"]
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_an_issuer_nobody_trusts_is_not_asked_anything(server: Any, issuer: SmallIssuer) -> None:
    reply = prove(server, issuer.sign())
    assert (reply.status, code(reply)) == (401, "unauthenticated")
    assert issuer.asked == []
    trust(server, issuer)
    with_slash = prove(server, issuer.sign(issuer.claims(iss=issuer.url + "/")))
    assert with_slash.status == 401
    assert issuer.asked == []


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "repo:acme/encoder2"},
        {"sub": "repo:acme/encode"},
        {"sub": "REPO:acme/encoder"},
        {"sub": "repo:acme/*"},
        {"aud": "budwood2"},
        {"aud": "Budwood"},
        {"ref": "refs/heads/other"},
        {"ref": True},
        {"ref": ["refs/heads/main"]},
        {"ref": None},
    ],
    ids=str,
)
def test_what_no_trust_says_exactly_is_forbidden(claims: dict[str, Any], server: Any, issuer: SmallIssuer) -> None:
    trust(server, issuer, claims={"ref": "refs/heads/main"})
    assert prove(server, issuer.sign(issuer.claims(ref="refs/heads/main"))).status == 200
    reply = prove(server, issuer.sign(issuer.claims(**{"ref": "refs/heads/main", **claims})))
    assert (reply.status, code(reply)) == (403, "forbidden")


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "for several": {"aud": [AUDIENCE, "https://elsewhere.example"]},
    "for nobody": {"aud": None},
    "for an empty list": {"aud": []},
    "for a number": {"aud": 5},
    "expired": {"iat": 1_700_000_000, "exp": 1_700_000_300},
    "never expires": {"exp": None},
    "expires in 2099": {"exp": 4_070_908_800},
    "expires never, as a text": {"exp": "4070908800"},
    "expires at infinity": {"exp": 1e400},
    "expires at true": {"exp": True},
    "not good yet": {"nbf": time.time() + SKEW_S + 86_400},
    "nbf is a text": {"nbf": "0"},
    "made tomorrow": {"iat": time.time() + 86_400, "exp": time.time() + 86_700},
    "made never": {"iat": None},
    "good too long": {"iat": time.time() - 10, "exp": time.time() + PROOF_S},
    "no subject": {"sub": None},
    "a list of subjects": {"sub": [SUBJECT]},
    "a subject of two lines": {"sub": SUBJECT + "\n"},
    "a number for an issuer": {"iss": 1},
}


@pytest.mark.parametrize("name", BAD_CLAIMS)
def test_a_token_with_bad_claims_is_refused(name: str, server: Any, issuer: SmallIssuer) -> None:
    trust(server, issuer)
    reply = prove(server, issuer.sign(issuer.claims(**BAD_CLAIMS[name])))
    assert (reply.status, code(reply)) == (401, "unauthenticated"), reply


def test_times_are_judged_with_a_minute_to_spare(server: Any, issuer: SmallIssuer) -> None:
    trust(server, issuer)
    now = int(time.time())
    assert prove(server, issuer.sign(issuer.claims(iat=now - 600, nbf=None, exp=now - SKEW_S + 20))).status == 200
    assert prove(server, issuer.sign(issuer.claims(iat=now - 600, nbf=None, exp=now - SKEW_S - 1))).status == 401
    assert prove(server, issuer.sign(issuer.claims(iat=now + SKEW_S - 20, nbf=now + SKEW_S - 20))).status == 200


def test_a_token_signed_otherwise_is_refused(server: Any, issuer: SmallIssuer) -> None:
    trust(server, issuer)
    public = issuer.rsa.as_pem(private=False)
    stranger = RSAKey.generate_key(2048)
    told = {**stranger.as_dict(private=False), "kid": "theirs"}
    good = issuer.sign()
    assert prove(server, good).status == 200
    header, claims, signature = good.split(".")
    hostile = {
        "no signature": unsigned(claims, {"alg": "none"}) + ".",
        "no signature, loudly": unsigned(claims, {"alg": "NONE"}) + "." + signature,
        "the public key as a shared secret": shared(claims, public, kid="rsa"),
        "a stranger's key": issuer.sign(key=stranger),
        "a stranger's key, brought along": issuer.sign(key=stranger, kid="theirs", jwk=told),
        "a stranger's key, by address": issuer.sign(key=stranger, kid="rsa", jku=issuer.url + "/theirs"),
        "a stranger's certificate": issuer.sign(key=stranger, kid="rsa", x5u=issuer.url + "/theirs"),
        "a kid that is a path": issuer.sign(key=stranger, kid="../../dev/null"),
        "a kid that is a query": issuer.sign(key=stranger, kid="rsa' OR '1'='1"),
        "another kind of signature": unsigned(claims, {"alg": "ES256", "kid": "rsa"}) + "." + signature,
        "PS256 said of RS256": unsigned(claims, {"alg": "PS256", "kid": "rsa"}) + "." + signature,
        "something critical": issuer.sign(crit=["b64"], b64=True),
        "another type": issuer.sign(typ="at+jwt"),
        "a kid that is a number": unsigned(claims, {"alg": "RS256", "kid": 1}) + "." + signature,
        "no header": f"{pack(b'[]')}.{claims}.{signature}",
        "claims twice": issuer.sign(json.dumps(issuer.claims())[:-1].encode() + b', "sub": "x"}'),
        "claims of others": f"{header}.{pack(json.dumps(issuer.claims(sub='x')).encode())}.{signature}",
        "half a character": issuer.sign(json.dumps(issuer.claims())[:-1].encode() + b', "a": "\\ud800"}'),
        "deep": issuer.sign(json.dumps(issuer.claims())[:-1].encode() + b', "a": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
        "long": issuer.sign(issuer.claims(more="x" * 100_000)),
        "two parts": f"{header}.{claims}",
        "four parts": f"{good}.{signature}",
        "nothing": "",
        "words": "let me in",
        "a space before": " " + good,
        "a line after": good + "\n",
        "padding": good + "==",
    }
    for name, token in hostile.items():
        reply = prove(server, token)
        # A body that no proof fits in is refused at the door.
        assert reply.status == (413 if name == "long" else 401), (name, reply)
    assert not [path for path in issuer.asked if "theirs" in path]


def test_every_kind_of_key_is_taken_for_its_own_kind_of_signature(server: Any, issuer: SmallIssuer) -> None:
    trust(server, issuer)
    keys = other_keys()
    issuer.listed += [{**key.as_dict(private=False), "kid": kid, "alg": alg} for kid, (alg, key) in keys.items()]
    issuer.listed += [{"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}, {"kty": "what"}, {"kid": 5}]
    issuer.listed.append(short_key())
    issuer.listed.append({**RSAKey.generate_key(2048).as_dict(private=False), "kid": "next"})
    for kid, (alg, key) in keys.items():
        assert prove(server, issuer.sign(key=key, alg=alg, kid=kid)).status == 200
    assert prove(server, issuer.sign(alg="PS256")).status == 200
    assert prove(server, shared(pack(json.dumps(issuer.claims()).encode()), b"secret", kid="oct")).status == 401
    assert prove(server, issuer.sign(kid=None)).status == 401, "it could be any of several"


def test_a_short_key_is_no_key() -> None:
    assert read_keys({"keys": [short_key()]}) == ()
    hostile: list[Any] = [
        {},
        [],
        {"keys": 5},
        {"keys": [None, [], "x", {"kty": 5}, {"kty": "EC", "crv": "secp256k1"}]},
        None,
    ]
    for listed in hostile:
        assert read_keys(listed) == ()


def test_an_issuer_that_calls_itself_otherwise_is_not_believed(server: Any, issuer: SmallIssuer) -> None:
    trust(server, issuer)
    issuer.said["issuer"] = issuer.url + "/"
    reply = prove(server, issuer.sign())
    assert (reply.status, code(reply)) == (503, "target_unreachable")


def test_keys_that_lie_inside_are_not_fetched(
    start: Any, make_team: Callable[[], Path], issuer: SmallIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BUDWOOD_ALLOW_NETWORKS")
    closed = start(make_team())
    assert trust(closed, issuer).status == 200
    reply = prove(closed, issuer.sign())
    assert (reply.status, code(reply)) == (503, "target_unreachable")
    assert issuer.asked == []


def test_a_trust_that_is_removed_ends_what_it_began(server: Any, issuer: SmallIssuer) -> None:
    kept = trust(server, issuer, role="reader").value["id"]
    gone = trust(server, issuer, role="writer", claims={"ref": "main"}).value["id"]
    secret = prove(server, issuer.sign(issuer.claims(ref="main"))).value["secret"]
    assert server.ask("PATCH", TAGS, token=secret, json=CHANGE).status == 200
    assert server.ask("DELETE", f"/v1/namespaces/ours/trusts/{gone}", by="owner").status == 200
    assert server.ask("PATCH", TAGS, token=secret, json=CHANGE).status == 403
    assert server.ask("GET", LOG, token=secret).status == 200
    assert server.ask("DELETE", f"/v1/namespaces/ours/trusts/{kept}", by="owner").status == 200
    assert server.ask("GET", LOG, token=secret).status == 404
    assert prove(server, issuer.sign()).status == 401
    assert server.ask("DELETE", f"/v1/namespaces/ours/trusts/{kept}", by="owner").status == 404


def test_what_one_run_may_do_another_may_not_borrow(server: Any, issuer: SmallIssuer) -> None:
    trust(server, issuer, role="reader")
    trust(server, issuer, role="writer", claims={"ref": "main"})
    assert prove(server, issuer.sign(issuer.claims(ref="main"))).status == 200
    other = prove(server, issuer.sign(issuer.claims(ref="pull"))).value
    assert other["record"]["scopes"] == ["ours:read"]
    assert server.ask("PATCH", TAGS, token=other["secret"], json=CHANGE).status == 403


def test_a_trust_of_one_namespace_opens_no_other(server: Any, issuer: SmallIssuer) -> None:
    trust(server, issuer, by="elsewhere", namespace="theirs", role="owner")
    secret = prove(server, issuer.sign()).value["secret"]
    assert server.ask("GET", LOG, token=secret).status == 404
    assert server.ask("GET", "/v1/models/theirs/secret/log", token=secret).status == 200
    listed = server.ask("GET", "/v1/namespaces/ours/trusts", by="owner").value["trusts"]
    assert issuer.url not in [each["issuer"] for each in listed]


def test_only_who_manages_a_namespace_gives_trust_and_none_that_is_wider(server: Any, issuer: SmallIssuer) -> None:
    for by in ("reader", "writer", "reviewer", "releaser"):
        assert trust(server, issuer, by=by).status == 403
    assert trust(server, issuer, by="nobody").status == 404
    narrow = {"name": "narrow", "scopes": ["ours:manage", "ours:read"]}
    token = server.ask("POST", "/v1/tokens", by="owner", json=narrow).value["secret"]
    wish = {"issuer": issuer.url, "audience": "a", "subject": "s", "role": "writer"}
    path = "/v1/namespaces/ours/trusts"
    assert server.ask("POST", path, token=token, json=wish).status == 403
    assert server.ask("POST", path, token=token, json={**wish, "role": "reader"}).status == 200


@pytest.mark.parametrize(
    "wish",
    [
        {"issuer": "ftp://issuer.example"},
        {"issuer": "https://user:secret@issuer.example"},
        {"issuer": "https://issuer.example/?a=b"},
        {"issuer": "https://Issuer.example"},
        {"issuer": "https://issuer.example#a"},
        {"issuer": ""},
        {"audience": ""},
        {"subject": ""},
        {"subject": "repo:acme/*"},
        {"subject": "a\nb"},
        {"subject": "a" * 513},
        {"role": "admin"},
        {"claims": {"sub": "x"}},
        {"claims": {"": "x"}},
        {"claims": {"ref": ""}},
        {"claims": {str(number): "x" for number in range(21)}},
    ],
    ids=lambda wish: str(wish)[:40],
)
def test_a_trust_that_could_never_fit_is_refused(wish: dict[str, Any], server: Any, issuer: SmallIssuer) -> None:
    assert trust(server, issuer, **wish).status == 422


def test_the_same_trust_is_given_once(server: Any, issuer: SmallIssuer) -> None:
    assert trust(server, issuer).status == 200
    assert trust(server, issuer).status == 409
    assert trust(server, issuer, role="reader").status == 200


class Book:
    """Answers what an issuer would, from memory and at a time of our own."""

    def __init__(self, issuer: SmallIssuer) -> None:
        self.issuer = issuer
        self.now_ms = int(time.time() * 1000)

    def send(self, url: str, *, method: str, headers: Any = None, body: bytes = b"") -> Answer:
        status, value = self.issuer.answer(method, url.removeprefix(self.issuer.url), body)
        return Answer(status, {}, json.dumps(value).encode())

    def claims(self) -> dict[str, Any]:
        now = self.now_ms // 1000
        return self.issuer.claims(iat=now, nbf=now, exp=now + 300)


def test_keys_are_kept_for_a_while_and_asked_for_again_for_a_new_one(issuer: SmallIssuer) -> None:
    book = Book(issuer)
    issuers = Issuers(book, lambda: book.now_ms)  # type: ignore[arg-type]  # It only sends.
    issuers.verify(Jwt.parse(issuer.sign(book.claims())))
    issuers.verify(Jwt.parse(issuer.sign(book.claims())))
    assert issuer.asked.count("/keys") == 1
    alg, key = other_keys()["ec"]

    def rotated() -> Jwt:
        return Jwt.parse(issuer.sign(book.claims(), key=key, alg=alg, kid="new"))

    issuer.listed.append({**key.as_dict(private=False), "kid": "new"})
    with pytest.raises(Unauthenticated):
        issuers.verify(rotated())
    assert issuer.asked.count("/keys") == 1
    book.now_ms += AGAIN_MS
    issuers.verify(rotated())
    assert issuer.asked.count("/keys") == 2
    for number in range(50):
        with pytest.raises(Unauthenticated):
            issuers.verify(Jwt.parse(issuer.sign(book.claims(), kid=f"guess {number}")))
    assert issuer.asked.count("/keys") == 2
    issuer.listed.clear()
    book.now_ms += KEYS_KEPT_S * 1000
    with pytest.raises(Unauthenticated):
        issuers.verify(rotated())
    assert issuer.asked.count("/keys") == 3


def test_an_issuer_that_fails_is_left_alone_for_a_moment(issuer: SmallIssuer) -> None:
    book = Book(issuer)
    issuers = Issuers(book, lambda: book.now_ms)  # type: ignore[arg-type]  # It only sends.
    issuer.status = 500
    for _ in range(20):
        with pytest.raises(BudwoodError, match="provider"):
            issuers.verify(Jwt.parse(issuer.sign(book.claims())))
    assert len(issuer.asked) == 1
    issuer.status = 200
    book.now_ms += 5_000
    issuers.verify(Jwt.parse(issuer.sign(book.claims())))


def test_issuers_that_are_slow_hold_up_few(issuer: SmallIssuer) -> None:
    go, begun = threading.Event(), threading.Semaphore(0)

    class Slow(Book):
        def send(self, url: str, *, method: str, headers: Any = None, body: bytes = b"") -> Answer:
            begun.release()
            assert go.wait(30)
            return Answer(500, {}, b"")

    book = Slow(issuer)
    issuers = Issuers(book, lambda: book.now_ms)  # type: ignore[arg-type]  # It only sends.

    def ask(name: str) -> str:
        try:
            issuers.issuer(name)
        except BudwoodError as error:
            return error.code
        return ""

    with ThreadPoolExecutor(ISSUERS_AT_ONCE) as pool:
        slow = [pool.submit(ask, f"https://slow-{number}.example") for number in range(ISSUERS_AT_ONCE)]
        assert all(begun.acquire(timeout=10) for _ in slow)
        assert ask("https://other.example") == ask("https://slow-0.example") == "registry_busy"
        go.set()
        assert {each.result() for each in slow} == {"target_unreachable"}


@given(choice=some.data())
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_mangled_token_is_accepted(choice: some.DataObject, issuer: SmallIssuer) -> None:
    now = time.time()
    kid = choice.draw(some.sampled_from(["rsa", None]))
    good = issuer.sign(kid=kid)
    keys = read_keys({"keys": issuer.listed})
    assert accepted(good, keys, now)
    at = choice.draw(some.integers(0, len(good)))
    mangled = choice.draw(
        some.one_of(
            some.characters(codec="ascii").map(lambda new: good[:at] + new + good[at + 1 :]),
            some.characters(codec="ascii").map(lambda new: good[:at] + new + good[at:]),
            some.just(good[:at]),
            some.just(good[at:]),
            some.just(good[: len(good) - at] + good),
            some.just(good.swapcase()),
            some.text(max_size=200),
        )
    )
    assert mangled == good or not accepted(mangled, keys, now)


def accepted(text: str, keys: Any, now: float) -> bool:
    try:
        token = Jwt.parse(text)
        check_times(token, now)
        return is_signed(token, candidates(token, keys)) and bool(token.subject)
    except Unauthenticated:
        return False


def short_key() -> dict[str, Any]:
    numbers = rsa.generate_private_key(65_537, 1024).public_key().public_numbers()
    return {"kty": "RSA", "n": pack(numbers.n.to_bytes(128)), "e": "AQAB", "kid": "short"}


def unsigned(claims: str, header: dict[str, Any]) -> str:
    return f"{pack(json.dumps(header).encode())}.{claims}"


def shared(claims: str, secret: bytes, **header: Any) -> str:
    """Signed as with a secret both sides know."""
    text = unsigned(claims, {"alg": "HS256", **header})
    return f"{text}.{pack(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def pack(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
