"""A real ``budwood serve`` under attack, and what must hold of it after each one.

Whatever is asked goes through ``Siege.ask`` or ``Siege.send``, which look at every answer for what none may show. A
``Watch`` remembers how things stood and says afterwards what changed.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.attacks import wire
from tests.server.conftest import PROBLEM, Reply, Running

MOST_GROWTH_BYTES: Final = 64 << 20
ANSWER_S: Final = 10.0
"""Attacks are answered in two seconds; but the machine that runs this may be busy with other things."""
NAMED_ERROR: Final = re.compile(rb"\b[A-Z]\w+(?:Error|Exception)\b")
TREE: Final = ("/v1/models?limit=1000", "/v1/namespaces?limit=1000", "/v1/models/ours/encoder/log?limit=1000")


@dataclass
class Siege:
    """The server, and a memory of how much it needs at rest."""

    server: Running
    resting_bytes: int = 0
    most_growth_bytes: int = MOST_GROWTH_BYTES

    def __post_init__(self) -> None:
        for _ in range(30):
            self.server.ask("GET", "/v1/models/ours/encoder/log", by="admin")
        self.resting_bytes = self.resident_bytes

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2])

    @property
    def resident_bytes(self) -> int:
        """Of the process that was started; one process serves."""
        return int(Path(f"/proc/{self.server.child.pid}/statm").read_text().split()[1]) * 4096

    def ask(self, method: str, path: str, *, within_s: float = ANSWER_S, **more: Any) -> Reply:
        """As ``Running.ask``; the answer is in time, of a documented kind, and shows nothing of the inside."""
        began = time.monotonic()
        reply = self.server.ask(method, path, **more)
        assert time.monotonic() - began < within_s, (method, path[:200])
        self.look_at(reply.status, reply.headers, reply.body)
        return reply

    def send(self, sent: bytes, wait_s: float = wire.PATIENCE_S) -> list[wire.Reply]:
        """Raw bytes; every answer to them."""
        answers = wire.exchange(self.port, sent, wait_s)
        for answer in answers:
            self.look_at(answer.status, answer.headers, answer.body)
        return answers

    def look_at(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Nothing of the inside is shown, and whatever failed says so in words of ours."""
        assert "server" not in headers
        assert str(self.server.registry).encode() not in body, body[:500]
        if status < 400:
            return
        assert status < 500 or status in (501, 503, 507), (status, body[:500])
        if body:
            assert headers["content-type"] == PROBLEM, (status, body[:200])
        for pattern in (wire.INTERNALS, NAMED_ERROR):
            assert not pattern.search(body), body[:1000]

    def seen(self) -> tuple[bytes, ...]:
        """What there is to see for somebody who may see everything."""
        return tuple(self.server.ask("GET", path, by="admin").body for path in TREE)

    def entries(self, after: int = 0) -> list[dict[str, Any]]:
        """The ledger, without the entries on what was denied."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.server.ask("GET", f"/v1/ledger?limit=1000&after={after}", by="admin").value
            found += [entry for entry in page["entries"] if entry["action"] != "request.denied"]
            if not page["cursor"]:
                return found
            after = page["cursor"]

    def end(self) -> None:
        """At once: nobody waits for it."""
        self.server.pool.clear()
        self.server.child.kill()
        self.server.child.wait()

    def assert_well(self) -> None:
        """The same process, answering, not grown; nothing failed inside it that nobody foresaw."""
        assert self.server.child.poll() is None, "the server died"
        began = time.monotonic()
        assert self.server.ask("GET", "/healthz").status == 200
        assert time.monotonic() - began < ANSWER_S
        grown = self.resident_bytes - self.resting_bytes
        assert grown < self.most_growth_bytes, f"it has grown by {grown >> 20} MiB"
        assert not [line for line in self.server.log if "budwood.crash" in line or "Traceback" in line]


class Watch:
    """From its making to ``assert_unchanged``, nothing may become visible."""

    def __init__(self, siege: Siege) -> None:
        self._siege = siege
        self._seen = siege.seen()
        self._entries = siege.entries()

    def assert_unchanged(self) -> None:
        self._siege.assert_well()
        assert self._siege.seen() == self._seen
        assert self._siege.entries() == self._entries
