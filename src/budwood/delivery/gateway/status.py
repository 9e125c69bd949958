"""How a gateway stands, asked on its own machine: over the socket in its folder, and of who sends its logs."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from budwood.delivery.gateway import renewing
from budwood.delivery.gateway.admin import asked, is_ready
from budwood.delivery.logs.state import State
from budwood.errors import GatewayDown


@dataclass(frozen=True, slots=True)
class Status:
    """``refused`` counts what it was told and did not take. ``logs`` None: it does not send them. ``token`` is why a
    renewed token was not accepted."""

    ready: bool
    alone: bool
    connected: bool
    refused: int
    logs: State | None
    token: str = ""


def status_of(folder: Path) -> Status:
    """Of the one that runs in a folder."""
    counts: dict[str, int] = {}
    with suppress(GatewayDown, ValueError):
        said = asked(folder / "admin.sock", "/stats?filter=(connected_state|update_rejected)$").decode()
        pairs = (line.partition(": ") for line in said.splitlines())
        counts = {name: int(count) for name, _, count in pairs}
    refused = sum(count for name, count in counts.items() if name.endswith("update_rejected"))
    connected = counts.get("control_plane.connected_state", 0) > 0
    ready, alone = is_ready(folder / "admin.sock"), (folder / "alone").exists()
    return Status(ready, alone, connected, refused, _logs(folder), renewing.refused(folder))


def _logs(folder: Path) -> State | None:
    try:
        said = State(**json.loads((folder / "sending.json").read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    try:
        os.kill(int((folder / "keeper.pid").read_text(encoding="ascii")), 0)
    except (OSError, ValueError):
        why = "the keeper and its standby were killed; run 'budwood gateway start' again"
        return State("waiting", why, *said.counts)
    return said
