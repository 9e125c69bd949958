"""Sends what a gateway wrote to its control plane, file by file, from where that has read to, and puts full files away.

It keeps nothing that counts: the files are the truth, and how far they were taken in is written where they are counted,
in the same transaction. Killed anywhere, here or there, the next one asks and goes on. While nobody answers, files are
put away and wait; what they may be together is bounded, and what had to be dropped is counted.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import grpc

from budwood.delivery.gateway.admin import asked
from budwood.delivery.logs.files import Bounds, LogFile, LogFiles, positions_beyond, whole_lines
from budwood.delivery.logs.state import State
from budwood.delivery.logs.wire import METHOD, SERVICE, Answer, Piece, read_answer
from budwood.errors import GatewayDown

PIECE_BYTES: Final = 1 << 20
CAPTURES_BYTES: Final = 4 << 20
LOOKING_S: Final = 0.2
AGAIN_S: Final = 1.0
_ANSWER_S: Final = 30.0


class Sender:
    """Of the logs in one folder. One process at a time may be it."""

    def __init__(self, folder: Path, gateway: str, fresh_id: Callable[[], str], bounds: Bounds | None = None) -> None:
        self._folder, self._gateway = folder, gateway
        self._access = LogFiles(folder, "access", fresh_id, bounds)
        self._captures = LogFiles(folder, "captures", fresh_id, bounds)
        self._positions: dict[str, int] = {}
        self._state = State()
        self._reopened_s = 0.0

    def turn(self, channel: "grpc.Channel | None", metadata: Sequence[tuple[str, str]]) -> bool:
        """Look after the files once, and send a piece of each; whether there may be more at once.

        Raises grpc.RpcError, GatewayDown or BadValue when nobody takes them."""
        self._look_after()
        more = False
        try:
            for logs in (self._access, self._captures):
                for file in logs.files:
                    if channel is not None and logs.path(file).exists():
                        more |= self._send(channel, metadata, logs, file)
        finally:
            for logs in (self._access, self._captures):
                logs.drop(self._positions, time.monotonic())
        self._say("sending" if channel is not None else "waiting", "")
        return more

    def waits(self, why: str) -> None:
        """Nobody takes them, and why."""
        self._look_after()
        for logs in (self._access, self._captures):
            logs.drop(self._positions, time.monotonic())
        self._say("waiting", why)

    def _look_after(self) -> None:
        for logs in (self._access, self._captures):
            logs.settle()
            cut = {each.id for each in positions_beyond(logs, self._positions)}
            logs.turn(at_once=logs.files[-1].id in cut)
        # The captures' file comes with the first copy, so only the other's absence says that one was put away.
        now = time.monotonic()
        if (self._access.waits or (self._captures.waits and len(self._captures.files) > 1)) and (
            now - self._reopened_s > AGAIN_S
        ):
            self._reopened_s = now
            try:
                asked(self._folder / "admin.sock", "/reopen_logs", "POST")
            except GatewayDown:
                return  # The next one that starts opens new ones.

    def _send(
        self, channel: "grpc.Channel", metadata: Sequence[tuple[str, str]], logs: LogFiles, file: LogFile
    ) -> bool:
        captures = logs is self._captures
        if file.id not in self._positions:
            self._positions[file.id] = self._asked(channel, metadata, file, 0, b"", captures).read
        start = self._positions[file.id]
        most = CAPTURES_BYTES if captures else PIECE_BYTES
        content = whole_lines(logs.path(file), start, most)
        if content:
            self._positions[file.id] = self._asked(channel, metadata, file, start, content, captures).read
        return len(content) > most // 2

    def _asked(
        self,
        channel: "grpc.Channel",
        metadata: Sequence[tuple[str, str]],
        file: LogFile,
        start: int,
        content: bytes,
        captures: bool,
    ) -> Answer:
        kept = self._access.kept + self._captures.kept
        lost = self._access.lost + self._captures.lost
        piece = Piece(self._gateway, file.id, start, content, captures, kept, lost)
        call: Any = channel.stream_stream(f"/{SERVICE}/{METHOD}")
        answers = call(iter([piece.packed()]), metadata=metadata, timeout=_ANSWER_S)
        answer = next(answers, None)
        if answer is None:
            raise GatewayDown("The control plane took nothing.", hint="See the log of 'budwood serve'.")
        return read_answer(answer)

    def _say(self, state: str, why: str) -> None:
        """To whoever looks at the folder, when it changed."""
        waiting = sum(self._behind(logs, file) for logs in (self._access, self._captures) for file in logs.files)
        said = State(state, why[:500], waiting, self._access.lost + self._captures.lost)
        if said != self._state:
            self._state = said
            new = self._folder / "sending.new"
            new.write_text(json.dumps(asdict(said)), encoding="utf-8")
            new.replace(self._folder / "sending.json")

    def _behind(self, logs: LogFiles, file: LogFile) -> int:
        path = logs.path(file)
        return max(0, path.stat().st_size - self._positions.get(file.id, 0)) if path.exists() else 0
