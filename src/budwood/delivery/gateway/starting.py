"""Starting a gateway so that traffic goes on: who serves already is not replaced by one that would be told nothing.

When the control plane does not answer, or lets the gateway in no more, it serves what it took last and waits.
"""

import json
import ssl
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from budwood.delivery.gateway import process, renewing
from budwood.delivery.gateway.config import Place, Shows, boot, written
from budwood.delivery.gateway.process import Running
from budwood.delivery.gateway.way_home import WayHome
from budwood.delivery.logs.files import Bounds
from budwood.domain.traffic.endpoint import Backend
from budwood.errors import BadValue, BudwoodError

_ROOTS: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep them whose OpenSSL is not Python's."""
_WAITS: Final = "The gateway serves what it took last, until its control plane tells it more."


@dataclass(frozen=True, slots=True)
class Wanted:
    """A gateway as it is asked for. ``token_file`` is where its token comes from, and where a
    renewed one is looked for."""

    name: str
    place: Place
    control: Backend
    shows: Shows
    bounds: Bounds
    workers: int
    token_file: Path | None = None


def start(home: Path, wanted: Wanted, envoy: Path) -> tuple[Running, str]:
    """The gateway, and what people should hear of it. Raises GatewayDown; where it never took anything also
    Unauthenticated, Forbidden."""
    boot_file = written(boot(wanted.name, wanted.place, wanted.control, str(home / "admin.sock"), wanted.shows))
    (home / "bounds.json").write_text(json.dumps(asdict(wanted.bounds)), encoding="ascii")
    renewing.remember(home, wanted.token_file)
    trouble = _trouble(WayHome.of(json.loads(boot_file)), wanted.name)
    kept = home / "last.json"
    if trouble is not None and kept.exists():
        found = _alone(home, kept, envoy, wanted.workers)
        said = f"{trouble} {_WAITS}"
    elif trouble is not None:
        raise trouble
    elif process.running(home) is not None:
        found, said = process.replace(home, boot_file, envoy), ""
        (home / "alone").unlink(missing_ok=True)
    else:
        found, said = process.start(home, boot_file, envoy, workers=wanted.workers), ""
    process.keep(home, boot_file, envoy)
    return found, said


def roots() -> str:
    """The file of the authorities that this machine has (``SSL_CERT_FILE`` names another); empty: it has none."""
    usual = ssl.get_default_verify_paths()
    files = (Path(each) for each in (usual.cafile, *_ROOTS) if each)
    found = next((each for each in files if each.is_file() and b"BEGIN CERTIFICATE" in each.read_bytes()), None)
    return str(found.resolve()) if found else ""


def authorities(file: Path | None) -> str:
    """Who may vouch for a control plane: a file of certificates. Raises BadValue."""
    if file is None:
        usual = ssl.get_default_verify_paths()
        files = (Path(each) for each in (usual.cafile, usual.openssl_cafile) if each)
        found = next((each for each in files if each.is_file()), None)
        if found is None:
            raise BadValue("It is not known whom this machine trusts.", hint="Give --ca FILE.")
        file = found
    if not file.is_file() or b"BEGIN CERTIFICATE" not in file.read_bytes():
        raise BadValue(f"{file} holds no certificates in PEM.")
    return str(file.resolve())


def _trouble(way: WayHome, name: str) -> BudwoodError | None:
    try:
        way.check(name)
    except BudwoodError as error:
        return error
    return None


def _alone(home: Path, kept: Path, envoy: Path, workers: int) -> Running:
    if process.running(home) is None:
        return process.start_alone(home, envoy, workers=workers)
    found = process.replace(home, kept.read_bytes(), envoy)
    (home / "alone").touch()
    return found
