"""Logging in from the command line with a browser, by a pasted code, and as a job."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import urllib3

from budwood.client.far.browser import Attempt, Listener, listening, pasted
from budwood.domain.asks_people import LoginOffer
from budwood.errors import BadValue, Unauthenticated
from tests.servers.issuers import Provider, SmallIssuer

Shell = dict[str, str]
OFFER = LoginOffer("https://login.example", "client", "https://login.example/authorize?tenant=1", "openid email")
# A browser that logs in as one person wherever it is sent, and follows where it is sent back to.
BROWSER = """
import os, sys, urllib.parse, urllib.request
form = urllib.parse.urlencode({"sub": "cli"})
answer = urllib.request.urlopen(sys.argv[1], form.encode())
open(os.environ["BROWSER_SAW"], "wb").write(answer.read() + repr(answer.headers.items()).encode())
"""


@pytest.fixture
def shell(tmp_path: Path, provider: Provider) -> Shell:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BUDWOOD_", "XDG_", "ACTIONS_"))}
    (tmp_path / "browser.py").write_text(BROWSER)
    return {
        **kept,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "NO_COLOR": "1",
        "BROWSER": f"{sys.executable} {tmp_path / 'browser.py'} %s",
        "BROWSER_SAW": str(tmp_path / "saw"),
        "BUDWOOD_ALLOW_NETWORKS": "127.0.0.0/8",
        "BUDWOOD_OIDC_ISSUER": provider.url,
        "BUDWOOD_OIDC_CLIENT_ID": "client",
        "BUDWOOD_OIDC_CLIENT_SECRET": "secret",
        "BUDWOOD_OIDC_ADMIT": "acme.example",
    }


@pytest.fixture
def server(tmp_path: Path, shell: Shell, provider: Provider) -> Iterator[dict[str, str]]:
    provider.user("cli", email="cli@acme.example", email_verified=True)
    words = [sys.executable, "-m", "budwood", "--registry", str(tmp_path / "served"), "serve", "--port", "0", "--json"]
    with subprocess.Popen(words, env=shell, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0


def typed(shell: Shell, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "budwood", *words], env=shell, input=given, capture_output=True, text=True, check=False
    )


def kept(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "config" / "budwood" / "credentials.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def test_a_browser_logs_its_person_in(server: dict[str, str], shell: Shell, tmp_path: Path) -> None:
    url = server["address"]
    done = typed(shell, "login", url)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "cli@acme.example (person)"), done.stderr
    assert re.fullmatch(r"bw_[A-Za-z0-9_-]{43}", kept(tmp_path)[url])
    assert typed(shell, "--registry", url, "whoami").stdout.startswith("cli@acme.example")
    saw = (tmp_path / "saw").read_text()
    assert "this window can be closed" in saw
    assert "default-src 'none'" in saw
    assert "bw_" not in done.stderr + done.stdout + saw


def test_a_code_can_be_pasted_instead(server: dict[str, str], shell: Shell, provider: Provider, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "budwood", "login", server["address"], "--no-browser", "--json"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, env=shell, text=True, **pipes) as child:  # type: ignore[call-overload]
        said = ""
        while not (found := re.search(r"^http\S+$", said, re.M)):
            line = child.stderr.readline()
            assert line, said
            said += line
        came = provider.let_in(found[0], "cli")
        page = urllib3.request("GET", came["to"]).data.decode()
        code = re.search(r"<code>(\S+#\S+)</code>", page)
        assert code is not None
        out, _ = child.communicate(code[1] + "\n", timeout=60)
    assert (child.returncode, json.loads(out)["name"]) == (0, "cli@acme.example")
    assert kept(tmp_path)


def test_a_pasted_code_of_somebody_else_is_refused(server: dict[str, str], shell: Shell, tmp_path: Path) -> None:
    for given in ("code#state\n", "code\n", "\n", ""):
        done = typed(shell, "login", server["address"], "--no-browser", given=given)
        assert (done.returncode, "another attempt" in done.stderr) == (5, True), done.stderr
    assert kept(tmp_path) == {}


def test_a_token_still_does_where_there_is_a_provider(server: dict[str, str], shell: Shell) -> None:
    first = typed(shell, "login", server["address"], "--token-stdin", "--name", "ada", given=server["bootstrap"] + "\n")
    assert (first.returncode, first.stdout) == (0, "ada (admin)\n"), first.stderr


def test_a_job_logs_in_with_what_its_issuer_gives_it(
    server: dict[str, str], shell: Shell, issuer: SmallIssuer, tmp_path: Path
) -> None:
    url = server["address"]
    typed(shell, "login", url, "--token-stdin", "--name", "ada", given=server["bootstrap"] + "\n")
    typed(shell, "--registry", url, "namespace", "add", "risk")
    trusted = typed(
        shell,
        "--registry",
        url,
        "trust",
        "add",
        "risk",
        issuer.url,
        "repo:acme/encoder",
        "writer",
        "--claim",
        "ref=main",
    )
    assert trusted.returncode == 0, trusted.stderr
    listed = typed(shell, "--registry", url, "trust", "list", "risk", "--json")
    trust = json.loads(listed.stdout)["trusts"][0]
    assert (trust["audience"], trust["claims"]) == (url, [["ref", "main"]])

    job = {**shell, "XDG_CONFIG_HOME": str(tmp_path / "job")}
    (tmp_path / "proof").write_text(issuer.sign(issuer.claims(aud=url, ref="main")) + "\n")
    done = typed(job, "login", url, "--proof-file", str(tmp_path / "proof"))
    assert (done.returncode, "(workload)" in done.stdout) == (0, True), done.stderr
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert typed(job, "--registry", url, "push", str(tmp_path / "model.bin"), "risk/m").returncode == 0

    gone = typed(shell, "--registry", url, "trust", "remove", "risk", str(trust["id"]))
    assert gone.returncode == 0, gone.stderr
    assert typed(job, "--registry", url, "show", "risk/m").returncode == 3
    assert typed(job, "login", url, "--proof-file", str(tmp_path / "proof")).returncode == 5


def test_a_job_of_github_actions_asks_for_its_token(
    server: dict[str, str], shell: Shell, issuer: SmallIssuer, tmp_path: Path
) -> None:
    url = server["address"]
    typed(shell, "login", url, "--token-stdin", "--name", "ada", given=server["bootstrap"] + "\n")
    added = typed(shell, "--registry", url, "trust", "add", "default", issuer.url, "repo:acme/encoder", "reader")
    assert added.returncode == 0, added.stderr
    with actions(issuer) as runner:
        environment = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{runner}/token?api-version=2.0"}
        job = {
            **shell,
            **environment,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner",
            "XDG_CONFIG_HOME": str(tmp_path / "j"),
        }
        done = typed(job, "login", url, "--workload")
        assert done.returncode == 0, done.stderr
        assert typed({**job, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "other"}, "login", url, "--workload").returncode == 2
        assert typed(job, "login", url, "--workload", "--audience", "elsewhere").returncode == 5
    assert typed(job, "login", url, "--workload").returncode == 7


def test_what_is_no_job_is_told_so(shell: Shell, tmp_path: Path) -> None:
    assert typed(shell, "login", "http://127.0.0.1:9", "--workload").returncode == 2
    assert typed(shell, "login", "http://127.0.0.1:9", "--proof-file", str(tmp_path / "none")).returncode == 3
    (tmp_path / "large").write_text("x" * 100_000)
    assert typed(shell, "login", "http://127.0.0.1:9", "--proof-file", str(tmp_path / "large")).returncode == 2


class actions:  # noqa: N801  # It is used like a function.
    """What a runner of GitHub Actions offers its jobs."""

    def __init__(self, issuer: SmallIssuer) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = parse_qs(urlsplit(self.path).query)
                good = self.headers["Authorization"] == "Bearer runner" and asked["api-version"] == ["2.0"]
                token = issuer.sign(issuer.claims(aud=asked["audience"][0]))
                body = json.dumps({"value": token} if good else {}).encode()
                self.send_response(200 if good else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *what: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def begun(listener: Listener) -> Attempt:
    secrets = iter(["verifier", "state", "nonce"])
    attempt = Attempt.begin(OFFER, listener.uri, lambda: next(secrets))
    listener.expect(attempt)
    return attempt


def asked(listener: Listener, path: str) -> int:
    base = listener.uri.rpartition("/")[0]
    return urllib3.request("GET", base + path, retries=False, timeout=5).status


def test_an_attempt_asks_for_what_openid_connect_asks_for() -> None:
    with listening() as listener:
        address = urlsplit(begun(listener).address)
    assert dict(parse_qsl(address.query)) == {
        "tenant": "1",
        "response_type": "code",
        "client_id": "client",
        "redirect_uri": listener.uri,
        "scope": "openid email",
        "state": "state",
        "nonce": "nonce",
        "code_challenge": "iMnq5o6zALKXGivsnlom_0F5_WYda32GHkxlV7mq7hQ",
        "code_challenge_method": "S256",
    }
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/callback", listener.uri)


def test_a_listener_hears_its_own_attempt_and_nothing_else() -> None:
    with listening() as listener:
        attempt = begun(listener)
        silent = socket.create_connection(("127.0.0.1", urlsplit(listener.uri).port or 0))
        for path in ("/", "/callback", "/callback?code=x", "/callback?code=x&state=other", "/other?code=x&state=state"):
            assert asked(listener, path) == 404
        assert asked(listener, "/callback?" + "&".join(f"a{n}=1" for n in range(50)) + "&state=state") == 404
        assert asked(listener, "/callback?code=good&state=state") == 200
        assert asked(listener, "/callback?code=late&state=state") == 404
        assert attempt.finished(listener.wait()).code == "good"
        silent.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", urlsplit(listener.uri).port or 0), timeout=1).close()


def test_whoever_says_no_is_not_logged_in() -> None:
    with listening() as listener:
        attempt = begun(listener)
        assert asked(listener, "/callback?error=access_denied&state=state") == 200
        with pytest.raises(Unauthenticated, match="nobody in: access_denied"):
            attempt.finished(listener.wait())


def test_a_listener_gives_up_in_time() -> None:
    with listening() as listener:
        begun(listener)
        with pytest.raises(Unauthenticated, match="within"):
            listener.wait(0.2)


def test_what_comes_back_is_not_believed_unread() -> None:
    with listening() as listener:
        attempt = begun(listener)
    good: dict[str, Any] = {"code": "c", "state": "state"}
    assert attempt.finished({**good, "iss": OFFER.issuer}).verifier == "verifier"
    assert attempt.finished(pasted(" a#b#state\n")).code == "a#b"
    for wrong in ({**good, "state": "x"}, {"code": "c"}, {**good, "iss": "https://evil.example"}, {"state": "state"}):
        with pytest.raises(Unauthenticated):
            attempt.finished(wrong)
    with pytest.raises(Unauthenticated, match=r"nobody in: a\[31mb\."):
        attempt.finished({"state": "state", "error": "a\x1b[31mb\n\u202e"})


@pytest.mark.parametrize(
    "address", ["", "file:///etc/passwd", "javascript:alert(1)", "https://a\n--x", "-x", "https:///x"]
)
def test_no_browser_is_sent_where_no_login_can_be(address: str) -> None:
    with pytest.raises(BadValue):
        Attempt.begin(LoginOffer("i", "c", address, "openid"), "http://127.0.0.1:1/callback", lambda: "x")
