"""budwood serve: the registry for a team, over HTTP."""

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from budwood.cli.face import Json, Typed
from budwood.cli.help import examples
from budwood.errors import BadValue, FrameworkMissing

if TYPE_CHECKING:
    from budwood.wiring import Served

EPILOG: Final = examples(
    "budwood serve",
    "budwood --registry /srv/models serve --host 0.0.0.0 --allow-host models.example.com",
    "budwood serve --control-port 18000 --control-host 0.0.0.0 --control-tls-cert tls.crt --control-tls-key tls.key",
)
PORT: Final = 8484

Host = Annotated[str, typer.Option("--host", help="The address to listen at; 0.0.0.0 for all.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 for any that is free.")]
Processes = Annotated[int, typer.Option("--processes", min=1, max=64, help="How many processes share the work.")]
AllowHost = Annotated[
    list[str] | None,
    typer.Option("--allow-host", help="A name it is reached by, such as models.example.com; may be repeated."),
]
NewBootstrap = Annotated[
    bool, typer.Option("--new-bootstrap", help="Print a new bootstrap token, while nobody has used one.")
]
Traces = Annotated[bool, typer.Option("--traces", help="Send OpenTelemetry traces to OTEL_EXPORTER_OTLP_ENDPOINT.")]
ControlPort = Annotated[
    int,
    typer.Option(
        "--control-port", min=0, max=65535, help="The port at which gateways are told what to do; 0 for none."
    ),
]
ControlHost = Annotated[
    str, typer.Option("--control-host", help="The address of that port; without TLS only 127.0.0.1.")
]
ControlCert = Annotated[
    Path | None,
    typer.Option("--control-tls-cert", metavar="FILE", help="A certificate. Gateways then come over TLS, with tokens."),
]
ControlKey = Annotated[
    Path | None, typer.Option("--control-tls-key", metavar="FILE", help="The key of that certificate.")
]


def serve(
    ctx: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = PORT,
    processes: Processes = 1,
    allow_host: AllowHost = None,
    new_bootstrap: NewBootstrap = False,
    traces: Traces = False,
    control_port: ControlPort = 0,
    control_host: ControlHost = "",
    control_cert: ControlCert = None,
    control_key: ControlKey = None,
    json: Json = False,
) -> None:
    """Serve the registry over HTTP until stopped.

    The first start prints a token that is good for one use: whoever brings it becomes the first admin. Requests are
    logged on standard error, one line of JSON each. It speaks plain HTTP: leave TLS to a proxy in front of it. Only
    gateways come over TLS of its own.
    """
    # Imports leave no garbage, and looking for it took a sixth of the start.
    gc.disable()
    try:
        from budwood.server.run import ControlAt, Plan, address_of, listen, run
    except ImportError as error:
        hint = "pip install 'budwood[server]'"
        raise FrameworkMissing("Serving needs libraries that are not installed.", hint=hint) from error
    from budwood.wiring import served

    if (control_cert is None) != (control_key is None):
        raise BadValue(
            "A certificate needs its key, and a key its certificate.",
            hint="Give both --control-tls-cert and --control-tls-key.",
        )
    registry = (ctx.find_object(Typed) or Typed()).registry or None
    listener = listen(host, port)
    first = served(registry)
    token = _offer(first, anew=new_bootstrap)
    _say(address_of(listener), first.place, token, as_json=json)
    opened = (lambda: first) if processes == 1 else (lambda: served(registry))
    control = ControlAt(control_host or host, control_port, control_cert, control_key) if control_port else None
    plan = Plan(opened, listener, _to_stderr, tuple(allow_host or ()), processes, traces, control)
    if processes > 1:
        # Nothing of it may be shared by the processes to come.
        first.house.close()
    raise typer.Exit(run(plan))


def _offer(first: "Served", *, anew: bool) -> str:
    """A bootstrap token, at the first start only."""
    import secrets

    from budwood.verbs.bootstrap import BOOTSTRAP_PREFIX, offer

    token = BOOTSTRAP_PREFIX + secrets.token_urlsafe(32)
    return token if offer(first.house, token, anew=anew) else ""


def _say(address: str, place: str, token: str, *, as_json: bool) -> None:
    if as_json:
        import json

        lines = [json.dumps({"address": address, "registry": place, **({"bootstrap": token} if token else {})})]
    else:
        lines = [f"Serving {place} at {address}"]
        if token:
            lines += [
                f"Bootstrap token, good for one use: {token}",
                f"Become the first admin with it: budwood login {address}",
            ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _to_stderr(line: bytes) -> None:
    os.write(2, line)
