"""Logging in with a browser (OpenID Connect, RFC 7636, RFC 8252): what is asked for, and what it comes back with.

The browser comes back to a listener on this machine, or to a page of the server that shows a code to paste. Three
secrets of this attempt go with it: the verifier proves to the provider that whoever has the code began the attempt,
the state that what comes back belongs to it, and the nonce that the token made from the code does.
"""

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from budwood.domain.asks_people import FinishLogin, LoginOffer
from budwood.domain.limits import LOGIN_WAIT_S, TARGET_CHARS
from budwood.errors import BadValue, Unauthenticated

LISTENER_PATH: Final = "/callback"
_PAGE: Final = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Budwood</title></head>'
    b"<body><h1>Budwood</h1><p>Go back to the terminal; this window can be closed.</p></body></html>\n"
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to log in."""

    offer: LoginOffer
    redirect_uri: str
    verifier: str = field(repr=False)
    state: str = field(repr=False)
    nonce: str = field(repr=False)

    @classmethod
    def begin(cls, offer: LoginOffer, redirect_uri: str, secret: Callable[[], str]) -> Self:
        """``secret`` gives a fresh one each time. Raises BadValue for an address no browser should open."""
        parts = urlsplit(offer.authorize_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not offer.authorize_url.isprintable():
            raise BadValue("The server names no address that a browser can log in at.")
        return cls(offer, redirect_uri, secret(), secret(), secret())

    @property
    def address(self) -> str:
        """Where the browser goes."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.offer.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.offer.scope,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(self.offer.authorize_url).query else "?"
        return f"{self.offer.authorize_url}{joint}{urlencode(asked)}"

    def is_ours(self, said: Mapping[str, str]) -> bool:
        """Whether what a browser came back with belongs to this attempt."""
        return hmac.compare_digest(said.get("state", "").encode(), self.state.encode())

    def finished(self, said: Mapping[str, str]) -> FinishLogin:
        """What the server is told. Raises Unauthenticated."""
        if not self.is_ours(said):
            raise Unauthenticated("This code belongs to another attempt to log in.", hint=_AGAIN)
        if said.get("iss", self.offer.issuer) != self.offer.issuer:
            raise Unauthenticated("Another identity provider answered than was asked.", hint=_AGAIN)
        if not said.get("code"):
            reason = "".join(each for each in said.get("error", "") if each.isascii() and each.isprintable())[:100]
            message = f"The identity provider let nobody in{f': {reason}' if reason else ''}."
            raise Unauthenticated(message, hint=_AGAIN)
        return FinishLogin(said["code"], self.verifier, self.nonce, self.redirect_uri)


_AGAIN: Final = "Run 'budwood login' again."


def pasted(text: str) -> Mapping[str, str]:
    """What a person copied from the server's page: the code, ``#``, and the state."""
    code, _, state = text.strip().rpartition("#")
    return {"code": code, "state": state}


class Listener:
    """Waits on this machine for the browser to come back."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.uri = f"http://127.0.0.1:{server.server_port}{LISTENER_PATH}"
        self._attempt: Attempt | None = None
        self._came = threading.Event()
        self._said: Mapping[str, str] = {}

    def expect(self, attempt: Attempt) -> None:
        """From now on what belongs to this attempt is heard, and nothing else."""
        self._attempt = attempt

    def wait(self, within_s: float = LOGIN_WAIT_S) -> Mapping[str, str]:
        """What the browser came back with. Raises Unauthenticated."""
        if not self._came.wait(within_s):
            hint = "Run it again; where no browser opens, with --no-browser."
            raise Unauthenticated(f"Nobody came back from the browser within {within_s:g} seconds.", hint=hint)
        return self._said

    def heard(self, path: str) -> bool:
        """Called for each request that comes; whether it was the one."""
        where, _, query = path.partition("?")
        try:
            said = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=20))
        except ValueError:
            return False
        attempt = self._attempt
        if where != LISTENER_PATH or self._came.is_set() or attempt is None or not attempt.is_ours(said):
            return False
        self._said = said
        self._came.set()
        return True


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener at a port that was free, at the loopback address only."""

    class Coming(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            good = len(self.path) <= 4 * TARGET_CHARS and listener.heard(self.path)
            body = _PAGE if good else b""
            self.send_response(200 if good else 404)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Coming)
    server.daemon_threads = True
    listener = Listener(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="budwood-login", daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.socket.close()


_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}
