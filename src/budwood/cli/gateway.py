"""budwood gateway: the Envoy that carries traffic on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from budwood.cli.face import Json, answer, note
from budwood.cli.help import Command, examples
from budwood.cli.screen import Screen

if TYPE_CHECKING:
    from budwood.delivery.gateway.process import Running

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
SOCKET_PATH_BYTES: Final = 103
"""What every system lets the path of a socket be, its end included."""

METRICS: Final = "http://gateway/stats/prometheus?filter=budwood"
Folder = Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Where it keeps its files.")]
Envoy = Annotated[str, typer.Option("--envoy", metavar="PROGRAM", help="An Envoy of your own.")]


@app.command(cls=Command, epilog=examples("budwood gateway start --control 127.0.0.1:18000 --listen 127.0.0.1:8080"))
def start(
    control: Annotated[str, typer.Option("--control", metavar="HOST:PORT", help="'budwood serve --control-port'.")],
    listen: Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="Where clients ask.")] = "127.0.0.1:8080",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Its own; else that of the machine.")] = "",
    workers: Annotated[int, typer.Option(min=1, max=256, help="Threads that answer.")] = 2,
    folder: Folder = FOLDER,
    envoy: Envoy = "",
    json: Json = False,
) -> None:
    """Start the gateway. It outlives this command; where one runs already, a new process takes over without a gap."""
    import socket

    from budwood.delivery.gateway import process
    from budwood.delivery.gateway.config import Place, boot, written
    from budwood.domain.traffic.endpoint import Backend
    from budwood.errors import BadValue

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    home = folder.resolve()
    if len(bytes(home / "shadow.sock")) > SOCKET_PATH_BYTES:
        raise BadValue(f"The path of {home} is too long for a socket in it.", hint="Give a shorter --folder.")
    place = Place(*_address(listen), str(home / "access.log"))
    told = written(boot(name or socket.gethostname(), place, Backend(*_address(control)), str(home / "admin.sock")))
    program = process.program(envoy)
    if process.running(home) is not None:
        found = process.replace(home, told, program)
    elif _answers(*_address(control)) or not (home / "last.json").exists():
        found = process.start(home, told, program, workers=workers)
    else:
        note("The control plane does not answer: the gateway serves what it took last, until it does.")
        found = process.start_alone(home, program, workers=workers)
    process.keep(home, told, program)
    answer(found, lambda screen: _draw(screen, found, listen), json=json)


@app.command(cls=Command, epilog=examples("budwood gateway status", "budwood gateway status --json"))
def status(folder: Folder = FOLDER, json: Json = False) -> None:
    """Say whether the gateway of a folder runs, and answers."""
    from budwood.delivery.gateway import admin, process
    from budwood.errors import GatewayDown

    found = process.running(folder.resolve())
    if found is None:
        raise GatewayDown(f"No gateway runs in {folder}.", hint="Start one: budwood gateway start --control HOST:PORT")
    home = folder.resolve()
    socket, alone = home / "admin.sock", (home / "alone").exists()
    ready = admin.is_ready(socket)

    def draw(screen: Screen) -> None:
        screen.line(f"It runs as process {found.pid}" + ("." if ready else ", and does not answer yet."))
        if alone:
            screen.line("It serves what it took last, and waits for its control plane.")
        screen.line(f"Figures for Prometheus: curl --unix-socket {socket} {METRICS}")

    answer(
        {"running": found, "ready": ready, "alone": alone, "metrics": METRICS, "socket": str(socket)}, draw, json=json
    )


@app.command(cls=Command, epilog=examples("budwood gateway stop"))
def stop(folder: Folder = FOLDER, json: Json = False) -> None:
    """End the gateway of a folder."""
    from budwood.delivery.gateway import process

    was = process.stop(folder.resolve())
    answer({"stopped": was}, lambda screen: screen.line("Stopped." if was else "None was running."), json=json)


def _address(text: str) -> tuple[str, int]:
    """Raises BadValue."""
    from budwood.errors import BadValue

    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise BadValue(f"{text!r} is no address.", hint="Write HOST:PORT, for example 127.0.0.1:8080.")
    return host, int(port)


def _answers(host: str, port: int) -> bool:
    import socket

    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _draw(screen: Screen, found: "Running", listen: str) -> None:
    again = "" if not found.epoch else f", for the {found.epoch + 1}th time in this folder"
    screen.line(f"The gateway answers at http://{listen}{again} (process {found.pid}).")
