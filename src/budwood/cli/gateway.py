"""budwood gateway: the Envoy that carries traffic on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from budwood.cli.face import Json, answer, note, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen
from budwood.cli.words import count
from budwood.domain.limits import GATEWAY_LOG_DISK_BYTES, GATEWAY_LOG_FILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from budwood.delivery.gateway.process import Running
    from budwood.delivery.logs.state import State
    from budwood.domain.asks_gateways import GatewayShown

app = typer.Typer(
    rich_markup_mode=None,
    help="The gateway of this machine: it answers clients as the control plane says, and goes on when that is gone.",
    epilog=examples(
        "budwood gateway start --control 127.0.0.1:18000 --listen 127.0.0.1:8080",
        "budwood gateway status",
        "budwood gateway stop",
    ),
)
FOLDER: Final = Path(".budwood-gateway")
_NO_ROOTS: Final = (
    "It has no certificates of authorities to check https backends against: give its machine some (SSL_CERT_FILE names "
    "a file) and start it again, or name the arm's own in tls.ca."
)
SOCKET_PATH_BYTES: Final = 103
"""What every system lets the path of a socket be, its end included."""

METRICS: Final = "http://gateway/stats/prometheus?filter=budwood"
Folder = Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Where it keeps its files.")]
Envoy = Annotated[str, typer.Option("--envoy", metavar="PROGRAM", help="An Envoy of your own.")]


@app.command(
    cls=Command,
    epilog=examples(
        "budwood gateway start --control 127.0.0.1:18000 --listen 127.0.0.1:8080",
        "budwood gateway start --control models.example.com:18000 --token-file /etc/budwood/gateway.token",
    ),
)
def start(
    control: Annotated[str, typer.Option("--control", metavar="HOST:PORT", help="Where its control plane listens.")],
    listen: Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="Where clients ask.")] = "127.0.0.1:8080",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The gateway's name; else the machine's.")] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="The token of an account with the role gateway; read again when it changes.",
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="Who may vouch for the control plane; else who does here."),
    ] = None,
    log_file: Annotated[
        int, typer.Option("--log-file-mb", min=1, max=65_536, help="A new file of a log is begun after so many MiB.")
    ] = GATEWAY_LOG_FILE_BYTES >> 20,
    log_disk: Annotated[
        int,
        typer.Option("--log-disk-mb", min=2, max=1 << 20, help="So many MiB of a log wait when nobody takes them."),
    ] = GATEWAY_LOG_DISK_BYTES >> 20,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Threads that answer.")] = 2,
    folder: Folder = FOLDER,
    envoy: Envoy = "",
    json: Json = False,
) -> None:
    """Start the gateway. It outlives this command; where one runs already, a new process takes over without a gap.

    On another machine than the control plane's it needs a token, and speaks TLS. Its logs are sent there.
    """
    import socket

    from budwood.delivery.gateway import process, starting
    from budwood.delivery.gateway.config import Place, Shows
    from budwood.delivery.gateway.renewing import token_in
    from budwood.delivery.logs.files import Bounds
    from budwood.domain.traffic.endpoint import Backend

    home = _home(folder)
    host, port = _address(control)
    tls = token_file is not None or ca is not None
    token = token_in(token_file) if token_file is not None else ""
    shows = Shows(token, starting.authorities(ca) if tls else "", sends=True, roots=starting.roots())
    wanted = starting.Wanted(
        name or socket.gethostname(),
        Place(*_address(listen), str(home / "access.log")),
        Backend(host, port, tls),
        shows,
        Bounds(log_file << 20, log_disk << 20),
        workers,
        token_file,
    )
    found, said = starting.start(home, wanted, process.program(envoy))
    if said:
        note(said)
    if not shows.roots:
        note("It is not known whom this machine trusts, so https backends are not asked unless their arm has tls.ca.")
    answer(found, lambda screen: _draw(screen, found, listen), json=json)


@app.command("list", cls=Command, epilog=examples("budwood gateway list", "budwood gateway list --json"))
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the gateways of the registry. Which are connected, and what each has taken or refused."""
    with opened(ctx) as registry:
        found = registry.gateways.list()
    answer({"gateways": found}, lambda screen: _draw_list(screen, found), json=json)


@app.command(cls=Command, epilog=examples("budwood gateway forget edge-3"))
def forget(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As 'budwood gateway list' shows it.")],
    json: Json = False,
) -> None:
    """Free the name of a gateway that is gone. One of another account may have it then."""
    with opened(ctx) as registry:
        forgotten = registry.gateways.forget(name)
    answer(forgotten, lambda screen: screen.line(f"Forgot {forgotten.name}."), json=json)


