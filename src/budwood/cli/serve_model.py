"""budwood serve-model: versions side by side, each in a process of its own, until stopped."""

import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from budwood.cli.face import Json, exact, note, opened
from budwood.cli.help import examples
from budwood.domain.limits import SERVED_VERSIONS, SERVING_BATCH, SERVING_CORES, SERVING_IDLE_S, SERVING_MEMORY_BYTES

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from budwood.client.registry import Registry
    from budwood.client.version import Version
    from budwood.delivery.serving.host import Asked, Happened, Limits, Pulled, Served
    from budwood.delivery.serving.kinds import Runtime
    from budwood.delivery.serving.rpc import Rpc
    from budwood.domain.manifest import Manifest

EPILOG: Final = examples(
    "budwood serve-model fraud@champion",
    "budwood serve-model fraud@v1 fraud@v2 --port 9001 --endpoint fraud",
    "budwood serve-model ranker@v3 --predictor serving:Ranker --python ./ranker-env/bin/python",
    "budwood serve-model fraud@v3 --runtime mlserver --python ./mlserver-env/bin/python",
)
CACHE: Final = Path(".budwood-serving")

References = Annotated[list[str], typer.Argument(metavar="REF...", help="Versions of one model.")]
Host = Annotated[str, typer.Option("--host", help="The address to listen at.")]
Port = Annotated[
    int,
    typer.Option("--port", min=0, max=65535, help="The port of the first version; the others get the next. 0 for any."),
]
Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint", metavar="NAME", help="Make the versions arms of this endpoint, which is made if it is not there."
    ),
]
Memory = Annotated[
    int, typer.Option("--memory", min=0, metavar="MIB", help="Memory that each process may write to; 0 for no limit.")
]
Cores = Annotated[
    int,
    typer.Option(
        "--cores", min=1, max=1024, help="Each process runs on so many cores, and answers as many requests at once."
    ),
]
Idle = Annotated[
    float,
    typer.Option(
        "--idle", min=0, metavar="SECONDS", help="Unload a version that nobody asked for so long; 0 for never."
    ),
]
Lazy = Annotated[bool, typer.Option("--lazy", help="Load at the first request.")]
Warm = Annotated[
    Path | None, typer.Option("--warm", metavar="FILE", help="A request to answer before any traffic, as JSON.")
]
Predictor = Annotated[
    str,
    typer.Option(
        "--predictor",
        metavar="MODULE:CLASS",
        help="A class of your own that predicts; imported from the folder you are in.",
    ),
]
Python = Annotated[
    str, typer.Option("--python", metavar="PROGRAM", help="The Python it runs in: that of its own environment.")
]
Batch = Annotated[
    int,
    typer.Option(
        "--batch",
        min=0,
        max=SERVING_BATCH,
        metavar="ROWS",
        help="Predict so many rows of several requests together, when they come faster than answers; 0 for never.",
    ),
]
GrpcPort = Annotated[
    int | None,
    typer.Option("--grpc-port", min=0, max=65535, help="Answer over gRPC too, all versions at this port; 0 for any."),
]
GrpcCert = Annotated[
    Path | None,
    typer.Option("--grpc-tls-cert", metavar="FILE", help="A certificate. gRPC is then answered over TLS."),
]
GrpcKey = Annotated[Path | None, typer.Option("--grpc-tls-key", metavar="FILE", help="The key of that certificate.")]
By = Annotated[str, typer.Option("--runtime", metavar="budwood|mlserver", help="Whose server answers.")]
Trust = Annotated[bool, typer.Option("--trust", help="Load a version even if its scan does not call it clean.")]
Cache = Annotated[Path, typer.Option("--cache", metavar="FOLDER", help="Where files are pulled to.")]


@dataclass(frozen=True, slots=True)
class _Code:
    """Whose code answers: whose server, whose predictor, in which Python."""

    runtime: str
    predictor: str
    python: str


@dataclass(frozen=True, slots=True)
class _Door:
    """Where gRPC is answered; over TLS where there is a certificate."""

    host: str
    port: int
    certificate: Path | None
    key: Path | None


