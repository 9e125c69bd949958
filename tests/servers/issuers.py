"""Identity providers for the tests: a real one from a package in its own process, and a small one that may lie.

``provider`` is oidc-provider-mock, which logs in whoever is named. ``issuer`` signs whatever it is told to, with real
keys over real HTTP, and writes down what it was asked.
"""

import base64
import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import urllib3
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

STARTING_S = 20.0
ISSUER_ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519"]


@dataclass
class Provider:
    """A provider that logs in whoever is named."""

    url: str
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False))

    def user(self, subject: str, **claims: object) -> None:
        answer = self.pool.request("PUT", f"{self.url}/users/{subject}", json=claims)
        assert answer.status == 204, answer.data

    def let_in(self, address: str, subject: str) -> dict[str, str]:
        """What the browser of somebody who logs in at that address is sent back with; ``to`` is where."""
        answer = self.pool.request("POST", address, fields={"sub": subject}, encode_multipart=False, redirect=False)
        assert answer.status == 302, answer.data
        where = urlsplit(answer.headers["Location"])
        return {"to": answer.headers["Location"], **dict(parse_qsl(where.query))}


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "oidc_provider_mock", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        until = time.monotonic() + STARTING_S
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert child.poll() is None
                time.sleep(0.05)
        yield Provider(f"http://127.0.0.1:{port}")
        child.terminate()


@dataclass
class SmallIssuer:
    """``listed`` are the keys it names; ``asked`` the paths it was asked for; ``id_token`` is what any code is worth,
    as far as its verifier fits ``challenge``."""

    url: str
    rsa: RSAKey
    listed: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)
    id_token: str = ""
    challenge: str = ""
    status: int = 200

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of a good token; None leaves one out."""
        now = int(time.time())
        good = {"iss": self.url, "sub": "repo:acme/encoder", "aud": "budwood", "iat": now, "exp": now + 300, "nbf": now}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def sign(self, claims: object = None, *, key: Any = None, alg: str = "RS256", **header: Any) -> str:
        content = claims if isinstance(claims, bytes) else json.dumps(self.claims() if claims is None else claims)
        registry = jws.JWSRegistry(algorithms=[*ISSUER_ALGORITHMS, "HS256"], strict_check_header=False)
        named = {"alg": alg, "kid": "rsa", **header}
        named = {name: value for name, value in named.items() if value is not None}
        return jws.serialize_compact(named, content, key or self.rsa, registry=registry)

    def answer(self, method: str, path: str, content: bytes) -> tuple[int, dict[str, Any]]:
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            urls = {"jwks_uri": "/keys", "token_endpoint": "/token", "authorization_endpoint": "/authorize"}
            return self.status, {"issuer": self.url, **{n: self.url + v for n, v in urls.items()}, **self.said}
        if path == "/keys":
            return self.status, {"keys": self.listed}
        if path == "/token" and method == "POST":
            form = {name: values[0] for name, values in parse_qs(content.decode()).items()}
            self.forms.append(form)
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            if self.challenge and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != self.challenge:
                return 400, {"error": "invalid_grant", "error_description": "<b>no</b>"}
            return 200, {"id_token": self.id_token, "access_token": "x", "token_type": "Bearer"}
        return 404, {}


@pytest.fixture
def issuer() -> Iterator[SmallIssuer]:
    rsa = RSAKey.generate_key(2048)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, value = small.answer(self.command, self.path, content)
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    small = SmallIssuer(f"http://127.0.0.1:{server.server_port}", rsa)
    small.listed.append({**rsa.as_dict(private=False), "kid": "rsa", "use": "sig"})
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield small
    server.shutdown()
    thread.join(10)
    server.server_close()


def other_keys() -> dict[str, tuple[str, Any]]:
    """A key of each other kind, with an algorithm it signs by."""
    return {"ec": ("ES256", ECKey.generate_key("P-256")), "ed": ("Ed25519", OKPKey.generate_key("Ed25519"))}
