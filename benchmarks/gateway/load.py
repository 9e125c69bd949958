"""``python -m benchmarks.gateway.load HOST PORT RATE SECONDS OUT``: requests at a fixed rate, whatever comes back.

Each is sent when it is due, on a connection that is free; a line for each, in order of sending: when it was sent and
answered (monotonic seconds), status, version. A request that gets no answer has status 0.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

CONNECTIONS = 64
BODY = b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}]}'
ASKED = (
    b"POST /predict/e0 HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nx-api-key: KEY\r\n\r\n%s" % (len(BODY), BODY)
)


Row = tuple[float, float, int, str]


@dataclass
class Load:
    host: str
    port: int
    key: str = ""
    out: TextIO | None = None
    """Where rows go; without it they are kept. Millions are too many for that."""
    rows: list[Row] = field(default_factory=list)
    free: "asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]" = field(default_factory=asyncio.Queue)

    async def run(self, rate: float, seconds: float) -> None:
        for _ in range(CONNECTIONS):
            self.free.put_nowait(await asyncio.open_connection(self.host, self.port))
        began, running = time.monotonic(), set()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self._ask())
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    async def _ask(self) -> None:
        reader, writer = await self.free.get()
        sent = time.monotonic()
        try:
            writer.write(ASKED.replace(b"KEY", self.key.encode()))
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            await reader.readexactly(int(fields.get("content-length", "0")))
            self._note((sent, time.monotonic(), int(lines[0].split()[1]), fields.get("x-budwood-version", "")))
            if fields.get("connection") == "close":  # The old process of a gateway that was replaced.
                writer.close()
                reader, writer = await asyncio.open_connection(self.host, self.port)
        except (OSError, asyncio.IncompleteReadError):
            self._note((sent, time.monotonic(), 0, ""))
            reader, writer = await asyncio.open_connection(self.host, self.port)
        self.free.put_nowait((reader, writer))

    def _note(self, row: Row) -> None:
        if self.out is None:
            self.rows.append(row)
        else:
            self.out.write(json.dumps(row) + "\n")


def main() -> None:
    """Until the time is over."""
    host, port, rate, seconds, out = sys.argv[1:]
    with Path(out).open("w", encoding="utf-8") as file:
        load = Load(host, int(port), out=file)
        asyncio.run(load.run(float(rate), float(seconds)))


if __name__ == "__main__":
    main()