def serve_model(
    ctx: typer.Context,
    references: References,
    host: Host = "127.0.0.1",
    port: Port = 0,
    endpoint: Endpoint = "",
    memory: Memory = SERVING_MEMORY_BYTES >> 20,
    cores: Cores = SERVING_CORES,
    idle: Idle = SERVING_IDLE_S,
    lazy: Lazy = False,
    warm: Warm = None,
    predictor: Predictor = "",
    python: Python = "",
    runtime: By = "budwood",
    batch: Batch = 0,
    grpc_port: GrpcPort = None,
    grpc_cert: GrpcCert = None,
    grpc_key: GrpcKey = None,
    trust: Trust = False,
    cache: Cache = CACHE,
    json: Json = False,
) -> None:
    """Serve versions of a model over HTTP (Open Inference) until stopped.

    Each version has a port and a process of its own, with limits; its files are verified each time it is loaded, it is
    warmed before it gets requests, unloaded when nobody asks, and loaded again when somebody does.
    """
    from budwood.delivery.serving.host import Limits, close_all

    door = _door(host, grpc_port, grpc_cert, grpc_key)
    ending = threading.Event()
    limits = Limits(memory << 20, cores, idle)
    serving: list[Served] = []
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: ending.set())
    try:
        with opened(ctx) as registry:
            versions = _versions(registry, references)
            for version in versions:
                pulled = _pulled(registry, version, cache, trust=trust)
                asked = replace(
                    _asked(version, pulled, limits, _Code(runtime, predictor, python), warm, lazy=lazy), batch=batch
                )
                serving.append(_served(asked, host, port + len(serving) if port else 0))
            for one in serving:
                one.start()
            for one in serving:
                one.wait()
            if endpoint:
                _register(registry, endpoint, versions[0], serving, host)
        with _rpc(serving, door) as rpc:
            _say(serving, endpoint, host, f"{_reached(host)}:{rpc.port}" if rpc else "", as_json=json)
            ending.wait()
    finally:
        close_all(serving)


def _versions(registry: "Registry", references: Sequence[str]) -> "list[Version]":
    """Raises BadValue, LimitExceeded, NotFound."""
    from budwood.errors import BadValue, LimitExceeded

    if len(references) > SERVED_VERSIONS:
        raise LimitExceeded(f"At most {SERVED_VERSIONS} versions at once.", limit="SERVED_VERSIONS")
    found = [registry.get(each) for each in references]
    if len({(each.record.namespace, each.record.model) for each in found}) > 1:
        raise BadValue("These are versions of several models.", hint="Serve each model by a command of its own.")
    if len({each.number for each in found}) < len(found):
        raise BadValue("Two of these are the same version.", hint="Name each once.")
    return found


def _pulled(registry: "Registry", version: "Version", cache: Path, *, trust: bool) -> "Pulled":
    """Its files in the cache, verified, and looked at for code. Raises Refused, Damaged, StorageFailed."""
    from budwood.delivery.serving.host import Pulled
    from budwood.errors import Refused
    from budwood.scan.report import Verdict

    reference = exact(version.record)
    if not trust and (report := registry.scan(reference)).verdict is not Verdict.CLEAN:
        found = next((f"{each.file}: {each.what}" for each in report.findings if each.severity != "note"), "")
        raise Refused(
            f"The scan does not call {reference} clean. {found}".rstrip(),
            hint=f"See 'budwood scan {reference}'. If you trust who made it: --trust",
        )
    folder = (cache / version.digest.rpartition(":")[2]).resolve()
    registry.pull(reference, folder, overwrite=True)
    return Pulled(folder, _files(version.manifest))


def _files(manifest: "Manifest") -> dict[str, str]:
    return {entry.path: entry.sha256 for entry in manifest.files}


def _asked(
    version: "Version",
    pulled: "Pulled",
    limits: "Limits",
    code: _Code,
    warm: Path | None,
    *,
    lazy: bool,
) -> "Asked":
    """Raises Unsupported, SourceNotFound."""
    import shutil

    from budwood.delivery.serving.host import Asked
    from budwood.errors import SourceNotFound

    if warm is not None and not warm.is_file():
        raise SourceNotFound(f"{warm} is no file.", hint="Give a file with a request, as JSON.")
    python, predictor = code.python, code.predictor
    if python and shutil.which(python) is None:
        raise SourceNotFound(f"{python} is no program.", hint="Give the Python of an environment: env/bin/python.")
    runtime = _runtime(tuple(pulled.files), code)
    return Asked(
        version.record.model,
        version.number,
        version.digest,
        pulled,
        runtime,
        limits,
        predictor=predictor,
        path=str(Path.cwd()) if predictor else "",
        # Not resolved: a virtual environment is known by the link to its Python.
        python=str(Path(python).absolute()) if "/" in python else python,
        warm=str(warm.resolve()) if warm else "",
        lazy=lazy,
    )


