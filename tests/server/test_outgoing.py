"""What a server sends out: where it does not go, how long it waits, how much it reads."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from budwood.domain.limits import FETCHED_BYTES
from budwood.domain.targets import Address
from budwood.errors import BadValue, TargetUnreachable
from budwood.server.outgoing import Outgoing

HERE = ipaddress.ip_network("127.0.0.0/8")
NOWHERE = "The name leads to no public address."


def at(*texts: str) -> Callable[[str, int], Sequence[Address]]:
    """A resolver that knows one answer."""
    return lambda host, port: [ipaddress.ip_address(text) for text in texts]


@contextmanager
def listening(serve: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a socket; each connection is handed to ``serve`` in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                secured = context.wrap_socket(connection, server_side=True) if context else connection
                with secured:
                    serve(secured)
            except OSError:
                return  # The other side left, which is what some tests are about.

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def saying(*parts: bytes, pause_s: float = 0.0) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_s)

    return serve


@pytest.mark.parametrize(
    "addresses",
    [
        ("10.0.0.1",),
        ("1.1.1.1", "10.0.0.1"),
        ("8.8.8.8", "::1"),
        ("169.254.169.254",),
        ("::ffff:127.0.0.1",),
        ("64:ff9b::7f00:1",),
        ("0.0.0.0",),
        ("fe80::1",),
        (),
    ],
)
def test_a_name_with_one_address_inside_is_as_one_that_is_not_there(addresses: tuple[str, ...]) -> None:
    outgoing = Outgoing(resolve=at(*addresses))
    with pytest.raises(TargetUnreachable) as refused:
        outgoing.send("https://hook.example/x")
    assert refused.value.message == NOWHERE
    assert dict(refused.value.facts) == {}


def test_a_name_is_resolved_once_and_the_judged_address_is_spoken_to() -> None:
    asked = []

    def turning(host: str, port: int) -> Sequence[Address]:
        asked.append((host, port))
        return [ipaddress.ip_address("127.0.0.1" if len(asked) == 1 else "10.0.0.1")]

    with listening(saying(b"HTTP/1.1 204 No Content\r\n\r\n")) as port:
        answer = Outgoing([HERE], resolve=turning).send(f"http://hook.example:{port}/x")
    assert (answer.status, asked) == (204, [("hook.example", port)])


def test_what_is_sent_arrives_with_its_host_and_headers() -> None:
    heard = []

    def serve(connection: socket.socket) -> None:
        heard.append(connection.recv(65_536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Kind: a\r\nContent-Length: 2\r\n\r\nok")

    with listening(serve) as port:
        answer = Outgoing([HERE], resolve=at("127.0.0.1")).send(
            f"http://hook.example:{port}/x?y=1", headers={"Budwood-Webhook": "3"}, body=b"{}"
        )
    head, _, body = heard[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[:2] == [b"POST /x?y=1 HTTP/1.1", b"Host: hook.example:%d" % port]
    assert b"Budwood-Webhook: 3" in head
    assert (body, answer.status, answer.headers["x-kind"], answer.body) == (b"{}", 200, "a", b"ok")


def test_plain_http_goes_to_opened_networks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TargetUnreachable, match="https only"):
        Outgoing([HERE], resolve=at("1.1.1.1")).send("http://hook.example/")
    with pytest.raises(TargetUnreachable, match="https only"):
        Outgoing([HERE], resolve=at("127.0.0.1", "1.1.1.1")).send("http://hook.example/")


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(connection: socket.socket) -> None:
        raise AssertionError("the proxy was asked")

    with listening(refuse) as proxy, listening(saying(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        assert Outgoing([HERE]).send(f"http://127.0.0.1:{port}/").status == 200


@pytest.mark.parametrize(
    "serve",
    [
        saying(*[b"H"] * 1_000, pause_s=0.1),
        saying(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 1_000, pause_s=0.1),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *[b"x"] * 1_000, pause_s=0.1),
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 1_000, pause_s=0.1),
        saying(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 1_000, pause_s=0.1),
        lambda connection: time.sleep(100),
    ],
)
def test_whoever_is_slow_is_left_in_time(serve: Callable[[socket.socket], None]) -> None:
    began = time.monotonic()
    with listening(serve) as port, pytest.raises(TargetUnreachable, match=r"no whole answer within 0\.5 seconds"):
        Outgoing([HERE], within_s=0.5).send(f"http://127.0.0.1:{port}/")
    assert time.monotonic() - began < 30


def test_a_receiver_that_does_not_read_is_left_in_time() -> None:
    with listening(lambda connection: time.sleep(100)) as port, pytest.raises(TargetUnreachable, match="no whole"):
        Outgoing([HERE], within_s=0.5).send(f"http://127.0.0.1:{port}/", body=b"x" * (16 << 20))


def test_a_resolver_that_does_not_answer_is_left_in_time() -> None:
    held = threading.Event()

    def slow(host: str, port: int) -> Sequence[Address]:
        held.wait(100)
        return []

    began = time.monotonic()
    with pytest.raises(TargetUnreachable, match="no whole answer"):
        Outgoing(resolve=slow, within_s=0.3).send("https://hook.example/")
    assert time.monotonic() - began < 30
    held.set()


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_an_endless_answer_is_cut_off(head: bytes) -> None:
    with listening(saying(head, *[b"x" * 65_536] * 200)) as port:
        answer = Outgoing([HERE]).send(f"http://127.0.0.1:{port}/")
    assert answer.body == b"x" * FETCHED_BYTES


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff\x16\x03",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 999999 Odd\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000,
    ],
)
def test_what_is_no_answer_is_said_in_our_words(answer: bytes) -> None:
    with listening(saying(answer)) as port, pytest.raises(TargetUnreachable) as refused:
        Outgoing([HERE]).send(f"http://127.0.0.1:{port}/secret-path")
    said = refused.value.message
    assert said in (
        "What answered there does not speak HTTP as it should.",
        "The connection was refused or broke off.",
    )


def test_a_redirect_is_an_answer_like_others() -> None:
    with listening(saying(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n")) as port:
        assert Outgoing([HERE]).send(f"http://127.0.0.1:{port}/").status == 302


def test_no_header_becomes_two() -> None:
    for name, value in (("A", "b\r\nC: d"), ("A\r\nB", "c"), ("A", "\x00"), ("", "x"), ("A", "ü")):
        with pytest.raises(BadValue):
            Outgoing([HERE]).send("http://127.0.0.1:9999/", headers={name: value})


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A receiver's context, with a certificate for hook.example, and a sender's that trusts it."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hook.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hook.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    receiver = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    receiver.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return receiver, ssl.create_default_context(cafile=str(folder / "cert.pem"))


def test_tls_is_asked_for_the_name_though_the_address_is_pinned(
    trust: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    receiver, sender = trust
    names: list[str | None] = []
    receiver.sni_callback = lambda connection, name, context: names.append(name)
    with listening(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), receiver) as port:
        outgoing = Outgoing([HERE], resolve=at("127.0.0.1"), context=sender)
        assert outgoing.send(f"https://hook.example:{port}/", body=b"{}").body == b"ok"
        assert names == ["hook.example"]
        with pytest.raises(TargetUnreachable, match="certificate"):
            outgoing.send(f"https://other.example:{port}/")
        with pytest.raises(TargetUnreachable, match="certificate"):
            Outgoing([HERE], resolve=at("127.0.0.1")).send(f"https://hook.example:{port}/")


def test_tls_that_never_begins_is_left_in_time(trust: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with listening(lambda connection: time.sleep(100)) as port, pytest.raises(TargetUnreachable, match="no whole"):
        Outgoing([HERE], context=trust[1], resolve=at("127.0.0.1"), within_s=0.5).send(f"https://hook.example:{port}/")
