"""A version served by MLServer, in its own environment: it loads and answers, on the socket that the host holds.

MLServer runs as it is, without workers of its own, so that the limits of this process hold for the model. It takes
connections when the model is loaded and warmed, and not before; what waits meanwhile waits in the kernel's queue.
"""

import asyncio
import importlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .runtimes import task_of

if TYPE_CHECKING:
    from .worker import Told

Say = Callable[[dict[str, Any]], None]
_STEP_S = 0.2


def serve(told: "Told", say: Say, host: socket.socket) -> None:
    """Until idle, told to end, or the host is gone. Raises what MLServer raises."""
    asyncio.run(_serve(told, say, host))


async def _serve(told: "Told", say: Say, host: socket.socket) -> None:
    # They are in the environment that MLServer runs in, and not where this is checked.
    uvicorn, mlserver, types = (importlib.import_module(name) for name in ("uvicorn", "mlserver", "mlserver.types"))
    began, use = time.monotonic(), _Use()
    loaded = asyncio.Event()
    failed: list[BaseException] = []

    class OnSocket(mlserver.MLServer):  # type: ignore[misc, name-defined]
        async def add_custom_handlers(self, model: Any) -> Any:
            """Called for the model before it is loaded."""
            load = model.load

            async def load_and_warm() -> bool:
                try:
                    ready = await load()
                    if told.warm:
                        await model.predict(
                            types.InferenceRequest.model_validate(json.loads(Path(told.warm).read_bytes()))
                        )
                except BaseException as error:
                    failed.append(error)
                    raise
                loaded.set()
                return bool(ready)

            model.load = load_and_warm
            return await super().add_custom_handlers(model)

        async def stop(self, sig: int | None = None) -> None:
            loaded.set()
            await super().stop(sig)

    plain = uvicorn.Server.serve

    async def on_socket(server: Any, sockets: Any = None) -> None:
        await loaded.wait()
        if failed:
            return
        server.config.app = use.counted(server.config.app)
        say({"ready": True, "warmed": bool(told.warm), "seconds": time.monotonic() - began})
        threading.Thread(target=_end_when, args=(told.idle_s, use, host), daemon=True).start()
        await plain(server, sockets=[socket.socket(fileno=told.listen)])

    uvicorn.Server.serve = on_socket
    # Its other door is not needed; it cannot be shut, so it is at any port of this machine alone.
    settings = mlserver.Settings(
        host="127.0.0.1",
        http_port=0,
        grpc_port=0,
        metrics_endpoint=None,
        parallel_workers=0,
        debug=False,
        # Nothing but the verified files is there to be loaded, whoever asks.
        model_repository_root=told.folder,
    )
    await OnSocket(settings).start([mlserver.ModelSettings.model_validate(_model(told))])
    if failed:
        raise failed[0]


def _model(told: "Told") -> dict[str, Any]:
    uri = str(Path(told.folder) / told.file) if told.file else told.folder
    batching = {"max_batch_size": told.batch, "max_batch_time": 0.005} if told.batch else {}
    # Of its own runtimes this one alone does not see in the files what the model is for.
    extra = (
        {"extra": {"task": task_of(Path(told.folder))}} if told.predictor.startswith("mlserver_huggingface:") else {}
    )
    return {
        "name": told.model,
        "implementation": told.predictor.replace(":", "."),
        "parameters": {"uri": uri, "version": told.version, **extra},
        **batching,
    }


class _Use:
    """When somebody asked for a prediction last, and whether one is being made."""

    def __init__(self) -> None:
        self.asked, self.busy = time.monotonic(), 0

    def counted(self, app: Any) -> Any:
        """The same, counting. Questions after its health do not count, and nobody unloads the model from outside."""

        async def called(scope: Any, receive: Any, send: Any) -> None:
            if str(scope.get("path", "")).startswith("/v2/repository"):
                await _refuse(send)
                return
            if not str(scope.get("path", "")).endswith(("/infer", "/infer_stream", "/generate", "/generate_stream")):
                await app(scope, receive, send)
                return
            self.busy += 1
            try:
                await app(scope, receive, send)
            finally:
                self.busy -= 1
                self.asked = time.monotonic()

        return called


async def _refuse(send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _end_when(idle_s: float, use: _Use, host: socket.socket) -> None:
    """MLServer ends in good order when it gets the signal."""
    host.settimeout(_STEP_S)
    while True:
        try:
            host.recv(1)
            break
        except TimeoutError:
            if idle_s and not use.busy and time.monotonic() - use.asked >= idle_s:
                break
        except OSError:
            break
    os.kill(os.getpid(), signal.SIGTERM)