def _runtime(paths: tuple[str, ...], code: _Code) -> "Runtime":
    """Raises Unsupported, BadValue."""
    from budwood.delivery.serving.kinds import mlserver_for, runtime_for
    from budwood.errors import BadValue

    if code.runtime == "budwood":
        return runtime_for(paths, code.predictor)
    if code.runtime != "mlserver":
        raise BadValue(f"There is no runtime {code.runtime[:40]!r}.", hint="It is budwood or mlserver.")
    if not code.python:
        hint = "Install MLServer in an environment of its own, and give its Python: --python env/bin/python."
        raise BadValue("MLServer cannot share Budwood's environment.", hint=hint)
    return mlserver_for(paths, code.predictor)


def _served(asked: "Asked", host: str, port: int) -> "Served":
    """Raises ModelDown."""
    from budwood.config import handed_on
    from budwood.delivery.serving.host import Served, listen
    from budwood.errors import ModelDown

    try:
        listener = listen(host, port)
    except OSError as error:
        raise ModelDown(f"{host}:{port} is taken: {error.strerror}.", hint="Give another --port.") from error
    return Served(asked, listener, handed_on(), _told)


def _door(host: str, port: int | None, certificate: Path | None, key: Path | None) -> _Door | None:
    """None where gRPC is not asked for. Raises BadValue, SourceNotFound."""
    from budwood.errors import BadValue, SourceNotFound

    if (certificate is None) != (key is None):
        raise BadValue("A certificate needs its key, and a key its certificate.", hint="Give both --grpc-tls-...")
    if port is None and certificate is not None:
        raise BadValue("A certificate is for gRPC, which is not asked for.", hint="Give --grpc-port too.")
    for each in (certificate, key):
        if each is not None and not each.is_file():
            raise SourceNotFound(f"{each} is no file.", hint="Give a certificate and its key, in PEM.")
    return _Door(host, port, certificate, key) if port is not None else None


def _rpc(serving: "Sequence[Served]", door: _Door | None) -> "AbstractContextManager[Rpc | None]":
    """The same versions over gRPC, where that is asked for. Raises BadValue, ModelDown, Unsupported."""
    from budwood.errors import Unsupported

    if door is None:
        return nullcontext()
    if any(each.asked.runtime.name == "mlserver" for each in serving):
        raise Unsupported("MLServer's answers are not carried over gRPC.", hint="Leave --grpc-port or --runtime out.")
    try:
        from budwood.delivery.serving.rpc import Rpc
        from budwood.delivery.tls import Tls
    except ImportError:
        raise Unsupported("gRPC is not installed.", hint="pip install 'budwood[gateway]'") from None
    tls = Tls(door.certificate, door.key, "gRPC port") if door.certificate and door.key else None
    return closing(Rpc(serving, door.host, door.port, tls))


def _told(happened: "Happened") -> None:
    took = f" in {happened.seconds:.1f} s" if happened.seconds else ""
    detail = f": {happened.detail}" if happened.detail else ""
    note(f"{happened.name} {happened.what}{took}{detail}")


def _register(registry: "Registry", endpoint: str, first: "Version", serving: "Sequence[Served]", host: str) -> None:
    from budwood.errors import RecordNotFound
    from budwood.verbs.serving import with_arms

    namespace = first.record.namespace
    try:
        before = registry.endpoints.show(endpoint, namespace=namespace)
    except RecordNotFound:
        before = None
    urls = {each.asked.number: f"http://{_reached(host)}:{each.port}" for each in serving}
    text = with_arms(before, endpoint, first.record.model, urls)
    expected = str(before.generation) if before else ""
    registry.endpoints.put(text, namespace=namespace, expected=expected)


def _reached(host: str) -> str:
    """By what others reach it."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  (it is compared, not bound)
        return socket.getfqdn()
    return f"[{host}]" if ":" in host else host


def _say(serving: "Sequence[Served]", endpoint: str, host: str, rpc: str, *, as_json: bool) -> None:
    """Flushed: whoever started us waits for it."""
    rows = [
        {
            "version": each.name,
            "url": f"http://{_reached(host)}:{each.port}/v2/models/{each.asked.model}/infer",
            "digest": each.asked.digest,
            "runtime": each.asked.runtime.name,
            "endpoint": endpoint,
            "grpc": rpc,
        }
        for each in serving
    ]
    if as_json:
        import json

        sys.stdout.write(json.dumps({"served": rows}) + "\n")
    else:
        for row, each in zip(rows, serving, strict=True):
            sys.stdout.write(f"{row['version']} answers at {row['url']} ({each.asked.runtime.title})\n")
        if rpc:
            sys.stdout.write(f"They answer over gRPC at {rpc}.\n")
        if endpoint:
            sys.stdout.write(f"They are arms of the endpoint {endpoint}: budwood endpoint show {endpoint}\n")
    sys.stdout.flush()
