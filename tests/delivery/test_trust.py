"""Who is believed to be a backend: through a real gateway, which asks backends over TLS.

Two authorities: ``ours``, which documents name, and ``machines``, which the gateway's machine has.
"""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import budwood
from budwood.client.registry import Registry
from budwood.delivery.gateway import process
from budwood.delivery.gateway.config import Place, Shows, boot, written
from budwood.delivery.gateway.secured import backend_tls
from budwood.delivery.gateway.starting import roots
from budwood.delivery.tls import Tls
from budwood.domain.traffic.endpoint import Arm, Backend
from budwood.domain.traffic.trust import ROOTS, BackendTrust
from budwood.server.control import ControlPlane

from .certificates import Authority
from .conftest import Answer, Client, Says, eventually, free_port

ADDRESS = "127.0.0.1"
DOCUMENT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {{name: {name}}}
spec:
  model: fraud
  arms:
    stable:
      version: v1
      backends: ["https://{host}:{port}"]
{more}"""
CHECKED, OPTED_OUT = "", "      tls: {verify: false}\n"
HEALTH = "      health: /well\n"


def names(authority: Authority) -> str:
    lines = "".join(f"          {line}\n" for line in authority.pem.splitlines())
    return f"      tls:\n        ca: |\n{lines}"


@dataclass
class World:
    folder: Path
    registry: Registry
    control: ControlPlane
    ours: Authority
    machines: Authority

    def put(self, name: str, more: str, backend: Says, host: str = ADDRESS) -> None:
        self.registry.endpoints.put(DOCUMENT.format(name=name, host=host, port=backend.backend.port, more=more))
        self.control.moved()

    def gateway(self, name: str, roots: str) -> "Iterator[Place]":
        folder = self.folder / name
        folder.mkdir()
        place = Place("127.0.0.1", free_port(), str(folder / "access.log"))
        way = Backend("127.0.0.1", self.control.port)
        told = written(boot(name, place, way, str(folder / "admin.sock"), Shows(roots=roots)))
        process.start(folder, told, process.program(), workers=1)
        yield place
        process.stop(folder)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("trust")
    with budwood.connect(folder / "registry", author="mara") as registry:
        (folder / "config.json").write_text('{"layers": 1}')
        registry.push(folder / "config.json", "fraud")
        control = ControlPlane(registry.house)
        control.start()
        yield World(folder, registry, control, Authority.made("our authority"), Authority.made("their authority"))
        control.close()


@pytest.fixture(scope="module")
def place(world: World) -> Iterator[Place]:
    """Of a gateway whose machine has authorities."""
    (world.folder / "roots.pem").write_text(world.machines.pem)
    yield from world.gateway("edge", str(world.folder / "roots.pem"))


@pytest.fixture(scope="module")
def bare_place(world: World) -> Iterator[Place]:
    """Of a gateway whose machine has none."""
    yield from world.gateway("bare", "")


@pytest.fixture(scope="module")
def backends(world: World) -> Iterator[dict[str, Says]]:
    """Each answers with its name, over TLS."""
    shown = {
        "ours": world.ours.vouches(world.folder, "ours", ADDRESS),
        "machines": world.machines.vouches(world.folder, "machines", ADDRESS),
        "misnamed": world.ours.vouches(world.folder, "misnamed", "10.9.8.7"),
        "localhost": world.ours.vouches(world.folder, "localhost", "localhost"),
        "elsewhere": world.ours.vouches(world.folder, "elsewhere", "elsewhere.example"),
    }
    # A gateway may look for either kind of address first.
    anywhere = "::" if socket.has_dualstack_ipv6() else ADDRESS
    made = {
        name: over_tls(Says(name, anywhere if name in ("localhost", "elsewhere") else ADDRESS), tls)
        for name, tls in shown.items()
    }
    yield made
    for each in made.values():
        each.shutdown()
        each.server_close()


def over_tls(backend: Says, tls: Tls) -> Says:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    # Else whoever does not believe it would hold up the others.
    backend.socket = context.wrap_socket(backend.socket, server_side=True, do_handshake_on_connect=False)
    return backend


def answer_of(place: Place, endpoint: str) -> Answer:
    """Once the gateway knows it: until then nobody is at its address."""
    client, found = Client(place), []

    def is_known() -> bool:
        found.append(client.ask(f"/predict/{endpoint}"))
        return found[-1].status != 404

    eventually(is_known)
    client.close()
    return found[-1]


@pytest.mark.parametrize("health", ["", HEALTH], ids=["plain", "health"])
@pytest.mark.parametrize("named", ["document", "machine"])
def test_a_backend_that_its_authority_vouches_for_answers(
    world: World, place: Place, backends: dict[str, Says], named: str, health: str
) -> None:
    backend = backends["ours" if named == "document" else "machines"]
    more = names(world.ours) if named == "document" else CHECKED
    endpoint = f"good-{named}" + ("-health" if health else "")
    world.put(endpoint, more + health, backend)
    eventually(lambda: answer_of(place, endpoint).status == 200)
    assert answer_of(place, endpoint).arm == backend.arm


@pytest.mark.parametrize("health", ["", HEALTH], ids=["plain", "health"])
@pytest.mark.parametrize("case", ["other-authority", "not-the-machines", "misnamed"])
def test_a_backend_that_nobody_vouches_for_is_never_heard(
    world: World, place: Place, backends: dict[str, Says], case: str, health: str
) -> None:
    backend, more = {
        "other-authority": (backends["ours"], names(world.machines)),
        "not-the-machines": (backends["ours"], CHECKED),
        "misnamed": (backends["misnamed"], names(world.ours)),
    }[case]
    endpoint = f"bad-{case}" + ("-health" if health else "")
    world.put(endpoint, more + health, backend)
    for _ in range(5):
        answer = answer_of(place, endpoint)
        assert (answer.status, answer.arm) == (503, "")


def test_a_host_must_show_its_name(world: World, place: Place, backends: dict[str, Says]) -> None:
    world.put("named", names(world.ours), backends["localhost"], "localhost")
    world.put("another-name", names(world.ours), backends["elsewhere"], "localhost")
    eventually(lambda: answer_of(place, "named").arm == "localhost")
    for _ in range(5):
        answer = answer_of(place, "another-name")
        assert (answer.status, answer.arm) == (503, "")


def test_where_the_document_says_so_nothing_is_checked(world: World, place: Place, backends: dict[str, Says]) -> None:
    world.put("unverified", OPTED_OUT, backends["misnamed"])
    eventually(lambda: answer_of(place, "unverified").status == 200)
    assert answer_of(place, "unverified").arm == "misnamed"
    routed = world.registry.ledger(subject="unverified")
    assert routed[-1].body["unverified"] == ["stable"]


def test_a_machine_without_authorities_says_so_and_asks_nobody(
    world: World, bare_place: Place, backends: dict[str, Says]
) -> None:
    world.put("of-the-machine", CHECKED, backends["machines"])
    world.put("of-its-own", names(world.ours), backends["ours"])
    eventually(lambda: answer_of(bare_place, "of-its-own").status == 200)
    answer = answer_of(bare_place, "of-the-machine")
    assert (answer.status, answer.arm) == (503, "")

    def said() -> str:
        (bare,) = (each for each in world.registry.gateways.list() if each.name == "bare")
        return " ".join(bare.refused.values())

    eventually(lambda: ROOTS in said())


def test_each_host_of_an_arm_must_show_its_own_name() -> None:
    hosts = (Backend("a.example", 443, True), Backend("10.0.0.1", 443, True), Backend("a.example", 8443, True))
    made = backend_tls(Arm("stable", 1, "ab", hosts, trust=BackendTrust("PEM")))
    shown = {
        each["name"]: each["transport_socket"]["typed_config"]["common_tls_context"]["validation_context"][
            "match_typed_subject_alt_names"
        ]
        for each in made["transport_socket_matches"]
    }
    assert shown == {
        "a.example": [{"san_type": "DNS", "matcher": {"exact": "a.example"}}],
        "10.0.0.1": [{"san_type": "IP_ADDRESS", "matcher": {"exact": "10.0.0.1"}}],
    }
    assert backend_tls(Arm("stable", 1, "ab", (Backend("127.0.0.1", 80),))) == {}


def test_a_machine_may_be_told_where_its_authorities_are(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "roots.pem"
    told.write_text(world.machines.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(told))
    assert roots() == str(told.resolve())