@app.command(cls=Command, epilog=examples("budwood gateway status", "budwood gateway status --json"))
def status(folder: Folder = FOLDER, json: Json = False) -> None:
    """Say how a folder's gateway is. Whether it runs, answers, hears its control plane, and gets rid of its logs."""
    from budwood.delivery.gateway import process
    from budwood.delivery.gateway.status import status_of
    from budwood.errors import GatewayDown

    home = folder.resolve()
    found = process.running(home)
    if found is None:
        raise GatewayDown(f"No gateway runs in {folder}.", hint="Start one: budwood gateway start --control HOST:PORT")
    stands = status_of(home)
    socket = home / "admin.sock"
    figures = {"running": found, "ready": stands.ready, "alone": stands.alone, "metrics": METRICS}

    def draw(screen: Screen) -> None:
        screen.line(f"It runs as process {found.pid}" + ("." if stands.ready else ", and does not answer yet."))
        if stands.alone:
            screen.line("It serves what it took last, and waits for its control plane.")
        elif not stands.connected:
            screen.line("Its control plane does not answer, or refuses it: it serves what it has.")
        if stands.refused:
            screen.line(
                f"It refused what it was told {count(stands.refused, 'time')}. 'budwood gateway list' says why."
            )
        if stands.token:
            screen.line(
                f"It keeps the token that it has, because the new one in its file is not accepted: {stands.token}"
            )
        if stands.logs:
            screen.line(_said_of_logs(stands.logs))
        screen.line(f"Figures for Prometheus: curl --unix-socket {socket} {METRICS}")

    told = {"socket": str(socket), "connected": stands.connected, "refused": stands.refused, "logs": stands.logs}
    answer({**figures, **told, "token": stands.token}, draw, json=json)


@app.command(cls=Command, epilog=examples("budwood gateway stop"))
def stop(folder: Folder = FOLDER, json: Json = False) -> None:
    """End the gateway of a folder."""
    from budwood.delivery.gateway import process

    was = process.stop(folder.resolve())
    said = "Stopped." if was else f"No gateway was running in {folder}."
    answer({"stopped": was}, lambda screen: screen.line(said), json=json)


def _address(text: str) -> tuple[str, int]:
    """Raises BadValue."""
    from budwood.errors import BadValue

    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise BadValue(f"{text!r} is no address.", hint="Write HOST:PORT, for example 127.0.0.1:8080.")
    return host, int(port)


def _home(folder: Path) -> Path:
    """Its folder, made. Raises BadValue."""
    from budwood.errors import BadValue

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    home = folder.resolve()
    if len(bytes(home / "shadow.sock")) > SOCKET_PATH_BYTES:
        raise BadValue(f"The path of {home} is too long for a socket in it.", hint="Give a shorter --folder.")
    return home


def _said_of_logs(logs: "State") -> str:
    lost = f" {logs.lost_bytes:,} bytes had to be dropped." if logs.lost_bytes else ""
    if logs.state == "sending":
        return f"Its logs are taken; {logs.waiting_bytes:,} bytes wait.{lost}"
    return f"Its logs are not taken, {logs.waiting_bytes:,} bytes wait: {logs.why or 'nobody sends them'}.{lost}"


def _draw_list(screen: Screen, found: "Sequence[GatewayShown]") -> None:
    from budwood.domain.traffic.trust import ROOTS

    if not found:
        screen.line("No gateway came yet.")
    titles = ("GATEWAY", "ADDRESS", "ACCOUNT", "STATE", "ENDPOINTS")
    screen.table([Column(title) for title in titles], [[*_row(each)] for each in found])
    for each in found:
        for kind, words in each.refused.items():
            screen.line(f"{each.name} refused a {kind.rpartition('.')[2]}: {words.partition(' ')[2]}")
            if ROOTS in words:
                screen.line(_NO_ROOTS)
        if each.lost_bytes:
            screen.line(f"{each.name} dropped {each.lost_bytes:,} bytes of its logs before they were taken.")


def _row(each: "GatewayShown") -> "Iterator[str]":
    behind = f", {len(each.behind)} behind" if each.behind else ""
    state = "refused something" if each.refused else "connected" if each.connected else "away"
    yield from (each.name, each.address, each.account, state, f"{each.endpoints}{behind}")


def _draw(screen: Screen, found: "Running", listen: str) -> None:
    again = f", {count(found.epoch, 'time')} replaced" if found.epoch else ""
    screen.line(f"The gateway answers at http://{listen} (process {found.pid}{again}).")
